//! Response heads (RFC 9112 §4 and §5), as spans into the caller's buffer.

use crate::framing::{ContentLength, TransferEncoding};
use crate::head::authentication;
use crate::head::connection::Connection;
use crate::head::fields::{Fields, Line, Span};
use crate::head::name::Name;
use crate::{Framing, Method, ResponseError, Version};

/// What a status line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLine {
    /// The status.
    pub status: u16,
    /// Where the reason phrase lies, if there is one.
    pub reason: Option<Span>,
    /// The version.
    pub version: Version,
}

/// A response head: where its parts lie in the bytes it was parsed from, and what they mean.
///
/// Make one and use it for many responses; its storage is reused. Every method that takes `input` wants the
/// bytes that hold the head: those it was parsed from.
///
/// Whoever finds the lines in the bytes calls [`start`](Self::start), [`push`](Self::push) for each field line and
/// [`finish`](Self::finish). Where there are no lines, a [`ResponseBuilder`](crate::ResponseBuilder) makes them.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) reason: Option<Span>,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) connection: Connection,
    pub(crate) fields: Fields,
    pub(crate) content_length: Option<u64>,
    len: u32,
}

impl ResponseHead {
    /// An empty head, to be filled by a parser.
    pub fn new() -> Self {
        Self::default()
    }

    /// The status, 100 to 999. From 600 on it means what a 500 does (RFC 9110 §15).
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as received, often empty.
    pub fn reason<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.reason.map_or(b"", |span| span.in_bytes(input))
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The body that follows.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The number in Content-Length: of the body that follows or, on HEAD and 304, of the one that would.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The bytes of the head, the empty line after it included.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether another head follows for the same request (RFC 9110 §15.2): 1xx, but not 101.
    pub fn is_informational(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// Whether the server would take another request on this connection: HTTP/1.1 or later, without `close`.
    pub fn keep_alive(&self) -> bool {
        !self.connection.close && self.version != Version::Http10
    }

    /// Whether Connection says that the connection closes, in an interim response as well.
    pub fn closes(&self) -> bool {
        self.connection.close
    }

    /// Whether it says that the connection changes to `protocol` (RFC 9110 §7.8).
    pub fn changes_to(&self, protocol: &str, input: &[u8]) -> bool {
        self.connection.upgrade
            && self
                .field(input, "upgrade")
                .is_some_and(|value| value.eq_ignore_ascii_case(protocol.as_bytes()))
    }

    /// Names and values of the fields, in the order received, the white space around values trimmed.
    ///
    /// A value that the server folded over several lines (obs-fold) is given with its line breaks; they
    /// become spaces when the head is written on.
    pub fn fields<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter(input)
    }

    /// The value of the first field named `name`, in any case.
    pub fn field<'a>(&self, input: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.fields.first(name, input)
    }

    /// The values of Content-Digest (RFC 9530 §2).
    pub fn content_digest<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields.known(Name::ContentDigest, input)
    }

    /// The values of Repr-Digest (RFC 9530 §3).
    pub fn repr_digest<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields.known(Name::ReprDigest, input)
    }

    /// Whether the server asks for credentials that are for the connection, or continues to: it takes whatever follows on that
    /// connection for the same user's.
    pub fn binds_connection(&self, input: &[u8]) -> bool {
        let asks = |name| self.fields.known(name, input).any(authentication::binds_connection);
        matches!(self.status, 401 | 407) && (asks(Name::WwwAuthenticate) || asks(Name::ProxyAuthenticate))
    }

    /// Begins a head with its first line. `folded`: values may run over several lines (obs-fold, RFC 9112 §5.2).
    pub fn start(&mut self, line: &StatusLine, folded: bool) -> Result<(), ResponseError> {
        self.fields.clear(folded);
        self.status = line.status;
        self.reason = line.reason;
        self.version = line.version;
        match line.status {
            100..=999 => Ok(()),
            _ => Err(ResponseError::Head("the status is not between 100 and 999")),
        }
    }

    /// Adds a field line.
    #[expect(clippy::inline_always, reason = "one call for each line that is parsed, from another crate")]
    #[inline(always)]
    pub fn push(&mut self, input: &[u8], line: &Line) {
        self.fields.push(input, line);
    }

    /// Ends the head, which takes up the first `len` bytes of `input` and answers a request with `method`: settles what
    /// the protocol needs to know of its fields.
    pub fn finish(&mut self, input: &[u8], len: usize, method: Method) -> Result<(), ResponseError> {
        self.settle(input, len, method, None)
    }

    /// As [`finish`](Self::finish). `ends`: whether the stream that the head came on ends with it, where there are streams.
    pub(crate) fn settle(
        &mut self,
        input: &[u8],
        len: usize,
        method: Method,
        ends: Option<bool>,
    ) -> Result<(), ResponseError> {
        self.len = len as u32;
        let mut length = ContentLength::default();
        let mut coding = TransferEncoding::default();
        self.connection = Connection::default();
        for field in self.fields.notable() {
            let value = field.value.in_bytes(input);
            match field.known {
                Name::ContentLength => length = length.and(value),
                Name::TransferEncoding => coding = coding.and(value),
                Name::Connection => {
                    self.connection = self
                        .connection
                        .and(value)
                        .ok_or(ResponseError::Head("the response has too many Connection options"))?;
                }
                _ => {}
            }
        }
        self.framing = Framing::of_response(method, self.status, self.version, coding, length)?;
        if let Some(ends) = ends {
            self.check_stream(ends)?;
            self.framing = self.framing.of_response_in_stream(ends)?;
        }
        self.content_length = match length {
            ContentLength::Once(length) | ContentLength::Repeated(length) => Some(length),
            ContentLength::Absent | ContentLength::Malformed => None,
        };
        Ok(())
    }
    /// Interim responses do not end a stream, and none changes its protocol (RFC 9113 §8.1, §8.6).
    fn check_stream(&self, ends: bool) -> Result<(), ResponseError> {
        match self.status {
            101 => Err(ResponseError::Upgrade),
            100..=199 if ends => Err(ResponseError::Head("an interim response ends its stream")),
            _ => Ok(()),
        }
    }
}
