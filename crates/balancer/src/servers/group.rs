//! One upstream as one worker sees it: whom it picks, the connections that idle to those, and what it tells of them.
//!
//! What is said of the upstream belongs to an edition of the settings, and so does a group; all else of it goes on in the group of the
//! next edition.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_service::vital;
use evenkeel_upstream::{Author, EndpointId, Evidence, Lease, Outcome, Picker, Testimony};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock::now;
use crate::context::Worker;
use crate::context::served::Served;
use crate::context::spare::Spare;
use crate::records::metrics::Stats;
use crate::servers::answer::Answer;
use crate::servers::attempt::Attempt;
use crate::servers::idle::IdleConnections;
use crate::servers::large::LargeBuffers;
use crate::servers::pipes::Pipes;
use crate::settings::upstream::UpstreamSettings;

/// One worker's own of an upstream.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) worker: Rc<Worker>,
    settings: Arc<UpstreamSettings>,
    /// The upstream.
    pub(crate) served: Arc<Served>,
    pub(crate) picker: Rc<RefCell<Picker>>,
    pub(crate) idle: Rc<IdleConnections>,
    /// Attempts that go on though another has answered in their place.
    pub(crate) running_on: Rc<Cell<usize>>,
    /// Storage of responses.
    pub(crate) answers: Rc<Spare<Answer>>,
    /// For responses that are long.
    pub(crate) large: Rc<LargeBuffers>,
    /// For those of them that nobody has to see.
    pub(crate) pipes: Rc<Pipes>,
    watched: Rc<OnceCell<Watched>>,
}

/// The task that watches the idle connections, which ends with the last group that has them.
struct Watched(AbortHandle);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Group {
    pub(crate) fn new(worker: Rc<Worker>, settings: Arc<UpstreamSettings>, served: Arc<Served>) -> Rc<Self> {
        Rc::new(Self {
            picker: Rc::new(RefCell::new(Picker::new(&served.upstream))),
            idle: Rc::new(IdleConnections::new(settings.server_idle)),
            running_on: Rc::default(),
            answers: Rc::default(),
            large: Rc::default(),
            pipes: Pipes::new(worker.shared.clone()),
            watched: Rc::default(),
            worker,
            settings,
            served,
        })
    }

    /// The same, for requests that begin under the edition of `worker`, of which these are the settings.
    pub(crate) fn under(&self, worker: Rc<Worker>, settings: Arc<UpstreamSettings>) -> Rc<Self> {
        self.idle.live_for(settings.server_idle);
        Rc::new(Self { worker, settings, ..self.clone() })
    }

    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.settings
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
        if is_news(&self.picker, id, evidence, now) {
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
        tell(&self.served.evidence, &self.worker.stats, endpoint, testimony.into());
    }

    /// Watches the idle connections for as long as there is a group that has them, if nobody does yet.
    pub(crate) fn watch_idle(&self) {
        self.watched.get_or_init(|| {
            // The group itself would keep its edition for ever.
            let (idle, picker, served) = (self.idle.clone(), self.picker.clone(), self.served.clone());
            let stats = self.worker.stats.clone();
            let watching = async move {
                let closed = |id| {
                    if is_news(&picker, id, Evidence::IdleClosed, now()) {
                        let testimony = Testimony::alleged(Evidence::IdleClosed, Author::NOBODY);
                        tell(&served.evidence, &stats, id, testimony);
                    }
                };
                idle.watch(closed).await;
            };
            let task = tokio::task::spawn_local(vital::task("watch over idle connections", watching));
            Watched(task.abort_handle())
        });
    }
}

fn is_news(picker: &RefCell<Picker>, id: EndpointId, evidence: Evidence, now: Instant) -> bool {
    picker.borrow_mut().endpoint(id).is_some_and(|endpoint| endpoint.report(evidence, now))
}

fn tell(
    evidence: &mpsc::Sender<(EndpointId, Testimony)>,
    stats: &Stats,
    endpoint: EndpointId,
    testimony: Testimony,
) {
    if evidence.try_send((endpoint, testimony)).is_err() {
        stats.dropped_evidence.add(1);
    }
}
