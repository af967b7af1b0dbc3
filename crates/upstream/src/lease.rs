//! A request's hold on an endpoint. It counts as in flight until it is given back, whatever becomes of the request.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::Down;
use crate::endpoint::{Endpoint, Flags};
use crate::evidence::{Evidence, Response};
use crate::health::Cause;
use crate::upstream::Snapshot;

/// One attempt's hold on an endpoint. Dropped unfinished, it ends as [`Outcome::Abandoned`].
#[must_use = "a lease that is dropped at once was taken for nothing"]
pub struct Lease {
    /// The worker's own handle on the snapshot: cloning it touches no line that other workers write.
    view: Rc<View>,
    index: usize,
    /// As the endpoint stood when the lease was taken.
    flags: Flags,
    trial: bool,
    bad: bool,
    /// Its end has been counted.
    ended: bool,
}

/// A worker's handle on the snapshot that it last saw.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
}

/// How an attempt ended, as far as its endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A whole response, whatever its status.
    Success,
    /// No whole and right response; what exactly went wrong is reported as [`Evidence`].
    Failure,
    /// Given up before it was decided: another attempt was faster, or the client went away.
    Abandoned,
}

impl Lease {
    /// Takes a place on the endpoint at `index`; `None` when it is at its limit.
    pub(crate) fn take(view: &Rc<View>, index: usize, trial: bool) -> Option<Self> {
        let endpoint = view.snapshot.endpoints().get(index)?;
        let flags = endpoint.flags();
        endpoint.begin().then(|| Self {
            view: Rc::clone(view),
            index,
            flags,
            trial,
            bad: false,
            ended: false,
        })
    }

    /// Whose lease it is.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.view.snapshot.endpoints()[self.index]
    }

    /// Whether this is a trial of an endpoint on probation.
    pub fn is_trial(&self) -> bool {
        self.trial
    }

    /// What has become of the endpoint since the lease was taken. A lease that was taken on an endpoint in trouble, because
    /// there was nothing better, is not down for that trouble; and an endpoint that drains serves what it has.
    pub fn down(&self) -> Down {
        let now = self.endpoint().flags();
        let is_confirmed = |flags: Flags| flags.has(Flags::SUSPECT | Flags::CONFIRMED);
        if self.flags.has(Flags::HEALTHY) && !now.has(Flags::HEALTHY) {
            Down::Ejected(match (now.has(Flags::UNREACHABLE), now.has(Flags::CONNECTS)) {
                (true, true) => Cause::Unanswering,
                (true, false) => Cause::Unreachable,
                (false, _) => Cause::Misbehaving,
            })
        } else if !is_confirmed(self.flags) && is_confirmed(now) {
            if now.has(Flags::CONNECTS) { Down::Unanswered } else { Down::Confirmed }
        } else if !self.flags.has(Flags::BUSY) && now.has(Flags::BUSY) {
            Down::Busy
        } else {
            Down::No
        }
    }

    /// Whether an error says more about the endpoint than about the request: it answers so to one request after the other, was
    /// ejected since it was chosen, or is on trial.
    pub fn is_accused(&self) -> bool {
        let now = self.endpoint().flags();
        self.trial || now.has(Flags::ACCUSED) || self.flags.has(Flags::HEALTHY) && !now.has(Flags::HEALTHY)
    }

    /// A connect that was begun at `since` has waited for longer than is usual. True where the endpoint has answered others meanwhile:
    /// it lives, and the line of connections that wait to be taken there is full. That is noted.
    pub fn finds_line_full(&self, since: Instant, now: Instant) -> bool {
        let is_full = self.endpoint().lives_though_silent_to(since);
        if is_full {
            self.endpoint().line_is_full(now);
        }
        is_full
    }

    /// A connection came about.
    pub fn connected(&self, took: Duration) {
        self.endpoint().connected(took);
    }

    /// The head of the response is there; `took` since the request was sent.
    pub fn head_received(&mut self, response: Response, took: Duration, now: Instant) {
        self.bad = !response.is_good();
        self.endpoint().heard(took, !self.bad, now);
    }

    /// A part of a long body has come.
    pub fn flows(&self, now: Instant) {
        self.endpoint().flows(now);
    }

    /// Ends the lease. What it returns, if anything, is for [`Control::evidence`](crate::Control::evidence).
    pub fn finish(mut self, outcome: Outcome, now: Instant) -> Option<Evidence> {
        let endpoint = &self.view.snapshot.endpoints()[self.index];
        match outcome {
            Outcome::Success if !self.bad => {
                endpoint.succeeded(now);
                self.ended = true;
                // On the usual way there is nothing to tell.
                let settled = endpoint.flags().has(Flags::HEALTHY) && !endpoint.flags().has(Flags::SUSPECT);
                (!settled).then_some(Evidence::Succeeded)
            }
            Outcome::Failure => {
                endpoint.penalise(now);
                None
            }
            Outcome::Success | Outcome::Abandoned => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.endpoint().end();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("endpoint", self.endpoint())
            .field("trial", &self.trial)
            .finish_non_exhaustive()
    }
}
