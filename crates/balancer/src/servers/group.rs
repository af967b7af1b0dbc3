//! One upstream as one worker sees it: whom it picks, the connections that idle to those, and what it tells of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_upstream::{Author, EndpointId, Evidence, Lease, Outcome, Picker, Testimony};

use crate::clock::now;
use crate::context::Worker;
use crate::context::served::Served;
use crate::context::spare::Spare;
use crate::servers::answer::Answer;
use crate::servers::attempt::Attempt;
use crate::servers::idle::IdleConnections;
use crate::servers::large::LargeBuffers;
use crate::settings::upstream::UpstreamSettings;

/// One worker's own of an upstream.
pub(crate) struct Group {
    pub(crate) worker: Rc<Worker>,
    /// The upstream.
    pub(crate) served: Arc<Served>,
    pub(crate) picker: RefCell<Picker>,
    pub(crate) idle: IdleConnections,
    /// Attempts that go on though another has answered in their place.
    pub(crate) running_on: Cell<usize>,
    /// Storage of responses.
    pub(crate) answers: Spare<Answer>,
    /// For responses that are long.
    pub(crate) large: LargeBuffers,
}

impl Group {
    pub(crate) fn new(worker: Rc<Worker>, served: Arc<Served>) -> Rc<Self> {
        Rc::new(Self {
            picker: RefCell::new(Picker::new(&served.upstream)),
            idle: IdleConnections::new(served.settings.server_idle),
            running_on: Cell::new(0),
            answers: Spare::default(),
            large: LargeBuffers::default(),
            worker,
            served,
        })
    }

    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.served.settings
    }

    /// Counts the connection that an attempt has got.
    pub(crate) fn connected(&self, attempt: &Attempt, now: Instant) {
        let stats = &self.worker.stats;
        stats.opened.add(1);
        stats.connect_times.add(attempt.waited(now));
        self.worker.count(attempt.lease.endpoint().id(), |endpoint| endpoint.opened.add(1));
    }

    /// Counts what `author`'s request showed of an endpoint, and tells the control task where that should hear of it. Of an
    /// endpoint that is no longer a member, nothing.
    pub(crate) fn report(&self, id: EndpointId, evidence: Evidence, author: Author, now: Instant) {
        let mut picker = self.picker.borrow_mut();
        if picker.endpoint(id).is_some_and(|endpoint| endpoint.report(evidence, now)) {
            self.tell(id, Testimony::alleged(evidence, author));
        }
    }

    /// Ends a lease and calls whoever waits for a place. What it returns, if anything, is for [`Group::tell`].
    pub(crate) fn finish(&self, lease: Lease, outcome: Outcome, now: Instant) -> Option<Evidence> {
        let evidence = lease.finish(outcome, now);
        self.served.upstream.queue().call();
        evidence
    }

    /// Tells the control task.
    pub(crate) fn tell(&self, endpoint: EndpointId, testimony: impl Into<Testimony>) {
        if self.served.evidence.try_send((endpoint, testimony.into())).is_err() {
            self.worker.stats.dropped_evidence.add(1);
        }
    }

    /// Watches the idle connections for as long as the worker runs.
    pub(crate) async fn watch_idle(self: Rc<Self>) {
        self.idle.watch(|id| self.report(id, Evidence::IdleClosed, Author::NOBODY, now())).await;
    }
}
