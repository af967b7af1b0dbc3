//! What time does to a request: when to wake it and what then.

use std::time::{Duration, Instant};

use crate::budget::Budgets;
use crate::endpoint::{Endpoint, Usual};
use crate::evidence::{ConnectFailure, Evidence, ResponseFailure};
use crate::settings::AttemptSettings;

use super::event::{Action, Actions, Affinity, Condition, Down, Failure, TryNo, Why};
use super::trail::{Fault, Stage, Try};
use super::{Attempts, Decision};

/// Slower than this multiple of the usual is slow.
const SLOW_TIMES_USUAL: u32 = 4;
/// And slower than this multiple of the slowest lately.
const SLOW_TIMES_SLOWEST: u32 = 2;

/// After what time without a connection an endpoint is silent.
pub(super) fn silent_connect(settings: &AttemptSettings, usual: &Usual) -> Duration {
    usual
        .connect
        .map_or(settings.silence_unknown, |usual| (usual * SLOW_TIMES_USUAL).max(settings.silence_min))
}

/// After what time without a sign of life an endpoint is silent, for a request of which this is usual.
fn silent_head(settings: &AttemptSettings, usual: &Usual) -> Duration {
    let Some(head) = usual.head else { return settings.silence_unknown };
    let slowest = usual.slowest.unwrap_or_default();
    (head * SLOW_TIMES_USUAL).max(slowest * SLOW_TIMES_SLOWEST).max(settings.silence_min)
}

impl Attempts {
    /// When [`Event::Woke`](super::Event::Woke) is due; `None` once the answer is decided.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.decision != Decision::Open || self.tries.is_empty() {
            return None;
        }
        let may_try = self.may_try(self.tries[0].begun);
        Some(self.tries.iter().fold(self.deadline, |next, tried| self.next_look(tried, may_try, next)))
    }

    /// When a try is to be looked at, where that is before `next`.
    fn next_look(&self, tried: &Try, may_try: bool, next: Instant) -> Instant {
        let settings = &self.settings;
        let is_connecting = tried.stage == Stage::Connecting;
        if !is_connecting && !matches!(tried.stage, Stage::Waiting | Stage::Held) {
            return next;
        }
        let mut next = next;
        if !tried.moved_on {
            // Where a request has moved on already, nothing that becomes of the endpoint matters.
            next = next.min(tried.looked_at + settings.look_interval);
        }
        if is_connecting {
            let race = self.race_at(tried).filter(|_| may_try && !tried.moved_on);
            return next.min(tried.since + settings.connect_timeout).min(race.unwrap_or(next));
        }
        if let Some(gives_up) = self.gives_up_at(tried) {
            next = next.min(gives_up);
        }
        // Where the budget refused, the next look asks again.
        if let Some(hedge) = self.hedge_at(tried).filter(|&at| may_try && at > tried.looked_at) {
            next = next.min(hedge);
        }
        // No endpoint is silent earlier than that, whatever is usual.
        if tried.since + settings.silence_min.min(settings.silence_unknown) < next
            && let Some(silent) = self.turns_silent_at(tried).filter(|&at| at > tried.looked_at)
        {
            next = next.min(silent);
        }
        if tried.suspected && !tried.moved_on {
            next = next.min(tried.looked_at + settings.urgent_look_interval);
        }
        next
    }

    pub(super) fn woke(
        &mut self,
        conditions: &[Condition],
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        if now >= self.deadline {
            return self.out_of_time(now, actions);
        }
        for number in self.numbers() {
            if self.decision != Decision::Open {
                return;
            }
            let Some(tried) = self.tries.get(number.index()) else { return };
            let condition = conditions.iter().find(|condition| condition.number == number);
            match tried.stage {
                Stage::Connecting => self.look_at_connect(number, condition, now, actions),
                Stage::Waiting | Stage::Held => {
                    self.look_at_answer(number, condition, budgets, now, actions);
                }
                _ => {}
            }
        }
    }

    fn look_at_connect(
        &mut self,
        number: TryNo,
        condition: Option<&Condition>,
        now: Instant,
        actions: &mut Actions,
    ) {
        let tried = &mut self.tries[number.index()];
        tried.looked_at = now;
        if now >= tried.since + self.settings.connect_timeout {
            let heard = condition.and_then(|condition| condition.last_heard);
            if heard.is_some_and(|heard| heard > tried.since + Endpoint::UNDER_WAY) {
                return self.line_full(number, now, actions);
            }
            self.fail(number, Fault::Connect(ConnectFailure::TimedOut), now);
            actions.push(Action::Cancel(number));
            actions.push(Action::Report(number, Evidence::ConnectFailed(ConnectFailure::TimedOut)));
            return self.carry_on(Why::Moved, now, actions);
        }
        let tried = &self.tries[number.index()];
        let race = self.race_at(tried).is_some_and(|race| now >= race);
        let down = condition.is_some_and(|condition| self.moves_for(tried, condition.down, now));
        if (race || down) && !tried.moved_on && self.may_try(now) {
            self.tries[number.index()].moved_on = true;
            self.begin(if race { Why::Race } else { Why::Moved }, now, actions);
        }
    }

    fn look_at_answer(
        &mut self,
        number: TryNo,
        condition: Option<&Condition>,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        let tried = &mut self.tries[number.index()];
        tried.looked_at = now;
        let received = condition.map_or(0, |condition| condition.received);
        if tried.stage == Stage::Held && received > tried.received {
            (tried.received, tried.since) = (received, now);
        }
        if self.gives_up_at(&self.tries[number.index()]).is_some_and(|at| now >= at) {
            self.fail(number, Fault::Response(ResponseFailure::TimedOut), now);
            actions.push(Action::Cancel(number));
            actions.push(Action::Report(number, Evidence::ResponseFailed(ResponseFailure::TimedOut)));
            return self.carry_on(Why::Moved, now, actions);
        }
        if let Some(condition) = condition {
            self.look_at_endpoint(number, condition, budgets, now, actions);
        }
        let hedge = self.hedge_at(&self.tries[number.index()]).is_some_and(|at| now >= at);
        if hedge
            && self.may_try(now)
            && let Some(hedged) = budgets.take_hedge()
        {
            (self.was_hedged, self.hedged) = (true, Some(hedged));
            self.begin(Why::Hedge, now, actions);
        }
    }

    /// Silence asks the probe; what the probe says moves the request.
    fn look_at_endpoint(
        &mut self,
        number: TryNo,
        condition: &Condition,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        let tried = &self.tries[number.index()];
        let silent = self.turns_silent_at(tried).is_some_and(|at| now >= at) && is_silent(tried, condition);
        let moves = self.moves_for(tried, condition.down, now);
        if silent {
            self.tries[number.index()].suspected = true;
            actions.push(Action::Report(number, Evidence::Silent));
        }
        if moves {
            self.move_away(number, condition.down, budgets, now, actions);
        }
    }

    fn out_of_time(&mut self, now: Instant, actions: &mut Actions) {
        // An answer that is still coming in has begun in time, and is passed on as it comes.
        if let Some(number) = self.numbers().find(|&number| self.is_in(number, Stage::Held)) {
            return self.commit_unfinished(number, now, actions);
        }
        let connects = |tried: &Try| tried.stage == Stage::Connecting;
        let is_unsent = !self.written && self.tries.iter().any(connects);
        let failure = if is_unsent { Failure::Connect(ConnectFailure::TimedOut) } else { Failure::Deadline };
        for number in self.numbers() {
            let tried = &self.tries[number.index()];
            if tried.stage == Stage::Waiting {
                self.fail(number, Fault::Response(ResponseFailure::TimedOut), now);
                actions.push(Action::Cancel(number));
                actions.push(Action::Report(number, Evidence::ResponseFailed(ResponseFailure::TimedOut)));
            } else if tried.is_live() {
                self.overtake(number, now, actions);
            }
        }
        self.unavailable = None;
        self.conclude_with(failure, now, actions);
    }

    fn race_at(&self, tried: &Try) -> Option<Instant> {
        let (least, most) = (self.settings.race_after_min, self.settings.race_after_max);
        let after = tried.usual.connect.map_or(most, |usual| (usual * SLOW_TIMES_USUAL).clamp(least, most));
        let raced = self.settings.race && self.plan.affinity == Affinity::None;
        raced.then_some(tried.since + after)
    }

    /// When the endpoint of a try counts as silent, if nothing was heard of it since; `None` before the request was sent.
    pub fn silent_at(&self, number: TryNo) -> Option<Instant> {
        let tried = self.tries.get(number.index())?;
        Some(tried.sent_at? + silent_head(&self.settings, &tried.usual))
    }

    /// Whether a try has waited for longer than is usual for its kind, or was not even sent.
    pub(super) fn is_late(&self, tried: &Try, now: Instant) -> bool {
        tried.sent_at.is_none_or(|sent| now >= sent + silent_head(&self.settings, &tried.usual))
    }

    /// The same of a try that waits, unless that was said already.
    fn turns_silent_at(&self, tried: &Try) -> Option<Instant> {
        let waits = tried.stage == Stage::Waiting && !tried.suspected;
        waits.then(|| tried.since + silent_head(&self.settings, &tried.usual))
    }

    fn hedge_at(&self, tried: &Try) -> Option<Instant> {
        let allowed = self.settings.hedge && self.plan.hedgeable && self.plan.affinity == Affinity::None;
        if !allowed || self.was_hedged || tried.moved_on {
            return None;
        }
        Some(tried.sent_at? + tried.usual.hedge_after?)
    }

    /// The head has its time, and so has a held body from one look at which there was more of it to the next. How a body progresses
    /// that is passed on is the connection's concern.
    fn gives_up_at(&self, tried: &Try) -> Option<Instant> {
        match tried.stage {
            Stage::Waiting => Some(tried.since + self.settings.response_timeout),
            Stage::Held => Some(tried.since + self.settings.body_timeout),
            _ => None,
        }
    }
}

/// Not a sign of life from the endpoint since the request was sent, while others answer, or not even one for a probe. What is late
/// then is not due to the work on it alone.
fn is_silent(tried: &Try, condition: &Condition) -> bool {
    let since_sent = |heard: Option<Instant>| heard.is_some_and(|heard| heard > tried.since);
    !since_sent(condition.last_heard) && (since_sent(condition.others_heard) || condition.down == Down::Busy)
}
