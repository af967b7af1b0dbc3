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
use std::time::Duration;

use evenkeel_service::Shutdown;
use jiff::Timestamp;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::exchange::{Sample, Sender, Trace};
use crate::measure::Measurements;
use crate::outcome::Exchange;
use crate::pace::{Pace, Ticket};
use crate::progress::Progress;
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
}

/// What the senders of a run share.
struct Run {
    name: String,
    settings: Rc<Settings>,
    sender: Sender,
    templates: Vec<Template>,
    pace: RefCell<Pace>,
    measurements: RefCell<Measurements>,
    in_flight: Cell<usize>,
    progress: Progress,
}

/// Sends what the settings ask for and waits for all of it. A shutdown ends the sending; what is in flight finishes.
pub(crate) async fn run(
    name: String,
    settings: Rc<Settings>,
    sender: Sender,
    templates: Vec<Template>,
    progress: Progress,
    shutdown: &Shutdown,
) -> Finished {
    let (began, now) = (clock::wall(), clock::now());
    let pace = Pace::new(settings.phases.clone(), settings.requests, settings.timeout, now);
    let measurements = Measurements::new(templates.len(), settings.failures, now);
    let run = Rc::new(Run {
        name,
        sender,
        templates,
        pace: RefCell::new(pace),
        measurements: RefCell::new(measurements),
        in_flight: Cell::new(0),
        progress,
        settings,
    });
    LocalSet::new().run_until(run.clone().drive(shutdown)).await;

    let mut measurements = run.measurements.replace(Measurements::new(0, 0, now));
    measurements.finish(clock::now());
    let pace = run.pace.borrow();
    Finished { began, measurements, dropped: pace.dropped(), stopped: pace.stopped() }
}

impl Run {
    async fn drive(self: Rc<Self>, shutdown: &Shutdown) {
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
                    None => break,
                    // A sender that panicked is a bug of this client, which must not pass for a good run.
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    Some(Ok(())) => {}
                },
                () = shutdown.requested(), if !stopped => {
                    stopped = true;
                    self.pace.borrow_mut().stop();
                }
                _ = tick.tick() => self.progress.update(&self.measurements.borrow(), self.in_flight.get(), clock::now()),
            }
        }
        self.progress.finish();
    }

    /// One sender: a request after the other until there are no more tickets.
    async fn send_all(self: Rc<Self>, shutdown: Shutdown) {
        loop {
            let now = clock::now();
            let Some(mut ticket) = self.pace.borrow_mut().next(now) else { return };
            if ticket.intended > now {
                let ahead = ticket.intended.checked_sub(TIMER).unwrap_or(now);
                tokio::select! {
                    () = tokio::time::sleep_until(ahead.into()) => ticket.intended = ticket.intended.min(clock::now()),
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
            intended: ticket.intended,
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
        self.measurements.borrow_mut().record(&exchange);
    }
}
