//! Who waits, for how long, and who goes first.

use std::time::Instant;

use evenkeel_upstream::{Queue, Tried, Upstream};

use crate::exchange::Exchange;

use super::Ledger;

impl Ledger {
    pub(crate) fn joined_line(&mut self, exchange: u64) {
        self.line.insert(exchange);
    }

    pub(crate) fn left_line(&mut self, exchange: &Exchange, upstream: &Upstream, now: Instant) {
        assert!(self.line.remove(&exchange.number), "a request leaves a line that it is not in");
        let latest = exchange.arrived + upstream.settings().admission.queue_timeout + Queue::LOOK_AGAIN;
        assert!(now <= latest, "a request waits {:?} too long", now - latest);
    }

    /// Only when every place is taken.
    pub(crate) fn turned_away(&mut self, upstream: &Upstream) {
        self.turned_away += 1;
        let places = upstream.settings().admission.queue;
        assert_eq!(self.waiting(), places, "a request is turned away while there is a place to wait");
    }

    /// Whoever has waited longest gets the first endpoint that is free.
    pub(super) fn nobody_overtakes(&self, exchange: &Exchange) {
        let first = self.line.first();
        assert!(first.is_none_or(|&first| first == exchange.number), "{first:?} is overtaken");
    }

    /// A request that is told that all are busy could not have been taken by anybody well.
    pub(crate) fn all_are_busy(tried: &Tried, upstream: &Upstream) {
        let limit = upstream.settings().admission.per_endpoint;
        let snapshot = upstream.snapshot();
        let plain = snapshot.endpoints().iter().filter(|endpoint| endpoint.is_plain());
        let mut untried = plain.filter(|endpoint| !endpoint.is_backup() && !tried.has(endpoint.id()));
        let free = untried.find(|endpoint| endpoint.in_flight() < limit);
        assert!(free.is_none(), "all are said to be busy, and {free:?} is not");
    }

    /// After each step.
    pub(crate) fn lines_balance(&self, upstream: &Upstream) {
        let waiting = self.waiting();
        assert_eq!(upstream.queue().len(), waiting, "places in the queue do not balance");
        assert!(waiting <= upstream.settings().admission.queue, "{waiting} wait");
    }

    fn waiting(&self) -> u32 {
        self.line.len() as u32
    }
}
