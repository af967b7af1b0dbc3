//! The invariants: what must hold after each step, whatever happens to the servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_upstream::attempt::{MAX_ATTEMPTS, Repeat, Why};
use evenkeel_upstream::{EndpointId, Lease, Upstream};

use crate::exchange::{Ending, Exchange};

/// What is counted to be compared.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) retries: u64,
    pub(crate) hedges: u64,
    pub(crate) masked: u64,
    /// Idempotent requests whose client got anything but a right answer.
    pub(crate) lost: u64,
    /// The same of the others.
    pub(crate) lost_unrepeatable: u64,
    pub(crate) bad_statuses: u64,
    pub(crate) slowest: Duration,
    pub(crate) picks: BTreeMap<EndpointId, u64>,
    /// Leases that the shell has.
    pub(crate) held: BTreeMap<EndpointId, u32>,
    /// How often servers worked on each request that may not be repeated.
    pub(crate) executions: BTreeMap<u64, u32>,
}

impl Ledger {
    /// Before a lease is counted on.
    pub(crate) fn picked(&mut self, lease: &Lease, upstream: &Upstream, exchange: &Exchange) {
        let endpoint = lease.endpoint();
        *self.picks.entry(endpoint.id()).or_default() += 1;
        *self.held.entry(endpoint.id()).or_default() += 1;
        assert!(!exchange.tried.has(endpoint.id()), "an endpoint is tried twice");
        let snapshot = upstream.snapshot();
        let others = || snapshot.endpoints().iter().filter(|other| other.id() != endpoint.id());
        if !endpoint.is_usable() && !endpoint.is_draining() && !lease.is_trial() {
            assert!(
                !others().any(|other| other.is_usable()),
                "{endpoint:?} is picked while another is usable"
            );
        }
        if !endpoint.is_plain() && !lease.is_trial() {
            let better = others().find(|other| other.is_plain() && !exchange.tried.has(other.id()));
            assert!(better.is_none(), "{endpoint:?} is picked while {better:?} is plainly healthy");
        }
    }

    pub(crate) fn released(&mut self, id: EndpointId) {
        *self.held.get_mut(&id).expect("it was picked") -= 1;
    }

    pub(crate) fn tried(&mut self, why: Why) {
        match why {
            Why::Retry => self.retries += 1,
            Why::Hedge => self.hedges += 1,
            Why::First | Why::Race | Why::Moved => {}
        }
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
        match ending {
            Ending::Response(status) => {
                self.bad_statuses += u64::from(status >= 500);
                if exchange.is_idempotent() {
                    self.slowest = self.slowest.max(took);
                }
            }
            Ending::Nothing => {}
            Ending::Truncated | Ending::Failure if exchange.is_idempotent() => self.lost += 1,
            Ending::Truncated | Ending::Failure => self.lost_unrepeatable += 1,
        }
    }

    /// After each step.
    pub(crate) fn leases_balance(&self, upstream: &Upstream) {
        for endpoint in upstream.snapshot().endpoints() {
            let held = self.held.get(&endpoint.id()).copied().unwrap_or(0);
            assert_eq!(endpoint.in_flight(), held, "leases on {endpoint:?} do not balance");
        }
    }

    /// At the end.
    pub(crate) fn budgets_are_kept(&self, elapsed: Duration) {
        let (requests, seconds) = (self.begun as f64, elapsed.as_secs_f64());
        // What the bucket holds at first, and a rate that follows the arrivals with a delay.
        let retries = (requests * 0.2).max(seconds * 3.0) * 1.2 + 40.0;
        assert!(
            self.retries as f64 <= retries,
            "{} retries of {requests} requests in {seconds} s",
            self.retries
        );
        let hedges = requests * 0.05 * 1.2 + 2.0;
        assert!(self.hedges as f64 <= hedges, "{} hedges of {requests} requests", self.hedges);
    }
}
