//! The block of atomics that all workers write, under many threads at once.
//!
//! Stated bound: 4 threads of 30,000 attempts each. Every attempt takes a place, is counted and given back in one of the
//! ways there are, while the control side ejects, drains and swaps snapshots under it. Afterwards nothing is in flight,
//! every attempt is counted once, and the limit was never passed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_upstream::{
    Command, Evidence, Outcome, Picker, PolicySettings, ProbeResult, Settings, Tried, Unavailable, Upstream,
    Want, Weight,
};

const THREADS: u64 = 4;
const ATTEMPTS: u64 = 30_000;
const LIMIT: u32 = 3;

#[derive(Default)]
struct Counted {
    begun: AtomicU64,
    succeeded: AtomicU64,
}

#[test]
fn leases_balance_whatever_happens_at_the_same_time() {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    let now = Instant::now();
    let mut settings = Settings::default();
    settings.admission.per_endpoint = LIMIT;
    let (upstream, mut control) = Upstream::new("server:8080".parse().unwrap(), settings, now);
    let addresses = [1, 2, 3].map(|last| ([10, 0, 0, last], 8080).into());
    control.resolved(0, Ok(&addresses), now);
    let ids = addresses.map(|address| control.find(address).unwrap());
    for id in ids {
        control.probed(id, ProbeResult::Passed, Duration::from_millis(1), now);
    }

    let (counted, done) = (Counted::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (upstream, counted) = (&upstream, &counted);
                scope.spawn(move || work(upstream, counted, seed, now))
            })
            .collect();
        scope.spawn(|| {
            // Health, commands and weights change all the while; one endpoint always serves.
            for step in 0_u16.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let id = ids[usize::from(step % 2)];
                let weight = Weight::new(step % 7 + 1).unwrap();
                for command in [Command::Drain, Command::Weight(weight), Command::Activate] {
                    control.command(id, command, now).unwrap();
                }
                control.evidence(id, Evidence::IdleClosed, now);
                control.probed(id, ProbeResult::Passed, Duration::from_millis(1), now);
                thread::yield_now();
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });

    let snapshot = upstream.snapshot();
    let total = |count: fn(&evenkeel_upstream::Endpoint) -> u64| -> u64 {
        snapshot.endpoints().iter().map(|endpoint| count(endpoint)).sum()
    };
    assert_eq!(total(|endpoint| endpoint.in_flight().into()), 0);
    assert_eq!(total(evenkeel_upstream::Endpoint::attempts), counted.begun.load(Ordering::Relaxed));
    assert_eq!(total(evenkeel_upstream::Endpoint::successes), counted.succeeded.load(Ordering::Relaxed));
}

/// Stated bound: 2 threads of 200,000 picks each, while the only endpoint turns suspect and is cleared without a pause.
#[test]
fn an_endpoint_whose_state_changes_meanwhile_is_not_taken_for_busy() {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    let now = Instant::now();
    let (upstream, mut control) = Upstream::new("server:8080".parse().unwrap(), Settings::default(), now);
    control.resolved(0, Ok(&[([10, 0, 0, 1], 8080).into()]), now);
    let id = control.find(([10, 0, 0, 1], 8080).into()).unwrap();
    let mut passes = || control.probed(id, ProbeResult::Passed, Duration::from_millis(1), now);
    passes();

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let picks = || {
            let mut picker = Picker::new(&upstream);
            for _ in 0..200_000 {
                let lease = picker.pick(&Want::default(), &Tried::default(), &mut || 0, now);
                assert!(lease.is_ok(), "{lease:?}");
            }
        };
        let workers = [scope.spawn(picks), scope.spawn(picks)];
        scope.spawn(|| {
            let snapshot = upstream.snapshot();
            while !done.load(Ordering::Relaxed) {
                snapshot.endpoint(id).unwrap().suspect();
                passes();
            }
        });
        let picked = workers.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        for picked in picked {
            picked.unwrap();
        }
    });
}

/// Stated bound: 8 threads of 6,000 picks each.
#[test]
fn the_turns_of_round_robin_are_in_proportion_over_all_workers() {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    let now = Instant::now();
    let settings = Settings { policy: PolicySettings::RoundRobin, ..Settings::default() };
    let spec = "a:8080;weight=3,b:8080;weight=2,c:8080".parse().unwrap();
    let (upstream, mut control) = Upstream::new(spec, settings, now);
    for (name, last) in [1, 2, 3].into_iter().enumerate() {
        let address = ([10, 0, 0, last], 8080).into();
        control.resolved(name, Ok(&[address]), now);
        let id = control.find(address).unwrap();
        control.probed(id, ProbeResult::Passed, Duration::from_millis(1), now);
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut picker = Picker::new(&upstream);
                for _ in 0..6_000 {
                    let _ = picker.pick(&Want::default(), &Tried::default(), &mut || 0, now).unwrap();
                }
            });
        }
    });
    let snapshot = upstream.snapshot();
    let picks: Vec<_> = snapshot.endpoints().iter().map(|endpoint| endpoint.attempts()).collect();
    assert_eq!(picks, [24_000, 16_000, 8_000]);
}

fn work(upstream: &Upstream, counted: &Counted, seed: u64, now: Instant) {
    let mut picker = Picker::new(upstream);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut held = Vec::new();
    for _ in 0..ATTEMPTS {
        let found = picker.pick(&Want::default(), &Tried::default(), &mut || rng.u64(..), now);
        let lease = match found {
            Ok(lease) => lease,
            Err(why) => {
                assert_eq!(why, Unavailable::AllBusy);
                held.clear();
                thread::yield_now();
                continue;
            }
        };
        counted.begun.fetch_add(1, Ordering::Relaxed);
        assert!(lease.endpoint().in_flight() <= LIMIT);
        match rng.u8(0..4) {
            0 => held.push(lease),
            1 => {
                lease.endpoint().suspect();
                let _ = lease.finish(Outcome::Failure, now);
            }
            2 => {
                counted.succeeded.fetch_add(1, Ordering::Relaxed);
                let _ = lease.finish(Outcome::Success, now);
            }
            _ => drop(lease),
        }
        if held.len() > 2 {
            held.clear();
        }
    }
}
