//! How far a run is: a bar on a terminal, a plain line every few seconds elsewhere. Both go to standard error, so
//! that standard output holds responses and the report alone.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use evenkeel_service::outlet;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::measure::Measurements;
use crate::phases::Phase;
use crate::words;

/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(5);

/// How long a terminal that takes nothing may hold up the run for a text above the bar.
const BESIDE_THE_BAR: Duration = Duration::from_millis(50);

/// Shows how far a run is.
#[derive(Debug)]
pub(crate) struct Progress {
    whole: Whole,
    display: Display,
}

/// What the run is measured against: the first of the two that is reached ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whole {
    requests: Option<u64>,
    time: Option<Duration>,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines { next: Cell<Option<Instant>> },
}

impl Progress {
    /// The progress of a run through `phases` with at most so many requests.
    pub(crate) fn new(requests: Option<u64>, phases: &[Phase]) -> Self {
        let whole = Whole { requests, time: phases.iter().map(|phase| phase.lasts).sum() };
        let display = if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(1_000), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {wide_msg}") {
                bar.set_style(style);
            }
            Display::Bar(bar)
        } else {
            Display::Lines { next: Cell::new(None) }
        };
        Self { whole, display }
    }

    /// Shows the state at `now`.
    pub(crate) fn update(&self, measurements: &Measurements, in_flight: u64, now: Instant) {
        match &self.display {
            Display::Bar(bar) => {
                bar.set_position(self.whole.per_mille(measurements, now));
                bar.set_message(line(measurements, in_flight, now));
            }
            Display::Lines { next } => match next.get() {
                Some(moment) if now >= moment => {
                    next.set(Some(moment + LINE));
                    let done = self.whole.done(measurements, now) * 100.0;
                    let line = format!("{done:3.0} %  {}\n", line(measurements, in_flight, now));
                    outlet::stderr().put(line.as_bytes());
                }
                Some(_) => {}
                None => next.set(Some(now + LINE)),
            },
        }
    }

    /// Prints `text` on standard output without tearing the bar.
    pub(crate) fn print(&self, text: &str) {
        let text = format!("{text}\n");
        let put = || outlet::stdout().put(text.as_bytes());
        match &self.display {
            // What came out later would tear the bar.
            Display::Bar(bar) => bar.suspend(|| {
                put();
                outlet::stdout().finish(BESIDE_THE_BAR);
            }),
            Display::Lines { .. } => put(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

impl Whole {
    #[expect(clippy::cast_sign_loss, reason = "the part done is never negative")]
    fn per_mille(self, measurements: &Measurements, now: Instant) -> u64 {
        (self.done(measurements, now) * 1_000.0) as u64
    }

    /// The part that is done, from 0 to 1.
    fn done(self, measurements: &Measurements, now: Instant) -> f64 {
        let requests = self.requests.map(|requests| measurements.sent() as f64 / requests as f64);
        let time = self.time.map(|time| measurements.so_far(now).as_secs_f64() / time.as_secs_f64());
        [requests, time].into_iter().flatten().fold(0.0, f64::max).min(1.0)
    }
}

fn line(measurements: &Measurements, in_flight: u64, now: Instant) -> String {
    format!(
        "{} right, {} failed, {in_flight} in flight, {}",
        words::count(measurements.right),
        words::count(measurements.failed),
        words::duration(measurements.so_far(now)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};

    #[test]
    fn the_part_done_follows_what_bounds_the_run() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 0, begin);
        measured.record(&exchange(begin, Duration::from_secs(1), Duration::from_millis(1), None));
        let now = begin + Duration::from_secs(3);
        let done = |requests, seconds: Option<u64>| {
            Whole { requests, time: seconds.map(Duration::from_secs) }.done(&measured, now)
        };
        assert!((done(Some(4), None) - 0.25).abs() < 1e-9);
        assert!((done(None, Some(12)) - 0.25).abs() < 1e-9);
        assert!((done(Some(4), Some(6)) - 0.5).abs() < 1e-9);
        assert!((done(None, Some(2)) - 1.0).abs() < 1e-9);
        assert_eq!(line(&measured, 7, now), "1 right, 0 failed, 7 in flight, 3.00 s");
    }
}
