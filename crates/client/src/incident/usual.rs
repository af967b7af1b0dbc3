//! What a column usually looks like, against which an unusual one stands out.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::measure::Column;

/// A column is slow when its 99th percentile is so many times the usual one, and by [`NOTICED`] more.
const SLOW: u32 = 4;

/// Less than this is the noise of any machine.
const NOTICED: Duration = Duration::from_millis(50);

/// A column is slow as well when a single answer took so much longer than the usual 99th percentile: a request that
/// waited for a server which was frozen is one of thousands, and yet the one to be told of.
const STALLED: Duration = Duration::from_secs(1);

/// A server is missed in a column in which so many answers would usually have been its own: with fewer, it may be chance.
const EXPECTED: f64 = 8.0;

/// How far a share may be from the usual one, as a part of it.
const SPREAD: f64 = 0.25;

/// Medians and shares of the columns without trouble.
#[derive(Debug, Default)]
pub(super) struct Usual {
    p99: Duration,
    /// Each server's part of the right answers, from 0 to 1; medians, so that they need not sum to 1.
    shares: BTreeMap<String, f64>,
}

impl Usual {
    /// What is usual in these columns.
    pub(super) fn of(columns: &[&Column]) -> Self {
        let p99 =
            columns.iter().filter(|column| column.latency.count() > 0).map(|column| column.latency.at(0.99));
        let names: BTreeSet<&String> = columns.iter().flat_map(|column| column.servers.keys()).collect();
        let share = |column: &Column, server: &str| {
            let answered: u64 = column.servers.values().sum();
            (answered > 0)
                .then(|| column.servers.get(server).copied().unwrap_or_default() as f64 / answered as f64)
        };
        let shares = names.into_iter().map(|server| {
            let shares = columns.iter().filter_map(|column| share(column, server)).collect();
            (server.clone(), median(shares, f64::total_cmp))
        });
        Self { p99: median(p99.collect(), Duration::cmp), shares: shares.collect() }
    }

    /// Whether the column is much slower than usual.
    pub(super) fn is_slow(&self, column: &Column) -> bool {
        let many = column.latency.at(0.99) > (self.p99 * SLOW).max(self.p99 + NOTICED);
        let one = column.latency.max() > self.p99 + STALLED;
        column.latency.count() > 0 && (many || one)
    }

    /// By how much the column's 99th percentile is above the usual one.
    pub(super) fn added_latency(&self, column: &Column) -> Duration {
        column.latency.at(0.99).saturating_sub(self.p99)
    }

    /// The servers that answer usually, but nothing in this column.
    pub(super) fn absent(&self, column: &Column) -> Vec<&str> {
        let missed = |share: f64| share * column.tally.right as f64 >= EXPECTED;
        let absent = self
            .shares
            .iter()
            .filter(|(server, share)| missed(**share) && !column.servers.contains_key(*server));
        absent.map(|(server, _)| server.as_str()).collect()
    }

    /// Whether nothing fails in the column, and the load is spread as usual over the servers that are there.
    pub(super) fn is_balanced(&self, column: &Column) -> bool {
        let present: f64 = column.servers.keys().filter_map(|server| self.shares.get(server)).sum();
        let answered: u64 = column.servers.values().sum();
        column.tally.failed == 0
            && answered > 0
            && column.servers.iter().all(|(server, &count)| {
                let usual = self.shares.get(server).map_or(0.0, |share| share / present);
                (count as f64 / answered as f64 - usual).abs() <= usual * SPREAD
            })
    }
}

/// The value in the middle; zero of none. Half of the columns may be unusual without moving it much.
fn median<T: Default + Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> T {
    values.sort_by(order);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
