//! What the terminal shows at one moment, as a value: nothing here knows how it is drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::{Column, Measurements};
use crate::told::Names;

/// The run at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct View {
    /// The run's name.
    pub(crate) run: String,
    /// Where it is sent.
    pub(crate) target: String,
    /// How long it has been going.
    pub(crate) elapsed: Duration,
    /// How long it will last, where that is known.
    pub(crate) lasts: Option<Duration>,
    /// The part done, from 0 to 1.
    pub(crate) done: f64,
    /// Answered rightly so far.
    pub(crate) right: u64,
    /// Failed so far.
    pub(crate) failed: u64,
    /// Sent and not answered yet.
    pub(crate) in_flight: u64,
    /// Right answers and failures in a second, lately.
    pub(crate) rate: f64,
    /// Of right answers, lately.
    pub(crate) p50: Duration,
    /// Of right answers, lately.
    pub(crate) p99: Duration,
    /// Who answers, by name.
    pub(crate) servers: Vec<Row>,
    /// What happened, the last first: when it began, and a sentence.
    pub(crate) happened: Vec<(Duration, String)>,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: String,
    /// Its right answers in a second, lately.
    pub(crate) rate: f64,
    /// Its part of the right answers, lately, from 0 to 1.
    pub(crate) share: f64,
}

/// The last whole column of a run that has been going for so long, or the first one where there is no whole one yet; and how
/// many seconds it covers.
fn last_column(measurements: &Measurements, elapsed: Duration) -> Option<(&Column, f64)> {
    let (columns, width) = (measurements.timeline.columns(), measurements.timeline.width());
    let whole = usize::try_from(elapsed.as_nanos() / width.as_nanos()).unwrap_or(usize::MAX);
    match whole.checked_sub(1) {
        Some(last) => columns.get(last).map(|column| (column, width.as_secs_f64())),
        None => columns.first().map(|column| (column, elapsed.as_secs_f64().max(0.001))),
    }
}

/// A view with what happened lately to a run that has been going for so long, its servers called by name. A server that was
/// there before and did not answer lately is there still.
pub(crate) fn recent(measurements: &Measurements, elapsed: Duration, names: &Names) -> View {
    let mut rights: BTreeMap<String, u64> =
        measurements.servers.named().map(|(id, _)| (names.called(id), 0)).collect();
    let last = last_column(measurements, elapsed);
    for (id, share) in last.iter().flat_map(|(column, _)| &column.servers) {
        *rights.entry(names.called(id)).or_default() += share.right;
    }
    let all: u64 = rights.values().sum();
    let seconds = last.map_or(1.0, |(_, seconds)| seconds);
    let servers = rights.into_iter().map(|(name, right)| Row {
        name,
        rate: right as f64 / seconds,
        share: if all == 0 { 0.0 } else { right as f64 / all as f64 },
    });
    View {
        elapsed,
        right: measurements.right,
        failed: measurements.failed,
        rate: last.map_or(0.0, |(column, _)| column.tally.sum() as f64 / seconds),
        p50: last.map_or(Duration::ZERO, |(column, _)| column.latency.at(0.5)),
        p99: last.map_or(Duration::ZERO, |(column, _)| column.latency.at(0.99)),
        servers: servers.collect(),
        ..View::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};
    use crate::outcome::Exchange;

    #[test]
    fn rates_are_those_of_the_last_whole_second_and_a_silent_server_is_still_there() {
        let (begin, ms) = (some_beginning(), Duration::from_millis);
        let mut measurements = Measurements::new(1, 0, begin);
        let mut answer = |at: u64, server: &str| {
            let one = exchange(begin, ms(at), ms(2), None);
            measurements.record(&Exchange { server: Some(server.into()), ..one });
        };
        (0..10).for_each(|number| answer(number * 50, "b"));
        (0..30).for_each(|number| answer(1_000 + number * 30, "a"));
        answer(2_100, "b");
        let mut names = Names::default();
        names.call("10.0.0.1:80".into(), "b".into());
        let view = recent(&measurements, ms(2_200), &names);
        assert_eq!((view.right, view.rate), (41, 30.0));
        let rows: Vec<_> = view.servers.iter().map(|row| (row.name.as_str(), row.rate, row.share)).collect();
        assert_eq!(rows, [("a", 30.0, 1.0), ("b", 0.0, 0.0)]);
    }

    #[test]
    fn before_the_first_whole_second_there_is_a_rate_already() {
        let (begin, ms) = (some_beginning(), Duration::from_millis);
        let mut measurements = Measurements::new(1, 0, begin);
        (0..10).for_each(|number| measurements.record(&exchange(begin, ms(number * 10), ms(2), None)));
        assert!((recent(&measurements, ms(100), &Names::default()).rate - 100.0).abs() < 1e-6);
        assert_eq!(recent(&Measurements::new(1, 0, begin), ms(0), &Names::default()).servers, []);
    }
}
