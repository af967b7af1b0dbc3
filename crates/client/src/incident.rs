//! Incidents: stretches of a run in which something was wrong, found in what the client saw and the balancer told.
//!
//! ```text
//! failures, failed attempts, ejections (moments) ──▶ Troubles ─┐   merged where less than QUIET apart
//! slow columns, columns without a server (seconds) ────────────┴─▶ Incident: what, from, until, and what it cost
//! ```
//! What is usual is the median of the columns without moments of trouble, so that an incident cannot hide in its own
//! average.

mod troubles;
mod usual;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::measure::{Column, Timeline};
use crate::ms::Ms;
use troubles::Spell;
pub(crate) use troubles::{Trouble, Troubles};
use usual::Usual;

/// A stretch of the run in which something was wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Incident {
    /// The first sign of it.
    pub(crate) begin_ms: Ms,
    /// The last one.
    pub(crate) end_ms: Ms,
    /// Requests that failed for the client.
    pub(crate) failed: u64,
    /// Requests answered rightly though an attempt failed; `None` when the balancer did not tell.
    pub(crate) masked: Option<u64>,
    /// Attempts that failed; `None` when the balancer did not tell.
    pub(crate) failed_attempts: Option<u64>,
    /// The first failed attempt.
    pub(crate) first_failed_attempt_ms: Option<Ms>,
    /// The first ejection.
    pub(crate) ejected_ms: Option<Ms>,
    /// Endpoints that attempts failed at, or that were ejected.
    pub(crate) endpoints: Vec<String>,
    /// Servers that answered nothing for at least a column.
    pub(crate) absent: Vec<String>,
    /// The longest stretch without any right answer.
    pub(crate) longest_gap_ms: Ms,
    /// How much the 99th percentile of a column rose over the usual.
    pub(crate) added_latency_ms: Ms,
    /// When the load was spread again as usual over the servers that were there.
    pub(crate) rebalanced_ms: Option<Ms>,
    /// When everything was as usual again; `None` when the run ended before.
    pub(crate) recovered_ms: Option<Ms>,
}

/// Finds the incidents of a run of length `elapsed` from its moments of trouble and its columns. `told` says whether the
/// balancer told all of its attempts.
pub(crate) fn find(
    mut troubles: Troubles,
    timeline: &Timeline,
    elapsed: Duration,
    told: bool,
) -> Vec<Incident> {
    let columns = Columns::of(timeline, &troubles);
    for (index, column) in columns.all.iter().enumerate() {
        if columns.usual.is_slow(column) || !columns.usual.absent(column).is_empty() {
            troubles.cover(columns.begin(index));
            // Just before the next column, which may be as usual.
            let end = columns.begin(index + 1).saturating_sub(Duration::from_micros(1));
            troubles.cover(end.min(elapsed).max(columns.begin(index)));
        }
    }
    troubles.into_spells().into_iter().map(|spell| columns.describe(spell, told)).collect()
}

/// The columns of a run and what is usual in them.
struct Columns<'a> {
    all: &'a [Column],
    width: Duration,
    usual: Usual,
}

impl<'a> Columns<'a> {
    fn of(timeline: &'a Timeline, troubles: &Troubles) -> Self {
        let mut columns = Self { all: timeline.columns(), width: timeline.width(), usual: Usual::default() };
        let calm =
            |&(index, _): &(usize, &Column)| !troubles.covers(columns.begin(index), columns.begin(index + 1));
        let calm: Vec<&Column> =
            columns.all.iter().enumerate().filter(calm).map(|(_, column)| column).collect();
        columns.usual = Usual::of(&calm);
        columns
    }

    fn begin(&self, index: usize) -> Duration {
        self.width * u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn at(&self, moment: Duration) -> usize {
        let index = usize::try_from(moment.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX);
        index.min(self.all.len())
    }

    /// What a spell of trouble came to, seen from the columns it lies in.
    fn describe(&self, spell: Spell, told: bool) -> Incident {
        let (first, end) = (self.at(spell.first), (self.at(spell.last) + 1).min(self.all.len()));
        let within = self.all.get(first..end).unwrap_or_default();
        let longest = |of: &dyn Fn(&Column) -> Duration| Ms(within.iter().map(of).max().unwrap_or_default());
        let absent: BTreeSet<&str> = within.iter().flat_map(|column| self.usual.absent(column)).collect();
        let was_unbalanced = !within.iter().all(|column| self.usual.is_balanced(column));
        let balanced = (first..self.all.len()).find(|&index| self.usual.is_balanced(&self.all[index]));
        Incident {
            begin_ms: Ms(spell.first),
            end_ms: Ms(spell.last),
            failed: spell.failures,
            masked: told.then_some(spell.masked),
            failed_attempts: told.then_some(spell.failed_attempts),
            first_failed_attempt_ms: spell.first_failed_attempt.map(Ms),
            ejected_ms: spell.first_ejection.map(Ms),
            endpoints: spell.endpoints.into_iter().collect(),
            longest_gap_ms: longest(&|column| column.gap),
            added_latency_ms: longest(&|column| self.usual.added_latency(column)),
            rebalanced_ms: balanced
                .filter(|_| was_unbalanced || !absent.is_empty())
                .map(|index| Ms(self.begin(index).max(spell.first))),
            absent: absent.into_iter().map(str::to_owned).collect(),
            // The last column is cut off by the end of the run: it shows no recovery.
            recovered_ms: (end + 1 < self.all.len()).then_some(Ms(spell.last)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
