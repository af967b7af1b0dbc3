//! Moments of trouble, joined to spells as they come, so that their number does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::outcome::Kind;

/// Moments of trouble that are less apart belong to one incident.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// The most spells told apart; what comes beyond joins the nearest one.
const SPELLS: usize = 128;

/// The most endpoints named in one incident.
const ENDPOINTS_NAMED: usize = 16;

/// The most ways of failing told apart of the attempts in one incident.
const WAYS_NAMED: usize = 16;

/// Something that went wrong at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A request failed for the client, in this way.
    Failure(Kind),
    /// An attempt failed at this endpoint, in this way.
    FailedAttempt(String, String),
    /// A request was answered well though attempts at it failed.
    Masked,
    /// The balancer took this endpoint out.
    Ejected(String),
}

/// Moments of trouble close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) failures: u64,
    pub(super) failed_attempts: u64,
    pub(super) masked: u64,
    pub(super) first_failed_attempt: Option<Duration>,
    pub(super) first_ejection: Option<Duration>,
    pub(super) endpoints: BTreeSet<String>,
    /// Ways of failing, as the client saw them.
    pub(super) kinds: BTreeMap<Kind, u64>,
    /// Ways in which attempts ended, as the balancer calls them.
    pub(super) ends: BTreeMap<String, u64>,
}

/// The moments of trouble of a run, in spells.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// In order, more than [`QUIET`] apart unless there are [`SPELLS`].
    spells: Vec<Spell>,
}

impl Spell {
    /// Nothing yet, at a moment.
    pub(super) fn at(moment: Duration) -> Self {
        Self {
            first: moment,
            last: moment,
            failures: 0,
            failed_attempts: 0,
            masked: 0,
            first_failed_attempt: None,
            first_ejection: None,
            endpoints: BTreeSet::new(),
            kinds: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// How far it is from a moment.
    fn distance(&self, moment: Duration) -> Duration {
        self.first.saturating_sub(moment).max(moment.saturating_sub(self.last))
    }

    fn note(&mut self, moment: Duration, trouble: Trouble) {
        match trouble {
            Trouble::Failure(kind) => {
                self.failures += 1;
                *self.kinds.entry(kind).or_default() += 1;
            }
            Trouble::Masked => self.masked += 1,
            Trouble::FailedAttempt(endpoint, end) => {
                self.failed_attempts += 1;
                self.end(end, 1);
                self.first_failed_attempt = earliest(self.first_failed_attempt, Some(moment));
                self.name(endpoint);
            }
            Trouble::Ejected(endpoint) => {
                self.first_ejection = earliest(self.first_ejection, Some(moment));
                self.name(endpoint);
            }
        }
    }

    fn end(&mut self, end: String, count: u64) {
        if self.ends.len() < WAYS_NAMED || self.ends.contains_key(&end) {
            *self.ends.entry(end).or_default() += count;
        }
    }

    fn name(&mut self, endpoint: String) {
        if self.endpoints.len() < ENDPOINTS_NAMED {
            self.endpoints.insert(endpoint);
        }
    }

    /// Takes over all that another spell has.
    pub(super) fn absorb(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.failures += other.failures;
        self.failed_attempts += other.failed_attempts;
        self.masked += other.masked;
        self.first_failed_attempt = earliest(self.first_failed_attempt, other.first_failed_attempt);
        self.first_ejection = earliest(self.first_ejection, other.first_ejection);
        other.kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
        other.ends.into_iter().for_each(|(end, count)| self.end(end, count));
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

    /// Makes sure that a spell covers the moment, though nothing went wrong at it alone.
    pub(super) fn cover(&mut self, moment: Duration) {
        self.spell(moment);
    }

    /// The spells so far, in order.
    pub(super) fn spells(&self) -> &[Spell] {
        &self.spells
    }

    /// The spells, in order.
    pub(super) fn into_spells(self) -> Vec<Spell> {
        self.spells
    }

    /// The spell that covers the moment.
    fn spell(&mut self, moment: Duration) -> usize {
        let nearest = (0..self.spells.len()).min_by_key(|&index| self.spells[index].distance(moment));
        let near = nearest
            .filter(|&index| self.spells[index].distance(moment) < QUIET || self.spells.len() >= SPELLS);
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

    /// Whether some spell lies in this stretch.
    pub(super) fn covers(&self, from: Duration, until: Duration) -> bool {
        self.spells.iter().any(|spell| spell.first < until && spell.last >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_moment_between_two_spells_joins_them() {
        let mut troubles = Troubles::default();
        troubles.note(ms(1_000), Trouble::Failure(Kind::Closed));
        troubles.note(ms(4_000), Trouble::Failure(Kind::Closed));
        troubles.note(ms(2_500), Trouble::Failure(Kind::Closed));
        assert_eq!(troubles.spells.len(), 1);
        assert_eq!(
            (troubles.spells[0].first, troubles.spells[0].last, troubles.spells[0].failures),
            (ms(1_000), ms(4_000), 3)
        );
    }

    #[test]
    fn spells_are_bounded_and_no_trouble_is_forgotten() {
        let mut troubles = Troubles::default();
        let count = 3 * SPELLS as u64;
        (0..count).for_each(|number| troubles.note(ms(number * 10_000), Trouble::Failure(Kind::Closed)));
        assert!(troubles.spells.len() <= SPELLS);
        assert_eq!(troubles.spells.iter().map(|spell| spell.failures).sum::<u64>(), count);
    }
}
