//! How a request ends: with a try's response, or with the last real error.

use std::time::Instant;

use crate::budget::Budgets;
use crate::evidence::{Evidence, ResponseFailure, Standing};
use crate::picker::Unavailable;

use super::event::{Action, Actions, Failure, Repeat, TryNo, Why};
use super::trail::{Fault, Stage, Try};
use super::{Attempts, Decision};

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
        let why = tried.why;
        if tried.paid {
            budgets.give_back_retry();
        }
        self.tries.pop();
        match why {
            Why::Hedge => {
                budgets.give_back_hedge();
                self.hedged = None;
            }
            // It waits on, and looks again.
            Why::Moved => {
                let left = self.tries.iter_mut().filter(|tried| tried.is_live());
                left.for_each(|tried| (tried.moved_on, tried.deserted) = (false, false));
            }
            Why::First | Why::Race | Why::Retry => {}
        }
        self.unavailable = Some(unavailable);
        self.conclude(now, actions);
    }

    /// This try answers the client; all others are over.
    pub(super) fn commit(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        let tried = &self.tries[number.index()];
        let seen = match (tried.is_well(), tried.stage) {
            (false, _) => Seen::Nothing,
            (true, Stage::Held) => Seen::Whole,
            (true, _) => Seen::Head,
        };
        self.commit_having(seen, number, now, actions);
    }

    /// The same with a response of which only the head has been seen, though it was to be held until it is whole.
    pub(super) fn commit_unfinished(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        let seen = if self.tries[number.index()].is_well() { Seen::Head } else { Seen::Nothing };
        self.commit_having(seen, number, now, actions);
    }

    fn commit_having(&mut self, seen: Seen, number: TryNo, now: Instant, actions: &mut Actions) {
        self.enter(number, Stage::Committed, now);
        self.decided(Decision::Committed(number));
        self.examine(seen, actions);
        if seen != Seen::Nothing {
            self.outpace(number, now, actions);
        }
        self.cancel_all_but(Some(number), now, actions);
        actions.push(Action::Commit(number));
    }

    pub(super) fn cancel_all_but(&mut self, kept: Option<TryNo>, now: Instant, actions: &mut Actions) {
        for number in self.numbers() {
            let tried = &self.tries[number.index()];
            if Some(number) != kept && (tried.is_live() || tried.stage == Stage::SetAside) {
                self.overtake(number, now, actions);
            }
        }
    }

    /// No further try: waits for those that still run, or else ends the request.
    pub(super) fn conclude(&mut self, now: Instant, actions: &mut Actions) {
        let failure = self.last_real_error();
        self.conclude_with(failure, now, actions);
    }

    pub(super) fn conclude_with(&mut self, failure: Failure, now: Instant, actions: &mut Actions) {
        if self.tries.iter().any(Try::is_live) {
            return;
        }
        if let Some(number) = self.stale_to_renew(now) {
            self.renew(number, now, actions);
        } else if let Some(number) =
            self.numbers().filter(|&number| self.is_in(number, Stage::SetAside)).last()
        {
            self.commit(number, now, actions);
        } else {
            self.examine(Seen::Nothing, actions);
            self.decided(Decision::Over);
            actions.push(Action::Reply(failure));
        }
    }

    /// A fresh connection for a stale try.
    pub(super) fn renew(&mut self, number: TryNo, now: Instant, actions: &mut Actions) {
        self.tries[number.index()].reconnected = true;
        self.enter(number, Stage::Connecting, now);
        actions.push(Action::Reconnect(number));
    }

    /// A stale idle connection says nothing about its endpoint: one fresh connection, when there is no other.
    pub(super) fn stale_to_renew(&self, now: Instant) -> Option<TryNo> {
        if now >= self.deadline || !self.may_send_again() {
            return None;
        }
        let renewable = |tried: &Try| tried.stage == Stage::Failed(Fault::Stale) && !tried.reconnected;
        self.numbers().find(|number| renewable(&self.tries[number.index()]))
    }

    /// The request is decided: what its failures say of their endpoints. Where one endpoint did well with it, the failures of
    /// the others are proven; where several failed alike and none did well, it is the request's own doing.
    fn examine(&self, well: Seen, actions: &mut Actions) {
        let failed = || {
            self.numbers()
                .filter_map(|number| self.tries[number.index()].showed().map(|evidence| (number, evidence)))
        };
        for (number, evidence) in failed() {
            let alike =
                |&(other, shown): &(TryNo, Evidence)| other != number && shown.class() == evidence.class();
            let proven = well >= Seen::needed_against(&self.tries[number.index()]);
            let refuted = well == Seen::Nothing && failed().any(|other| alike(&other));
            // Told only now, when it is known whether all endpoints say the same: then something between is to blame.
            if evidence == Evidence::WrongDigest && !refuted {
                actions.push(Action::Report(number, evidence));
            }
            if proven {
                actions.push(Action::Examined(number, evidence, Standing::Proven));
            } else if refuted && evidence != Evidence::WrongDigest {
                actions.push(Action::Examined(number, evidence, Standing::Refuted));
            }
        }
    }

    /// The tries whose endpoints have not shown a sign of life while another answered the same. Their answers are still worth
    /// waiting for: without them a slow endpoint would look like a dead one, and what is slow like what is usual.
    fn outpace(&mut self, winner: TryNo, now: Instant, actions: &mut Actions) {
        for number in self.numbers() {
            if number == winner || !self.is_in(number, Stage::Waiting) {
                continue;
            }
            actions.push(Action::Report(number, Evidence::Outpaced));
            if self.plan.repeat == Repeat::Freely {
                self.enter(number, Stage::Cancelled, now);
                actions.push(Action::RunOn(number));
            }
        }
    }

    /// The most telling failure there was: one of a server before a timeout before a failed connect.
    fn last_real_error(&self) -> Failure {
        let failures = self.tries.iter().filter_map(|tried| match tried.stage {
            Stage::Failed(Fault::Connect(why)) => Some(Failure::Connect(why)),
            Stage::Failed(Fault::Response(why)) => Some(Failure::Response(why)),
            Stage::Failed(Fault::Digest(_)) => Some(Failure::WrongDigest),
            Stage::Failed(Fault::Stale) => Some(Failure::Stale),
            _ => None,
        });
        // Of equals the last one.
        failures.max_by_key(|&failure| telling(failure)).unwrap_or(match self.unavailable {
            Some(Unavailable::AllBusy) => Failure::Busy,
            _ => Failure::NoEndpoint,
        })
    }
}

/// How much of a good answer has been seen when the request is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    Head,
    Whole,
}

impl Seen {
    /// How much of another endpoint's answer shows that this one's failure was its own: as much as this one got wrong.
    fn needed_against(failed: &Try) -> Self {
        let after_its_head = matches!(failed.stage, Stage::Failed(_)) && failed.response.is_some();
        if after_its_head { Self::Whole } else { Self::Head }
    }
}

fn telling(failure: Failure) -> u8 {
    match failure {
        Failure::WrongDigest => 5,
        Failure::Response(ResponseFailure::TimedOut) | Failure::Deadline => 3,
        Failure::Response(_) => 4,
        Failure::Stale => 2,
        Failure::Connect(_) => 1,
        Failure::NoEndpoint | Failure::Busy => 0,
    }
}
