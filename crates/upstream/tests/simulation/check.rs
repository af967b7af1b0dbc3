//! The invariants: what must hold after each step, whatever happens to the servers.

mod lines;
mod picks;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use evenkeel_upstream::attempt::{Failure, MAX_ATTEMPTS, Repeat};
use evenkeel_upstream::{Budgets, Change, EndpointId, Settings, Upstream};

use crate::exchange::{Ending, Exchange};
pub(crate) use picks::Picked;

/// What is counted to be compared.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) retries: u64,
    pub(crate) hedges: u64,
    pub(crate) moves: u64,
    pub(crate) masked: u64,
    /// Idempotent requests whose client got anything but a right answer.
    pub(crate) lost: u64,
    /// The same of the others.
    pub(crate) lost_unrepeatable: u64,
    /// Of the lost of both kinds, those that were told that all are busy.
    pub(crate) busy: u64,
    /// Of the busy, those that did not even wait.
    pub(crate) turned_away: u64,
    pub(crate) bad_statuses: u64,
    /// Answers to a session that did not come from where it is.
    pub(crate) sessions_moved: u64,
    /// The slowest answer to a safe request.
    pub(crate) slowest: Duration,
    pub(crate) picks: BTreeMap<EndpointId, u64>,
    /// Leases that the shell has.
    pub(crate) held: BTreeMap<EndpointId, u32>,
    /// How often servers worked on each request that may not be repeated.
    pub(crate) executions: BTreeMap<u64, u32>,
    /// What became of endpoints after they were found, and when it was heard.
    pub(crate) news: Vec<(Instant, Change)>,
    /// The requests that wait. Their numbers rise with their arrival.
    line: BTreeSet<u64>,
}

impl Ledger {
    pub(crate) fn released(&mut self, id: EndpointId) {
        *self.held.get_mut(&id).expect("it was picked") -= 1;
    }

    /// What the budgets hold and what was bought of them: the sum changes only as they fill.
    pub(crate) fn spending(&self, budgets: &Budgets) -> (u64, u64) {
        (budgets.retries_left() + self.retries, budgets.hedges_left() + self.hedges)
    }

    /// A server has begun to work on a request.
    pub(crate) fn executed(&mut self, exchange: u64) {
        if let Some(executions) = self.executions.get_mut(&exchange) {
            *executions += 1;
            assert!(*executions <= 1, "a request that may not be repeated is executed twice");
        }
    }

    pub(crate) fn sent(exchange: &Exchange) {
        if exchange.plan.repeat != Repeat::Freely {
            assert!(
                exchange.unanswered() <= 1,
                "a request is in two places at once: {:#?}",
                exchange.attempts
            );
        }
    }

    pub(crate) fn ended(&mut self, exchange: &Exchange, ending: Ending, total: Duration, now: Instant) {
        self.ended += 1;
        self.masked += u64::from(exchange.attempts.is_masked());
        let took = now - exchange.arrived;
        let limit = total + Duration::from_secs(6);
        assert!(took <= limit, "a request took {took:?}, longer than its deadline and the queue");
        let trail: Vec<_> = exchange.attempts.trail().map(|entry| entry.endpoint).collect();
        assert!(trail.len() <= MAX_ATTEMPTS, "{trail:?}");
        assert!(
            (1..trail.len()).all(|at| !trail[..at].contains(&trail[at])),
            "an endpoint is tried twice: {trail:?}"
        );
        self.busy += u64::from(matches!(ending, Ending::Failure(Failure::Busy)));
        match ending {
            Ending::Response(status) => {
                self.bad_statuses += u64::from(status >= 500);
                if exchange.is_safe() {
                    self.slowest = self.slowest.max(took);
                }
            }
            Ending::Nothing => {}
            Ending::Truncated | Ending::Failure(_) if exchange.is_idempotent() => self.lost += 1,
            Ending::Truncated | Ending::Failure(_) => self.lost_unrepeatable += 1,
        }
    }

    /// After each step.
    pub(crate) fn leases_balance(&self, upstream: &Upstream) {
        for endpoint in upstream.snapshot().endpoints() {
            let held = self.held.get(&endpoint.id()).copied().unwrap_or(0);
            assert_eq!(endpoint.in_flight(), held, "leases on {endpoint:?} do not balance");
            let limit = upstream.settings().admission.per_endpoint;
            assert!(held <= limit, "{endpoint:?} has more than {limit} in flight");
        }
    }

    /// At the end.
    pub(crate) fn budgets_are_kept(&self, elapsed: Duration, settings: &Settings) {
        let (requests, seconds) = (self.begun as f64, elapsed.as_secs_f64());
        let (percent, per_second) = (settings.retry_budget.percent, settings.retry_budget.per_second);
        let (share, floor) = (f64::from(percent) / 100.0, f64::from(per_second));
        // What the bucket holds at first, and a rate that follows the arrivals with a delay.
        let retries = (requests * share).max(seconds * floor) * 1.2 + floor * 10.0 + 10.0;
        assert!(
            self.retries as f64 <= retries,
            "{} retries of {requests} requests in {seconds} s",
            self.retries
        );
        let hedges = requests * 0.05 * 1.2 + 2.0;
        assert!(self.hedges as f64 <= hedges, "{} hedges of {requests} requests", self.hedges);
    }
}
