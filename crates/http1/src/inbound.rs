//! The server side of a connection: requests in, responses out.
//!
//! ```text
//!  head ──▶ body … ──▶ (next head)          what the client sends
//!     └──▶ respond | answer ──▶ data … ──▶ end_body ──▶ after()   what it is sent
//! ```
//!
//! Both directions run at the same time: a response may begin while the request body still arrives. Then the
//! connection closes after it, because the client may never send the rest. After a [`Refusal`] nothing more is
//! read; one answer can be written, and the connection closes after a linger.

use evenkeel_message::text::{decimal, field};
use evenkeel_message::{
    Delivery, Framing, Limits, Method, Refusal, RequestHead, ResponseHead, ResponseRewrite, Version,
    rewrite_response, status, status_line,
};

use crate::body::writer::BodyWriter;
use crate::body::{BodyReader, Piece, Sender};
use crate::parse;
use crate::progress::Progress;

/// Empty lines skipped before a request line (RFC 9112 §2.2). Beyond: 400.
const MAX_EMPTY_LINES: usize = 16;

const FORBIDDEN: Refusal =
    Refusal::bad("The request's head has a control character, or a line not ended by CR LF.");

/// One client's connection. Small, so that an idle one can keep it.
#[derive(Debug, Default)]
pub struct Inbound {
    body: BodyReader,
    writer: BodyWriter,
    progress: Progress,
    asked: Asked,
    fate: Fate,
    /// The head of the response has been written, and no interim one.
    is_answered: bool,
}

/// What of a request matters to its response.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    version: Version,
    is_head: bool,
    keep_alive: bool,
    accepts_trailers: bool,
}

/// What becomes of the connection after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    #[default]
    Persist,
    Close,
    /// The input cannot be read on.
    Refused,
    Tunnel,
}

/// What to do with a connection when the response is written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Read the next request.
    NextRequest,
    /// Close it. Where bytes from the client are still unread, as with [`After::Linger`].
    Close,
    /// The client may still be sending: shut the sending side down, read and discard for a bounded time, then
    /// close. Closing at once would reset the connection and take the response from the client
    /// (RFC 9112 §9.6).
    Linger,
    /// It speaks another protocol now (RFC 9110 §15.2.2): pass bytes both ways. What is left in the buffers
    /// belongs to that protocol.
    Tunnel,
}

impl Inbound {
    /// A connection on which nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next request head, at the start of `input`, into `head`; says how many bytes it takes up.
    ///
    /// `None` when it is not all there: call again with the same bytes and more. What can be refused early is.
    pub fn head(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Refusal> {
        debug_assert!(self.body.is_done(), "the body comes before the next head");
        let found = self.find_head(input, head, limits);
        match found {
            Ok(None) => {}
            Ok(Some(_)) => {
                self.progress = Progress::default();
                self.body = BodyReader::new(head.framing(), Sender::Client);
                self.writer = BodyWriter::default();
                self.is_answered = false;
                self.ask(head);
            }
            Err(refusal) => {
                self.ask(head);
                self.fate = Fate::Refused;
                return Err(other_protocol(input).unwrap_or(refusal));
            }
        }
        found
    }

    /// The next piece of the request body. Call it again as long as it consumes something.
    pub fn body(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, Refusal> {
        self.body.read(input, limits).map_err(|error| {
            self.fate = Fate::Refused;
            error.into()
        })
    }

    /// Whether the request has been read whole.
    pub fn body_ended(&self) -> bool {
        self.body.is_done()
    }

    /// The request's trailer fields that may be passed on, as lines. Empty until the body has ended.
    pub fn trailers(&self) -> &[u8] {
        self.body.trailers()
    }

    /// Whether a head has begun to arrive and is not complete.
    pub fn begun(&self) -> bool {
        self.progress.begun
    }

    /// Writes the head of a server's response: framed as this client can read it, without what concerns the
    /// other connection only (RFC 9110 §7.6.1), and saying whether this connection closes.
    pub fn respond(
        &mut self,
        head: &ResponseHead,
        input: &[u8],
        how: &ResponseRewrite<'_>,
        out: &mut Vec<u8>,
    ) {
        let framing = self.framing_for(head);
        if head.status() == 101 {
            self.fate = Fate::Tunnel;
        }
        self.settle(framing);
        let delivery = Delivery { framing, connection: self.connection_option() };
        rewrite_response(head, input, how, &delivery, out);
    }

    /// Passes an interim response on (RFC 9110 §15.2). A client of HTTP/1.0 knows none and gets none.
    pub fn respond_informational(
        &self,
        head: &ResponseHead,
        input: &[u8],
        how: &ResponseRewrite<'_>,
        out: &mut Vec<u8>,
    ) {
        if self.asked.version == Version::Http11 {
            let delivery = Delivery { framing: Framing::Empty, connection: None };
            rewrite_response(head, input, how, &delivery, out);
        }
    }

    /// Writes a response of our own, whole: `fields`, Content-Length, and `body` unless the request was HEAD.
    pub fn answer(&mut self, status: u16, fields: &[(&str, &[u8])], body: &[u8], out: &mut Vec<u8>) {
        self.settle(Framing::Empty);
        status_line(status, status::reason(status).as_bytes(), out);
        for (name, value) in fields {
            field(name, value, out);
        }
        let has_body = !matches!(status, 100..=199 | 204 | 304);
        if has_body {
            out.extend_from_slice(b"Content-Length: ");
            decimal(body.len() as u64, out);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(option) = self.connection_option() {
            field("Connection", option.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        if has_body && !self.asked.is_head {
            out.extend_from_slice(body);
        }
    }

    /// Whether the response's data has a length and goes out as it is, with nothing before it, between it or behind it.
    pub fn has_plain_body(&self) -> bool {
        self.writer.is_plain()
    }

    /// What goes before `len` bytes of the response's data.
    pub fn before_data(&mut self, len: usize, out: &mut Vec<u8>) {
        self.writer.before_data(len, out);
    }

    /// What goes after the data announced last.
    pub fn after_data(&mut self, out: &mut Vec<u8>) {
        self.writer.after_data(out);
    }

    /// Ends the response's body. `trailers` are lines as [`Outbound::trailers`](crate::Outbound::trailers)
    /// gives them; they are sent only to a client that takes them.
    pub fn end_body(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        let trailers = if self.asked.accepts_trailers { trailers } else { b"" };
        self.writer.end(trailers, out);
    }

    /// What becomes of the connection now that the response is written whole.
    pub fn after(&self) -> After {
        match self.fate {
            Fate::Tunnel => After::Tunnel,
            Fate::Refused => After::Linger,
            _ if !self.body.is_done() => After::Linger,
            Fate::Persist if self.writer.is_complete() => After::NextRequest,
            Fate::Persist | Fate::Close => After::Close,
        }
    }

    /// Whether the response has been written whole, nothing follows it, and the request has been read whole: what is sent now is the
    /// end of what is sent. Not where the client has to be waited for ([`After::Linger`]).
    pub fn ends_here(&self) -> bool {
        self.is_answered && self.writer.is_complete() && self.after() == After::Close
    }

    /// Makes this request the connection's last: the response says so if its head is not written yet.
    pub fn close_after_this(&mut self) {
        if self.fate == Fate::Persist {
            self.fate = Fate::Close;
        }
    }

    fn find_head(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Refusal> {
        head.clear();
        let start = empty_lines(input)?;
        if matches!(input[start..], [] | [b'\r']) {
            return Ok(None);
        }
        let window = &input[..input.len().min(limits.head_bytes())];
        if self
            .progress
            .find(window, start, FORBIDDEN, || parse::request::parse(head, window, start, limits))?
        {
            return Ok(Some(head.len()));
        }
        if !self.progress.has_line && window.len() - start > limits.request_line + 1 {
            return Err(Refusal::LINE_TOO_LONG);
        }
        if window.len() == limits.head_bytes() {
            return Err(Refusal::HEAD_TOO_LARGE);
        }
        Ok(None)
    }

    fn ask(&mut self, head: &RequestHead) {
        self.asked = Asked {
            version: head.version(),
            is_head: head.method() == Method::Head,
            keep_alive: head.keep_alive(),
            accepts_trailers: head.accepts_trailers(),
        };
    }

    /// How the body of a server's response is framed for this client.
    fn framing_for(&self, head: &ResponseHead) -> Framing {
        match head.framing() {
            Framing::Chunked | Framing::UntilClose if self.asked.version == Version::Http11 => {
                Framing::Chunked
            }
            Framing::Chunked | Framing::UntilClose => Framing::UntilClose,
            framing => framing,
        }
    }

    /// Decides, before the head is written, whether the connection lasts beyond this response.
    fn settle(&mut self, framing: Framing) {
        self.writer = BodyWriter::new(framing);
        self.is_answered = true;
        let lasts = self.asked.keep_alive && self.body.is_done() && framing != Framing::UntilClose;
        if !lasts {
            self.close_after_this();
        }
    }

    fn connection_option(&self) -> Option<&'static str> {
        match (self.fate, self.asked.version) {
            (Fate::Tunnel, _) => Some("upgrade"),
            (Fate::Close | Fate::Refused, _) => Some("close"),
            (Fate::Persist, Version::Http10) => Some("keep-alive"),
            (Fate::Persist, Version::Http11 | Version::Http2) => None,
        }
    }
}

/// Whoever speaks something else here, and deserves to hear what is wrong. No request begins with the type of a record of TLS
/// (RFC 8446 §5.1).
#[cold]
fn other_protocol(input: &[u8]) -> Option<Refusal> {
    match input {
        [0x16, ..] => Some(Refusal::SPEAKS_TLS),
        _ if input.starts_with(b"PRI * HTTP/2.0") => Some(Refusal::SPEAKS_HTTP2),
        _ => None,
    }
}

/// How many bytes of empty lines `input` begins with. Anything else that begins like a line end is refused.
fn empty_lines(input: &[u8]) -> Result<usize, Refusal> {
    let lines = input.chunks(2).take_while(|pair| *pair == b"\r\n").count();
    let is_bare = matches!(input[2 * lines..], [b'\n', ..] | [b'\r', _, ..]);
    if lines > MAX_EMPTY_LINES || is_bare {
        return Err(Refusal::bad("The request does not begin with a request line."));
    }
    Ok(2 * lines)
}
