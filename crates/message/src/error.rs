//! What is wrong with a message: a [`Refusal`] for a request, a [`ResponseError`] for a response.

use std::fmt;

/// Why a request is refused. Answer with `status`, then close: after a refusal nobody can say where the
/// next request begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: u16,
    /// A plain sentence for the body of the answer. Never contains input.
    pub reason: &'static str,
    /// The error type for `Proxy-Status` (RFC 9209 §2.3).
    pub error: &'static str,
}

impl Refusal {
    /// A refusal with any status, of error type `http_request_error`.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, error: "http_request_error" }
    }

    /// A refusal with status 400.
    pub const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }

    /// The head is over [`Limits::head`](crate::Limits::head).
    pub const HEAD_TOO_LARGE: Self = Self::new(431, "The request's head is larger than this server accepts.");
    /// The head is over [`Limits::fields`](crate::Limits::fields).
    pub const TOO_MANY_FIELDS: Self =
        Self::new(431, "The request has more header fields than this server accepts.");
    /// A name is no token.
    pub const FIELD_NAME: Self = Self::bad("A line of the request's head has no valid field name.");
    /// A value has a control character.
    pub const FIELD_VALUE: Self = Self::bad("A field value of the request has a control character.");
    /// The request line is over [`Limits::request_line`](crate::Limits::request_line).
    pub const LINE_TOO_LONG: Self =
        Self::new(414, "The request line is longer than this server accepts; shorten the target.");
    /// These are the first bytes of TLS.
    pub const SPEAKS_TLS: Self = Self::bad(
        "This port speaks plain HTTP, and these are the first bytes of TLS: ask http://, or the port of https.",
    );
    /// This is how a client of HTTP/2 begins that knows, or thinks it knows, what it will find (RFC 9113 §3.4).
    pub const SPEAKS_HTTP2: Self = Self::new(
        505,
        "This server speaks HTTP/1.0 and HTTP/1.1, and the client begins with HTTP/2: set it to HTTP/1.1.",
    );
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl std::error::Error for Refusal {}

/// What is wrong with a server's response. To the client it is a 502, and the connection to the server is
/// not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    /// The head is no HTTP/1 response head; says what is wrong with it.
    Head(&'static str),
    /// The head or the trailer section is larger than [`Limits::head`](crate::Limits::head), or has more
    /// lines than [`Limits::fields`](crate::Limits::fields).
    TooLarge,
    /// Content-Length and Transfer-Encoding leave the body's length in doubt (RFC 9112 §6.3).
    Framing(&'static str),
    /// The chunked coding is broken (RFC 9112 §7.1), or has more extensions than
    /// [`Limits::chunk_extensions`](crate::Limits::chunk_extensions).
    Chunk(&'static str),
    /// 101 though no upgrade was asked for, or to another protocol than the one asked for.
    Upgrade,
    /// More than [`MAX_INTERIM_RESPONSES`](crate::MAX_INTERIM_RESPONSES) interim responses and no final one.
    TooManyInterim,
    /// The connection ended before a byte of the response.
    ClosedBeforeHead,
    /// The connection ended inside the head.
    ClosedInHead,
    /// The connection ended before the body was complete.
    Truncated,
}

impl ResponseError {
    /// A name is no token.
    pub const FIELD_NAME: Self = Self::Head("a line of the head has no valid field name");
    /// A value has a control character.
    pub const FIELD_VALUE: Self = Self::Head("a field value has a control character");

    /// The error type for `Proxy-Status` (RFC 9209 §2.3).
    pub fn proxy_error(&self) -> &'static str {
        match self {
            Self::ClosedBeforeHead => "connection_terminated",
            Self::ClosedInHead | Self::Truncated => "http_response_incomplete",
            _ => "http_protocol_error",
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(what) | Self::Framing(what) | Self::Chunk(what) => f.write_str(what),
            Self::TooLarge => f.write_str("the response's head or trailer section is over the limit"),
            Self::Upgrade => f.write_str("the server switched to a protocol that was not asked for"),
            Self::TooManyInterim => f.write_str("the server sends interim responses and no final one"),
            Self::ClosedBeforeHead => f.write_str("the server closed the connection without a response"),
            Self::ClosedInHead => f.write_str("the server closed the connection inside the response's head"),
            Self::Truncated => f.write_str("the server closed the connection before the body was complete"),
        }
    }
}

impl std::error::Error for ResponseError {}
