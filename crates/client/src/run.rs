//! A run against one target: so many senders take tickets from the pace, perform exchanges and record them.
//!
//! ```text
//! Pace ──ticket──▶ sender 1..n ──exchange──▶ Measurements
//!        wait until the ticket's moment    └──▶ Show (the first ones)
//! ```
//! Everything runs on one thread: the counters need no locks, and one core of load generation measures what a
//! balancer of a few cores does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use evenkeel_service::Shutdown;
use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::exchange::{Sample, Sender, Trace};
use crate::incident::{self, Incident, Trouble, Troubles};
use crate::measure::Measurements;
use crate::outcome::{Exchange, Failure, Kind, Phase};
use crate::pace::{Pace, Ticket};
use crate::progress::Progress;
use crate::proof::{Attempt, Collector, Entry, Fate, Listener, Proof, Reconciler};
use crate::request::{Template, request_id};
use crate::settings::Settings;
use crate::show;

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
    /// Who is told how far it is.
    pub(crate) progress: Progress,
}

/// What the senders of a run share.
struct Run {
    name: String,
    began: Timestamp,
    settings: Rc<Settings>,
    sender: Sender,
    templates: Vec<Template>,
    progress: Progress,
    pace: RefCell<Pace>,
    measurements: RefCell<Measurements>,
    troubles: RefCell<Troubles>,
    reconciler: RefCell<Option<Reconciler>>,
    in_flight: Cell<usize>,
    /// When the last request had ended.
    ended: Cell<Option<Instant>>,
}

/// Sends what the settings ask for and waits for all of it. A shutdown ends the sending; what is in flight finishes.
pub(crate) async fn run(plan: Plan, settings: Rc<Settings>, shutdown: &Shutdown) -> Finished {
    let Plan { name, sender, templates, collector, progress } = plan;
    let (began, now) = (clock::wall(), clock::now());
    let run = Rc::new(Run {
        began,
        sender,
        pace: RefCell::new(Pace::new(settings.phases.clone(), settings.requests, settings.timeout, now)),
        measurements: RefCell::new(Measurements::new(templates.len(), settings.failures, now)),
        troubles: RefCell::default(),
        reconciler: RefCell::new(collector.is_some().then(|| Reconciler::new(&name))),
        in_flight: Cell::new(0),
        ended: Cell::new(None),
        name,
        templates,
        progress,
        settings,
    });
    let collector = LocalSet::new().run_until(run.clone().drive(collector, shutdown)).await;

    let mut measurements = run.measurements.replace(Measurements::new(0, 0, now));
    measurements.finish(run.ended.get().unwrap_or(now));
    let proof = collector.zip(run.reconciler.take()).map(|(collector, mut reconciler)| {
        collector.finish(&mut reconciler);
        reconciler.conclude()
    });
    let told = proof.as_ref().is_some_and(|proof: &Proof| proof.failed_attempts.is_some());
    let pace = run.pace.borrow();
    Finished {
        began,
        incidents: incident::find(run.troubles.take(), &measurements.timeline, measurements.elapsed(), told),
        measurements,
        dropped: pace.dropped(),
        stopped: pace.stopped(),
        proof,
    }
}

impl Run {
    /// Runs all senders to their end, and the collector beside them and a little longer.
    async fn drive(self: Rc<Self>, collector: Option<Collector>, shutdown: &Shutdown) -> Option<Collector> {
        let collecting = match collector {
            Some(mut collector) => {
                // Where the ledger stands before the first request: from there on nothing may be missing.
                collector.poll(&*self).await;
                let run = self.clone();
                Some(tokio::task::spawn_local(async move { collector.collect(&*run).await }))
            }
            None => None,
        };
        self.send_and_watch(shutdown).await;
        self.ended.set(Some(clock::now()));
        self.progress.finish();
        match collecting {
            Some(collecting) => Some(finished(collecting.await)),
            None => None,
        }
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
                _ = tick.tick() => self.progress.update(&self.measurements.borrow(), self.in_flight.get(), clock::now()),
            }
        }
    }

    /// One sender: a request after the other until there are no more tickets.
    async fn send_all(self: Rc<Self>, shutdown: Shutdown) {
        loop {
            let now = clock::now();
            let Some(mut ticket) = self.pace.borrow_mut().next(now) else { return };
            if let Some(moment) = ticket.intended.filter(|&moment| moment > now) {
                let ahead = moment.checked_sub(TIMER).unwrap_or(now);
                tokio::select! {
                    () = tokio::time::sleep_until(ahead.into()) => ticket.intended = Some(moment.min(clock::now())),
                    () = shutdown.requested() => return,
                }
            }
            self.in_flight.set(self.in_flight.get() + 1);
            self.send(ticket).await;
            self.in_flight.set(self.in_flight.get() - 1);
        }
    }

    async fn send(&self, ticket: Ticket) {
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
            head: trace.head,
            ended: clock::now(),
            status,
            server,
            received: trace.received,
            outcome,
        };
        if let Some(sample) = trace.sample {
            self.progress.print(&show::response(entry, request.id(), &exchange, &sample));
        }
        self.note(&exchange);
    }

    fn note(&self, exchange: &Exchange) {
        let mut measurements = self.measurements.borrow_mut();
        measurements.record(exchange);
        if exchange.outcome.is_err() {
            self.troubles.borrow_mut().note(measurements.so_far(exchange.ended), Trouble::Failure);
        }
        if let Some(reconciler) = &mut *self.reconciler.borrow_mut() {
            let repeatable = self.templates[exchange.entry].method.is_idempotent();
            reconciler.sent(exchange.sequence, repeatable, fate(exchange));
        }
    }

    /// A moment that the balancer told, counted from the run's beginning.
    fn moment(&self, at: u64) -> Duration {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        Duration::from_millis(
            u64::try_from(at.saturating_sub(self.began.as_millisecond())).unwrap_or_default(),
        )
    }
}

impl Listener for Run {
    fn told(&self, entry: Entry) {
        let mut troubles = self.troubles.borrow_mut();
        match entry {
            Entry::Passage(passage) => {
                if let Some(reconciler) = &mut *self.reconciler.borrow_mut() {
                    reconciler.passed(&passage);
                }
                let at = self.moment(passage.at);
                let well = passage.whole && passage.status.is_some_and(|status| status < 500);
                let failed: Vec<_> = passage.attempts.into_iter().filter(Attempt::has_failed).collect();
                if well && !failed.is_empty() {
                    troubles.note(at, Trouble::Masked);
                }
                for attempt in failed {
                    troubles.note(at, Trouble::FailedAttempt(attempt.endpoint));
                }
            }
            Entry::Happening(happening) if happening.event == "ejected" => {
                troubles.note(self.moment(happening.at), Trouble::Ejected(happening.endpoint));
            }
            Entry::Happening(_) => {}
        }
    }

    fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    fn awaited(&self) -> u64 {
        self.reconciler.borrow().as_ref().map_or(0, Reconciler::awaited)
    }
}

/// What a task came to. One that panicked is a bug of this client, which must not pass for a good run.
fn finished<T>(task: Result<T, JoinError>) -> T {
    task.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// An exchange as the reconciliation sees it.
fn fate(exchange: &Exchange) -> Fate {
    match &exchange.outcome {
        Ok(()) => Fate::Right,
        Err(Failure { kind: Kind::Status(status), .. }) => Fate::Refused(*status),
        Err(Failure { phase: Phase::Resolve | Phase::Connect, .. }) => Fate::FailedAtHome,
        Err(_) => Fate::Broken { head: exchange.head.is_some() },
    }
}
