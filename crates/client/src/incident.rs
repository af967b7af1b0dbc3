//! Incidents: stretches of a run in which something was wrong, found in what the client saw and the balancer told.
//!
//! ```text
//! failures, failed attempts, ejections (moments) ──▶ Troubles ─┐   merged where less than QUIET apart
//! slow columns, columns without a server (seconds) ────────────┴─▶ Incident: what, from, until, and what it cost
//! ```
//! What is usual is the median of the columns without moments of trouble, so that an incident cannot hide in its own
//! average.

mod usual;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::measure::{Column, Timeline};
use crate::report::Ms;
use usual::Usual;

/// Moments of trouble that are less apart belong to one incident.
const QUIET: Duration = Duration::from_secs(2);

/// The most spells told apart; what comes beyond joins the nearest one.
const MOST: usize = 128;

/// The most endpoints named in one incident.
const MOST_NAMED: usize = 16;

/// Something that went wrong at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A request failed for the client.
    Failure,
    /// An attempt failed at this endpoint.
    FailedAttempt(String),
    /// A request was answered well though attempts at it failed.
    Masked,
    /// The balancer took this endpoint out.
    Ejected(String),
}

/// Moments of trouble close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spell {
    first: Duration,
    last: Duration,
    failures: u64,
    failed_attempts: u64,
    masked: u64,
    first_failed_attempt: Option<Duration>,
    first_ejection: Option<Duration>,
    endpoints: BTreeSet<String>,
}

/// The moments of trouble of a run, in spells.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// In order, more than [`QUIET`] apart unless there are [`MOST`].
    spells: Vec<Spell>,
}

impl Spell {
    fn at(moment: Duration) -> Self {
        Self {
            first: moment,
            last: moment,
            failures: 0,
            failed_attempts: 0,
            masked: 0,
            first_failed_attempt: None,
            first_ejection: None,
            endpoints: BTreeSet::new(),
        }
    }

    /// How far it is from a moment.
    fn distance(&self, moment: Duration) -> Duration {
        self.first.saturating_sub(moment).max(moment.saturating_sub(self.last))
    }

    fn note(&mut self, moment: Duration, trouble: Trouble) {
        match trouble {
            Trouble::Failure => self.failures += 1,
            Trouble::Masked => self.masked += 1,
            Trouble::FailedAttempt(endpoint) => {
                self.failed_attempts += 1;
                self.first_failed_attempt = earliest(self.first_failed_attempt, Some(moment));
                self.name(endpoint);
            }
            Trouble::Ejected(endpoint) => {
                self.first_ejection = earliest(self.first_ejection, Some(moment));
                self.name(endpoint);
            }
        }
    }

    fn name(&mut self, endpoint: String) {
        if self.endpoints.len() < MOST_NAMED {
            self.endpoints.insert(endpoint);
        }
    }

    fn absorb(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.failures += other.failures;
        self.failed_attempts += other.failed_attempts;
        self.masked += other.masked;
        self.first_failed_attempt = earliest(self.first_failed_attempt, other.first_failed_attempt);
        self.first_ejection = earliest(self.first_ejection, other.first_ejection);
        other.endpoints.into_iter().for_each(|endpoint| self.name(endpoint));
    }
}

fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

impl Troubles {
    /// Notes that something went wrong, at a moment counted from the run's beginning. The order does not matter.
    pub(crate) fn note(&mut self, moment: Duration, trouble: Trouble) {
        let index = self.spell(moment);
        self.spells[index].note(moment, trouble);
    }

    /// Makes sure that a spell covers the moment, and says which.
    fn spell(&mut self, moment: Duration) -> usize {
        let nearest = (0..self.spells.len()).min_by_key(|&index| self.spells[index].distance(moment));
        let near =
            nearest.filter(|&index| self.spells[index].distance(moment) < QUIET || self.spells.len() >= MOST);
        let Some(index) = near else {
            let index = self.spells.partition_point(|spell| spell.first < moment);
            self.spells.insert(index, Spell::at(moment));
            return index;
        };
        let spell = &mut self.spells[index];
        spell.first = spell.first.min(moment);
        spell.last = spell.last.max(moment);
        self.join(index)
    }

    /// Joins a spell that has grown with those it now touches, and says where it is then.
    fn join(&mut self, mut index: usize) -> usize {
        while index + 1 < self.spells.len()
            && self.spells[index].distance(self.spells[index + 1].first) < QUIET
        {
            let next = self.spells.remove(index + 1);
            self.spells[index].absorb(next);
        }
        while index > 0 && self.spells[index].distance(self.spells[index - 1].last) < QUIET {
            let own = self.spells.remove(index);
            index -= 1;
            self.spells[index].absorb(own);
        }
        index
    }

    fn covers(&self, from: Duration, until: Duration) -> bool {
        self.spells.iter().any(|spell| spell.first < until && spell.last >= from)
    }
}

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
    let (columns, width) = (timeline.columns(), timeline.width());
    let begin = |index: usize| width * u32::try_from(index).unwrap_or(u32::MAX);
    let calm: Vec<&Column> = columns
        .iter()
        .enumerate()
        .filter(|&(index, _)| !troubles.covers(begin(index), begin(index + 1)))
        .map(|(_, column)| column)
        .collect();
    let usual = Usual::of(&calm);
    for (index, column) in columns.iter().enumerate() {
        if usual.is_slow(column) || !usual.absent(column).is_empty() {
            troubles.spell(begin(index));
            // Just before the next column, which may be as usual.
            let end = begin(index + 1).saturating_sub(Duration::from_micros(1));
            troubles.spell(end.min(elapsed).max(begin(index)));
        }
    }
    let describe = |spell: Spell| {
        let first = column_of(spell.first, width).min(columns.len());
        let last = (column_of(spell.last, width) + 1).min(columns.len());
        let within = &columns[first.min(last)..last];
        let absent: BTreeSet<&str> = within.iter().flat_map(|column| usual.absent(column)).collect();
        // The last column is cut off by the end of the run: it shows no recovery.
        let after = (last + 1 < columns.len()).then_some(last);
        let rebalanced = (first..columns.len()).find(|&index| usual.is_balanced(&columns[index]));
        Incident {
            begin_ms: Ms(spell.first),
            end_ms: Ms(spell.last),
            failed: spell.failures,
            masked: told.then_some(spell.masked),
            failed_attempts: told.then_some(spell.failed_attempts),
            first_failed_attempt_ms: spell.first_failed_attempt.map(Ms),
            ejected_ms: spell.first_ejection.map(Ms),
            endpoints: spell.endpoints.into_iter().collect(),
            absent: absent.into_iter().map(str::to_owned).collect(),
            longest_gap_ms: Ms(within.iter().map(|column| column.gap).max().unwrap_or_default()),
            added_latency_ms: Ms(within
                .iter()
                .map(|column| usual.added_latency(column))
                .max()
                .unwrap_or_default()),
            rebalanced_ms: rebalanced.map(|index| Ms(begin(index).max(spell.first))),
            recovered_ms: after.map(|_| Ms(spell.last)),
        }
    };
    troubles.spells.into_iter().map(describe).collect()
}

fn column_of(moment: Duration, width: Duration) -> usize {
    usize::try_from(moment.as_nanos() / width.as_nanos()).unwrap_or(usize::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
