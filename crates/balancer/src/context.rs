//! A worker: one thread with a single-threaded runtime, its own connections of clients and to servers, its own rotation
//! and generator. What it shares with the others is in [`Shared`], and nothing of it is locked between a request's head
//! and its endpoint.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_upstream::{Author, EndpointId, Evidence, Lease, Outcome, Picker, Testimony, Upstream};
use tokio::sync::mpsc;

use crate::clients::accept::Connections;
use crate::clients::h1::connection::{self, Scratch};
use crate::clients::parked::Parked;
use crate::clock::now;
use crate::exchange::date::Date;
use crate::leaving::Leaving;
use crate::records::access_log::{AccessLog, WorkerLog};
use crate::records::events::Events;
use crate::records::ledger::{Ledger, Pen};
use crate::records::metrics::{ControlStats, EndpointStats, Stats};
use crate::servers::attempt::{Answer, AttemptIo};
use crate::servers::idle::IdleConnections;
use crate::settings::Settings;

/// What all workers see of the process.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) upstream: Upstream,
    pub(crate) connections: Arc<Connections>,
    /// How far it is on its way out: from some moment on each response tells its client to go.
    pub(crate) leaving: Leaving,
    /// To the control task; when it is full a report is dropped and counted, and the next failure reports again.
    pub(crate) evidence: mpsc::Sender<(EndpointId, Testimony)>,
    /// What happened to the endpoints, for whoever watches.
    pub(crate) events: Events,
    /// Written by the control task alone.
    pub(crate) control_stats: ControlStats,
    /// `None` where none is wanted.
    pub(crate) access_log: Option<AccessLog>,
    /// `None` where none is kept.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

impl Shared {
    /// Whether each client should be told to go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_telling()
    }
}

/// One worker's own.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) picker: RefCell<Picker>,
    pub(crate) random: RefCell<fastrand::Rng>,
    pub(crate) idle: IdleConnections,
    pub(crate) parked: Parked,
    /// Connections beyond the limit that have had their 503 and wait for their client to close.
    pub(crate) refused: Cell<usize>,
    /// Attempts that go on though another has answered in their place.
    pub(crate) running_on: Cell<usize>,
    /// Connections of clients that wait for a byte and are not parked yet.
    pub(crate) quiet: Cell<usize>,
    pub(crate) date: Date,
    pub(crate) stats: Arc<Stats>,
    pub(crate) access_log: Option<WorkerLog>,
    pub(crate) pen: Option<Pen>,
    #[expect(clippy::vec_box, reason = "handed over by pointer, as it is kept while a connection is active")]
    scratch: RefCell<Vec<Box<Scratch>>>,
    #[expect(clippy::vec_box, reason = "handed over by pointer, as it is kept while an attempt lasts")]
    answers: RefCell<Vec<Box<Answer>>>,
}

/// The most scratch spaces, and the most answers, that wait for their next use in one worker; those beyond are freed.
const KEPT: usize = 64;

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, stats: Arc<Stats>) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            picker: RefCell::new(Picker::new(&shared.upstream)),
            random: RefCell::new(fastrand::Rng::new()),
            idle: IdleConnections::new(shared.settings.server_idle),
            refused: Cell::new(0),
            running_on: Cell::new(0),
            quiet: Cell::new(0),
            parked: Parked::new(shared.settings.shortest_idle())?,
            answers: RefCell::default(),
            date: Date::default(),
            stats,
            access_log: shared.access_log.as_ref().map(AccessLog::worker),
            pen: shared.ledger.as_ref().map(Ledger::pen),
            scratch: RefCell::default(),
            shared,
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Counts the connection that an attempt has got.
    pub(crate) fn connected(&self, io: &AttemptIo, now: Instant) {
        self.stats.opened.add(1);
        self.stats.connect_times.add(io.waited(now));
        self.count(io.lease.endpoint().id(), |endpoint| endpoint.opened.add(1));
    }

    /// Counts something of an endpoint.
    pub(crate) fn count(&self, id: EndpointId, count: impl FnOnce(&EndpointStats)) {
        self.stats.by_endpoint.count(id, |known| self.picker.borrow_mut().endpoint(known).is_some(), count);
    }

    /// Counts what `author`'s request showed of an endpoint, and tells the control task where that should hear of it. Of an
    /// endpoint that is no longer a member, nothing.
    pub(crate) fn report(&self, id: EndpointId, evidence: Evidence, author: Author, now: Instant) {
        let mut picker = self.picker.borrow_mut();
        if picker.endpoint(id).is_some_and(|endpoint| endpoint.report(evidence, now)) {
            self.tell(id, Testimony::alleged(evidence, author));
        }
    }

    /// Ends a lease and calls whoever waits for a place. What it returns, if anything, is for [`Worker::tell`].
    pub(crate) fn finish(&self, lease: Lease, outcome: Outcome, now: Instant) -> Option<Evidence> {
        let evidence = lease.finish(outcome, now);
        self.shared.upstream.queue().call();
        evidence
    }

    /// Tells the control task.
    pub(crate) fn tell(&self, endpoint: EndpointId, testimony: impl Into<Testimony>) {
        if self.shared.evidence.try_send((endpoint, testimony.into())).is_err() {
            self.stats.dropped_evidence.add(1);
        }
    }

    /// Space for the heads and bodies of a connection that has become active.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives the space back while the connection idles.
    pub(crate) fn give_back_scratch(&self, mut scratch: Box<Scratch>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < KEPT && scratch.forget() {
            kept.push(scratch);
        }
    }

    /// Space for a response.
    pub(crate) fn take_answer(&self) -> Box<Answer> {
        self.answers.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives the space back.
    pub(crate) fn give_back_answer(&self, mut answer: Box<Answer>) {
        let mut kept = self.answers.borrow_mut();
        if kept.len() < KEPT && answer.forget() {
            kept.push(answer);
        }
    }

    /// Watches the parked connections of clients for as long as the worker runs.
    pub(crate) async fn watch_parked(self: Rc<Self>) {
        self.parked
            .watch(
                &self.shared.leaving,
                |idle| _ = tokio::task::spawn_local(connection::resume(self.clone(), idle)),
                |idle| _ = tokio::task::spawn_local(connection::take_leave(idle)),
            )
            .await;
    }

    /// Watches the idle connections to servers for as long as the worker runs.
    pub(crate) async fn watch_idle(self: Rc<Self>) {
        self.idle.watch(|id| self.report(id, Evidence::IdleClosed, Author::NOBODY, now())).await;
    }
}
