//! Rounds in which each contender has its turn.

use std::collections::BTreeMap;

use crate::{Result, contenders::Contender, figures::Statistic, report::Goal};

/// What was measured, for each contender in each round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measured {
    /// Who it was, and a number for each round.
    pub(crate) samples: Vec<(String, Vec<f64>)>,
    /// What the numbers of some shall be, not as a ratio.
    pub(crate) limits: Vec<(String, Goal)>,
    /// What stands for the rounds of each.
    pub(crate) statistic: Statistic,
    /// Which part of its core each had in each round, where that was measured.
    pub(crate) shares: BTreeMap<String, Vec<f64>>,
    /// What one should know beside the numbers.
    pub(crate) notes: Vec<String>,
}

impl Measured {
    /// Adds further rounds of the same contenders.
    pub(crate) fn append(&mut self, further: Self) {
        if self.samples.is_empty() {
            self.samples = further.samples;
            return;
        }
        for ((_, known), (_, new)) in self.samples.iter_mut().zip(further.samples) {
            known.extend(new);
        }
    }
}

/// Measures each contender once a round. Who begins changes from round to round: whoever follows another finds the
/// machine as that one left it.
pub(crate) fn interleaved(
    contenders: &[Contender],
    rounds: usize,
    mut measure: impl FnMut(&Contender) -> Result<f64>,
) -> Result<Measured> {
    let mut samples: Vec<_> =
        contenders.iter().map(|contender| (contender.name.clone(), Vec::new())).collect();
    for round in 0..rounds {
        for index in order(round, contenders.len()) {
            let contender = &contenders[index];
            let sample = measure(contender)
                .map_err(|error| format!("{}, round {}: {error}", contender.name, round + 1))?;
            samples[index].1.push(sample);
        }
    }
    Ok(Measured { samples, ..Measured::default() })
}

fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn_in_each_round_and_begins_once() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| order(round, 3).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
