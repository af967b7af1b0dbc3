//! Whether and when there is another try.

use std::time::Instant;

use crate::budget::Budgets;
use crate::evidence::Evidence;
use crate::health::Cause;

use super::event::{Action, Actions, Affinity, Down, Repeat, TryNo, Why};
use super::trail::{Fault, Stage, Try};
use super::{Attempts, timing};

impl Attempts {
    /// Begins a try. Whether it may is asked before.
    pub(super) fn begin(&mut self, why: Why, now: Instant, actions: &mut Actions) {
        let number = TryNo::new(self.tries.len());
        self.tries.push(Try { paid: why == Why::Retry, ..Try::new(why, now) });
        actions.push(Action::Try(number, why));
    }

    /// After a try has come to nothing: on to the next, unless another one is still promising.
    pub(super) fn carry_on(&mut self, why: Why, now: Instant, actions: &mut Actions) {
        if self.tries.iter().any(Try::is_promising) {
            return;
        }
        if self.may_try(now) {
            self.begin(why, now, actions);
        } else {
            self.conclude(now, actions);
        }
    }

    /// Whether a request that waits at an endpoint moves on for what has become of that.
    pub(super) fn moves_for(&self, tried: &Try, down: Down, now: Instant) -> bool {
        let stays = self.plan.affinity == Affinity::Session;
        if self.plan.repeat != Repeat::Freely && tried.stage == Stage::Held {
            // It has been executed, and its answer is on the way.
            return false;
        }
        match down {
            Down::No | Down::Busy => false,
            Down::Confirmed => !stays && (self.plan.repeat == Repeat::Freely || !self.may_be_executed()),
            Down::Unanswered => self.is_late(tried, now) && self.moves_for(tried, Down::Confirmed, now),
            Down::Ejected(Cause::Unreachable) => true,
            // It may be at work on it: what is slow at any server is not made faster by having all work on it.
            Down::Ejected(Cause::Unanswering) => self.is_late(tried, now),
            // It answers, only not well: what may not be executed twice waits for it.
            Down::Ejected(Cause::Misbehaving) => {
                self.plan.repeat == Repeat::Freely || tried.stage == Stage::Connecting
            }
        }
    }

    /// Away from an endpoint that is down, if the request may be sent again. A safe request goes on at the old one as well:
    /// it may be back before another has answered.
    pub(super) fn move_away(
        &mut self,
        number: TryNo,
        down: Down,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        let fresh = self.tries.get(number.index()).is_some_and(|tried| !tried.moved_on);
        if !fresh || !self.may_try(now) {
            return;
        }
        let others_run =
            self.numbers().any(|other| other != number && self.tries[other.index()].is_promising());
        // One failed probe may be the overload of all: what follows from it alone is bounded like a retry.
        let once = matches!(down, Down::Confirmed | Down::Unanswered);
        let paid = once && !others_run;
        if paid && !budgets.take_retry() {
            return;
        }
        let tried = &mut self.tries[number.index()];
        (tried.moved_on, tried.deserted, tried.lost) = (true, true, !once);
        if !others_run {
            self.begin(Why::Moved, now, actions);
            if let Some(next) = self.tries.last_mut() {
                next.paid = paid;
            }
        }
    }

    /// Asks again where the line is full, and elsewhere as well. Not a word against the endpoint: it lives. A session is known there
    /// alone, and waits.
    #[cold]
    pub(super) fn line_full(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        if !self.is_in(number, Stage::Connecting) {
            return;
        }
        self.enter(number, Stage::Connecting, now);
        actions.push(Action::Reconnect(number));
        let moves = self.plan.affinity != Affinity::Session && self.may_try(now);
        if let Some(tried) = self.tries.get_mut(number.index()).filter(|tried| moves && !tried.moved_on) {
            tried.moved_on = true;
            self.begin(Why::Moved, now, actions);
        }
    }

    /// Whether one more try is allowed now.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        let choosing = self.tries.iter().any(|tried| tried.stage == Stage::Choosing);
        !choosing && !self.is_exhausted() && now < self.deadline && self.may_send_again()
    }

    /// Whether a status or a wrong digest of `number` is tried elsewhere: where the request is already, or, if the budget
    /// allows, once more.
    pub(super) fn may_retry(&self, number: TryNo, budgets: &Budgets, now: Instant) -> bool {
        let others_run =
            self.numbers().any(|other| other != number && self.tries[other.index()].is_promising());
        self.may_send_again() && (others_run || (self.may_try(now) && budgets.take_retry()))
    }

    fn is_exhausted(&self) -> bool {
        let allowed = usize::from(self.settings.max).clamp(1, self.tries.capacity());
        self.tries.len() >= allowed
    }

    /// Whether the request may go to a server once more: twice is as once, or nothing of it was sent; and it is all kept.
    pub fn may_send_again(&self) -> bool {
        (self.plan.repeat != Repeat::Never || !self.may_be_executed())
            && (self.plan.replayable || !self.written)
    }

    fn may_be_executed(&self) -> bool {
        self.tries.iter().any(|tried| tried.sent)
    }

    /// A request that may be repeated only in turn is given up where it waits once there is an endpoint to go to.
    pub(super) fn make_way_for(&mut self, chosen: TryNo, now: Instant, actions: &mut Actions) {
        if self.plan.repeat == Repeat::Freely || !self.may_be_executed() {
            return;
        }
        for number in self.numbers() {
            if number != chosen && self.tries[number.index()].is_live() {
                self.overtake(number, now, actions);
            }
        }
    }

    pub(super) fn overtake(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        self.enter(number, Stage::Cancelled, now);
        actions.push(Action::Cancel(number));
    }

    pub(super) fn fail(&mut self, number: TryNo, fault: Fault, now: Instant) {
        self.enter(number, Stage::Failed(fault), now);
    }

    pub(super) fn enter(&mut self, number: TryNo, stage: Stage, now: Instant) {
        if let Some(tried) = self.tries.get_mut(number.index()) {
            tried.enter(stage, now);
        }
    }

    pub(super) fn is_in(&self, number: TryNo, stage: Stage) -> bool {
        self.tries.get(number.index()).is_some_and(|tried| tried.stage == stage)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = TryNo> + use<> {
        (0..self.tries.len()).map(TryNo::new)
    }

    /// A connect that was overtaken after a long silence says as much as a silent response.
    pub(super) fn suspect_slow_connect(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        let settings = self.settings;
        let Some(tried) = self.tries.get_mut(number.index()) else { return };
        let patience = timing::silent_connect(&settings, &tried.usual);
        if !tried.suspected && now.saturating_duration_since(tried.since) >= patience {
            tried.suspected = true;
            actions.push(Action::Report(number, Evidence::Silent));
        }
    }
}
