//! How far a run is: drawn on a terminal, or a plain line every few seconds, and one when an incident begins or is over. Both go
//! to standard error, so that standard output holds responses and the report alone.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use evenkeel_service::outlet;

use crate::measure::Measurements;
use crate::phases::Phase;
use crate::screen::{self, Screen, View};
use crate::settings::Show;
use crate::told::Episode;
use crate::witness::Witness;
use crate::words::{self, Tame};

/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(5);

/// How many of the last incidents the terminal tells of.
const TOLD: usize = 5;

/// Shows how far a run is, until it is dropped: then a terminal is as it was.
#[derive(Debug)]
pub(crate) struct Progress {
    run: String,
    target: String,
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
    Screen(Screen),
    Lines { next: Cell<Option<Instant>>, told: RefCell<Told> },
    Nothing,
}

/// Which incidents of the balancer have been told of: that they began, and that they are over.
#[derive(Debug, Default)]
struct Told(BTreeSet<(u64, bool)>);

impl Told {
    /// Those of the incidents, each with when it began in the run, that there is something new to say of.
    fn news(&mut self, incidents: Vec<(Duration, Episode)>) -> Vec<(Duration, Episode)> {
        let is_new =
            |(_, episode): &(Duration, Episode)| self.0.insert((episode.id, episode.ended_ms.is_some()));
        incidents.into_iter().filter(is_new).collect()
    }
}

impl Progress {
    /// The progress of a run through `phases` with at most so many requests, shown in this way. The terminal is taken from
    /// now on.
    pub(crate) fn new(
        run: &str,
        target: &impl ToString,
        show: Show,
        requests: Option<u64>,
        phases: &[Phase],
    ) -> Self {
        let whole = Whole { requests, time: phases.iter().map(|phase| phase.lasts).sum() };
        let lines = || Display::Lines { next: Cell::new(None), told: RefCell::default() };
        let display = match show {
            Show::Auto | Show::Terminal if io::stderr().is_terminal() => {
                Screen::begin().map_or_else(lines, Display::Screen)
            }
            Show::Auto | Show::Terminal | Show::Lines => lines(),
            Show::Nothing => Display::Nothing,
        };
        Self { run: run.to_owned(), target: target.to_string(), whole, display }
    }

    /// Shows the state at `now`.
    pub(crate) fn update(
        &self,
        measurements: &Measurements,
        witness: &Witness,
        in_flight: u64,
        now: Instant,
    ) {
        match &self.display {
            Display::Screen(screen) => screen.show(self.view(measurements, witness, in_flight, now)),
            Display::Lines { next, told } => {
                for (at, Episode { sentence, .. }) in told.borrow_mut().news(witness.reported()) {
                    let line = format!("{}  {}\n", words::moment(at), Tame(&sentence));
                    outlet::stderr().put(line.as_bytes());
                }
                match next.get() {
                    Some(moment) if now >= moment => {
                        next.set(Some(moment + LINE));
                        let done = self.whole.done(measurements, now) * 100.0;
                        let line = format!("{done:3.0} %  {}\n", line(measurements, in_flight, now));
                        outlet::stderr().put(line.as_bytes());
                    }
                    Some(_) => {}
                    None => next.set(Some(now + LINE)),
                }
            }
            Display::Nothing => {}
        }
    }

    fn view(&self, measurements: &Measurements, witness: &Witness, in_flight: u64, now: Instant) -> View {
        let elapsed = measurements.so_far(now);
        View {
            run: self.run.clone(),
            target: self.target.clone(),
            lasts: self.whole.time,
            done: self.whole.done(measurements, now),
            in_flight,
            happened: witness.lately(TOLD),
            ..screen::recent(measurements, elapsed, &witness.names.borrow())
        }
    }
}

impl Whole {
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
    use crate::told::some_episode;

    #[test]
    fn an_incident_is_told_of_when_it_begins_and_when_it_is_over_and_not_again() {
        let mut told = Told::default();
        let mut news = |ended| {
            let incidents = vec![
                (Duration::ZERO, some_episode(1, 1_000, None)),
                (Duration::ZERO, some_episode(2, 2_000, ended)),
            ];
            told.news(incidents).into_iter().map(|(_, episode)| episode.id).collect::<Vec<_>>()
        };
        assert_eq!(
            [news(None), news(None), news(Some(3_000)), news(Some(3_000))],
            [vec![1, 2], vec![], vec![2], vec![]]
        );
    }

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
