//! One round of turns in proportion to weight, as evenly spread as weights allow.
//!
//! An endpoint of weight `w` has its turns at `(k + ½) / w` of the round, `k` from 0 to `w - 1`; the turns of all,
//! sorted, are the schedule. Weights 5, 1, 1 give a, a, b, c, a, a, a or so, never a, a, a, a, a, b, c. A round also
//! serves as a table to draw from by weight.

use crate::endpoint::Weight;

/// Indices into the snapshot's endpoints, in the order of their turns.
pub(crate) struct Schedule(Box<[u32]>);

/// Longest round. Beyond it weights are scaled down together; the smallest stays 1.
const MAX_TURNS_PER_ROUND: u64 = 65_536;

impl Schedule {
    pub(crate) fn new(weights: &[Weight]) -> Self {
        let numbers: Vec<u64> = weights.iter().map(|weight| weight.get().into()).collect();
        let divisor = numbers.iter().copied().fold(0, greatest_common_divisor).max(1);
        let total: u64 = numbers.iter().map(|weight| weight / divisor).sum();
        let scaled = numbers.iter().map(|weight| {
            let weight = weight / divisor;
            if total > MAX_TURNS_PER_ROUND { (weight * MAX_TURNS_PER_ROUND / total).max(1) } else { weight }
        });
        let mut turns: Vec<(f64, u32)> = Vec::new();
        for (index, weight) in scaled.enumerate() {
            turns.extend((0..weight).map(|turn| ((turn as f64 + 0.5) / weight as f64, index as u32)));
        }
        turns.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Self(turns.into_iter().map(|(_, index)| index).collect())
    }

    pub(crate) fn turns(&self) -> &[u32] {
        &self.0
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(weights: &[u16]) -> Vec<u32> {
        let weights: Vec<_> = weights.iter().map(|&weight| Weight::new(weight).unwrap()).collect();
        Schedule::new(&weights).turns().to_vec()
    }

    #[test]
    fn equal_weights_take_turns_in_order() {
        assert_eq!(schedule(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(schedule(&[7, 7]), [0, 1]);
    }

    #[test]
    fn turns_are_spread_evenly() {
        assert_eq!(schedule(&[2, 1]), [0, 1, 0]);
        assert_eq!(schedule(&[4, 2, 1]), [0, 1, 0, 2, 0, 1, 0]);
    }

    #[test]
    fn a_round_is_bounded_and_forgets_nobody() {
        let mut weights = vec![256; 999];
        weights.push(1);
        let turns = schedule(&weights);
        assert!(turns.len() as u64 <= MAX_TURNS_PER_ROUND + 1_000);
        assert!(turns.contains(&999));
    }

    #[test]
    fn no_endpoints_have_no_turns() {
        assert!(schedule(&[]).is_empty());
    }
}
