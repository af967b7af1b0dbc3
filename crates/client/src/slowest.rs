//! The slowest right answer of a run, and which way its request went.
//!
//! What the balancer says of a request comes after its answer, or shortly before it is noted here: so the ways of the slowest
//! few are kept, and those of the last few that had more than one attempt.

use std::collections::VecDeque;
use std::time::Duration;

use crate::outcome::Exchange;
use crate::proof::Attempt;

/// Of how many of the slowest answers so far the way is remembered: the slowest in the end is among them.
const SLOWEST: usize = 8;

/// How many ways of requests that were moved are kept, for answers that are not noted yet.
const WAYS: usize = 64;

/// A slow right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slow {
    /// From the intended moment to its end.
    pub(crate) latency: Duration,
    /// When it ended, from the run's beginning.
    pub(crate) at: Duration,
    /// The request's number.
    pub(crate) sequence: u64,
    /// Which entry of the workload it was made from.
    pub(crate) entry: usize,
    /// What the server that answered calls itself.
    pub(crate) server: Option<String>,
    /// The attempts that it took; `None` where the balancer did not tell.
    pub(crate) way: Option<Vec<Attempt>>,
    /// The same in the balancer's words, where it had any.
    pub(crate) words: Option<String>,
}

/// The slowest right answers so far.
#[derive(Debug, Default)]
pub(crate) struct Slowest {
    /// The slowest first.
    slow: Vec<Slow>,
    ways: VecDeque<(u64, Vec<Attempt>)>,
}

impl Slowest {
    /// An exchange ended at a moment of the run.
    pub(crate) fn saw(&mut self, at: Duration, exchange: &Exchange) {
        let latency = exchange.latency();
        let fast = self.slow.len() == SLOWEST && self.slow.last().is_some_and(|slow| slow.latency >= latency);
        if fast || exchange.outcome.is_err() || !exchange.measured {
            return;
        }
        let known = self.ways.iter().find(|(sequence, _)| *sequence == exchange.sequence);
        let slow = Slow {
            latency,
            at,
            sequence: exchange.sequence,
            entry: exchange.entry,
            server: exchange.server.clone(),
            way: known.map(|(_, way)| way.clone()),
            words: None,
        };
        let place = self.slow.partition_point(|other| other.latency >= latency);
        self.slow.insert(place, slow);
        self.slow.truncate(SLOWEST);
    }

    /// The balancer tells which way a request went.
    pub(crate) fn went(&mut self, sequence: u64, way: &[Attempt]) {
        if let Some(slow) = self.slow.iter_mut().find(|slow| slow.sequence == sequence) {
            slow.way = Some(way.to_vec());
        } else if way.len() > 1 {
            self.ways.truncate(WAYS - 1);
            self.ways.push_front((sequence, way.to_vec()));
        }
    }

    /// The balancer tells in words which way a request went.
    pub(crate) fn told(&mut self, sequence: u64, words: String) {
        if let Some(slow) = self.slow.iter_mut().find(|slow| slow.sequence == sequence) {
            slow.words = Some(words);
        }
    }

    /// The slowest of all; `None` where there was no right answer.
    pub(crate) fn first(&self) -> Option<&Slow> {
        self.slow.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};
    use crate::outcome::Kind;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn saw(slowest: &mut Slowest, sequence: u64, took: Duration, failed: Option<Kind>) {
        let one = exchange(some_beginning(), ms(sequence), took, failed);
        slowest.saw(ms(sequence), &Exchange { sequence, ..one });
    }

    fn way(endpoints: &[&str]) -> Vec<Attempt> {
        let attempts = endpoints.iter().zip(1..);
        attempts.map(|(endpoint, number)| Attempt::answered(number, endpoint)).collect()
    }

    #[test]
    fn the_slowest_right_answer_is_found_with_its_way_whenever_that_is_told() {
        let mut slowest = Slowest::default();
        slowest.went(7, &way(&["a", "b"]));
        (0..100).for_each(|sequence| saw(&mut slowest, sequence, ms(2 + sequence % 3), None));
        saw(&mut slowest, 100, ms(9_000), Some(Kind::Closed));
        assert_eq!(slowest.first().map(|slow| (slow.latency, slow.way.clone())), Some((ms(4), None)));
        slowest.went(101, &way(&["a", "c"]));
        saw(&mut slowest, 101, ms(2_000), None);
        assert_eq!(slowest.first().unwrap().way, Some(way(&["a", "c"])));
        saw(&mut slowest, 102, ms(3_000), None);
        slowest.went(102, &way(&["b"]));
        assert_eq!(
            slowest.first().map(|slow| (slow.sequence, slow.way.clone())),
            Some((102, Some(way(&["b"]))))
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut slowest = Slowest::default();
        (0..1_000).for_each(|sequence| {
            slowest.went(10_000 + sequence, &way(&["a", "b"]));
            saw(&mut slowest, sequence, ms(1 + sequence), None);
        });
        assert_eq!((slowest.slow.len(), slowest.ways.len()), (SLOWEST, WAYS));
    }
}
