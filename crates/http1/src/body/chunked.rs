//! The chunked coding, taken apart as it arrives (RFC 9112 §7.1).
//!
//! ```text
//!  Size ─hex─▶ Size ─;─▶ Extension ─CR─▶ SizeEnd ─LF─▶ Data ─all of it─▶ DataCr ─CR─▶ DataEnd ─LF─▶ Size
//!                └──────────CR─────────────▲   └size 0─▶ Trailers ─empty line─▶ Done
//! ```
//!
//! Of a client only what the grammar has is taken: no sign, no prefix, no white space around the size, no line
//! end but CR LF, no more than 16 digits. A decoder that guesses is how one request becomes two. Servers are known
//! that pad the size with blanks on the right, and no proxy reads that in two ways: from them it is taken, and
//! an extension, which goes no further, is not held against its grammar.

use evenkeel_message::Limits;

use super::error::BodyError;
use super::extension::Extension;
use super::trailers;
use crate::body::{Piece, Sender};

/// Decodes one chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    /// The size being read, then the data bytes of the chunk still to come.
    left: u64,
    /// The bytes of extensions, and of blanks after sizes, seen in this message.
    extensions: u32,
    sender: Sender,
    state: State,
    /// The trailer section as received; from the end on, what of it may be passed on.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
    },
    /// In the blanks that a server has put after the size.
    Padding,
    Extension(Extension),
    SizeEnd,
    Data,
    DataCr,
    DataEnd,
    /// At the beginning of a trailer line.
    Trailers,
    /// Inside a trailer line.
    TrailerLine,
    /// After the CR of the empty line.
    TrailersEnd,
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { digits: 0 }
    }
}

impl Chunked {
    pub(crate) fn of(sender: Sender) -> Self {
        Self { sender, ..Self::default() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer fields that may be passed on, as lines. Empty before the end.
    pub(crate) fn trailers(&self) -> &[u8] {
        if self.is_done() { &self.trailers } else { b"" }
    }

    /// Decodes up to and including the next stretch of data, and what follows it as far as that has none.
    pub(crate) fn read(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, BodyError> {
        let mut piece = Piece::default();
        loop {
            match self.state {
                State::Done => {
                    piece.end = true;
                    return Ok(piece);
                }
                State::Data => {
                    let available = (input.len() - piece.consumed) as u64;
                    if !piece.data.is_empty() || available == 0 {
                        return Ok(piece);
                    }
                    let take = self.left.min(available);
                    piece.data = piece.consumed..piece.consumed + take as usize;
                    piece.consumed = piece.data.end;
                    self.left -= take;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                }
                State::TrailerLine => {
                    let rest = &input[piece.consumed..];
                    let line_end = memchr::memchr(b'\n', rest);
                    let taken = line_end.map_or(rest.len(), |at| at + 1);
                    self.keep_trailer(&rest[..taken], limits)?;
                    piece.consumed += taken;
                    if line_end.is_none() {
                        return Ok(piece);
                    }
                    if !self.trailers.ends_with(b"\r\n") {
                        return Err(BodyError::Chunk("a trailer line is not ended by CR LF"));
                    }
                    self.state = State::Trailers;
                }
                _ => {
                    let Some(&byte) = input.get(piece.consumed) else { return Ok(piece) };
                    self.step(byte, limits)?;
                    piece.consumed += 1;
                }
            }
        }
    }

    /// One byte of what is neither data nor inside a trailer line.
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), BodyError> {
        self.state = match (self.state, byte) {
            (State::Size { digits }, _) => self.size(digits, byte)?,
            (State::Padding, b'\r') => State::SizeEnd,
            (State::Padding, b';') => State::Extension(Extension::default()),
            (State::Padding, b' ' | b'\t') => self.skipped(State::Padding, limits)?,
            (State::Padding, _) => return Err(BodyError::Chunk("a chunk size is not a hexadecimal number")),
            (State::Extension(so_far), b'\r') if so_far.may_end() || self.sender == Sender::Server => {
                State::SizeEnd
            }
            (State::Extension(so_far), _) => {
                let extension = match self.sender {
                    Sender::Client => so_far.and(byte),
                    Sender::Server => (!byte.is_ascii_control() || byte == b'\t').then_some(so_far),
                };
                let extension =
                    extension.ok_or(BodyError::Chunk("a chunk extension is not `;name` or `;name=value`"))?;
                self.skipped(State::Extension(extension), limits)?
            }
            (State::SizeEnd, b'\n') if self.left == 0 => State::Trailers,
            (State::SizeEnd, b'\n') => State::Data,
            (State::SizeEnd, _) => return Err(BodyError::Chunk("a chunk size is not followed by CR LF")),
            (State::DataCr, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size { digits: 0 },
            (State::DataCr | State::DataEnd, _) => {
                return Err(BodyError::Chunk("chunk data is not followed by CR LF"));
            }
            (State::Trailers, b'\r') => State::TrailersEnd,
            // Refused now: whoever sends this has no CR LF to come.
            (State::Trailers, b'\n') => {
                return Err(BodyError::Chunk("the trailer section is not ended by CR LF"));
            }
            (State::Trailers, _) => {
                self.keep_trailer(&[byte], limits)?;
                State::TrailerLine
            }
            (State::TrailersEnd, b'\n') => {
                self.finish_trailers(limits)?;
                State::Done
            }
            (State::TrailersEnd, _) => return Err(BodyError::Chunk("a trailer line begins with CR")),
            (state @ (State::Data | State::TrailerLine | State::Done), _) => state,
        };
        Ok(())
    }

    /// One byte of a chunk size, after so many `digits`.
    fn size(&mut self, digits: u8, byte: u8) -> Result<State, BodyError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' if digits > 0 => return Ok(State::Extension(Extension::default())),
            b' ' | b'\t' if digits > 0 && self.sender == Sender::Server => return Ok(State::Padding),
            b'\r' if digits > 0 => return Ok(State::SizeEnd),
            _ => return Err(BodyError::Chunk("a chunk size is not a hexadecimal number")),
        };
        if digits == 16 {
            return Err(BodyError::Chunk("a chunk size has more than 16 digits"));
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::Size { digits: digits + 1 })
    }

    /// One more byte of a size line that says nothing about the size, and what state it leaves.
    fn skipped(&mut self, next: State, limits: &Limits) -> Result<State, BodyError> {
        self.extensions += 1;
        if self.extensions as usize > limits.chunk_extensions {
            return Err(BodyError::Chunk("the chunk extensions are over the limit"));
        }
        Ok(next)
    }

    fn keep_trailer(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), BodyError> {
        // The empty line counts as well, as it does in a head.
        if self.trailers.len() + bytes.len() + 2 > limits.head_bytes() {
            return Err(BodyError::TrailersTooLarge);
        }
        self.trailers.extend_from_slice(bytes);
        Ok(())
    }

    fn finish_trailers(&mut self, limits: &Limits) -> Result<(), BodyError> {
        if !self.trailers.is_empty() {
            self.trailers.extend_from_slice(b"\r\n");
            self.trailers = trailers::forwardable(&self.trailers, limits)?;
        }
        Ok(())
    }
}
