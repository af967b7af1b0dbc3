//! What a request comes to: noted on its way, settled once at its end into counters, times and the access log. So
//! observing is a line here and there in the flow, and nothing of it happens between a request and its answer.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use evenkeel_message::Refusal;
use evenkeel_upstream::Response;
use evenkeel_upstream::attempt::{Attempts, MAX_ATTEMPTS, TrailEntry, TrailOutcome, TryNo, Why};

use crate::clock::now;
use crate::records::mark::Mark;

/// The account of one request.
#[derive(Debug, Default)]
pub(crate) struct Account {
    begun: Option<Instant>,
    /// Of the answer; 0 while there is none.
    pub(crate) status: u16,
    /// Bytes of the response's body that went to the client.
    pub(crate) sent: u64,
    /// Time spent in the queue for an endpoint below its limit.
    pub(crate) queued: Duration,
    pub(crate) end: End,
    /// What was wrong: as in `Proxy-Status` where the answer is the balancer's own, else the class of what speaks against the
    /// server whose whole answer the client has.
    pub(crate) error: Option<&'static str>,
    pub(crate) trail: ArrayVec<TrailEntry, MAX_ATTEMPTS>,
    pub(crate) masked: bool,
    /// Who asks, where trusted proxies are in front: whom they name. `None` of what cannot be read.
    pub(crate) client: Option<IpAddr>,
    /// The upstream it is for, where there are several.
    pub(crate) upstream: Option<Arc<str>>,
    /// What was taken off its path on the way there.
    pub(crate) prefix: Option<Arc<str>>,
    /// Where its id stands in its head as that goes to the servers; nowhere in one that cannot be read.
    pub(crate) id: Range<usize>,
    /// The trace that it is part of, where it says so.
    pub(crate) trace: Option<[u8; 32]>,
    /// The attempt whose response is the answer.
    pub(crate) answered: Option<TryNo>,
    /// Which request of which run it is; boxed, because hardly any is one.
    pub(crate) mark: Option<Box<Mark>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has the whole answer, of a server or one that the balancer was asked for.
    #[default]
    Complete,
    /// It broke the protocol or a limit: 4xx or 501 of the balancer's own.
    Refused,
    /// Its client may not come, or asks too often: 403 or 429 of the balancer's own.
    TurnedAway,
    /// Its client is told to ask elsewhere: 301, 302, 307 or 308 of the balancer's own.
    Redirected,
    /// No server answered: 502, 503 or 504 of the balancer's own.
    Failed,
    /// The client went away first.
    ClientGone,
    /// The response broke off after its head had gone to the client.
    Truncated,
    /// It changed to another protocol.
    Tunnel,
}

impl End {
    /// The word for the access log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::TurnedAway => "turned_away",
            Self::Redirected => "redirected",
            Self::Failed => "failed",
            Self::ClientGone => "client_gone",
            Self::Truncated => "truncated",
            Self::Tunnel => "tunnel",
        }
    }

    /// Whether the client was sent all of an answer.
    pub(crate) fn is_whole(self) -> bool {
        !matches!(self, Self::ClientGone | Self::Truncated)
    }
}

impl Account {
    /// Opens the account of the next request.
    pub(crate) fn open(&mut self) {
        *self = Self { begun: Some(now()), ..Self::default() };
    }

    /// The request goes on under the id that stands there in its `head`.
    pub(crate) fn identify(&mut self, id: Range<usize>, head: &[u8]) {
        if let Some(mark) = &mut self.mark {
            mark.identify(&head[id.clone()]);
        }
        self.id = id;
    }

    /// The balancer refuses the request.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.status = refusal.status;
        self.error = Some(refusal.error);
        self.end = End::Refused;
    }

    /// The request is not served for who asks it, or how often.
    pub(crate) fn turned_away(&mut self, status: u16) {
        self.status = status;
        self.error = Some("http_request_denied");
        self.end = End::TurnedAway;
    }

    /// The request is to be asked elsewhere.
    pub(crate) fn redirected(&mut self, status: u16) {
        self.status = status;
        self.end = End::Redirected;
    }

    /// No server answered.
    pub(crate) fn failed(&mut self, status: u16, error: &'static str) {
        self.status = status;
        self.error = Some(error);
        self.end = End::Failed;
    }

    /// The attempts are over, and the delivery of what they brought.
    pub(crate) fn attempted(&mut self, attempts: &Attempts) {
        self.trail = attempts.trail().collect();
        self.masked = attempts.is_masked();
    }

    /// Whether anything went wrong on the way, noticed by the client or not. A second attempt for speed alone is as usual, and
    /// so is a client that is turned away: who asks too often must not fill the log with it.
    pub(crate) fn is_remarkable(&self) -> bool {
        if self.end == End::TurnedAway {
            return false;
        }
        let failed = |entry: &TrailEntry| {
            !matches!(entry.outcome, TrailOutcome::Responded(Response::Good, _) | TrailOutcome::Overtaken)
                || matches!(entry.why, Why::Moved | Why::Retry)
        };
        self.status >= 500
            || self.error.is_some()
            || !matches!(self.end, End::Complete | End::Redirected | End::Tunnel)
            || self.trail.iter().any(failed)
    }

    /// How long it took, as of `now`.
    pub(crate) fn took(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun))
    }

    /// How long after its beginning something happened.
    pub(crate) fn after(&self, moment: Instant) -> Duration {
        self.took(moment)
    }
}
