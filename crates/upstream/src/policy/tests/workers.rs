//! What requests see that come to different workers.

use super::*;

impl Bench {
    /// A choice by each of these workers in turn.
    fn choices(&self, workers: &mut [Policy], order: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let field = Field { snapshot: &self.snapshot, tried: &self.tried, rank: Rank::Plain, now: self.now };
        let choice = |worker: usize| workers[worker].choose(&field, None, &mut || 0).unwrap();
        order.into_iter().map(choice).collect()
    }

    fn workers(&self, policy: &str, count: usize) -> Vec<Policy> {
        (0..count).map(|_| self.another(policy)).collect()
    }
}

#[test]
fn callers_at_different_workers_see_one_rotation() {
    let expected = [
        ("least_requests", &[1, 1, 1][..], [0, 1, 2, 0, 1, 2]),
        ("least_requests", &[3, 2, 1], [0, 1, 2, 0, 1, 0]),
        ("round_robin", &[1, 1, 1], [0, 1, 2, 0, 1, 2]),
        ("round_robin", &[3, 2, 1], [0, 1, 0, 2, 1, 0]),
    ];
    for (policy, weights, turns) in expected {
        let bench = Bench::new(policy, weights);
        let mut workers = bench.workers(policy, 2);
        assert_eq!(bench.choices(&mut workers, (0..6).map(|turn| turn % 2)), turns, "{policy}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_cycle_of_round_robin_is_in_proportion_whichever_workers_pick(
        order in prop::collection::vec(0..8_usize, 6..120),
    ) {
        let bench = Bench::new("round_robin", &[3, 2, 1]);
        let mut workers = bench.workers("round_robin", 8);
        let chosen = bench.choices(&mut workers, order);
        for cycle in chosen.windows(6) {
            let shares = shares(cycle);
            prop_assert_eq!([0, 1, 2].map(|index| shares[&index]), [3, 2, 1], "{:?}", cycle);
        }
    }

    #[test]
    fn those_that_are_left_keep_their_proportions_whichever_workers_pick(
        order in prop::collection::vec(0..8_usize, 4..120),
    ) {
        let bench = Bench::new("round_robin", &[3, 2, 1]);
        bench.eject(1);
        let mut workers = bench.workers("round_robin", 8);
        let chosen = bench.choices(&mut workers, order);
        for cycle in chosen.windows(4) {
            let shares = shares(cycle);
            prop_assert_eq!((shares[&0], shares[&2]), (3, 1), "{:?}", cycle);
        }
    }
}
