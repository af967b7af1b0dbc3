//! Who may be picked for whom.

use std::time::Instant;

use evenkeel_upstream::attempt::{TryNo, Why};
use evenkeel_upstream::{Control, Endpoint, EndpointState, Health, Lease, Snapshot, Upstream};

use crate::exchange::Exchange;
use crate::shell::Orders;

use super::Ledger;

/// An endpoint for a try, and what that is judged by.
pub(crate) struct Picked<'a> {
    pub(crate) lease: &'a Lease,
    pub(crate) number: TryNo,
    pub(crate) why: Why,
    pub(crate) exchange: &'a Exchange,
    pub(crate) orders: &'a Orders,
    pub(crate) control: &'a Control,
}

impl Ledger {
    /// Before a lease is counted on.
    pub(crate) fn picked(&mut self, picked: &Picked<'_>, upstream: &Upstream, now: Instant) {
        let endpoint = picked.lease.endpoint();
        *self.picks.entry(endpoint.id()).or_default() += 1;
        *self.held.entry(endpoint.id()).or_default() += 1;
        match picked.why {
            Why::Retry => self.retries += 1,
            Why::Hedge => self.hedges += 1,
            Why::Moved => {
                self.moves += 1;
                self.retries += u64::from(picked.exchange.attempts.draws_on_retries(picked.number));
            }
            Why::First | Why::Race => {}
        }
        assert!(!picked.exchange.tried.has(endpoint.id()), "an endpoint is tried twice");
        let snapshot = upstream.snapshot();
        if !picked.lease.is_trial() {
            picked.nothing_better_is_passed_over(&snapshot);
            picked.a_backup_stands_in(&snapshot);
        }
        picked.who_drains_serves_its_sessions(now);
        picked.a_session_stays_where_it_is(upstream.settings().admission.per_endpoint, now);
        if picked.why == Why::First {
            self.nobody_overtakes(picked.exchange);
        }
    }
}

impl Picked<'_> {
    fn nothing_better_is_passed_over(&self, snapshot: &Snapshot) {
        let endpoint = self.lease.endpoint();
        if !endpoint.is_usable() && !endpoint.is_draining() {
            let usable = self.others(snapshot).find(|other| other.is_usable());
            assert!(usable.is_none(), "{endpoint:?} is picked while {usable:?} is usable");
        }
        // A suspicion moves no session.
        if !endpoint.is_plain() && !self.is_of_its_session() {
            let better = self.others(snapshot).find(|other| other.is_plain() && self.is_untried(other));
            assert!(better.is_none(), "{endpoint:?} is picked while {better:?} is plainly healthy");
        }
    }

    /// For a request that no other can have; a race or a hedge needs nobody to stand in.
    fn a_backup_stands_in(&self, snapshot: &Snapshot) {
        let endpoint = self.lease.endpoint();
        if !endpoint.is_backup() || self.is_of_its_session() {
            return;
        }
        let needless = matches!(self.why, Why::Race | Why::Hedge);
        let serves = |other: &&Endpoint| {
            other.is_plain() && !other.is_backup() && (needless || self.is_untried(other))
        };
        let better = self.others(snapshot).find(serves);
        assert!(better.is_none(), "the backup {endpoint:?} is picked ({:?}) beside {better:?}", self.why);
    }

    fn who_drains_serves_its_sessions(&self, now: Instant) {
        let endpoint = self.lease.endpoint();
        if self.orders.drain(endpoint.address()) {
            assert!(self.is_of_its_session(), "{endpoint:?} was told to drain and gets something new");
            let serves = self
                .control
                .describe(now)
                .iter()
                .any(|state| state.id == endpoint.id() && serves_its_sessions(state));
            assert!(serves, "{endpoint:?} keeps a session that it cannot serve");
        }
    }

    fn a_session_stays_where_it_is(&self, limit: u32, now: Instant) {
        let Some(place) = self.exchange.pinned.filter(|_| !self.is_of_its_session()) else { return };
        let states = self.control.describe(now);
        let left = states.iter().find(|state| state.address == place).filter(|state| {
            serves_its_sessions(state) && state.in_flight < limit && !self.exchange.tried.has(state.id)
        });
        assert!(left.is_none(), "a session leaves {left:?}");
    }

    fn is_of_its_session(&self) -> bool {
        self.exchange.pinned == Some(self.lease.endpoint().address())
    }

    fn is_untried(&self, endpoint: &Endpoint) -> bool {
        !self.exchange.tried.has(endpoint.id())
    }

    fn others<'a>(&self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Endpoint> {
        let own = self.lease.endpoint().id();
        snapshot.endpoints().iter().map(|endpoint| &**endpoint).filter(move |other| other.id() != own)
    }
}

/// Draining or not: only somebody who cannot serve hands its sessions on.
fn serves_its_sessions(state: &EndpointState) -> bool {
    state.health == Health::Healthy && !state.leaving && !state.vanished
}
