//! `peak_ewma` among endpoints whose times scatter as those of real servers do.

use super::*;

/// The median time of a healthy endpoint.
const USUAL: Duration = Duration::from_millis(2);

/// Microseconds, log-normal around [`USUAL`], and one in a hundred ten times as long.
fn scattered(rng: &mut fastrand::Rng) -> u64 {
    // Twelve uniform draws make a normal one.
    let normal = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    let spike = if rng.u8(0..100) == 0 { 10.0 } else { 1.0 };
    USUAL.mul_f64((0.5 * normal).exp() * spike).as_micros() as u64
}

/// A choice every 60 ms on average, as one request at a time with a pause before each: what is known is often old.
fn now_and_then(bench: &mut Bench, count: usize) -> Vec<usize> {
    let choice = |_| {
        let index = bench.choose(None).unwrap();
        let took = Duration::from_micros(scattered(&mut bench.rng));
        bench.now += took;
        bench.endpoint(index).heard(took, true, bench.now);
        bench.now += Duration::from_millis(bench.rng.u64(20..100));
        index
    };
    (0..count).map(choice).collect()
}

/// Shares are as the weights, give or take a fifth.
fn shares_follow(weights: &[u16], chosen: &[usize], circumstance: &str) {
    let total: u16 = weights.iter().sum();
    let shares = shares(chosen);
    for (index, &weight) in weights.iter().enumerate() {
        let got = shares.get(&index).copied().unwrap_or(0) as f64;
        let fair = chosen.len() as f64 * f64::from(weight) / f64::from(total);
        let of_fair = got / fair;
        assert!(
            (0.8..=1.2).contains(&of_fair),
            "{weights:?}, {circumstance}: {index} got {of_fair:.2} of what is fair"
        );
    }
}

#[test]
fn equals_in_time_get_requests_by_weight() {
    for weights in [&[1, 1, 1][..], &[3, 1, 1], &[1, 2, 3, 4]] {
        for concurrency in [1, 2, 32] {
            let mut bench = Bench::new("peak_ewma", weights);
            let chosen = bench.closed_loop_of(50_000, concurrency, |_, rng| scattered(rng));
            shares_follow(weights, &chosen, &format!("{concurrency} in flight"));
        }
        let chosen = now_and_then(&mut Bench::new("peak_ewma", weights), 20_000);
        shares_follow(weights, &chosen, "now and then");
    }
}

#[test]
fn a_thousand_equals_stay_level() {
    let chosen = Bench::new("peak_ewma", &[1; 1_000]).closed_loop_of(200_000, 2_000, |_, rng| scattered(rng));
    let shares = shares(&chosen);
    let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
    assert!(shares.len() == 1_000 && *least >= 100 && *most <= 300, "{least} to {most} where 200 are fair");
}

#[test]
fn a_slow_endpoint_is_left_nearly_alone() {
    let slowness = |index| if index == 0 { 500_000 } else { 2_000 };
    let chosen = Bench::new("peak_ewma", &[1, 1, 1]).closed_loop(10_000, 32, slowness);
    assert!(shares(&chosen)[&0] <= 40, "{:?}", shares(&chosen));
}

#[test]
fn an_endpoint_that_becomes_slow_soon_loses_its_traffic() {
    for (times_slower, at_most) in [(5, 0.04), (250, 0.003)] {
        for weights in [[1, 1, 1], [3, 1, 1]] {
            for concurrency in [1, 2, 32] {
                let mut began = 0;
                let takes = |index: usize, rng: &mut fastrand::Rng| {
                    began += 1;
                    scattered(rng) * if index == 0 && began > 10_000 { times_slower } else { 1 }
                };
                let chosen = Bench::new("peak_ewma", &weights).closed_loop_of(30_000, concurrency, takes);
                let share = shares(&chosen[10_000..]).get(&0).copied().unwrap_or(0) as f64 / 20_000.0;
                let fair = f64::from(weights[0]) / f64::from(weights.iter().sum::<u16>());
                assert!(
                    share <= at_most * 3.0 * fair,
                    "{times_slower} × slower, {weights:?}, {concurrency} in flight: {share}"
                );
            }
        }
    }
}

#[test]
fn the_slow_hundredth_is_as_among_healthy_endpoints() {
    let slowest_hundredth = |times_slower: u64| {
        let mut times = Vec::new();
        let takes = |index: usize, rng: &mut fastrand::Rng| {
            let took = scattered(rng) * if index == 0 { times_slower } else { 1 };
            times.push(took);
            took
        };
        Bench::new("peak_ewma", &[1, 1, 1]).closed_loop_of(30_000, 32, takes);
        times.sort_unstable();
        times[times.len() * 99 / 100]
    };
    let (healthy, with_one_slow) = (slowest_hundredth(1), slowest_hundredth(250));
    assert!(with_one_slow * 2 <= healthy * 3, "{with_one_slow} µs, {healthy} µs among healthy ones");
}

#[test]
fn an_endpoint_that_was_slow_is_forgiven() {
    let mut bench = Bench::new("peak_ewma", &[1, 1, 1]);
    let mut began = 0;
    let takes = |index: usize, rng: &mut fastrand::Rng| {
        began += 1;
        scattered(rng) * if index == 0 && began <= 2_000 { 250 } else { 1 }
    };
    // One at a time takes about 2.4 ms: the last 10,000 begin more than ten seconds after the change.
    let chosen = bench.closed_loop_of(20_000, 1, takes);
    shares_follow(&[1, 1, 1], &chosen[10_000..], "forgiven");
}

#[test]
fn fast_failures_attract_nobody() {
    let mut bench = Bench::new("peak_ewma", &[1, 1]);
    bench.endpoint(0).heard(Duration::from_millis(2), true, bench.now);
    bench.endpoint(1).heard(Duration::from_millis(2), true, bench.now);
    bench.endpoint(0).penalise(bench.now);
    assert!(bench.one_at_a_time(20).iter().all(|&index| index == 1));
}

#[test]
fn an_endpoint_that_has_failed_only_waits_for_the_others() {
    let mut bench = Bench::new("peak_ewma", &[3, 1]);
    bench.endpoint(1).heard(Duration::from_millis(2), true, bench.now);
    for _ in 0..20 {
        bench.endpoint(0).penalise(bench.now);
        bench.now += Duration::from_millis(200);
        assert!(bench.one_at_a_time(20).iter().all(|&index| index == 1));
    }
}
