//! When requests are sent.
//!
//! In a *closed loop* each of so many senders sends its next request when its last one is answered; a slow target
//! is asked less. In an *open loop* requests have their moments whatever the target does, as users do; a request
//! that comes late because all senders were busy is counted from the moment it should have been sent, or a stall
//! of a second would show as one slow request instead of all those that would have met it.
//!
//! ```text
//! phase 1 ──▶ phase 2 ──▶ … ──▶ over
//! ```
//! A run ends with its last phase: what was due by then and not begun is dropped and counted. Working the backlog off
//! would measure a target that nobody sends anything new, and take longer than was asked for.
//!
//! Memory is constant: the moment of the next request follows from its number in its phase.

use std::time::{Duration, Instant};

use crate::phases::{Load, Phase};

/// The permission to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The request's number in the run, from 0.
    pub(crate) sequence: u64,
    /// The moment to send it, in the past when it is late; `None` means now, whenever that is.
    pub(crate) intended: Option<Instant>,
    /// Whether its latency counts.
    pub(crate) measured: bool,
}

/// Hands out tickets until the run is over.
#[derive(Debug)]
pub(crate) struct Pace {
    phases: Vec<Phase>,
    /// The phase that runs, and when it began.
    current: usize,
    began: Instant,
    /// Requests of the current phase so far.
    in_phase: u64,
    /// Requests of the run so far.
    sequence: u64,
    requests: Option<u64>,
    patience: Duration,
    dropped: u64,
    stopped: bool,
    /// When the last phase ends; `None` where only the number of requests ends the run.
    end: Option<Instant>,
}

/// Within so long after the end a request is still begun that was due before it: a machine stumbles for a moment now and then.
const HICCUP: Duration = Duration::from_millis(10);

impl Pace {
    /// A run through `phases` that begins at `now` and ends after `requests`, if that comes first. A request of an
    /// open loop that no sender could take up for `patience` after its moment, or before the last phase ended, is dropped.
    pub(crate) fn new(phases: Vec<Phase>, requests: Option<u64>, patience: Duration, now: Instant) -> Self {
        let lasts: Option<Duration> = phases.iter().map(|phase| phase.lasts).sum();
        Self {
            phases,
            end: lasts.and_then(|lasts| now.checked_add(lasts)),
            current: 0,
            began: now,
            in_phase: 0,
            sequence: 0,
            requests,
            patience,
            dropped: 0,
            stopped: false,
        }
    }

    /// The next request, or `None` when the run is over. A ticket's moment may lie in the future: wait for it.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Ticket> {
        while !self.stopped && self.requests.is_none_or(|requests| self.sequence + self.dropped < requests) {
            let phase = self.phases.get(self.current)?;
            let due = match phase.load {
                Load::Closed => phase.is_on(now.saturating_duration_since(self.began)).then_some(self.began),
                Load::Open { .. } => phase.due(self.in_phase).map(|due| self.began + due),
            };
            let Some(due) = due else {
                // A phase begins where the one before ends, however late that is noticed.
                self.began += phase.lasts?;
                self.current += 1;
                self.in_phase = 0;
                continue;
            };
            self.in_phase += 1;
            let open = phase.load != Load::Closed;
            let is_late = now.saturating_duration_since(due) > self.patience;
            // Whoever is picked up a moment after the end was due before it.
            let is_over =
                self.end.is_some_and(|end| now >= end) && now.saturating_duration_since(due) > HICCUP;
            if open && (is_late || is_over) {
                self.dropped += 1;
                continue;
            }
            // A closed loop has no moments, but it may be asked before its phase begins.
            let intended = (open || due > now).then_some(due);
            let ticket = Ticket { sequence: self.sequence, intended, measured: phase.measured() };
            self.sequence += 1;
            return Some(ticket);
        }
        None
    }

    /// Ends the run: no more tickets.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether the run was ended before its time.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Requests that were due but never sent, because every sender was busy for too long.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some beginning; it never looks at the clock again"
)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn open(from: f64, to: f64, seconds: u64) -> Phase {
        Phase {
            name: "steady".into(),
            lasts: Some(Duration::from_secs(seconds)),
            load: Load::Open { from, to },
        }
    }

    fn closed(name: &str, seconds: u64) -> Phase {
        Phase { name: name.into(), lasts: Some(Duration::from_secs(seconds)), load: Load::Closed }
    }

    #[test]
    fn a_closed_loop_sends_at_once_until_its_requests_are_spent() {
        let now = Instant::now();
        let phase = Phase { name: "run".into(), lasts: None, load: Load::Closed };
        let mut pace = Pace::new(vec![phase], Some(3), PATIENCE, now);
        let later = now + Duration::from_millis(5);
        let tickets: Vec<_> = std::iter::from_fn(|| pace.next(later)).collect();
        assert_eq!(tickets.iter().map(|ticket| ticket.sequence).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(tickets.iter().all(|ticket| ticket.intended.is_none() && ticket.measured));
    }

    #[test]
    fn a_closed_loop_with_a_duration_ends_with_it() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![closed("run", 1)], None, PATIENCE, now);
        assert!(pace.next(now + Duration::from_millis(999)).is_some());
        assert!(pace.next(now + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn an_open_loop_keeps_its_moments_however_late_it_is_asked() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(10.0, 10.0, 1)], None, PATIENCE, now);
        let late = now + Duration::from_millis(450);
        let due: Vec<u128> = std::iter::from_fn(|| pace.next(late))
            .map(|ticket| (ticket.intended.unwrap() - now).as_millis())
            .collect();
        assert_eq!(due, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }

    #[test]
    fn a_request_later_than_the_patience_is_dropped_and_counted() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(10.0, 10.0, 20)], None, PATIENCE, now);
        let ticket = pace.next(now + Duration::from_millis(11_050)).unwrap();
        assert_eq!(ticket.intended.unwrap() - now, Duration::from_millis(1_100));
        assert_eq!((ticket.sequence, pace.dropped()), (0, 11));
    }

    #[test]
    fn what_is_not_begun_when_the_last_phase_ends_is_dropped() {
        let now = Instant::now();
        let phases = vec![open(10.0, 10.0, 2), open(20.0, 20.0, 1)];
        let mut pace = Pace::new(phases, None, PATIENCE, now);
        for _ in 0..5 {
            assert!(pace.next(now + Duration::from_millis(2_999)).is_some());
        }
        assert_eq!(pace.next(now + Duration::from_secs(3)), None);
        assert_eq!(pace.dropped(), 35);
        assert_eq!(pace.next(now + Duration::from_secs(4)), None);
        assert_eq!(pace.dropped(), 35, "once");
    }

    #[test]
    fn a_stumble_of_the_machine_at_the_very_end_drops_nothing() {
        let now = Instant::now();
        for (late, dropped) in [(Duration::ZERO, 0), (HICCUP, 1)] {
            let mut pace = Pace::new(vec![open(100.0, 100.0, 1)], None, PATIENCE, now);
            assert!((0..99).all(|_| pace.next(now).is_some()));
            // The last was due ten milliseconds before the end.
            let last = pace.next(now + Duration::from_secs(1) + late);
            assert_eq!((last.is_none(), pace.dropped()), (dropped == 1, dropped));
        }
    }

    #[test]
    fn a_run_of_so_many_requests_drops_no_more_than_those() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(10.0, 10.0, 2)], Some(12), PATIENCE, now);
        assert!(pace.next(now).is_some());
        assert_eq!((pace.next(now + Duration::from_secs(2)), pace.dropped()), (None, 11));
    }

    #[test]
    fn a_ramp_sends_the_mean_of_its_rates_and_gets_denser() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(0.001, 100.0, 10)], None, PATIENCE, now);
        let due: Vec<f64> = std::iter::from_fn(|| pace.next(now))
            .map(|ticket| (ticket.intended.unwrap() - now).as_secs_f64())
            .collect();
        assert!((499..=501).contains(&due.len()), "{} requests", due.len());
        let first_half = due.iter().filter(|&&due| due < 5.0).count();
        assert!((120..=130).contains(&first_half), "{first_half} in the first half");
        assert!(due.is_sorted());
    }

    #[test]
    fn a_falling_ramp_ends_with_its_phase() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(100.0, 0.001, 10)], None, PATIENCE, now);
        let count = std::iter::from_fn(|| pace.next(now)).count();
        assert!((499..=501).contains(&count), "{count} requests");
    }

    #[test]
    fn the_warm_up_is_not_measured_and_the_next_phase_begins_at_its_end() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![closed("warm-up", 2), open(1.0, 1.0, 3)], None, PATIENCE, now);
        assert!(!pace.next(now).unwrap().measured);
        let ticket = pace.next(now + Duration::from_millis(2_300)).unwrap();
        assert!(ticket.measured);
        assert_eq!(ticket.intended, Some(now + Duration::from_secs(2)));
    }

    #[test]
    fn a_closed_loop_asked_before_its_phase_waits_for_it() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(1.0, 1.0, 2), closed("rush", 2)], None, PATIENCE, now);
        let tickets: Vec<_> = std::iter::from_fn(|| pace.next(now)).take(3).collect();
        assert_eq!(tickets[2].intended, Some(now + Duration::from_secs(2)));
    }

    #[test]
    fn nothing_is_sent_after_a_stop() {
        let now = Instant::now();
        let mut pace = Pace::new(vec![open(10.0, 10.0, 1)], None, PATIENCE, now);
        assert!(pace.next(now).is_some());
        pace.stop();
        assert!(pace.next(now).is_none() && pace.stopped());
    }
}
