//! What was seen of an endpoint, as plain facts.
//!
//! Evidence is made where something happened (a worker, a prober) and judged in one place
//! ([`Control`](crate::Control)), so that the same fact always weighs the same.

use std::fmt;

use crate::health::Cause;

/// Something an endpoint did, or failed to do, in the sight of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// No connection came about.
    ConnectFailed(ConnectFailure),
    /// A connection was there, a whole response was not.
    ResponseFailed(ResponseFailure),
    /// A whole response whose bytes are not those its digest is of (RFC 9530).
    WrongDigest,
    /// A whole response without the digest that it had announced.
    MissingDigest,
    /// In flight and silent for longer than usual, while others answer.
    Silent,
    /// An idle connection was closed or reset by the other side.
    IdleClosed,
    /// A response with this status. Only 500 and above says anything.
    Status(u16),
    /// A good answer. Worth saying only of an endpoint that is on probation.
    Succeeded,
}

/// Why a connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// Nobody listens there.
    Refused,
    /// Nothing came back in time.
    TimedOut,
    /// The network knows no way there.
    Unreachable,
    /// Opened and reset at once, or any other refusal by the other side.
    Reset,
    /// This process could not even try (no descriptor, no port). Says nothing about the endpoint.
    Local,
}

/// Why there is no whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseFailure {
    /// The connection was reset.
    Reset,
    /// The connection was closed before a response began.
    Closed,
    /// The response began and ended before its end.
    Truncated,
    /// No head in time, or no progress.
    TimedOut,
    /// Something that is no HTTP response.
    Garbage,
}

/// The classes under which failures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// [`Evidence::ConnectFailed`]
    Connect,
    /// [`Evidence::ResponseFailed`], except short ones
    Response,
    /// [`ResponseFailure::Truncated`]
    Truncated,
    /// [`Evidence::WrongDigest`]
    WrongDigest,
    /// [`Evidence::MissingDigest`]
    MissingDigest,
    /// [`Evidence::Silent`]
    Silent,
    /// [`Evidence::IdleClosed`]
    IdleClosed,
    /// [`Evidence::Status`] of 500 and above
    Status,
}

impl FailureClass {
    /// Every class, in the order in which they are counted.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Response,
        Self::Truncated,
        Self::WrongDigest,
        Self::MissingDigest,
        Self::Silent,
        Self::IdleClosed,
        Self::Status,
    ];

    /// The name for metrics and the admin interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Response => "response",
            Self::Truncated => "truncated",
            Self::WrongDigest => "wrong_digest",
            Self::MissingDigest => "missing_digest",
            Self::Silent => "silent",
            Self::IdleClosed => "idle_closed",
            Self::Status => "status",
        }
    }
}

impl Evidence {
    /// The class under which this is counted; `None` for what is no failure of the endpoint.
    pub fn class(self) -> Option<FailureClass> {
        match self {
            Self::ConnectFailed(ConnectFailure::Local) | Self::Succeeded => None,
            Self::ConnectFailed(_) => Some(FailureClass::Connect),
            Self::ResponseFailed(ResponseFailure::Truncated) => Some(FailureClass::Truncated),
            Self::ResponseFailed(_) => Some(FailureClass::Response),
            Self::WrongDigest => Some(FailureClass::WrongDigest),
            Self::MissingDigest => Some(FailureClass::MissingDigest),
            Self::Silent => Some(FailureClass::Silent),
            Self::IdleClosed => Some(FailureClass::IdleClosed),
            Self::Status(status) => is_bad(status).then_some(FailureClass::Status),
        }
    }

    /// Whether the endpoint should get nothing new until a probe has passed.
    pub(crate) fn makes_suspect(self) -> bool {
        match self {
            Self::ConnectFailed(why) => why != ConnectFailure::Local,
            Self::ResponseFailed(why) => why != ResponseFailure::Garbage,
            Self::Silent | Self::IdleClosed => true,
            Self::WrongDigest | Self::MissingDigest | Self::Status(_) | Self::Succeeded => false,
        }
    }
}

impl Evidence {
    /// Why an endpoint on probation is ejected again after this; `None` if it is not.
    pub(crate) fn fails_a_trial(self) -> Option<Cause> {
        match self {
            Self::ConnectFailed(ConnectFailure::Local) | Self::IdleClosed | Self::Succeeded => None,
            Self::ConnectFailed(_) => Some(Cause::Unreachable),
            Self::Status(status) => is_bad(status).then_some(Cause::Misbehaving),
            Self::ResponseFailed(_) | Self::WrongDigest | Self::MissingDigest | Self::Silent => {
                Some(Cause::Misbehaving)
            }
        }
    }
}

/// Whether a status speaks against the server that sent it (RFC 9110 §15.6).
pub(crate) fn is_bad(status: u16) -> bool {
    status >= 500
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed(why) => why.fmt(f),
            Self::ResponseFailed(why) => why.fmt(f),
            Self::WrongDigest => f.write_str("wrong digest"),
            Self::MissingDigest => f.write_str("digest missing"),
            Self::Silent => f.write_str("silent while others answer"),
            Self::IdleClosed => f.write_str("idle connection closed"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Succeeded => f.write_str("good answer"),
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::TimedOut => "connect timed out",
            Self::Unreachable => "no route",
            Self::Reset => "connect reset",
            Self::Local => "no local resources to connect",
        })
    }
}

impl fmt::Display for ResponseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "connection reset",
            Self::Closed => "closed before a response",
            Self::Truncated => "response cut short",
            Self::TimedOut => "response timed out",
            Self::Garbage => "not an HTTP response",
        })
    }
}
