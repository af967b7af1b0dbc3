//! The rule of each policy, at 3 and at 1,000 endpoints.

mod peak_ewma;
mod workers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::endpoint::{EndpointId, Flags};
use crate::settings::Settings;
use crate::spec::NameSpec;

/// Endpoints with a policy over them, and no control task.
struct Bench {
    snapshot: Snapshot,
    policy: Policy,
    turns: Turns,
    tried: Tried,
    rng: fastrand::Rng,
    now: Instant,
}

impl Bench {
    fn new(policy: &str, weights: &[u16]) -> Self {
        Self::with(policy, weights, None)
    }

    fn with(policy: &str, weights: &[u16], slow_start: Option<Duration>) -> Self {
        let members: Vec<_> = weights.iter().copied().enumerate().collect();
        Self::with_ids(policy, &members, slow_start)
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn with_ids(policy: &str, members: &[(usize, u16)], slow_start: Option<Duration>) -> Self {
        let policy: PolicySettings = policy.parse().unwrap();
        let now = Instant::now();
        let members =
            members.iter().map(|&(id, weight)| (endpoint(id, weight, now), Weight::new(weight).unwrap()));
        let snapshot =
            Snapshot::of(members.collect(), &Settings { policy, slow_start, ..Settings::default() });
        let turns = Turns::default();
        let mut policy = Policy::new(policy, &turns);
        policy.adopt();
        Self { snapshot, policy, turns, tried: Tried::default(), rng: fastrand::Rng::with_seed(7), now }
    }

    /// One worker more over the same endpoints.
    fn another(&self, policy: &str) -> Policy {
        let mut another = Policy::new(policy.parse().unwrap(), &self.turns);
        another.adopt();
        another
    }

    fn choose(&mut self, key: Option<u64>) -> Option<usize> {
        let field = Field { snapshot: &self.snapshot, tried: &self.tried, rank: Rank::Plain, now: self.now };
        self.policy.choose(&field, key, &mut || self.rng.u64(..))
    }

    /// `count` choices, one request at a time.
    fn one_at_a_time(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.choose(None).unwrap()).collect()
    }

    /// `count` choices with `concurrency` requests in flight, each about as long as the endpoint's `slowness` says.
    fn closed_loop(
        &mut self,
        count: usize,
        concurrency: usize,
        slowness: impl Fn(usize) -> u64,
    ) -> Vec<usize> {
        self.closed_loop_of(count, concurrency, |index, rng| slowness(index) * rng.u64(80..120) / 100)
    }

    /// The same, each as many microseconds long as `takes` says for its endpoint.
    fn closed_loop_of(
        &mut self,
        count: usize,
        concurrency: usize,
        mut takes: impl FnMut(usize, &mut fastrand::Rng) -> u64,
    ) -> Vec<usize> {
        let mut running: BinaryHeap<Reverse<(u64, usize, u64)>> = BinaryHeap::new();
        let mut chosen = Vec::new();
        let mut clock = 0;
        while chosen.len() < count {
            if running.len() == concurrency {
                let Reverse((ended, index, took)) = running.pop().unwrap();
                clock = ended;
                let ended = self.now + Duration::from_micros(clock);
                self.endpoint(index).heard(Duration::from_micros(took), true, ended);
                self.endpoint(index).end();
            }
            let field = Field {
                snapshot: &self.snapshot,
                tried: &self.tried,
                rank: Rank::Plain,
                now: self.now + Duration::from_micros(clock),
            };
            let index = self.policy.choose(&field, None, &mut || self.rng.u64(..)).unwrap();
            assert!(self.endpoint(index).begin());
            let took = takes(index, &mut self.rng);
            running.push(Reverse((clock + took, index, took)));
            chosen.push(index);
        }
        for Reverse((_, index, _)) in running {
            self.endpoint(index).end();
        }
        chosen
    }

    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.snapshot.endpoints()[index]
    }

    fn eject(&self, index: usize) {
        self.endpoint(index).set_flags(Flags::HEALTHY, false);
    }
}

fn endpoint(id: usize, weight: u16, epoch: Instant) -> Arc<Endpoint> {
    let address = ([10, 0, (id / 250) as u8, (id % 250) as u8], 8080).into();
    let weight = Weight::new(weight).unwrap();
    let name = NameSpec { called: None, host: "server".to_owned(), port: 8080, weight, backup: false };
    let endpoint = Endpoint::new(EndpointId(id as u32), address, &name, 10_000, epoch);
    endpoint.set_flags(Flags::HEALTHY, true);
    Arc::new(endpoint)
}

fn shares(chosen: &[usize]) -> HashMap<usize, usize> {
    let mut shares = HashMap::new();
    for &index in chosen {
        *shares.entry(index).or_default() += 1;
    }
    shares
}

#[test]
fn one_caller_sees_equals_in_rotation() {
    for policy in ["least_requests", "round_robin"] {
        assert_eq!(Bench::new(policy, &[1, 1, 1]).one_at_a_time(7), [0, 1, 2, 0, 1, 2, 0], "{policy}");
    }
}

#[test]
fn turns_of_different_weights_are_spread() {
    for policy in ["least_requests", "round_robin"] {
        let chosen = Bench::new(policy, &[2, 1]).one_at_a_time(300);
        assert_eq!(shares(&chosen)[&0], 200, "{policy}");
        assert!(!chosen.windows(3).any(|three| three == [0, 0, 0]), "{policy}");
    }
}

#[test]
fn those_that_are_left_keep_their_proportions() {
    let mut bench = Bench::new("round_robin", &[1, 1, 1, 1]);
    bench.eject(1);
    assert_eq!(bench.one_at_a_time(6), [0, 2, 3, 0, 2, 3]);
}

#[test]
fn a_thousand_equals_get_one_request_each() {
    for policy in ["least_requests", "round_robin"] {
        let chosen = Bench::new(policy, &[1; 1_000]).one_at_a_time(1_000);
        assert_eq!(shares(&chosen).len(), 1_000, "{policy}");
    }
}

#[test]
fn fewest_requests_means_fewest_for_the_weight() {
    let mut bench = Bench::new("least_requests", &[3, 1]);
    for _ in 0..2 {
        assert!(bench.endpoint(0).begin());
    }
    assert!(bench.endpoint(1).begin());
    // 2/3 is less than 1/1, and 3/3 is not.
    assert_eq!(bench.choose(None), Some(0));
    assert!(bench.endpoint(0).begin() && bench.endpoint(0).begin());
    assert_eq!(bench.choose(None), Some(1));
}

#[test]
fn an_endpoint_that_was_out_does_not_make_up_for_it_in_a_burst() {
    for slow_start in [None, Some(Duration::from_secs(10))] {
        let mut bench = Bench::with("least_requests", &[1, 1, 1], slow_start);
        bench.eject(0);
        bench.one_at_a_time(1_000);
        bench.endpoint(0).set_flags(Flags::HEALTHY, true);
        let chosen = bench.one_at_a_time(9);
        assert!((3..=4).contains(&shares(&chosen)[&0]), "{chosen:?}");
    }
}

#[test]
fn the_fewest_requests_are_found_wherever_they_are() {
    for slow_start in [None, Some(Duration::from_secs(10))] {
        let mut bench = Bench::with("least_requests", &[1; 5], slow_start);
        for (index, in_flight) in [4, 3, 1, 2, 5].into_iter().enumerate() {
            (0..in_flight).for_each(|_| assert!(bench.endpoint(index).begin()));
        }
        assert!((0..10).all(|_| bench.choose(None) == Some(2)));
    }
}

#[test]
fn a_slow_endpoint_gets_as_much_less_as_it_is_slower() {
    let slowness = |index| if index == 0 { 50_000 } else { 1_000 };
    for policy in ["least_requests", "random_two", "peak_ewma"] {
        for count in [3, 1_000] {
            let chosen = Bench::new(policy, &vec![1; count]).closed_loop(20_000, count * 4, slowness);
            let slow = shares(&chosen).get(&0).copied().unwrap_or(0);
            assert!(slow * count < chosen.len() / 2, "{policy} of {count}: {slow}");
        }
    }
}

#[test]
fn random_two_keeps_a_thousand_level() {
    let chosen = Bench::new("random_two", &[1; 1_000]).closed_loop(50_000, 2_000, |_| 1_000);
    let most = shares(&chosen).into_values().max().unwrap();
    assert!(most < 100, "{most} where 50 are fair");
}

#[test]
fn random_two_keeps_to_the_weights_with_few_in_flight() {
    for concurrency in [1, 2, 4, 32] {
        let times = |_, rng: &mut fastrand::Rng| rng.u64(1_000..3_000);
        let chosen = Bench::new("random_two", &[3, 1, 1]).closed_loop_of(50_000, concurrency, times);
        let of_fair = shares(&chosen)[&0] as f64 / 30_000.0;
        assert!((0.8..=1.2).contains(&of_fair), "{concurrency} in flight: {of_fair:.2} of what is fair");
    }
}

#[test]
fn a_key_stays_where_it_is() {
    let mut bench = Bench::new("consistent_hash", &[1, 1, 1]);
    for key in 0..100 {
        let first = bench.choose(Some(key));
        assert!((0..10).all(|_| bench.choose(Some(key)) == first));
    }
}

#[test]
fn only_the_keys_of_an_ejected_endpoint_move_and_they_return() {
    for count in [3, 1_000] {
        let mut bench = Bench::new("consistent_hash", &vec![1; count]);
        let place =
            |bench: &mut Bench| (0..5_000).map(|key| bench.choose(Some(key)).unwrap()).collect::<Vec<_>>();
        let before = place(&mut bench);
        bench.eject(1);
        let during = place(&mut bench);
        assert!(before.iter().zip(&during).all(|(&was, &is)| was == is || was == 1));
        assert!(!during.contains(&1));
        bench.endpoint(1).set_flags(Flags::HEALTHY, true);
        assert_eq!(place(&mut bench), before);
    }
}

#[test]
fn a_new_endpoint_takes_little_more_than_its_part_of_the_keys() {
    for count in [3, 100] {
        let members: Vec<_> = (0..=count).map(|id| (id, 1)).collect();
        let mut before = Bench::with_ids("consistent_hash", &members[..count], None);
        let mut after = Bench::with_ids("consistent_hash", &members, None);
        let moved = (0..10_000).filter(|&key| before.choose(Some(key)) != after.choose(Some(key))).count();
        let part = 10_000 / (count + 1);
        assert!(moved < part * 3 / 2 + 50, "{moved} moved of {count}, {part} are its part");
    }
}

#[test]
fn one_hot_key_does_not_bury_one_endpoint() {
    let mut bench = Bench::new("consistent_hash", &[1, 1, 1]);
    for _ in 0..300 {
        let index = bench.choose(Some(42)).unwrap();
        assert!(bench.endpoint(index).begin());
    }
    let most = (0..3).map(|index| bench.endpoint(index).in_flight()).max().unwrap();
    assert!(most <= 126, "{most} where 125 are the bound");
}

#[test]
fn slow_start_takes_a_part_of_the_share() {
    for policy in PolicySettings::ALL.map(PolicySettings::name) {
        let mut bench = Bench::with(policy, &[1, 1], Some(Duration::from_secs(10)));
        bench.endpoint(0).set_share(Weight::ONE, FULL_SHARE / 4);
        let chosen = bench.one_at_a_time(4_000);
        let part = shares(&chosen)[&0];
        // A quarter against a whole: one in five, or one in eight where its turn goes to the other.
        assert!((300..=900).contains(&part), "{policy}: {part}");
    }
}

#[test]
fn nothing_is_chosen_where_nothing_is_admitted() {
    for policy in PolicySettings::ALL.map(PolicySettings::name) {
        let mut none = Bench::new(policy, &[]);
        assert_eq!(none.choose(Some(1)), None, "{policy}");
        let mut all_out = Bench::new(policy, &[1, 1, 1]);
        (0..3).for_each(|index| all_out.eject(index));
        assert_eq!(all_out.choose(Some(1)), None, "{policy}");
    }
}

#[test]
fn a_name_is_the_name_of_its_policy() {
    for policy in PolicySettings::ALL {
        assert_eq!(policy.name().parse(), Ok(policy));
    }
    let error = "fastest".parse::<PolicySettings>().unwrap_err().to_string();
    assert!(error.contains("`fastest`") && error.contains("least_requests"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn share_follows_weight(weights in prop::collection::vec(1..=16_u16, 2..8)) {
        let total: usize = weights.iter().copied().map(usize::from).sum();
        for policy in ["least_requests", "round_robin", "random_two", "peak_ewma", "consistent_hash"] {
            let mut bench = Bench::new(policy, &weights);
            let count = 200 * total;
            let chosen = shares(&bench.one_at_a_time(count));
            for (index, &weight) in weights.iter().enumerate() {
                let part = chosen.get(&index).copied().unwrap_or(0) as f64 / count as f64;
                let fair = f64::from(weight) / total as f64;
                let drawn = matches!(policy, "random_two" | "peak_ewma" | "consistent_hash");
                let allowed = if drawn { 0.25 * fair + 0.03 } else { 0.02 * fair + 0.003 };
                prop_assert!((part - fair).abs() <= allowed, "{policy} {weights:?}: {index} got {part}, fair is {fair}");
            }
        }
    }

    #[test]
    fn whoever_is_admitted_is_found(
        out in prop::collection::vec(any::<bool>(), 1..40),
        policy in prop::sample::select(PolicySettings::ALL.map(PolicySettings::name).to_vec()),
        key in any::<u64>(),
    ) {
        let mut bench = Bench::new(policy, &vec![1; out.len()]);
        (0..out.len()).filter(|&index| out[index]).for_each(|index| bench.eject(index));
        let chosen = bench.choose(Some(key));
        prop_assert_eq!(chosen.is_some(), out.contains(&false));
        prop_assert!(chosen.is_none_or(|index| !out[index]));
    }
}
