//! One try: what it is doing and, afterwards, what it did.

use std::fmt;
use std::time::Instant;

use crate::endpoint::{EndpointId, Usual};
use crate::evidence::{ConnectFailure, Evidence, FailureClass, Response, ResponseFailure};

use super::event::{TryNo, Why};

/// A try, while it runs and after.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one try, in any combination")]
pub(super) struct Try {
    pub(super) why: Why,
    /// `None` until one is chosen.
    pub(super) endpoint: Option<EndpointId>,
    pub(super) usual: Usual,
    pub(super) reused: bool,
    /// A byte of the request was written, and for all that is known it was executed.
    pub(super) sent: bool,
    pub(super) stage: Stage,
    /// When it entered its stage; of one that is held, when it was last seen to have made progress.
    pub(super) since: Instant,
    /// Bytes of its response, when they were last looked at.
    pub(super) received: usize,
    /// When its endpoint's condition was last looked at.
    pub(super) looked_at: Instant,
    /// When the whole request was on its way, for the wait for its head.
    pub(super) sent_at: Option<Instant>,
    /// What its response is, and its status.
    pub(super) response: Option<(Response, u16)>,
    pub(super) begun: Instant,
    /// Another try was begun because of this one: no second one will be.
    pub(super) moved_on: bool,
    /// Its silence was reported.
    pub(super) suspected: bool,
    /// Another try was begun because its endpoint went down.
    pub(super) deserted: bool,
    /// Its endpoint was ejected since: little is to be hoped for.
    pub(super) lost: bool,
    /// It draws on the budget of retries.
    pub(super) paid: bool,
    pub(super) reconnected: bool,
}

/// Where a try is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The shell looks for an endpoint.
    Choosing,
    /// A connection is being opened.
    Connecting,
    /// The request is being written.
    Sending,
    /// The request was written; no head yet.
    Waiting,
    /// The head is there, the body is kept back until it is whole.
    Held,
    /// An error response of a server, kept for when nothing better comes.
    SetAside,
    /// It answers the client.
    Committed,
    /// Overtaken, or the client is gone.
    Cancelled,
    /// It failed.
    Failed(Fault),
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Connect(ConnectFailure),
    Response(ResponseFailure),
    /// With what stands for the bytes and the digest.
    Digest(u64),
    Stale,
}

impl Try {
    pub(super) fn new(why: Why, now: Instant) -> Self {
        Self {
            why,
            endpoint: None,
            usual: Usual::default(),
            reused: false,
            sent: false,
            stage: Stage::Choosing,
            received: 0,
            since: now,
            looked_at: now,
            sent_at: None,
            response: None,
            begun: now,
            moved_on: false,
            suspected: false,
            deserted: false,
            lost: false,
            paid: false,
            reconnected: false,
        }
    }

    pub(super) fn enter(&mut self, stage: Stage, now: Instant) {
        if stage == Stage::Waiting {
            self.sent_at = Some(now);
            self.looked_at = now;
        }
        self.stage = stage;
        self.since = now;
    }

    /// Whether an answer may still come of it.
    pub(super) fn is_live(&self) -> bool {
        match self.stage {
            Stage::Choosing | Stage::Connecting | Stage::Sending | Stage::Waiting | Stage::Held => true,
            Stage::SetAside | Stage::Committed | Stage::Cancelled | Stage::Failed(_) => false,
        }
    }

    /// Live, and nothing better was begun because of it.
    pub(super) fn is_promising(&self) -> bool {
        self.is_live() && !self.moved_on
    }

    pub(super) fn is_set_aside(&self) -> bool {
        let is_unable = || matches!(self.response, Some((Response::Unable, _)));
        self.stage == Stage::SetAside || (self.stage == Stage::Committed && is_unable())
    }

    /// Whether the client would have got an error of it, as far as anybody can tell.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.stage, Stage::Failed(_)) || self.is_set_aside() || self.deserted
    }

    /// Whether its response is one that speaks for its endpoint.
    pub(super) fn is_well(&self) -> bool {
        self.response.is_some_and(|(response, _)| response.is_good())
    }

    /// What it showed that a request may be to blame for as well as its endpoint.
    pub(super) fn showed(&self) -> Option<Evidence> {
        match self.stage {
            Stage::Failed(Fault::Response(why)) => Some(Evidence::ResponseFailed(why)),
            Stage::Failed(Fault::Digest(_)) => Some(Evidence::WrongDigest),
            Stage::Failed(Fault::Connect(_) | Fault::Stale) => None,
            _ => {
                let bad = self.response.filter(|(response, _)| !response.is_good());
                bad.map(|(_, status)| Evidence::Status(status))
            }
        }
    }

    pub(super) fn entry(&self, number: TryNo) -> Option<TrailEntry> {
        let responded = |without| {
            self.response.map_or(without, |(response, status)| TrailOutcome::Responded(response, status))
        };
        let outcome = match self.stage {
            Stage::Choosing | Stage::Connecting | Stage::Sending | Stage::Waiting | Stage::Held => {
                TrailOutcome::Running
            }
            Stage::SetAside | Stage::Committed => responded(TrailOutcome::Running),
            Stage::Cancelled => responded(TrailOutcome::Overtaken),
            Stage::Failed(Fault::Connect(why)) => TrailOutcome::ConnectFailed(why),
            Stage::Failed(Fault::Response(why)) => TrailOutcome::ResponseFailed(why),
            Stage::Failed(Fault::Digest(_)) => TrailOutcome::WrongDigest,
            Stage::Failed(Fault::Stale) => TrailOutcome::Stale,
        };
        Some(TrailEntry {
            number,
            endpoint: self.endpoint?,
            why: self.why,
            outcome,
            silent: self.suspected,
            reused: self.reused,
            begun: self.begun,
            since: self.since,
        })
    }
}

/// What one attempt did, to be told afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailEntry {
    /// Which try.
    pub number: TryNo,
    /// On which endpoint.
    pub endpoint: EndpointId,
    /// Why it was begun.
    pub why: Why,
    /// How it ended.
    pub outcome: TrailOutcome,
    /// Whether it was silent for so long that it was reported ([`Evidence::Silent`]).
    pub silent: bool,
    /// Whether it began on an idle connection.
    pub reused: bool,
    /// When it began.
    pub begun: Instant,
    /// When it came to this outcome.
    pub since: Instant,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailOutcome {
    /// It has not.
    Running,
    /// A response, and its status.
    Responded(Response, u16),
    /// No connection.
    ConnectFailed(ConnectFailure),
    /// No whole response.
    ResponseFailed(ResponseFailure),
    /// A whole response with the wrong bytes.
    WrongDigest,
    /// The idle connection was closed already.
    Stale,
    /// Another attempt was faster, or the client went away.
    Overtaken,
}

/// The classes under which attempts are counted by how they ended. Coarser than [`TrailOutcome`]: why there was no connection
/// and why there was no response is said by [`ConnectFailure::name`] and [`ResponseFailure::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeClass {
    /// [`TrailOutcome::Responded`], good
    Answered,
    /// [`TrailOutcome::Responded`], not good
    ErrorStatus,
    /// [`TrailOutcome::ConnectFailed`]
    ConnectFailed,
    /// [`TrailOutcome::ResponseFailed`]
    ResponseFailed,
    /// [`TrailOutcome::WrongDigest`]
    WrongDigest,
    /// [`TrailOutcome::Stale`]
    Stale,
    /// [`TrailOutcome::Overtaken`]
    Overtaken,
    /// [`TrailOutcome::Running`]
    Unfinished,
}

impl OutcomeClass {
    /// Every class, in the order in which they are counted.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::ErrorStatus,
        Self::ConnectFailed,
        Self::ResponseFailed,
        Self::WrongDigest,
        Self::Stale,
        Self::Overtaken,
        Self::Unfinished,
    ];

    /// The word for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ErrorStatus => "error_status",
            Self::ConnectFailed => "connect_failed",
            Self::ResponseFailed => "response_failed",
            Self::WrongDigest => FailureClass::WrongDigest.name(),
            Self::Stale => "stale",
            Self::Overtaken => "overtaken",
            Self::Unfinished => "unfinished",
        }
    }
}

impl TrailOutcome {
    /// The class under which it is counted.
    pub fn class(self) -> OutcomeClass {
        match self {
            Self::Running => OutcomeClass::Unfinished,
            Self::Responded(Response::Good, _) => OutcomeClass::Answered,
            Self::Responded(Response::Error | Response::Unable, _) => OutcomeClass::ErrorStatus,
            Self::ConnectFailed(_) => OutcomeClass::ConnectFailed,
            Self::ResponseFailed(_) => OutcomeClass::ResponseFailed,
            Self::WrongDigest => OutcomeClass::WrongDigest,
            Self::Stale => OutcomeClass::Stale,
            Self::Overtaken => OutcomeClass::Overtaken,
        }
    }
}

impl TrailEntry {
    /// What became of the attempt, in a word that says exactly what went wrong; `answered` where it is the one whose response
    /// answers the client.
    pub fn end(&self, answered: bool) -> &'static str {
        match self.outcome {
            TrailOutcome::Responded(..) if answered => OutcomeClass::Answered.name(),
            // Its endpoint's error, for which the request was tried elsewhere.
            TrailOutcome::Responded(Response::Unable, _) => FailureClass::Status.name(),
            TrailOutcome::Overtaken | TrailOutcome::Running if self.silent => FailureClass::Silent.name(),
            TrailOutcome::Responded(..) | TrailOutcome::Overtaken | TrailOutcome::Running => "abandoned",
            TrailOutcome::ConnectFailed(why) => why.name(),
            TrailOutcome::ResponseFailed(why) => why.name(),
            TrailOutcome::WrongDigest | TrailOutcome::Stale => self.outcome.class().name(),
        }
    }
}

/// For people; needs no quoting in a log or a header.
impl fmt::Display for TrailOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Responded(_, status) => write!(f, "status {status}"),
            Self::ConnectFailed(why) => why.fmt(f),
            Self::ResponseFailed(why) => why.fmt(f),
            Self::WrongDigest => f.write_str("wrong digest"),
            Self::Stale => f.write_str("connection was closed"),
            Self::Overtaken => f.write_str("overtaken"),
        }
    }
}
