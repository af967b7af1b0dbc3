//! What went wrong: every kind with its count and its first and last moment, and the first failures whole.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::outcome::{Exchange, Failure, Kind, Phase};

/// One way of failing, over the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    /// How many requests.
    pub(crate) count: u64,
    /// The first one's end, from the run's beginning.
    pub(crate) first: Duration,
    /// The last one's end.
    pub(crate) last: Duration,
}

/// A failure kept whole.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    /// When it failed, from the run's beginning.
    pub(crate) at: Duration,
    /// The request's number in the run.
    pub(crate) sequence: u64,
    /// Which entry of the workload it was.
    pub(crate) entry: usize,
    /// How and where it failed.
    pub(crate) failure: Failure,
    /// The status, where there was a head.
    pub(crate) status: Option<u16>,
    /// Who answered, where that was said.
    pub(crate) server: Option<String>,
    /// From its intended moment to its failure.
    pub(crate) after: Duration,
}

/// All failures of a run.
#[derive(Debug)]
pub(crate) struct Failures {
    kinds: BTreeMap<(Kind, Phase), Spell>,
    noted: Vec<Noted>,
    kept: usize,
}

impl Failures {
    /// Keeps the first `kept` failures whole; all are counted.
    pub(crate) fn new(kept: usize) -> Self {
        Self { kinds: BTreeMap::new(), noted: Vec::new(), kept }
    }

    /// Counts the `failure` of `exchange` that happened at `at`.
    pub(crate) fn note(&mut self, at: Duration, exchange: &Exchange, failure: &Failure) {
        let spell = self.kinds.entry((failure.kind, failure.phase)).or_insert(Spell {
            count: 0,
            first: at,
            last: at,
        });
        spell.count += 1;
        spell.first = spell.first.min(at);
        spell.last = spell.last.max(at);
        if self.noted.len() < self.kept {
            self.noted.push(Noted {
                at,
                sequence: exchange.sequence,
                entry: exchange.entry,
                failure: failure.clone(),
                status: exchange.status,
                server: exchange.server.clone(),
                after: exchange.latency(),
            });
        }
    }

    /// Kinds and the phases they happened in, the most frequent first.
    pub(crate) fn by_kind(&self) -> Vec<(Kind, Phase, Spell)> {
        let mut kinds: Vec<_> =
            self.kinds.iter().map(|(&(kind, phase), &spell)| (kind, phase, spell)).collect();
        kinds.sort_by_key(|(_, _, spell)| std::cmp::Reverse(spell.count));
        kinds
    }

    /// The first failures, in the order in which they happened.
    pub(crate) fn noted(&self) -> &[Noted] {
        &self.noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};

    fn note(failures: &mut Failures, at: Duration, kind: Kind) {
        let exchange = exchange(some_beginning(), at, Duration::from_millis(1), Some(kind));
        let failure = exchange.outcome.clone().unwrap_err();
        failures.note(at, &exchange, &failure);
    }

    #[test]
    fn each_kind_has_its_count_and_its_first_and_last_moment() {
        let mut failures = Failures::new(10);
        let at = Duration::from_secs;
        note(&mut failures, at(3), Kind::Refused);
        note(&mut failures, at(5), Kind::Status(502));
        note(&mut failures, at(4), Kind::Status(502));
        let kinds = failures.by_kind();
        assert_eq!(kinds[0], (Kind::Status(502), Phase::Wait, Spell { count: 2, first: at(4), last: at(5) }));
        assert_eq!(kinds[1], (Kind::Refused, Phase::Wait, Spell { count: 1, first: at(3), last: at(3) }));
    }

    #[test]
    fn only_the_first_ones_are_kept_whole_but_all_are_counted() {
        let mut failures = Failures::new(2);
        (1..=5).for_each(|second| note(&mut failures, Duration::from_secs(second), Kind::Closed));
        assert_eq!(failures.noted().len(), 2);
        assert_eq!(failures.noted()[1].at, Duration::from_secs(2));
        assert_eq!(failures.by_kind()[0].2.count, 5);
    }
}
