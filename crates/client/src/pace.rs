//! When requests are sent.
//!
//! In a *closed loop* each of so many senders sends its next request when its last one is answered; a slow target
//! is asked less. In an *open loop* requests have their moments whatever the target does, as users do; a request
//! that comes late because all senders were busy is counted from the moment it should have been sent, or a stall
//! of a second would show as one slow request instead of all those that would have met it.
//!
//! ```text
//! phase 1 ──▶ phase 2 ──▶ … ──▶ over      each: name, length, closed loop or a rate that may rise or fall
//! ```
//! Memory is constant: the moment of the next request follows from its number in its phase.

use std::fmt;
use std::time::{Duration, Instant};

use evenkeel_service::Setting;

/// How a phase decides the moments of its requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// As soon as a sender is free.
    Closed,
    /// So many a second, from the first rate to the second, evenly over the phase.
    Open {
        /// Requests a second at the phase's beginning.
        from: f64,
        /// Requests a second at its end.
        to: f64,
    },
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    /// What the report calls it.
    pub(crate) name: String,
    /// How long it lasts; `None` until the requests are sent.
    pub(crate) lasts: Option<Duration>,
    /// How often it sends.
    pub(crate) load: Load,
}

/// Phases of this name, or whose name begins with it, do not count in the latencies.
const WARM_UP: &str = "warm-up";

impl Phase {
    /// Whether its latencies count.
    pub(crate) fn measured(&self) -> bool {
        !self.name.starts_with(WARM_UP)
    }

    /// Whether it still goes on so long after its beginning.
    fn is_on(&self, elapsed: Duration) -> bool {
        self.lasts.is_none_or(|lasts| elapsed < lasts)
    }

    /// When its `number`th request (from 0) is due, from the phase's beginning; `None` when that is past its end,
    /// or when there are no moments because the loop is closed.
    fn due(&self, number: u64) -> Option<Duration> {
        let Load::Open { from, to } = self.load else { return None };
        let number = number as f64;
        let seconds = match self.lasts {
            Some(lasts) if (to - from).abs() > f64::EPSILON => {
                // number = from·t + slope·t²/2, solved for t.
                let slope = (to - from) / lasts.as_secs_f64();
                let root = from.mul_add(from, 2.0 * slope * number);
                if root < 0.0 {
                    return None;
                }
                (root.sqrt() - from) / slope
            }
            _ => number / from,
        };
        let due = Duration::try_from_secs_f64(seconds).ok()?;
        self.lasts.is_none_or(|lasts| due < lasts).then_some(due)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The phases of a run, read from `warm-up:5s, ramp:10s@50..500, steady:60s@500, spike:5s@2000`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phases(pub(crate) Vec<Phase>);

/// The most phases of a run.
const MAX_PHASES: usize = 64;

/// The highest rate, in requests a second: beyond it one process measures itself.
const MAX_RATE: f64 = 1_000_000.0;

impl Phases {
    /// Reads phases; those that name no rate run with `load`.
    pub(crate) fn parse(text: &str, load: Load) -> Result<Self, String> {
        let phases: Vec<Phase> =
            text.split(',').map(|phase| parse_phase(phase.trim(), load)).collect::<Result<_, _>>()?;
        if phases.len() > MAX_PHASES {
            return Err(format!("a run has at most {MAX_PHASES} phases, not {}", phases.len()));
        }
        Ok(Self(phases))
    }
}

fn parse_phase(text: &str, load: Load) -> Result<Phase, String> {
    let shape =
        || format!("`{text}` is no phase; write it as steady:60s, steady:60s@200 or ramp:10s@50..200");
    let (name, rest) = text.split_once(':').ok_or_else(shape)?;
    let (lasts, rate) = rest.split_once('@').map_or((rest, None), |(lasts, rate)| (lasts, Some(rate)));
    let name_is_plain = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !name_is_plain {
        return Err(shape());
    }
    let lasts = Duration::parse(lasts)?;
    if lasts.is_zero() {
        return Err(format!("`{text}` lasts no time"));
    }
    let load = match rate {
        None => load,
        Some(rate) => {
            let (from, to) = rate.split_once("..").unwrap_or((rate, rate));
            Load::Open { from: Rate::parse(from)?.0, to: Rate::parse(to)?.0 }
        }
    };
    Ok(Phase { name: name.to_owned(), lasts: Some(lasts), load })
}

/// Requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

impl Setting for Rate {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|rate| (0.001..=MAX_RATE).contains(rate))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no rate; write requests a second, from 0.001 to 1000000"))
    }
}

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
}

impl Pace {
    /// A run through `phases` that begins at `now` and ends after `requests`, if that comes first. A request of an
    /// open loop that no sender could take up for `patience` after its moment is dropped.
    pub(crate) fn new(phases: Vec<Phase>, requests: Option<u64>, patience: Duration, now: Instant) -> Self {
        Self {
            phases,
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
            if open && now.saturating_duration_since(due) > self.patience {
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

    #[test]
    fn phases_are_read_with_and_without_rates() {
        let Phases(phases) =
            Phases::parse("warm-up:500ms, ramp:10s@50..500,steady:60s", Load::Closed).unwrap();
        assert_eq!(
            phases[0],
            Phase { name: "warm-up".into(), lasts: Some(Duration::from_millis(500)), load: Load::Closed }
        );
        assert_eq!(phases[1].load, Load::Open { from: 50.0, to: 500.0 });
        assert_eq!(phases[2].lasts, Some(Duration::from_mins(1)));
    }

    #[test]
    fn a_bad_phase_says_how_to_write_one() {
        for text in ["steady", ":5s", "a b:5s", "steady:5", "steady:5s@0", "steady:0s", "steady:5s@1..x"] {
            assert!(Phases::parse(text, Load::Closed).is_err(), "{text}");
        }
        assert!(Phases::parse("steady", Load::Closed).unwrap_err().contains("steady:60s@200"));
    }
}
