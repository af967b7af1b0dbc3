//! What happened when: the run in columns of a second, with counts, latencies and shares by server.
//!
//! A column covers one second. When [`MAX_COLUMNS`] are full, neighbours merge and each covers two, and so on: a
//! run of a day takes as much memory as one of ten minutes, and still shows when something happened.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Latency, Tally};
use crate::outcome::Exchange;

/// The most columns; their histograms take about 12 KiB each.
const MAX_COLUMNS: usize = 600;

/// The most servers told apart in one column; requests beyond are counted, but not under a name.
const MAX_SERVERS: usize = 32;

/// A stretch of the run, placed by the moment at which its requests ended.
#[derive(Debug)]
pub(crate) struct Column {
    /// Requests that ended in it.
    pub(crate) tally: Tally,
    /// From the intended moment, of those answered rightly.
    pub(crate) latency: Latency,
    /// Right answers by server.
    pub(crate) servers: BTreeMap<String, Share>,
    /// The longest stretch without any right answer that ended in it.
    pub(crate) gap: Duration,
}

/// What one server contributed to a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Right answers from it.
    pub(crate) right: u64,
    /// From the intended moment to the end of the slowest of them.
    pub(crate) slowest: Duration,
}

impl Share {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl Default for Column {
    fn default() -> Self {
        Self {
            tally: Tally::default(),
            latency: Latency::with_digits(2),
            servers: BTreeMap::new(),
            gap: Duration::ZERO,
        }
    }
}

impl Column {
    fn record(&mut self, exchange: &Exchange) {
        let right = exchange.outcome.is_ok();
        self.tally.count(right);
        if !right {
            return;
        }
        self.latency.record(exchange.latency());
        let Some(server) = &exchange.server else { return };
        let one = Share { right: 1, slowest: exchange.latency() };
        if let Some(share) = self.servers.get_mut(server) {
            share.add(one);
        } else if self.servers.len() < MAX_SERVERS {
            self.servers.insert(server.clone(), one);
        }
    }

    fn merge(&mut self, other: Self) {
        self.tally.right += other.tally.right;
        self.tally.failed += other.tally.failed;
        self.latency.merge(&other.latency);
        self.gap = self.gap.max(other.gap);
        for (server, share) in other.servers {
            self.servers.entry(server).or_default().add(share);
        }
    }

    /// Right answers that named their server.
    pub(crate) fn named(&self) -> u64 {
        self.servers.values().map(|share| share.right).sum()
    }
}

/// The columns of a run, from its beginning.
#[derive(Debug)]
pub(crate) struct Timeline {
    columns: Vec<Column>,
    width: Duration,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { columns: Vec::new(), width: Duration::from_secs(1) }
    }
}

impl Timeline {
    /// Counts an exchange that ended `at` after the run's beginning.
    pub(crate) fn record(&mut self, at: Duration, exchange: &Exchange) {
        self.column(at).record(exchange);
    }

    /// Notes a stretch of `lasted` without any right answer that ended `at` after the run's beginning.
    pub(crate) fn gap(&mut self, at: Duration, lasted: Duration) {
        let column = self.column(at);
        column.gap = column.gap.max(lasted);
    }

    /// The columns in order, none left out: one in which nothing ended is empty.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How long a column is.
    pub(crate) fn width(&self) -> Duration {
        self.width
    }

    fn column(&mut self, at: Duration) -> &mut Column {
        while self.index(at) >= MAX_COLUMNS {
            self.halve();
        }
        let index = self.index(at);
        if index >= self.columns.len() {
            self.columns.resize_with(index + 1, Column::default);
        }
        &mut self.columns[index]
    }

    fn index(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        self.width *= 2;
        let mut old = std::mem::take(&mut self.columns).into_iter();
        while let Some(mut column) = old.next() {
            if let Some(next) = old.next() {
                column.merge(next);
            }
            self.columns.push(column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};
    use crate::outcome::Kind;

    fn record(timeline: &mut Timeline, at: Duration, failed: Option<Kind>) {
        timeline.record(at, &exchange(some_beginning(), at, Duration::from_millis(2), failed));
    }

    #[test]
    fn a_request_counts_in_the_second_in_which_it_ended() {
        let mut timeline = Timeline::default();
        record(&mut timeline, Duration::from_millis(999), None);
        record(&mut timeline, Duration::from_secs(2), Some(Kind::Refused));
        let tallies: Vec<_> = timeline.columns().iter().map(|column| column.tally).collect();
        assert_eq!(tallies, [Tally { right: 1, failed: 0 }, Tally::default(), Tally { right: 0, failed: 1 }]);
        assert_eq!(timeline.columns()[0].servers["server-1"].right, 1);
    }

    #[test]
    fn a_long_run_merges_its_columns_and_loses_no_request() {
        let mut timeline = Timeline::default();
        let seconds = 3 * MAX_COLUMNS as u64;
        for second in 0..seconds {
            record(&mut timeline, Duration::from_secs(second), (second % 10 == 0).then_some(Kind::Closed));
        }
        assert!(timeline.columns().len() <= MAX_COLUMNS);
        assert_eq!(timeline.width(), Duration::from_secs(4));
        let right: u64 = timeline.columns().iter().map(|column| column.tally.right).sum();
        let failed: u64 = timeline.columns().iter().map(|column| column.tally.failed).sum();
        assert_eq!((right, failed), (seconds * 9 / 10, seconds / 10));
        let latencies: u64 = timeline.columns().iter().map(|column| column.latency.count()).sum();
        assert_eq!(latencies, right);
    }
}
