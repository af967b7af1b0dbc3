//! What became of one request: answered rightly, or failed, and then where and how.
//!
//! ```text
//! resolve ──▶ connect ──▶ handshake ──▶ send ──▶ wait ──▶ body ──▶ verify ──▶ right
//!    └───────────┴────────────┴───────────┴───────┴────────┴─────────┴──────▶ failed (phase, kind)
//! ```
//! The client never tries a request twice: what a balancer hides is for the balancer to do, and what it does not
//! hide must show here.

use std::fmt;
use std::time::{Duration, Instant};

use evenkeel_wire::Handshake;
use serde::Serialize;

/// The stretch of an exchange in which it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Looking the target's name up.
    Resolve,
    /// Opening a connection.
    Connect,
    /// Coming to speak TLS on it.
    Handshake,
    /// Writing the request.
    Send,
    /// Waiting for the response head.
    Wait,
    /// Reading the response body.
    Body,
    /// Comparing what came with what was promised and expected.
    Verify,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Body => "body",
            Self::Verify => "verify",
        })
    }
}

/// How a request failed. Few enough to count each: the only variable part is a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The target's name has no address, or nobody answered for it.
    Unresolved,
    /// Nobody listens at the address.
    Refused,
    /// No route to the address.
    Unreachable,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// This process ran out of descriptors or ports: the target is not to blame.
    Local,
    /// The target's certificate is signed by nobody who is trusted.
    UnknownAuthority,
    /// The target's certificate is for other names.
    WrongName,
    /// The target's certificate has ended.
    Expired,
    /// The target's certificate does not hold yet.
    NotYetValid,
    /// The target's certificate cannot be trusted for another reason.
    Untrusted,
    /// The target wants a certificate of the client, or another one.
    ClientCertificate,
    /// What came is not TLS.
    NotTls,
    /// No TLS came about.
    Handshake,
    /// No TLS came about within the connect timeout.
    HandshakeTimeout,
    /// No response head within the timeout.
    NoResponse,
    /// The connection was closed before a response head.
    Closed,
    /// The connection was reset before the response was whole.
    Reset,
    /// The response stopped in mid-body until the timeout.
    Stalled,
    /// The body ended before its announced end.
    Truncated,
    /// What came is not HTTP/1.1.
    Malformed,
    /// A whole response with a status that was not expected.
    Status(u16),
    /// The body does not match its `Content-Digest` or `Repr-Digest` (RFC 9530).
    WrongDigest,
    /// A digest was required and none was there.
    NoDigest,
    /// An echo that is not what was sent.
    WrongEcho,
    /// The response carries another request's id.
    OtherRequest,
}

impl Kind {
    /// Whether a complete response came that a less careful client would have taken for the right one.
    pub(crate) fn is_wrong_answer(self) -> bool {
        matches!(self, Self::WrongDigest | Self::NoDigest | Self::WrongEcho | Self::OtherRequest)
    }
}

impl Kind {
    /// Whether a setting or a certificate has to change before it can be otherwise.
    pub(crate) fn is_a_mistake(self) -> bool {
        matches!(
            self,
            Self::UnknownAuthority
                | Self::WrongName
                | Self::Expired
                | Self::NotYetValid
                | Self::Untrusted
                | Self::ClientCertificate
                | Self::NotTls
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "name not resolved",
            Self::Refused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect timeout",
            Self::Local => "no connection from here",
            Self::UnknownAuthority => "certificate of an unknown authority",
            Self::WrongName => "certificate for another name",
            Self::Expired => "certificate expired",
            Self::NotYetValid => "certificate not valid yet",
            Self::Untrusted => "certificate not trusted",
            Self::ClientCertificate => "client certificate refused",
            Self::NotTls => "not TLS",
            Self::Handshake => "no TLS handshake",
            Self::HandshakeTimeout => "TLS handshake timeout",
            Self::NoResponse => "no response in time",
            Self::Closed => "closed before a response",
            Self::Reset => "connection reset",
            Self::Stalled => "stalled in mid-body",
            Self::Truncated => "truncated body",
            Self::Malformed => "malformed response",
            Self::Status(status) => return write!(f, "status {status}"),
            Self::WrongDigest => "wrong digest",
            Self::NoDigest => "digest missing",
            Self::WrongEcho => "wrong echo",
            Self::OtherRequest => "answer to another request",
        })
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A request that was not answered rightly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where in the exchange.
    pub(crate) phase: Phase,
    /// How.
    pub(crate) kind: Kind,
    /// What a person needs beside the kind: the operating system's words, the balancer's `Proxy-Status`.
    pub(crate) detail: String,
}

impl Failure {
    /// A failure of `kind` in `phase`.
    pub(crate) fn new(phase: Phase, kind: Kind, detail: impl Into<String>) -> Self {
        Self { phase, kind, detail: detail.into() }
    }
}

/// How a connection came to speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shaken {
    /// With which version, and whether it went on from an earlier one.
    pub(crate) how: Handshake,
    /// How long the handshake took.
    pub(crate) took: Duration,
}

/// One request from its intended moment to its end.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The number of the request in its run, from 0; with the run's name it makes the request id.
    pub(crate) sequence: u64,
    /// Which entry of the workload it was made from.
    pub(crate) entry: usize,
    /// Whether its latency counts: false while warming up.
    pub(crate) measured: bool,
    /// When it should have been sent. In a closed loop the moment it was.
    pub(crate) intended: Instant,
    /// When it was begun: before the connection was opened, where one was.
    pub(crate) begun: Instant,
    /// How long opening the connection took; `None` on a kept one.
    pub(crate) connect: Option<Duration>,
    /// How TLS came about on it, where it did.
    pub(crate) handshake: Option<Shaken>,
    /// When the response head was there.
    pub(crate) head: Option<Instant>,
    /// When the response was whole, or had failed.
    pub(crate) ended: Instant,
    /// The status, where a head came.
    pub(crate) status: Option<u16>,
    /// `X-Server` of the response.
    pub(crate) server: Option<String>,
    /// Body bytes received.
    pub(crate) received: u64,
    /// What became of it.
    pub(crate) outcome: Result<(), Failure>,
}

impl Exchange {
    /// From the intended moment to the end: what a user waited.
    pub(crate) fn latency(&self) -> Duration {
        self.ended.saturating_duration_since(self.intended)
    }

    /// From the actual start to the end: what the target needed.
    pub(crate) fn service_time(&self) -> Duration {
        self.ended.saturating_duration_since(self.begun)
    }

    /// How much later than intended it was begun.
    pub(crate) fn delay(&self) -> Duration {
        self.begun.saturating_duration_since(self.intended)
    }
}
