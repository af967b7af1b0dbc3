//! What was seen of an endpoint, as plain facts.
//!
//! Evidence is made where something happened (a worker, a prober) and judged in one place
//! ([`Control`](crate::Control)), so that the same fact always weighs the same.
//!
//! Evidence has an author. What a response looks like depends on who asked for what, so a single client could have any
//! server ejected by asking for failures. A piece of evidence therefore says whose request it was ([`Author`]) and
//! what came of asking another server the same ([`Standing`]):
//!
//! ```text
//!                 another server did well  ──▶ proven: it counts by itself
//! alleged ────────another failed alike     ──▶ refuted: the request is to blame, and it counts against none
//!         └───────nobody else was asked    ──▶ counts together with another author, a proven one or a failed probe
//! ```

use std::fmt;
use std::net::IpAddr;

use crate::health::Cause;

/// What was seen, on whose request, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// What was seen.
    pub evidence: Evidence,
    /// Whose request showed it.
    pub author: Author,
    /// What another endpoint made of the same request.
    pub standing: Standing,
}

/// Who made the request that showed something: equal for requests of the same client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Author(u64);

/// How a piece of evidence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody else was asked, or not yet.
    Alleged,
    /// Another endpoint did well with the same request. Said of what was alleged before.
    Proven,
    /// Another endpoint failed alike. Said of what was alleged before.
    Refuted,
}

impl Author {
    /// No client: what a connection showed while it was idle.
    pub const NOBODY: Self = Self(0);

    /// The client at this address. Of IPv6 the first 48 bits: one site may have all of the rest.
    pub fn at(address: IpAddr) -> Self {
        let bits = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 80) as u64,
        };
        Self(bits.wrapping_add(1))
    }
}

impl Testimony {
    /// That `author`'s request showed `evidence`.
    pub fn alleged(evidence: Evidence, author: Author) -> Self {
        Self { evidence, author, standing: Standing::Alleged }
    }
}

impl From<Evidence> for Testimony {
    /// Of what nobody's request showed.
    fn from(evidence: Evidence) -> Self {
        Self::alleged(evidence, Author::NOBODY)
    }
}

/// What a response says of the endpoint that sent it: the shell knows the protocol, and tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// Nothing against it.
    Good,
    /// An error that would be the same anywhere, as far as anybody can tell: it is the answer.
    Error,
    /// An error of this endpoint: another may well be able to answer.
    Unable,
}

impl Response {
    /// Whether it speaks for its endpoint.
    pub fn is_good(self) -> bool {
        self == Self::Good
    }
}

/// Something an endpoint did, or failed to do, in the sight of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// No connection came about.
    ConnectFailed(ConnectFailure),
    /// A connection was there, a whole response was not.
    ResponseFailed(ResponseFailure),
    /// A whole response whose bytes are not those its digest is of.
    WrongDigest,
    /// A whole response without the digest that it had announced.
    MissingDigest,
    /// In flight and silent for longer than usual, while others answer. A question to the probe, and no failure.
    Silent,
    /// Another endpoint answered the same request well before this one had shown a sign of life.
    Outpaced,
    /// An idle connection was closed or reset by the other side.
    IdleClosed,
    /// A response that is an error ([`Response::Error`], [`Response::Unable`]), with the number that the protocol has for it.
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
    /// This process could not even try (no descriptor, no port). Says nothing about the endpoint.
    Local,
    /// Somebody listens there who is not spoken to, or will not be: nothing but the handshake was sent.
    Tls(TlsFailure),
}

/// Why a handshake of TLS came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// Nobody who is trusted has signed its certificate.
    Untrusted,
    /// Its certificate is for another name.
    WrongName,
    /// Its certificate has ended.
    Expired,
    /// Its certificate begins in the future.
    NotYetValid,
    /// It would not, or speaks no TLS that is spoken here.
    Refused,
    /// The connection ended before the handshake did.
    Cut,
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
    /// Something that is no response in the protocol.
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
    /// [`Evidence::Outpaced`]
    Outpaced,
    /// [`Evidence::IdleClosed`]
    IdleClosed,
    /// [`Evidence::Status`]
    Status,
}

impl FailureClass {
    /// Every class, in the order in which they are counted.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Response,
        Self::Truncated,
        Self::WrongDigest,
        Self::MissingDigest,
        Self::Silent,
        Self::Outpaced,
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
            Self::Outpaced => "outpaced",
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
            Self::Outpaced => Some(FailureClass::Outpaced),
            Self::IdleClosed => Some(FailureClass::IdleClosed),
            Self::Status(_) => Some(FailureClass::Status),
        }
    }

    /// Whether the endpoint should get nothing new until a probe has passed.
    pub(crate) fn makes_suspect(self) -> bool {
        match self {
            Self::ConnectFailed(why) => why != ConnectFailure::Local,
            Self::ResponseFailed(why) => why != ResponseFailure::Garbage,
            Self::Silent | Self::IdleClosed => true,
            Self::WrongDigest | Self::MissingDigest | Self::Outpaced | Self::Status(_) | Self::Succeeded => {
                false
            }
        }
    }
}

impl Testimony {
    /// Why an endpoint on probation is ejected again after this; `None` if it is not. No client can make a connect
    /// fail; what else goes wrong in a trial has to be proven, or a client could keep an endpoint out.
    pub(crate) fn fails_a_trial(self) -> Option<Cause> {
        let proven = self.standing == Standing::Proven;
        match self.evidence {
            Evidence::ConnectFailed(ConnectFailure::Local)
            | Evidence::Silent
            | Evidence::Outpaced
            | Evidence::IdleClosed
            | Evidence::Succeeded => None,
            Evidence::ConnectFailed(_) => Some(Cause::Unreachable),
            Evidence::Status(_)
            | Evidence::ResponseFailed(_)
            | Evidence::WrongDigest
            | Evidence::MissingDigest => proven.then_some(Cause::Misbehaving),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed(why) => why.fmt(f),
            Self::ResponseFailed(why) => why.fmt(f),
            Self::WrongDigest => f.write_str("wrong digest"),
            Self::MissingDigest => f.write_str("digest missing"),
            Self::Silent => f.write_str("silent while others answer"),
            Self::Outpaced => f.write_str("no sign of life while others answer the same"),
            Self::IdleClosed => f.write_str("it closed its idle connections"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Succeeded => f.write_str("good answer"),
        }
    }
}

impl ConnectFailure {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::Local,
        Self::Tls(TlsFailure::Untrusted),
        Self::Tls(TlsFailure::WrongName),
        Self::Tls(TlsFailure::Expired),
        Self::Tls(TlsFailure::NotYetValid),
        Self::Tls(TlsFailure::Refused),
        Self::Tls(TlsFailure::Cut),
    ];

    /// The word for programs.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// For programs and for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Refused => ("refused", "connection refused"),
            Self::TimedOut => ("connect_timeout", "connect timed out"),
            Self::Unreachable => ("unreachable", "no route"),
            Self::Local => ("no_local_resources", "no local resources to connect"),
            Self::Tls(why) => why.words(),
        }
    }
}

impl TlsFailure {
    /// Whether it is the certificate that is wrong: that mends itself only when somebody replaces it.
    pub fn is_of_certificate(self) -> bool {
        !matches!(self, Self::Refused | Self::Cut)
    }

    /// For programs and for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Untrusted => ("certificate_untrusted", "certificate not trusted"),
            Self::WrongName => ("certificate_wrong_name", "certificate for another name"),
            Self::Expired => ("certificate_expired", "certificate expired"),
            Self::NotYetValid => ("certificate_not_yet_valid", "certificate not yet valid"),
            Self::Refused => ("tls_refused", "TLS handshake refused"),
            Self::Cut => ("tls_cut", "TLS handshake cut off"),
        }
    }
}

impl ResponseFailure {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Reset, Self::Closed, Self::Truncated, Self::TimedOut, Self::Garbage];

    /// The word for programs.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// For programs and for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Reset => ("reset", "connection reset"),
            Self::Closed => ("closed", "closed before a response"),
            Self::Truncated => ("truncated", "response cut short"),
            Self::TimedOut => ("timeout", "response timed out"),
            Self::Garbage => ("garbage", "malformed response"),
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

impl fmt::Display for ResponseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}
