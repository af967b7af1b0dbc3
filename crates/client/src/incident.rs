//! Incidents: stretches of a run in which something was wrong, told by the balancer, or found in what the client saw and the
//! balancer's ledger has.
//!
//! ```text
//! the balancer's incidents ────────────────────────────────────────┐ claim the spells that they explain
//! failures, failed attempts, ejections (moments) ──▶ Troubles ─────┼─▶ Incident: what, from, until, and what it cost
//! columns without a server, columns in which one stalled ──────────┘   merged where less than QUIET apart
//! ```
//! What is usual is the median of the columns without moments of trouble, so that an incident cannot hide in its own
//! average. Latency alone is no incident: where every server is slow at once, that is said, and no server is blamed.

mod sentence;
mod slowness;
mod troubles;
mod usual;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::measure::{Column, Timeline};
use crate::ms::Ms;
use crate::told::{Episode, Names};
use slowness::Slowness;
use troubles::{QUIET, Spell};
pub(crate) use troubles::{Trouble, Troubles};
use usual::Usual;

/// Who says what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Teller {
    /// The balancer, which saw it: in its own sentence.
    Balancer,
    /// The client, which saw what came of it.
    Client,
}

/// A stretch of the run in which something was wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Incident {
    /// What happened, in a sentence or a few.
    pub(crate) sentence: String,
    /// Who says so.
    pub(crate) told_by: Teller,
    /// What it was, in a word.
    pub(crate) cause: String,
    /// How the balancer knows, where it says so.
    pub(crate) why: Option<String>,
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

/// An incident that the balancer tells of, on the clock of the run.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    /// As it is told.
    pub(crate) episode: Episode,
    /// When it began.
    pub(crate) begin: Duration,
    /// When it was over; `None` while it is not.
    pub(crate) end: Option<Duration>,
}

/// Where the incidents of a run are looked for.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The moments of trouble.
    pub(crate) troubles: Troubles,
    /// What happened when.
    pub(crate) timeline: &'a Timeline,
    /// How long the run was.
    pub(crate) elapsed: Duration,
    /// Whether the balancer told all of its attempts.
    pub(crate) told: bool,
    /// What the balancer tells of, the oldest first.
    pub(crate) reported: Vec<Reported>,
    /// Moments at which the client itself ran late, and by how much.
    pub(crate) late: Vec<(Duration, Duration)>,
    /// What servers are called.
    pub(crate) names: &'a Names,
}

/// What there was to find.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// The incidents, in the order in which they began.
    pub(crate) incidents: Vec<Incident>,
    /// What there is to say of seconds in which everything was slow, and no server to blame.
    pub(crate) slowness: Option<String>,
}

/// Finds the incidents of a run.
pub(crate) fn find(sources: Sources<'_>) -> Found {
    let Sources { mut troubles, timeline, elapsed, told, reported, late, names } = sources;
    let columns = Columns::of(timeline, &troubles, &reported);
    for (index, column) in columns.all.iter().enumerate() {
        if !columns.usual.absent(column).is_empty() || columns.usual.stalled(column).is_some() {
            columns.cover(index, elapsed, &mut troubles);
        }
    }
    let mut slowness = Slowness::default();
    for (index, column) in columns.all.iter().enumerate().filter(|(_, column)| columns.usual.is_slow(column))
    {
        let (begin, end) = (columns.begin(index), columns.begin(index + 1));
        let explained = |reported: &Reported| reported.meets(begin, end);
        if troubles.covers(begin.saturating_sub(QUIET), end + QUIET) {
            columns.cover(index, elapsed, &mut troubles);
        } else if !reported.iter().any(explained) {
            let within = late.iter().filter(|(at, by)| *at >= begin && at.saturating_sub(*by) < end);
            let late = within.map(|(_, by)| *by).max().unwrap_or_default();
            slowness.note(begin, column, &columns.usual, late);
        }
    }
    let mut spells: Vec<Option<Spell>> = troubles.into_spells().into_iter().map(Some).collect();
    let explanations: Vec<_> =
        spells.iter().map(|spell| spell.as_ref().and_then(|spell| explained_by(spell, &reported))).collect();
    let mut incidents = Vec::new();
    for (index, one) in reported.iter().enumerate() {
        let claimed = spells.iter_mut().zip(&explanations).filter(|(_, by)| **by == Some(index));
        let claimed: Vec<Spell> = claimed.filter_map(|(spell, _)| spell.take()).collect();
        incidents.push(columns.reported(one, claimed, elapsed, told));
    }
    incidents.extend(spells.into_iter().flatten().map(|spell| columns.found(&spell, told, names)));
    incidents.sort_by_key(|incident| incident.begin_ms);
    Found { incidents, slowness: slowness.told(told, columns.width) }
}

/// What there is to say of the last spells of trouble while the run goes on, at most so many, the last first: when each began.
pub(crate) fn so_far(troubles: &Troubles, names: &Names, most: usize) -> Vec<(Duration, String)> {
    let said = |spell: &Spell| Some((spell.first, sentence::of_moments(spell, names)?.1));
    troubles.spells().iter().rev().filter_map(said).take(most).collect()
}

/// Which of the balancer's incidents explains a spell: one at an endpoint that is known to be concerned, or any, where none is.
fn explained_by(spell: &Spell, reported: &[Reported]) -> Option<usize> {
    let at_it = |one: &Reported| {
        // One that concerns several servers names no address.
        one.episode.address.is_empty()
            || spell.endpoints.is_empty()
            || spell.endpoints.contains(&one.episode.address)
    };
    reported.iter().position(|one| one.meets(spell.first, spell.last) && at_it(one))
}

impl Reported {
    /// Whether it went on, or was hardly over or about to begin, at some moment of this stretch.
    fn meets(&self, from: Duration, until: Duration) -> bool {
        self.begin <= until + QUIET && self.end.is_none_or(|end| end + QUIET >= from)
    }
}

/// The columns of a run and what is usual in them.
struct Columns<'a> {
    all: &'a [Column],
    width: Duration,
    usual: Usual,
}

impl<'a> Columns<'a> {
    fn of(timeline: &'a Timeline, troubles: &Troubles, reported: &[Reported]) -> Self {
        let mut columns = Self { all: timeline.columns(), width: timeline.width(), usual: Usual::default() };
        let calm = |&(index, _): &(usize, &Column)| {
            let (begin, end) = (columns.begin(index), columns.begin(index + 1));
            let on = |one: &Reported| one.begin < end && one.end.is_none_or(|over| over >= begin);
            !troubles.covers(begin, end) && !reported.iter().any(on)
        };
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

    /// Makes sure that spells cover a column, unless trouble lies in it already, which knows its moments better.
    fn cover(&self, index: usize, elapsed: Duration, troubles: &mut Troubles) {
        if troubles.covers(self.begin(index), self.begin(index + 1)) {
            return;
        }
        troubles.cover(self.begin(index));
        // Just before the next column, which may be as usual.
        let end = self.begin(index + 1).saturating_sub(Duration::from_micros(1));
        troubles.cover(end.min(elapsed).max(self.begin(index)));
    }

    /// What the balancer tells, with what it cost the client.
    fn reported(&self, one: &Reported, claimed: Vec<Spell>, elapsed: Duration, told: bool) -> Incident {
        let Reported { episode, begin, end } = one;
        let mut spell = Spell::at(*begin);
        spell.last = end.unwrap_or(elapsed).max(*begin);
        if !episode.address.is_empty() {
            spell.endpoints.insert(episode.address.clone());
        }
        for other in claimed {
            spell.absorb(other);
        }
        Incident {
            sentence: episode.sentence.clone(),
            told_by: Teller::Balancer,
            cause: episode.cause.clone(),
            why: Some(episode.why.clone()).filter(|why| !why.is_empty()),
            // The moment that the sentence names, though a column that it claims may have begun before.
            begin_ms: Ms(*begin),
            recovered_ms: end.map(Ms),
            ..self.described(&spell, told)
        }
    }

    /// What the client found by itself.
    fn found(&self, spell: &Spell, told: bool, names: &Names) -> Incident {
        let described = self.described(spell, told);
        let stalled = self.within(spell).iter().filter_map(|column| self.usual.stalled(column));
        let stalled = stalled.max_by_key(|(_, took)| *took);
        let (cause, sentence) = sentence::of(spell, &described, stalled, self.usual.p99(), names);
        Incident { cause: cause.into(), sentence, ..described }
    }

    fn within(&self, spell: &Spell) -> &'a [Column] {
        self.all.get(self.at(spell.first)..self.end(spell)).unwrap_or_default()
    }

    /// Past the last column that a spell lies in.
    fn end(&self, spell: &Spell) -> usize {
        (self.at(spell.last) + 1).min(self.all.len())
    }

    /// What a spell of trouble came to, seen from the columns it lies in.
    fn described(&self, spell: &Spell, told: bool) -> Incident {
        let within = self.within(spell);
        let longest = |of: &dyn Fn(&Column) -> Duration| Ms(within.iter().map(of).max().unwrap_or_default());
        let absent: BTreeSet<&str> = within.iter().flat_map(|column| self.usual.absent(column)).collect();
        Incident {
            sentence: String::new(),
            told_by: Teller::Client,
            cause: String::new(),
            why: None,
            begin_ms: Ms(spell.first),
            end_ms: Ms(spell.last),
            failed: spell.failures,
            masked: told.then_some(spell.masked),
            failed_attempts: told.then_some(spell.failed_attempts),
            first_failed_attempt_ms: spell.first_failed_attempt.map(Ms),
            ejected_ms: spell.first_ejection.map(Ms),
            endpoints: spell.endpoints.iter().cloned().collect(),
            longest_gap_ms: longest(&|column| column.gap),
            added_latency_ms: longest(&|column| self.usual.added_latency(column)),
            rebalanced_ms: self.rebalanced(spell).map(Ms),
            absent: absent.into_iter().map(str::to_owned).collect(),
            // The last column is cut off by the end of the run: it shows no recovery.
            recovered_ms: (self.end(spell) + 1 < self.all.len()).then_some(Ms(spell.last)),
        }
    }

    /// When the load was spread again as usual over those who were there: the beginning of the first column in which it was,
    /// after one in which it was not. `None` where it never was otherwise, as far as whole columns show.
    fn rebalanced(&self, spell: &Spell) -> Option<Duration> {
        let balanced = |&index: &usize| self.usual.is_balanced(&self.all[index]);
        let lost = (self.at(spell.first)..self.end(spell)).find(|index| !balanced(index))?;
        (lost..self.all.len()).find(balanced).map(|index| self.begin(index))
    }
}

#[cfg(test)]
pub(crate) mod tests;
