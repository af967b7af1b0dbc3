//! Response heads (RFC 9112 §4 and §5), as spans into the caller's buffer.

use std::mem::MaybeUninit;

use super::as_http11;
use crate::framing::{ContentLength, TransferEncoding};
use crate::head::authentication;
use crate::head::connection::Connection;
use crate::head::fields::{BareLineEnd, Fields, Span, Strictness};
use crate::head::name::Name;
use crate::limits::MAX_FIELDS;
use crate::{Framing, Limits, Method, ResponseError, Version};

/// A response head: where its parts lie in the bytes it was parsed from, and what they mean.
///
/// Make one and use it for many responses; its storage is reused. Every method that takes `input` wants the
/// bytes that [`Outbound::head`](crate::Outbound::head) was given when it filled the head.
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
    /// An empty head, to be filled by [`Outbound::head`](crate::Outbound::head).
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

    /// Whether the server would take another request on this connection: HTTP/1.1 without `close`.
    pub fn keep_alive(&self) -> bool {
        !self.connection.close && self.version == Version::Http11
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

    /// Parses a head at the start of `input`, the answer to a request with `method`. `Ok(false)` when it
    /// goes on after the end of `input`.
    pub(crate) fn parse(
        &mut self,
        input: &[u8],
        method: Method,
        limits: &Limits,
    ) -> Result<bool, ResponseError> {
        self.parse_lines(input, method, limits, false)
    }

    /// Most heads have no folded line (obs-fold, RFC 9112 §5.2); one that has is parsed again.
    fn parse_lines(
        &mut self,
        input: &[u8],
        method: Method,
        limits: &Limits,
        folded: bool,
    ) -> Result<bool, ResponseError> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let room = &mut storage[..limits.field_lines()];
        let mut parsed = httparse::Response::new(&mut []);
        let status = match httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(folded)
            .parse_response_with_uninit_headers(&mut parsed, input, room)
        {
            Ok(status) => status,
            Err(httparse::Error::HeaderName) if !folded => {
                return self.parse_lines(input, method, limits, true);
            }
            Err(error) => match as_http11(input, 0) {
                Some(copy) => return self.parse(&copy, method, limits),
                None => return Err(response_error(error)),
            },
        };
        let httparse::Status::Complete(end) = status else { return Ok(false) };
        self.fields
            .fill(input, parsed.headers, end, Strictness::Response { folded })
            .map_err(|BareLineEnd| ResponseError::Head("a line of the head does not end with CR LF"))?;
        self.status = parsed.code.unwrap_or_default();
        if !matches!(self.status, 100..=999) {
            return Err(ResponseError::Head("the status is not between 100 and 999"));
        }
        self.reason = reason(input, parsed.headers, end);
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.len = end as u32;
        self.interpret(input, method)?;
        Ok(true)
    }

    fn interpret(&mut self, input: &[u8], method: Method) -> Result<(), ResponseError> {
        let mut length = ContentLength::default();
        let mut coding = TransferEncoding::default();
        self.connection = Connection::default();
        for field in self.fields.lines() {
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
        self.content_length = match length {
            ContentLength::Once(length) | ContentLength::Repeated(length) => Some(length),
            ContentLength::Absent | ContentLength::Malformed => None,
        };
        Ok(())
    }
}

/// Where the reason phrase lies. Asked of the line itself: httparse forgets a phrase that has bytes from 0x80
/// (obs-text, RFC 9112 §4).
fn reason(input: &[u8], headers: &[httparse::Header<'_>], end: usize) -> Option<Span> {
    let start = "HTTP/1.1 200 ".len() as u32;
    let next_line =
        headers.first().map_or(end as u32 - 2, |header| Span::of(header.name.as_bytes(), input).start);
    let line_end = next_line - 2;
    (start < line_end).then_some(Span { start, end: line_end })
}

fn response_error(error: httparse::Error) -> ResponseError {
    match error {
        httparse::Error::TooManyHeaders => ResponseError::TooLarge,
        httparse::Error::HeaderName => ResponseError::Head("a line of the head has no valid field name"),
        httparse::Error::HeaderValue => ResponseError::Head("a field value has a control character"),
        httparse::Error::NewLine => ResponseError::Head("a line of the head does not end with CR LF"),
        _ => ResponseError::Head("the response does not begin with an HTTP/1 status line"),
    }
}
