//! What is usual for a kind of request, as one worker has learnt it.
//!
//! One slow page says nothing about a server, so a request is measured by its like: the same method and the same
//! beginning of the path make a [`Kind`]. Each worker learns for itself, from all endpoints together, without sharing a
//! line of memory with another worker. The table has a fixed size ([`KINDS_PER_WORKER`]), and a client that asks for a million
//! different paths displaces only what is asked for as rarely: a slot that is hit often survives as many misses.
//!
//! What a kind has shown fewer than [`ANSWERS_UNTIL_KNOWN`] times is not known, and what is not known is waited for patiently.

use std::time::Duration;

use crate::latency::{known, mean, micros, towards_quantile};

/// Equal for requests of the same kind. The shell makes it, because only it knows what a method and a path are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kind(u64);

impl Kind {
    /// The kind with this hash, of which all 64 bits should be well mixed.
    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }
}

/// Kinds that one worker remembers at most: 10 KiB.
const KINDS_PER_WORKER: usize = 512;
/// Answers before a kind's times are taken for usual.
const ANSWERS_UNTIL_KNOWN: u8 = 8;
/// How many misses a slot in full use survives.
const MAX_MISSES_SURVIVED: u8 = 64;
/// What each answer leaves of the slowest one lately: after 180 answers, half of it.
const PEAK_FADES_BY: u32 = 256;
/// A hedge is never sent earlier than this multiple of the usual time, however narrow the distribution.
const HEDGE_AFTER_AT_LEAST: u32 = 2;
/// Slower than this is slow, however much slower: one answer after a minute should not make every silence look usual.
const SLOWEST_USUAL: Duration = Duration::from_secs(1);

/// What one worker knows of the kinds of requests.
pub(crate) struct Kinds(Box<[Slot; KINDS_PER_WORKER]>);

/// What is usual for a kind; all of it is unknown, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The mean time to a head.
    pub(crate) head: Option<Duration>,
    /// The slowest lately.
    pub(crate) slowest: Option<Duration>,
    /// After this time without a head, nineteen of twenty would have had one.
    pub(crate) hedge_after: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// The half of the kind that does not say where its slot is.
    tag: u32,
    /// Microseconds, as are the next two.
    mean: u32,
    quantile: u32,
    peak: u32,
    seen: u8,
    strength: u8,
}

impl Kinds {
    pub(crate) fn new() -> Self {
        Self(Box::new([Slot::default(); KINDS_PER_WORKER]))
    }

    /// A request of this kind had its head after `took`.
    pub(crate) fn learn(&mut self, kind: Kind, took: Duration) {
        let (index, tag) = place(kind);
        let slot = &mut self.0[index];
        if slot.tag != tag && slot.strength > 0 {
            slot.strength -= 1;
            return;
        }
        if slot.tag != tag {
            *slot = Slot { tag, ..Slot::default() };
        }
        slot.answered(micros(took));
    }

    pub(crate) fn times(&self, kind: Kind) -> Times {
        let (index, tag) = place(kind);
        let slot = &self.0[index];
        if slot.tag != tag || slot.seen < ANSWERS_UNTIL_KNOWN {
            return Times::default();
        }
        Times {
            head: known(slot.mean),
            slowest: known(slot.peak).map(|peak| peak.min(SLOWEST_USUAL)),
            hedge_after: known(slot.quantile.max(slot.mean.saturating_mul(HEDGE_AFTER_AT_LEAST))),
        }
    }
}

impl Slot {
    fn answered(&mut self, sample: u32) {
        self.strength = (self.strength + 1).min(MAX_MISSES_SURVIVED);
        self.seen = self.seen.saturating_add(1);
        self.mean = mean(self.mean, sample);
        self.quantile = towards_quantile(self.quantile, sample);
        self.peak = (self.peak - self.peak / PEAK_FADES_BY).max(sample);
    }
}

fn place(kind: Kind) -> (usize, u32) {
    (kind.0 as usize % KINDS_PER_WORKER, (kind.0 >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const HOME: Kind = Kind::new(0x1111_1111_0000_0001);
    const EXPORT: Kind = Kind::new(0x2222_2222_0000_0002);

    fn learn(kinds: &mut Kinds, kind: Kind, took: Duration, times: usize) {
        (0..times).for_each(|_| kinds.learn(kind, took));
    }

    #[test]
    fn a_kind_is_unknown_until_it_was_seen_often_enough() {
        let mut kinds = Kinds::new();
        learn(&mut kinds, HOME, 2 * MS, 7);
        assert_eq!(kinds.times(HOME), Times::default());
        learn(&mut kinds, HOME, 2 * MS, 1);
        assert_eq!(kinds.times(HOME).head, Some(2 * MS));
    }

    #[test]
    fn one_kind_is_not_measured_by_another() {
        let mut kinds = Kinds::new();
        learn(&mut kinds, HOME, 2 * MS, 900);
        learn(&mut kinds, EXPORT, 900 * MS, 100);
        assert_eq!(kinds.times(HOME).slowest, Some(2 * MS));
        assert_eq!(kinds.times(EXPORT).head, Some(900 * MS));
    }

    #[test]
    fn a_slow_answer_in_fifty_stays_in_mind() {
        let mut kinds = Kinds::new();
        for _ in 0..20 {
            learn(&mut kinds, HOME, 800 * MS, 1);
            learn(&mut kinds, HOME, 2 * MS, 49);
        }
        let slowest = kinds.times(HOME).slowest.unwrap();
        assert!(slowest > 600 * MS, "{slowest:?}");
        learn(&mut kinds, HOME, 2 * MS, 4_000);
        assert!(kinds.times(HOME).slowest.unwrap() < 4 * MS, "and is forgotten in the end");
    }

    #[test]
    fn a_minute_counts_no_more_than_a_second() {
        let mut kinds = Kinds::new();
        learn(&mut kinds, HOME, 2 * MS, 100);
        learn(&mut kinds, HOME, 60_000 * MS, 1);
        assert_eq!(kinds.times(HOME).slowest, Some(SLOWEST_USUAL));
    }

    #[test]
    fn a_hedge_waits_until_one_answer_in_twenty_would_be_late() {
        let mut kinds = Kinds::new();
        let mut rng = fastrand::Rng::with_seed(11);
        let mut above = 0;
        for round in 0..40_000 {
            let took = Duration::from_micros(rng.u64(1_000..21_000));
            // The quantile alone, not the multiple of the usual that a hedge waits for at least.
            let estimate = Duration::from_micros(kinds.0[1].quantile.into());
            above += u32::from(round >= 20_000 && took > estimate);
            kinds.learn(HOME, took);
        }
        assert!((600..1_400).contains(&above), "{above} of 20000 above");
        let times = kinds.times(HOME);
        assert!(times.hedge_after >= times.head.map(|head| 2 * head), "{times:?}");
    }

    #[test]
    fn a_flood_of_other_kinds_does_not_displace_what_is_asked_for_often() {
        let mut kinds = Kinds::new();
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..10_000 {
            kinds.learn(HOME, 2 * MS);
            (0..50).for_each(|_| kinds.learn(Kind::new(rng.u64(..)), MS / 10));
            assert!(kinds.times(HOME).head.is_none_or(|head| head == 2 * MS));
        }
        assert_eq!(kinds.times(HOME).head, Some(2 * MS));
    }
}
