//! The client side of a connection: requests out, responses in, one exchange at a time.
//!
//! ```text
//!  begin ──▶ head … (interim heads) ──▶ head ──▶ body … ──▶ reusable?
//! ```
//!
//! The request itself is written by [`rewrite`](evenkeel_message::rewrite) and a [`BodyWriter`](crate::BodyWriter);
//! whether it was sent whole is the caller's to know.

use evenkeel_message::{Framing, Limits, MAX_INTERIM_RESPONSES, Method, ResponseError, ResponseHead};

use crate::body::{BodyReader, Piece, Sender};
use crate::parse;
use crate::progress::Progress;

const FORBIDDEN: ResponseError =
    ResponseError::Head("the head has a control character, or a line not ended by CR LF");

/// One connection to a server. Small, so that an idle one can keep it.
#[derive(Debug, Default)]
pub struct Outbound {
    body: BodyReader,
    progress: Progress,
    method: Method,
    phase: Phase,
    interim: u8,
    /// An interim response has said that the connection closes.
    closing: bool,
    keep_alive: bool,
    upgrade: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// No exchange, and none before it, or one that went well.
    #[default]
    Idle,
    Head,
    Body,
    /// The server has switched to the protocol asked for.
    Tunnel,
    /// Something was wrong; no more exchanges here.
    Broken,
}

impl Outbound {
    /// A connection on which nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an exchange: the response to come is one to `method`. `upgrade` is the one protocol the request
    /// asks to change to, if any.
    pub fn begin(&mut self, method: Method, upgrade: Option<&str>) {
        self.body = BodyReader::default();
        self.progress = Progress::default();
        self.method = method;
        self.phase = Phase::Head;
        self.interim = 0;
        self.closing = false;
        self.keep_alive = false;
        self.upgrade = upgrade.map(Box::from);
    }

    /// The next response head, at the start of `input`, into `head`; says how many bytes it takes up. After
    /// an [informational](ResponseHead::is_informational) one, consume it and call again for the next.
    ///
    /// `None` when it is not all there: call again with the same bytes and more.
    pub fn head(
        &mut self,
        input: &[u8],
        head: &mut ResponseHead,
        limits: &Limits,
    ) -> Result<Option<usize>, ResponseError> {
        let found = self.find_head(input, head, limits).and_then(|found| {
            if found.is_some() {
                self.accept(head, input)?;
            }
            Ok(found)
        });
        if found.is_err() {
            self.phase = Phase::Broken;
        }
        found
    }

    /// The next piece of the response body. Call it again as long as it consumes something.
    pub fn body(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, ResponseError> {
        self.body.read(input, limits).map_err(|error| {
            self.phase = Phase::Broken;
            error.into()
        })
    }

    /// How much of the response's content is still to come, where its head said so. That much comes as it is.
    pub fn content_left(&self) -> Option<u64> {
        self.body.left()
    }

    /// So much of [`Outbound::content_left`] has come and gone without being shown to [`Outbound::body`].
    pub fn passed(&mut self, count: u64) {
        self.body.passed(count);
    }

    /// Whether the response has been read whole.
    pub fn body_ended(&self) -> bool {
        matches!(self.phase, Phase::Body) && self.body.is_done()
    }

    /// The server has ended the connection. `Ok` when the response is complete, which the end itself does for
    /// a body that goes on until then. A reset is never such an end; for that, do not call this.
    pub fn end_of_input(&mut self) -> Result<(), ResponseError> {
        self.keep_alive = false;
        let error = match self.phase {
            Phase::Idle | Phase::Tunnel => return Ok(()),
            Phase::Body if self.body.is_done() => return Ok(()),
            Phase::Body if matches!(self.body, BodyReader::UntilClose) => {
                self.body = BodyReader::default();
                return Ok(());
            }
            Phase::Body | Phase::Broken => ResponseError::Truncated,
            Phase::Head if self.progress.begun || self.interim > 0 => ResponseError::ClosedInHead,
            Phase::Head => ResponseError::ClosedBeforeHead,
        };
        self.phase = Phase::Broken;
        Err(error)
    }

    /// The response's trailer fields that may be passed on, as lines. Empty until the body has ended.
    pub fn trailers(&self) -> &[u8] {
        self.body.trailers()
    }

    /// Whether the server has switched protocols: from here on the bytes are not HTTP.
    pub fn is_tunnel(&self) -> bool {
        self.phase == Phase::Tunnel
    }

    /// Whether the connection may carry another exchange, when `left_over` bytes of input are unread: the
    /// response is complete and nothing follows it, and the server has not said that it closes. The caller
    /// also asks itself whether it has sent the request whole.
    pub fn reusable(&self, left_over: usize) -> bool {
        self.keep_alive && left_over == 0 && self.body_ended()
    }

    fn find_head(
        &mut self,
        input: &[u8],
        head: &mut ResponseHead,
        limits: &Limits,
    ) -> Result<Option<usize>, ResponseError> {
        match input {
            [] => return Ok(None),
            [b'H', ..] => {}
            _ => return Err(ResponseError::Head("the response does not begin with an HTTP/1 status line")),
        }
        let window = &input[..input.len().min(limits.head_bytes())];
        let method = self.method;
        if self
            .progress
            .find(window, 0, FORBIDDEN, || parse::response::parse(head, window, method, limits))?
        {
            return Ok(Some(head.len()));
        }
        if window.len() == limits.head_bytes() { Err(ResponseError::TooLarge) } else { Ok(None) }
    }

    fn accept(&mut self, head: &ResponseHead, input: &[u8]) -> Result<(), ResponseError> {
        self.progress = Progress::default();
        if head.is_informational() {
            self.interim += 1;
            self.closing |= head.closes();
            return if self.interim > MAX_INTERIM_RESPONSES {
                Err(ResponseError::TooManyInterim)
            } else {
                Ok(())
            };
        }
        if head.status() == 101 {
            let asked = self.upgrade.take().ok_or(ResponseError::Upgrade)?;
            self.phase = Phase::Tunnel;
            return if head.changes_to(&asked, input) { Ok(()) } else { Err(ResponseError::Upgrade) };
        }
        self.phase = Phase::Body;
        self.keep_alive = !self.closing && head.keep_alive() && head.framing() != Framing::UntilClose;
        self.body = BodyReader::new(head.framing(), Sender::Server);
        Ok(())
    }
}
