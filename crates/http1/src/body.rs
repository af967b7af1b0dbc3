//! Bodies as they arrive, whatever their framing.

mod chunked;
mod error;
mod extension;
mod trailers;
pub(crate) mod writer;

use std::ops::Range;

use evenkeel_message::{Framing, Limits};

use self::chunked::Chunked;
use self::error::BodyError;

/// What some input held of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// So many bytes of the input are done with.
    pub consumed: usize,
    /// Where in the input there is content. Always within the consumed bytes; empty when there is none.
    pub data: Range<usize>,
    /// The message is complete. What follows the consumed bytes belongs to something else.
    pub end: bool,
}

/// Who sends a body. Of a server what every other proxy reads is taken; a client gets what the grammar has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sender {
    #[default]
    Client,
    Server,
}

/// The body being read.
#[derive(Debug)]
pub(crate) enum BodyReader {
    /// So many bytes are still to come; none when the body is complete.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self::Length(0)
    }
}

impl BodyReader {
    pub(crate) fn new(framing: Framing, sender: Sender) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::of(sender)),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    pub(crate) fn read(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, BodyError> {
        match self {
            Self::Length(left) => {
                let take = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= take as u64;
                Ok(Piece { consumed: take, data: 0..take, end: *left == 0 })
            }
            Self::Chunked(chunked) => chunked.read(input, limits),
            Self::UntilClose => Ok(Piece { consumed: input.len(), data: 0..input.len(), end: false }),
        }
    }

    /// How much content is still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Counts content of a body of known length that nobody reads here.
    pub(crate) fn passed(&mut self, count: u64) {
        if let Self::Length(left) = self {
            debug_assert!(count <= *left, "more has passed than there was");
            *left = left.saturating_sub(count);
        }
    }

    pub(crate) fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(chunked) => chunked.trailers(),
            Self::Length(_) | Self::UntilClose => b"",
        }
    }
}
