//! What time does to a request: when to wake it and what then.

use std::time::{Duration, Instant};

use crate::budget::Budgets;
use crate::evidence::{ConnectFailure, Evidence, ResponseFailure};
use crate::settings::AttemptSettings;

use super::event::{Action, Actions, Condition, FailureKind, TryNo, Why};
use super::trail::{Fault, Stage, Try};
use super::{Answer, Attempts};

/// Slower than this multiple of the usual is slow.
const SLOW: u32 = 4;

/// After what time without a sign an endpoint is silent.
pub(super) fn silence(settings: &AttemptSettings, usual: Option<Duration>) -> Duration {
    usual.map_or(settings.silence_unknown, |usual| (usual * SLOW).max(settings.silence_min))
}

impl Attempts {
    /// When [`Event::Woke`](super::Event::Woke) is due; `None` once the answer is decided.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.answer != Answer::Open || self.tries.is_empty() {
            return None;
        }
        let may_try = self.may_try(self.tries[0].begun);
        let each = self.tries.iter().filter_map(|tried| self.next_look(tried, may_try));
        Some(each.fold(self.deadline, Instant::min))
    }

    fn next_look(&self, tried: &Try, may_try: bool) -> Option<Instant> {
        match tried.stage {
            Stage::Connecting => {
                let gives_up = tried.since + self.settings.connect_timeout;
                let race = self.race_at(tried).filter(|_| may_try && !tried.moved_on);
                Some(race.map_or(gives_up, |race| race.min(gives_up)))
            }
            Stage::Waiting | Stage::Held => {
                let gives_up = self.gives_up_at(tried);
                // Where the budget refused, the next look asks again.
                let hedge = self.hedge_at(tried).filter(|&at| may_try && at > tried.looked_at);
                let next = tried.looked_at + self.settings.look_interval;
                let look = (!tried.moved_on || !tried.suspected).then_some(next);
                [gives_up, hedge, look].into_iter().flatten().min()
            }
            _ => None,
        }
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
            if self.answer != Answer::Open {
                return;
            }
            let Some(tried) = self.tries.get(number.index()) else { return };
            match tried.stage {
                Stage::Connecting => self.look_at_connect(number, now, actions),
                Stage::Waiting | Stage::Held => {
                    let condition = conditions.iter().find(|condition| condition.number == number);
                    self.look_at_answer(number, condition, budgets, now, actions);
                }
                _ => {}
            }
        }
    }

    fn look_at_connect(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        let tried = &self.tries[number.index()];
        if now >= tried.since + self.settings.connect_timeout {
            self.fail(number, Fault::Connect(ConnectFailure::TimedOut), now);
            actions.push(Action::Cancel(number));
            actions.push(Action::Report(number, Evidence::ConnectFailed(ConnectFailure::TimedOut)));
            return self.carry_on(Why::Moved, now, actions);
        }
        let race = self.race_at(tried).is_some_and(|race| now >= race);
        if race && !tried.moved_on && self.may_try(now) {
            self.tries[number.index()].moved_on = true;
            self.begin(Why::Race, now, actions);
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
        if self.gives_up_at(&self.tries[number.index()]).is_some_and(|at| now >= at) {
            self.fail(number, Fault::Response(ResponseFailure::TimedOut), now);
            actions.push(Action::Cancel(number));
            actions.push(Action::Report(number, Evidence::ResponseFailed(ResponseFailure::TimedOut)));
            return self.carry_on(Why::Moved, now, actions);
        }
        if let Some(condition) = condition {
            self.look_at_endpoint(number, condition, now, actions);
        }
        let hedge = self.hedge_at(&self.tries[number.index()]).is_some_and(|at| now >= at);
        if hedge && self.may_try(now) && budgets.take_hedge() {
            self.hedged = true;
            self.begin(Why::Hedge, now, actions);
        }
    }

    fn look_at_endpoint(
        &mut self,
        number: TryNo,
        condition: &Condition,
        now: Instant,
        actions: &mut Actions,
    ) {
        let settings = self.settings;
        let tried = &mut self.tries[number.index()];
        let silent = tried.stage == Stage::Waiting && is_silent(tried, condition, &settings, now);
        if silent && !tried.suspected {
            tried.suspected = true;
            actions.push(Action::Report(number, Evidence::Silent));
        }
        if silent || condition.down {
            self.move_away(number, now, actions);
        }
    }

    fn out_of_time(&mut self, now: Instant, actions: &mut Actions) {
        for number in self.numbers() {
            let tried = &self.tries[number.index()];
            if tried.stage == Stage::Waiting {
                actions.push(Action::Report(number, Evidence::ResponseFailed(ResponseFailure::TimedOut)));
            }
            if tried.is_live() {
                self.overtake(number, now, actions);
            }
        }
        self.unavailable = None;
        self.conclude_with(FailureKind::Deadline, now, actions);
    }

    fn race_at(&self, tried: &Try) -> Option<Instant> {
        let (least, most) = (self.settings.race_after_min, self.settings.race_after_max);
        let after = tried.usual.connect.map_or(most, |usual| (usual * SLOW).clamp(least, most));
        self.settings.race.then_some(tried.since + after)
    }

    fn hedge_at(&self, tried: &Try) -> Option<Instant> {
        let wanted = self.settings.hedge && self.plan.hedgeable && !self.hedged && !tried.moved_on;
        if !wanted {
            return None;
        }
        Some(tried.sent_at? + tried.usual.hedge_after?)
    }

    /// Only the head has a time of its own: how a body progresses is the connection's concern.
    fn gives_up_at(&self, tried: &Try) -> Option<Instant> {
        (tried.stage == Stage::Waiting).then(|| tried.since + self.settings.response_timeout)
    }
}

/// In flight and silent: not a sign of life from the endpoint since the request was sent, while others answer.
fn is_silent(tried: &Try, condition: &Condition, settings: &AttemptSettings, now: Instant) -> bool {
    let patience = silence(settings, tried.usual.head);
    let since_sent = |heard: Option<Instant>| heard.is_some_and(|heard| heard > tried.since);
    now.saturating_duration_since(tried.since) >= patience
        && !since_sent(condition.last_heard)
        && since_sent(condition.others_heard)
}
