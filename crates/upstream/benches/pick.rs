//! What it costs to find an endpoint for a request and to count its end, for each policy among 3, 100 and 1,000.
//!
//! `cargo bench -p evenkeel-upstream`. Every endpoint has one request in flight beside the one that is measured, as under
//! even load: no policy can stop at the first idle endpoint that it meets.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use evenkeel_upstream::{
    Control, Lease, Outcome, Picker, PolicySettings, ProbeResult, Response, Settings, Tried, Upstream, Want,
};

const POLICIES: [&str; 5] = ["least_requests", "round_robin", "random_two", "peak_ewma", "consistent_hash"];

/// Endpoints that have passed their probes and are as busy as each other.
struct Set {
    picker: Picker,
    rng: fastrand::Rng,
    now: Instant,
    _control: Control,
    _in_flight: Vec<Lease>,
}

impl Set {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn of(policy: &str, count: u16) -> Self {
        let policy: PolicySettings = policy.parse().expect("the name of a policy");
        let now = Instant::now();
        let spec = "server:8080".parse().expect("a name and a port");
        let (upstream, mut control) = Upstream::new(spec, Settings { policy, ..Settings::default() }, now);
        let addresses: Vec<SocketAddr> =
            (0..count).map(|index| ([10, 0, (index >> 8) as u8, index as u8], 8080).into()).collect();
        control.resolved(0, Ok(&addresses), now);
        for address in &addresses {
            let id = control.find(*address).expect("it was just found");
            control.probed(id, ProbeResult::Passed, Duration::from_millis(1), now);
        }
        let mut picker = Picker::new(&upstream);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut in_flight = Vec::new();
        let mut tried = vec![0; usize::from(count)];
        // The key makes consistent hashing spread them too.
        while in_flight.len() < usize::from(count) {
            let want = Want { key: Some(rng.u64(..)), ..Want::default() };
            let Ok(lease) = picker.pick(&want, &Tried::default(), &mut || rng.u64(..), now) else { break };
            let index = addresses.iter().position(|address| *address == lease.endpoint().address());
            let index = index.expect("one of the addresses");
            tried[index] += 1;
            if tried[index] == 1 || tried[index] > 20 {
                in_flight.push(lease);
            }
        }
        Self { picker, rng, now, _control: control, _in_flight: in_flight }
    }

    fn pick_and_finish(&mut self) {
        self.now += Duration::from_micros(20);
        let want = Want { key: Some(self.rng.u64(..)), ..Want::default() };
        let rng = &mut self.rng;
        let picked = self.picker.pick(black_box(&want), &Tried::default(), &mut || rng.u64(..), self.now);
        let mut lease = picked.expect("all endpoints are well");
        lease.head_received(Response::Good, Duration::from_micros(400), self.now);
        black_box(lease.finish(Outcome::Success, self.now));
    }
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    for policy in POLICIES {
        for count in [3, 100, 1_000] {
            let mut set = Set::of(policy, count);
            group.bench_function(BenchmarkId::new(policy, count), |bencher| {
                bencher.iter(|| set.pick_and_finish());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
