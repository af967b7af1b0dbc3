//! What a column usually looks like, against which an unusual one stands out.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::measure::Column;

/// A column is slow when its 99th percentile is so many times the usual one, and by [`NOTICED`] more.
const SLOW: u32 = 4;

/// Less than this is the noise of any machine.
const NOTICED: Duration = Duration::from_millis(50);

/// A server stalled when a single answer of it took so much longer than the usual 99th percentile: a request that waited for
/// a server which was frozen is one of thousands, and yet the one to be told of.
const STALLED: Duration = Duration::from_secs(1);

/// A server is missed in a column in which so many answers would usually have been its own: with fewer, it may be chance
/// (once in a thousand runs of ten minutes).
const EXPECTED: f64 = 16.0;

/// How far a share may be from the usual one, as a part of it.
const SPREAD: f64 = 0.25;

/// How far it may be where few answers came, in standard deviations of their number.
const CHANCE: f64 = 3.0;

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
            let own = column.servers.get(server).map_or(0, |share| share.right);
            let answered = column.named();
            (answered > 0).then(|| own as f64 / answered as f64)
        };
        let shares = names.into_iter().map(|server| {
            let shares = columns.iter().filter_map(|column| share(column, server)).collect();
            (server.clone(), median(shares, f64::total_cmp))
        });
        Self { p99: median(p99.collect(), Duration::cmp), shares: shares.collect() }
    }

    /// What the 99th percentile usually is.
    pub(super) fn p99(&self) -> Duration {
        self.p99
    }

    /// Whether the column is much slower than usual.
    pub(super) fn is_slow(&self, column: &Column) -> bool {
        self.is_known() && column.latency.count() > 0 && column.latency.at(0.99) > self.noticed()
    }

    /// The server of which single answers took very much longer than usual while the others answered as they always do.
    pub(super) fn stalled<'a>(&self, column: &'a Column) -> Option<(&'a str, Duration)> {
        let mut slow = column.servers.iter().filter(|(_, share)| share.slowest > self.noticed());
        let (server, share) = slow.next()?;
        let alone = self.is_known() && slow.next().is_none() && column.servers.len() > 1;
        (alone && share.slowest > self.p99 + STALLED).then_some((server.as_str(), share.slowest))
    }

    /// How many servers had an answer in the column that took much longer than usual.
    pub(super) fn slow_servers(&self, column: &Column) -> usize {
        column.servers.values().filter(|share| share.slowest > self.noticed()).count()
    }

    /// Whether there was any calm column to tell what is usual.
    fn is_known(&self) -> bool {
        !self.p99.is_zero()
    }

    /// What is longer is not what is usual.
    fn noticed(&self) -> Duration {
        (self.p99 * SLOW).max(self.p99 + NOTICED)
    }

    /// By how much the column's 99th percentile is above the usual one.
    pub(super) fn added_latency(&self, column: &Column) -> Duration {
        if !self.is_known() {
            return Duration::ZERO;
        }
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
        let answered = column.named() as f64;
        column.tally.failed == 0
            && answered > 0.0
            && column.servers.iter().all(|(server, share)| {
                let usual = self.shares.get(server).map_or(0.0, |share| share / present) * answered;
                (share.right as f64 - usual).abs() <= (usual * SPREAD).max(CHANCE * usual.sqrt())
            })
    }
}

/// The value in the middle; zero of none. Half of the columns may be unusual without moving it much.
fn median<T: Default + Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> T {
    values.sort_by(order);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
