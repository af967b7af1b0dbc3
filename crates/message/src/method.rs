//! Methods and versions, as far as the protocol itself depends on them.

/// A request method (RFC 9110 §9). Case-sensitive: `get` is [`Method::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Connect,
    Patch,
    Query,
    Propfind,
    Report,
    Search,
    /// Any other token; the token itself is in the head.
    Other,
}

impl Method {
    /// The method that a token names.
    pub fn from_bytes(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            b"PATCH" => Self::Patch,
            b"QUERY" => Self::Query,
            b"PROPFIND" => Self::Propfind,
            b"REPORT" => Self::Report,
            b"SEARCH" => Self::Search,
            _ => Self::Other,
        }
    }

    /// Whether the client asks for no change of state (RFC 9110 §9.2.1), as IANA's registry of methods has it.
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Self::Get
                | Self::Head
                | Self::Options
                | Self::Trace
                | Self::Query
                | Self::Propfind
                | Self::Report
                | Self::Search
        )
    }

    /// Whether sending it twice means the same as sending it once (RFC 9110 §9.2.2). False for unknown methods, and for those that
    /// change something and are idempotent by the registry alone (MOVE, MKCOL): what they answer the second time looks like a failure.
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}

/// The version of a message. A later minor version of HTTP/1 counts as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0: closes unless keep-alive is agreed, knows no chunked coding and no 1xx.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2. It has no fields about the connection, and marks the end of a body itself.
    Http2,
}

impl Version {
    /// As it stands in `Via`: `1.0`, `1.1` or `2.0` (RFC 9110 §2.5, §7.6.3).
    pub fn digits(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}
