//! How a request ends: with a try's response, or with the last real error.

use std::time::Instant;

use crate::budget::Budgets;
use crate::evidence::Evidence;
use crate::picker::Unavailable;

use super::event::{Action, Actions, Failure, FailureKind, TryNo, Why};
use super::trail::{Fault, Stage, Try};
use super::{Answer, Attempts};

impl Attempts {
    /// The pick for the newest try found nothing. What was not done twice costs no budget.
    pub(super) fn none_left(
        &mut self,
        unavailable: Unavailable,
        budgets: &Budgets,
        now: Instant,
        actions: &mut Actions,
    ) {
        // Only the newest can be choosing: while one is, no other is begun.
        let Some(tried) = self.tries.last().filter(|tried| tried.stage == Stage::Choosing) else { return };
        match tried.why {
            Why::Retry => budgets.give_back_retry(),
            Why::Hedge => budgets.give_back_hedge(),
            Why::First | Why::Race | Why::Moved => {}
        }
        self.tries.pop();
        self.unavailable = Some(unavailable);
        self.conclude(now, actions);
    }

    /// This try answers the client; all others are over.
    pub(super) fn commit(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        let right = !self.tries[number.index()].is_parked();
        self.enter(number, Stage::Committed, now);
        self.answer = Answer::Committed(number);
        self.report_digests(right, actions);
        self.cancel_all_but(Some(number), now, actions);
        actions.push(Action::Commit(number));
    }

    pub(super) fn cancel_all_but(&mut self, kept: Option<TryNo>, now: Instant, actions: &mut Actions) {
        for number in self.numbers() {
            let tried = &self.tries[number.index()];
            if Some(number) != kept && (tried.is_live() || tried.stage == Stage::Parked) {
                self.overtake(number, now, actions);
            }
        }
    }

    /// No further try: waits for those that still run, or else ends the request.
    pub(super) fn conclude(&mut self, now: Instant, actions: &mut Actions) {
        let kind = self.last_real_error();
        self.conclude_with(kind, now, actions);
    }

    pub(super) fn conclude_with(&mut self, kind: FailureKind, now: Instant, actions: &mut Actions) {
        if self.tries.iter().any(Try::is_live) {
            return;
        }
        if let Some(number) = self.stale_to_renew(now) {
            self.tries[number.index()].reconnected = true;
            self.enter(number, Stage::Connecting, now);
            actions.push(Action::Reconnect(number));
        } else if let Some(number) = self.numbers().filter(|&number| self.is_in(number, Stage::Parked)).last()
        {
            self.commit(number, now, actions);
        } else {
            self.report_digests(false, actions);
            self.answer = Answer::Over;
            actions.push(Action::Reply(Failure { kind }));
        }
    }

    /// A stale idle connection says nothing about its endpoint: one fresh connection, when there is no other.
    fn stale_to_renew(&self, now: Instant) -> Option<TryNo> {
        if now >= self.deadline || !self.may_send_again() {
            return None;
        }
        let renewable = |tried: &Try| tried.stage == Stage::Failed(Fault::Stale) && !tried.reconnected;
        self.numbers().find(|number| renewable(&self.tries[number.index()]))
    }

    /// A wrong digest speaks against its endpoint, unless every endpoint sent the same bytes with the same digest: then
    /// something between is to blame.
    fn report_digests(&self, another_was_right: bool, actions: &mut Actions) {
        let wrong = || {
            self.numbers().filter_map(|number| match self.tries[number.index()].stage {
                Stage::Failed(Fault::Digest(bytes)) => Some((number, bytes)),
                _ => None,
            })
        };
        let all_the_same =
            wrong().count() > 1 && wrong().zip(wrong().skip(1)).all(|(one, next)| one.1 == next.1);
        if another_was_right || !all_the_same {
            actions.extend(wrong().map(|(number, _)| Action::Report(number, Evidence::WrongDigest)));
        }
    }

    /// The most telling failure there was: one of a server before a timeout before a failed connect.
    fn last_real_error(&self) -> FailureKind {
        let kinds = self.tries.iter().filter_map(|tried| match tried.stage {
            Stage::Failed(Fault::Connect(why)) => Some(FailureKind::Connect(why)),
            Stage::Failed(Fault::Response(why)) => Some(FailureKind::Response(why)),
            Stage::Failed(Fault::Digest(_)) => Some(FailureKind::WrongDigest),
            Stage::Failed(Fault::Stale) => Some(FailureKind::Stale),
            _ => None,
        });
        // Of equals the last one.
        kinds.max_by_key(|&kind| telling(kind)).unwrap_or(match self.unavailable {
            Some(Unavailable::AllBusy) => FailureKind::Busy,
            _ => FailureKind::NoEndpoint,
        })
    }
}

fn telling(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::WrongDigest => 5,
        FailureKind::Response(crate::evidence::ResponseFailure::TimedOut) | FailureKind::Deadline => 3,
        FailureKind::Response(_) => 4,
        FailureKind::Stale => 2,
        FailureKind::Connect(_) => 1,
        FailureKind::NoEndpoint | FailureKind::Busy => 0,
    }
}
