//! A run against one target: so many senders take tickets from the pace, perform exchanges and record them.
//!
//! ```text
//! Pace ──ticket──▶ sender 1..n ──exchange──┬─▶ Measurements
//!        wait until the ticket's moment     ├─▶ Witness ◀── Collector (the balancer's ledger)
//!                                           └─▶ show (the first ones)
//! ```
//! Everything runs on one thread: the counters need no locks, and one core of load generation measures what a
//! balancer of a few cores does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use evenkeel_service::{Shutdown, outlet};
use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::exchange::{Sample, Sender, Trace};
use crate::incident::Incident;
use crate::measure::Measurements;
use crate::observe::Observer;
use crate::outcome::Exchange;
use crate::pace::{Pace, Ticket};
use crate::progress::Progress;
use crate::proof::{Collector, Proof, Reconciler};
use crate::request::{Template, request_id};
use crate::settings::Settings;
use crate::show;
use crate::slowest::Slow;
use crate::told::{Asker, Names};
use crate::witness::Witness;

/// How often the progress is looked at.
const TICK: Duration = Duration::from_millis(200);

/// The runtime's timer rings up to a millisecond late. Asked that much earlier, it sends a request within the
/// millisecond before its moment, and the latency does not count the timer's own lateness.
const TIMER: Duration = Duration::from_millis(1);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The time of day at its beginning.
    pub(crate) began: Timestamp,
    /// What was measured.
    pub(crate) measurements: Measurements,
    /// Requests that were due and never sent.
    pub(crate) dropped: u64,
    /// Whether it was ended before its time.
    pub(crate) stopped: bool,
    /// Where it went wrong.
    pub(crate) incidents: Vec<Incident>,
    /// What there is to say of seconds in which everything was slow.
    pub(crate) slowness: Option<String>,
    /// The slowest right answer.
    pub(crate) slowest: Option<Slow>,
    /// What servers are called.
    pub(crate) names: Names,
    /// What the ledgers come to, where they were to be reconciled.
    pub(crate) proof: Option<Proof>,
}

/// What it takes to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The run's name.
    pub(crate) name: String,
    /// How requests are sent.
    pub(crate) sender: Sender,
    /// What they are made from, in the order of the mix.
    pub(crate) templates: Vec<Template>,
    /// Who asks the others for their ledgers, where that is wanted.
    pub(crate) collector: Option<Collector>,
    /// Who asks the balancer what it tells of its servers, where there is one to ask.
    pub(crate) asker: Option<Asker>,
    /// Who is told how far it is.
    pub(crate) progress: Progress,
    /// Who counts while it runs.
    pub(crate) observer: Rc<Observer>,
}

/// What the senders of a run share.
struct Run {
    name: String,
    settings: Rc<Settings>,
    sender: Sender,
    templates: Vec<Template>,
    progress: RefCell<Option<Progress>>,
    pace: RefCell<Pace>,
    measurements: RefCell<Measurements>,
    witness: Rc<Witness>,
    observer: Rc<Observer>,
}

/// Sends what the settings ask for and waits for all of it. A shutdown ends the sending; what is in flight finishes.
pub(crate) async fn run(plan: Plan, settings: Rc<Settings>, shutdown: &Shutdown) -> Finished {
    let Plan { name, sender, templates, mut collector, asker, progress, observer } = plan;
    if let Some(collector) = &mut collector {
        collector.begin().await;
    }
    let (began, now) = (clock::wall(), clock::now());
    let run = Rc::new(Run {
        sender,
        pace: RefCell::new(Pace::new(settings.phases.clone(), settings.requests, settings.timeout, now)),
        measurements: RefCell::new(Measurements::new(templates.len(), settings.failures, now)),
        witness: Rc::new(Witness::new(
            &name,
            began,
            collector.is_some().then(|| Reconciler::new(&name)),
            Rc::clone(&observer),
        )),
        observer,
        name,
        templates,
        progress: RefCell::new(Some(progress)),
        settings,
    });
    let collector = LocalSet::new().run_until(run.clone().drive(collector, asker, shutdown)).await;

    let measurements = run.measurements.replace(Measurements::new(0, 0, now));
    let proof = collector.and_then(|collector| run.witness.reconcile(collector));
    let found = run.witness.incidents(&measurements, proof.as_ref());
    let pace = run.pace.borrow();
    Finished {
        began,
        incidents: found.incidents,
        slowness: found.slowness,
        slowest: run.witness.slowest.borrow().first().cloned(),
        names: run.witness.names.take(),
        measurements,
        dropped: pace.dropped(),
        stopped: pace.stopped(),
        proof,
    }
}

impl Run {
    /// Runs all senders to their end, and those who ask the balancer beside them and a little longer.
    async fn drive(
        self: Rc<Self>,
        collector: Option<Collector>,
        asker: Option<Asker>,
        shutdown: &Shutdown,
    ) -> Option<Collector> {
        let collecting = collector.map(|collector| {
            let witness = Rc::clone(&self.witness);
            tokio::task::spawn_local(async move { collector.collect(&*witness).await })
        });
        let asker = asker.map(Rc::new);
        let asking = asker.clone().map(|asker| {
            let witness = Rc::clone(&self.witness);
            tokio::task::spawn_local(async move { witness.ask(&asker).await })
        });
        self.send_and_watch(shutdown).await;
        self.measurements.borrow_mut().finish(clock::now());
        // Dropped here, and not when all who share the run have gone.
        self.progress.take();
        self.witness.close();
        let collector = match collecting {
            Some(collecting) => Some(finished(collecting.await)),
            None => None,
        };
        if let Some(asking) = asking {
            asking.abort();
        }
        // What happened in the last second is told now.
        if let Some(asker) = asker {
            self.witness.ask_once(&asker).await;
        }
        collector
    }

    async fn send_and_watch(self: &Rc<Self>, shutdown: &Shutdown) {
        let mut senders = JoinSet::new();
        for _ in 0..self.settings.concurrency {
            senders.spawn_local(self.clone().send_all(shutdown.clone()));
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopped = false;
        loop {
            tokio::select! {
                ended = senders.join_next() => match ended {
                    None => return,
                    Some(ended) => finished(ended),
                },
                () = shutdown.requested(), if !stopped => {
                    stopped = true;
                    self.pace.borrow_mut().stop();
                }
                due = tick.tick() => {
                    let now = clock::now();
                    let late = now.saturating_duration_since(due.into_std());
                    self.witness.ran_late(self.measurements.borrow().so_far(now), late);
                    self.show(now);
                }
            }
        }
    }

    fn show(&self, now: Instant) {
        if let Some(progress) = &*self.progress.borrow() {
            progress.update(&self.measurements.borrow(), &self.witness, self.observer.in_flight(), now);
        }
    }

    /// One sender: a request after the other until there are no more tickets.
    async fn send_all(self: Rc<Self>, shutdown: Shutdown) {
        loop {
            let now = clock::now();
            let Some(mut ticket) = self.next(now) else { return };
            if let Some(moment) = ticket.intended.filter(|&moment| moment > now) {
                let ahead = moment.checked_sub(TIMER).unwrap_or(now);
                tokio::select! {
                    () = tokio::time::sleep_until(ahead.into()) => ticket.intended = Some(moment.min(clock::now())),
                    () = shutdown.requested() => return,
                }
            }
            self.send(ticket).await;
        }
    }

    fn next(&self, now: Instant) -> Option<Ticket> {
        let mut pace = self.pace.borrow_mut();
        let before = pace.dropped();
        let ticket = pace.next(now);
        self.observer.dropped(pace.dropped() - before);
        ticket
    }

    async fn send(&self, ticket: Ticket) {
        let in_flight = self.observer.begun();
        let index = self.settings.mix.draw(self.settings.seed, ticket.sequence);
        let (entry, template) = (&self.settings.mix.entries()[index], &self.templates[index]);
        let request = template.request(request_id(&self.name, ticket.sequence));
        let shown = ticket.sequence < self.settings.show;
        let mut trace = Trace::new(shown.then(|| Sample::new(self.settings.show_body)));
        let begun = clock::now();
        let outcome = self.sender.exchange(template, &request, entry, &mut trace).await;
        let (status, server) =
            trace.answer.map_or((None, None), |answer| (Some(answer.status), answer.server));
        let exchange = Exchange {
            sequence: ticket.sequence,
            entry: index,
            measured: ticket.measured,
            intended: ticket.intended.unwrap_or(begun),
            begun,
            connect: trace.connect,
            handshake: trace.handshake,
            head: trace.head,
            ended: clock::now(),
            status,
            server,
            received: trace.received,
            outcome,
        };
        if let Some(sample) = trace.sample {
            let shown = show::response(entry, request.id(), &exchange, &sample) + "\n";
            outlet::stdout().put(shown.as_bytes());
        }
        drop(in_flight);
        self.note(&exchange);
    }

    fn note(&self, exchange: &Exchange) {
        let mut measurements = self.measurements.borrow_mut();
        measurements.record(exchange);
        self.observer.ended(exchange);
        let repeatable = self.templates[exchange.entry].method.is_idempotent();
        self.witness.saw(measurements.so_far(exchange.ended), exchange, repeatable);
    }
}

/// What a task came to. One that panicked is a bug of this client, which must not pass for a good run.
fn finished<T>(task: Result<T, JoinError>) -> T {
    task.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
