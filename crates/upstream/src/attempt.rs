//! The life of a request, as a machine: events and `now` in, actions out.
//!
//! A request is what the client sent; an attempt is one try of it on one endpoint. This machine decides when there is
//! another attempt, which of them answers, and what the client hears when none can. It opens no connection and knows
//! no clock: the shell reports what happened ([`Event`]) and does what it is told ([`Action`]).
//!
//! One try goes through these stages; a request has at most [`MAX_ATTEMPTS`] of them, each on another endpoint:
//!
//! ```text
//!            ┌──────────────── Reconnect (once, when there is no other endpoint) ───┐
//!            ▼                                                                      │
//! Choosing ─▶ Connecting ─▶ Sending ─▶ Waiting ─▶ Held ─▶ Committed               Stale
//!    │            │            │          │         │        ▲                      ▲
//!    │            │            └──────────┴─────────┼──▶ (idle connection was closed)
//!    │            │                       │         ├──▶ SetAside   an error of its endpoint: kept as the last real error
//!    ▼            ▼                       ▼         ▼        │
//!  (none left)  Failed ◀──────────────────┴─────────┴────────┘
//! ```
//!
//! Who may move, always to an endpoint not yet tried:
//!
//! * nothing was sent on any try, or only to an endpoint that says it has processed nothing of it: any method;
//! * something was sent: methods that may be repeated, while their body is kept for replay ([`Plan`]);
//! * the answer has begun to go to the client: no request.
//!
//! A connect whose time is over has failed, unless its endpoint has answered others meanwhile. Then it was not taken because the
//! line there is full: the request asks again, for as long as its own time lasts, and may be had by another first.
//!
//! **Silence moves nothing.** It is reported, so that a probe is sent: a slow server is not a dead one. What moves a waiting
//! request is that its connection broke or its time is over; a safe one moves also when the probe fails or its
//! endpoint is ejected, and another that may be repeated when its endpoint is ejected as unreachable ([`Down`]). Where the
//! endpoint takes connections and only does not answer, it may be at work: there a request stays until it is late. A
//! request that has a session or a cache where it is ([`Affinity`]) stays while its endpoint passes probes.
//!
//! Moves away from an endpoint that failed are bounded by the number of attempts alone. What no failure forced draws on
//! budgets: retries on a status or a digest on one, hedges on another. All of it happens before one deadline.
//!
//! A failure is evidence against an endpoint, and the request that met it may be to blame. So each is reported as alleged
//! at once, and [examined](Action::Examined) in the end: proven if another endpoint did well with the same request,
//! refuted if another failed alike.
//!
//! What the shell keeps to: it finishes the lease of each try once, as what it was ([`Outcome`](crate::Outcome): success
//! for a response that is whole, failure for what it reported as failed, abandoned for what it was told to cancel), so
//! that a try that is over is not in flight while the next one is picked; it answers [`Action::Try`] before it reports
//! anything else of that try; and how a body progresses is its own concern, reported as [`Event::Broken`] when it does
//! not. It keeps the machine until the answer has been delivered, and tells it how that ended ([`Delivery`]).
//!
//! A try that was overtaken stays where it is until the answer is decided, because the suspicion may have been wrong;
//! then it is cancelled or, if its server is at work on it, runs on for what it shows. Events that still arrive for it
//! change nothing: a late answer is dropped.

mod delivery;
mod ending;
mod event;
mod moving;
#[cfg(test)]
mod tests;

mod timing;
mod trail;

use std::time::Instant;

use arrayvec::ArrayVec;

use crate::budget::{Budgets, Hedged};
use crate::endpoint::Usual;
use crate::evidence::{ConnectFailure, Evidence, Response, ResponseFailure};
use crate::picker::Unavailable;
use crate::settings::AttemptSettings;
pub use delivery::{Delivered, Delivery};
pub use event::{
    Action, Actions, Affinity, Condition, Down, Event, Failure, Plan, Repeat, TryNo, Verdict, Why,
};
pub use trail::{OutcomeClass, TrailEntry, TrailOutcome};
use trail::{Stage, Try};

/// The most attempts a request can have, whatever the settings say: what is kept for each is kept in place.
pub const MAX_ATTEMPTS: usize = 4;

/// The attempts of one request.
#[derive(Debug)]
pub struct Attempts {
    plan: Plan,
    settings: AttemptSettings,
    tries: ArrayVec<Try, MAX_ATTEMPTS>,
    deadline: Instant,
    /// A byte of the request was written on some connection: what is not kept is gone.
    written: bool,
    was_hedged: bool,
    /// While it counts as hedged.
    hedged: Option<Hedged>,
    decision: Decision,
    /// Why the last pick found nothing.
    unavailable: Option<Unavailable>,
}

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Open,
    /// This try's response goes to the client.
    Committed(TryNo),
    /// The client got an answer of the balancer's own, or is gone.
    Over,
}

impl Attempts {
    /// A request that nothing was done for yet. Its deadline counts from [`Event::Start`].
    pub fn new(plan: Plan, settings: &AttemptSettings, now: Instant) -> Self {
        Self {
            plan,
            settings: *settings,
            tries: ArrayVec::new(),
            deadline: now + settings.total,
            written: false,
            was_hedged: false,
            hedged: None,
            decision: Decision::Open,
            unavailable: None,
        }
    }

    /// Takes in what happened; says what to do about it, in order. Nothing, once the answer is decided: how its delivery
    /// ends is told to [`Attempts::delivered`].
    pub fn on(&mut self, event: Event<'_>, budgets: &Budgets, now: Instant) -> Actions {
        let mut actions = Actions::new();
        self.take_in(event, budgets, now, &mut actions);
        actions
    }

    /// The same, into a list that is not moved for it: it is a large one.
    pub fn take_in(&mut self, event: Event<'_>, budgets: &Budgets, now: Instant, actions: &mut Actions) {
        if self.decision == Decision::Open {
            self.decide(event, budgets, now, actions);
        }
    }

    /// Which try answers the client, once that is decided.
    pub fn committed(&self) -> Option<TryNo> {
        match self.decision {
            Decision::Committed(number) => Some(number),
            Decision::Open | Decision::Over => None,
        }
    }

    /// Whether the client gets a right answer although an earlier attempt failed. No longer once its delivery has failed.
    pub fn is_masked(&self) -> bool {
        let Some(winner) = self.committed() else { return false };
        let won = self.is_in(winner, Stage::Committed) && !self.tries[winner.index()].is_set_aside();
        won && self.tries.iter().any(Try::has_failed)
    }

    /// Whether the request may still be answered without this try: then only an endpoint against which nothing speaks is
    /// worth it ([`Want::plain_only`](crate::Want)).
    pub fn can_do_without(&self, number: TryNo) -> bool {
        let others = self.tries.iter().enumerate().filter(|&(index, _)| index != number.index());
        others.map(|(_, tried)| tried).any(|tried| tried.is_live() && !tried.lost)
    }

    /// Whether a try draws on the budget of retries, as [`Why::Retry`] and some of [`Why::Moved`] do.
    pub fn draws_on_retries(&self, number: TryNo) -> bool {
        self.tries.get(number.index()).is_some_and(|tried| tried.paid)
    }

    /// The endpoint of a try, once it is chosen.
    pub fn endpoint(&self, number: TryNo) -> Option<crate::EndpointId> {
        self.tries.get(number.index()).and_then(|tried| tried.endpoint)
    }

    /// What each attempt did, in the order in which they began.
    pub fn trail(&self) -> impl Iterator<Item = TrailEntry> + '_ {
        self.tries.iter().enumerate().filter_map(|(index, tried)| tried.entry(TryNo::new(index)))
    }

    fn decide(&mut self, event: Event<'_>, budgets: &Budgets, now: Instant, actions: &mut Actions) {
        match event {
            Event::Start => {
                // What the client took for its body before is not the servers' time.
                self.deadline = now + self.settings.total;
                self.begin(Why::First, now, actions);
            }
            Event::Chosen { number, endpoint, usual, reused } => {
                self.chosen(number, endpoint, usual, reused, now, actions);
            }
            Event::NoneLeft(why) => self.none_left(why, budgets, now, actions),
            Event::Connected(number) => self.connected(number, now, actions),
            Event::ConnectFailed(number, why) => self.connect_failed(number, why, now, actions),
            Event::LineFull(number) => self.line_full(number, now, actions),
            Event::ByteSent(number) => self.byte_sent(number),
            Event::RequestSent(number) => self.request_sent(number, now),
            Event::Stale { number, bytes_sent } => self.stale(number, bytes_sent, now, actions),
            Event::Head { number, response, status, held } => {
                self.head(number, (response, status), held, budgets, now, actions);
            }
            Event::Whole(number, verdict) => self.whole(number, verdict, budgets, now, actions),
            Event::NotProcessed(number, why) => self.not_processed(number, why, now, actions),
            Event::Broken(number, why) => self.broken(number, why, now, actions),
            Event::BodyLost => self.body_lost(now),
            Event::ClientGone => self.client_gone(now, actions),
            Event::Woke(conditions) => self.woke(conditions, budgets, now, actions),
        }
    }

    fn chosen(
        &mut self,
        number: TryNo,
        endpoint: crate::EndpointId,
        usual: Usual,
        reused: bool,
        now: Instant,
        actions: &mut Actions,
    ) {
        let Some(tried) = self.tries.get_mut(number.index()) else { return };
        tried.endpoint = Some(endpoint);
        tried.usual = usual;
        tried.reused = reused;
        tried.enter(if reused { Stage::Sending } else { Stage::Connecting }, now);
        self.make_way_for(number, now, actions);
        if reused {
            self.end_the_race(now, actions);
        }
    }

    fn connected(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        if !self.is_in(number, Stage::Connecting) {
            return;
        }
        self.enter(number, Stage::Sending, now);
        if let Some(tried) = self.tries.get_mut(number.index()) {
            // What was begun for its slow connect is over; its answer is another matter.
            (tried.moved_on, tried.deserted) = (false, false);
        }
        self.end_the_race(now, actions);
    }

    /// A try has a connection. One that got its own later would send the request a second time: the others may become idle
    /// connections.
    fn end_the_race(&mut self, now: Instant, actions: &mut Actions) {
        for loser in self.numbers() {
            if self.is_in(loser, Stage::Connecting) {
                self.suspect_slow_connect(loser, now, actions);
                self.overtake(loser, now, actions);
            }
        }
    }

    fn connect_failed(&mut self, number: TryNo, why: ConnectFailure, now: Instant, actions: &mut Actions) {
        if !self.is_in(number, Stage::Connecting) {
            return;
        }
        self.fail(number, trail::Fault::Connect(why), now);
        actions.push(Action::Report(number, Evidence::ConnectFailed(why)));
        self.carry_on(Why::Moved, now, actions);
    }

    fn byte_sent(&mut self, number: TryNo) {
        if self.is_in(number, Stage::Sending) {
            self.was_sent(number);
        }
    }

    /// From now on the request may have been executed there.
    fn was_sent(&mut self, number: TryNo) {
        self.written = true;
        if let Some(tried) = self.tries.get_mut(number.index()) {
            tried.sent = true;
        }
    }

    /// The endpoint says that it has done nothing with what it was sent: as if it had refused the connection.
    fn not_processed(&mut self, number: TryNo, why: ConnectFailure, now: Instant, actions: &mut Actions) {
        if !self.is_in(number, Stage::Sending) && !self.is_in(number, Stage::Waiting) {
            return;
        }
        if let Some(tried) = self.tries.get_mut(number.index()) {
            tried.sent = false;
        }
        self.fail(number, trail::Fault::Connect(why), now);
        actions.push(Action::Report(number, Evidence::ConnectFailed(why)));
        self.carry_on(Why::Moved, now, actions);
    }

    fn request_sent(&mut self, number: TryNo, now: Instant) {
        if self.is_in(number, Stage::Sending) {
            self.was_sent(number);
            self.enter(number, Stage::Waiting, now);
        }
    }

    fn stale(&mut self, number: TryNo, bytes_sent: bool, now: Instant, actions: &mut Actions) {
        if !self.is_in(number, Stage::Sending) && !self.is_in(number, Stage::Waiting) {
            return;
        }
        if bytes_sent {
            self.was_sent(number);
        }
        self.fail(number, trail::Fault::Stale, now);
        actions.push(Action::Report(number, Evidence::IdleClosed));
        // A session is known there alone, and a stale connection says nothing about its server.
        let belongs_here = self.plan.affinity == Affinity::Session;
        if belongs_here && !self.tries.iter().any(Try::is_live) && self.stale_to_renew(now) == Some(number) {
            self.renew(number, now, actions);
        } else {
            self.carry_on(Why::Moved, now, actions);
        }
    }

    fn head(
        &mut self,
        number: TryNo,
        (response, status): (Response, u16),
        held: bool,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        // A response may begin before the request has ended.
        if !self.is_in(number, Stage::Waiting) && !self.is_in(number, Stage::Sending) {
            return;
        }
        self.was_sent(number);
        if let Some(tried) = self.tries.get_mut(number.index()) {
            tried.response = Some((response, status));
        }
        if !response.is_good() {
            actions.push(Action::Report(number, Evidence::Status(status)));
        }
        // A session is known to its own server alone: what that says is its answer.
        let belongs_here = self.plan.affinity == Affinity::Session;
        if response == Response::Unable && !belongs_here && self.may_retry(number, budgets, now) {
            self.enter(number, Stage::SetAside, now);
            self.carry_on(Why::Retry, now, actions);
        } else if held {
            self.enter(number, Stage::Held, now);
        } else {
            self.commit(number, now, actions);
        }
    }

    fn whole(
        &mut self,
        number: TryNo,
        verdict: Verdict,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        let (held, set_aside) = (self.is_in(number, Stage::Held), self.is_in(number, Stage::SetAside));
        match verdict {
            Verdict::Right if held => self.commit(number, now, actions),
            Verdict::MissingDigest if held || set_aside => {
                actions.push(Action::Report(number, Evidence::MissingDigest));
                if held {
                    self.commit(number, now, actions);
                }
            }
            Verdict::WrongDigest(bytes) if held || set_aside => {
                let may_retry = self.may_retry(number, budgets, now);
                self.fail(number, trail::Fault::Digest(bytes), now);
                // Reported at the end, when it is known whether all endpoints say the same.
                if may_retry { self.carry_on(Why::Retry, now, actions) } else { self.conclude(now, actions) }
            }
            _ => {}
        }
    }

    fn broken(&mut self, number: TryNo, why: ResponseFailure, now: Instant, actions: &mut Actions) {
        let Some(tried) = self.tries.get(number.index()) else { return };
        if !tried.is_live() && !tried.is_set_aside() {
            return;
        }
        self.fail(number, trail::Fault::Response(why), now);
        actions.push(Action::Report(number, Evidence::ResponseFailed(why)));
        self.carry_on(Why::Moved, now, actions);
    }

    fn body_lost(&mut self, now: Instant) {
        self.plan.replayable = false;
        self.deadline = now + self.settings.total;
    }

    fn client_gone(&mut self, now: Instant, actions: &mut Actions) {
        self.cancel_all_but(None, now, actions);
        self.decided(Decision::Over);
    }

    /// Nothing is begun any more: a hedge is no longer one, however long the delivery takes.
    fn decided(&mut self, decision: Decision) {
        self.decision = decision;
        self.hedged = None;
    }
}
