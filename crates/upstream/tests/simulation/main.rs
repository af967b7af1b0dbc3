//! The whole crate under a seeded virtual clock.
//!
//! Two workers, a control task and a few servers live through hours of arrivals, failures, pauses, slowness, scaling,
//! overload and people's orders within seconds: the real [`Upstream`](evenkeel_upstream::Upstream), picker, control
//! and attempts, with a shell that opens no connection. After each step the invariants of [`check`] must hold; at the
//! end of each scenario so must what the scenario promises.
//!
//! Everything is drawn from one seed. A failure prints it with the policy and the scenario; to replay it, run
//! `EVENKEEL_SIMULATION_SEED=<seed> cargo test -p evenkeel-upstream --test simulation <scenario>`.

mod check;
mod exchange;
mod scenarios;
mod servers;
mod shell;

use std::panic::{AssertUnwindSafe, catch_unwind};

use evenkeel_upstream::{PolicySettings, Settings};

use crate::shell::Simulation;

/// The seeds of an ordinary run. Two are enough to catch what depends on chance; more are a matter of patience.
const SEEDS: [u64; 2] = [1, 20_261_123];

/// Plays a scenario with every policy and every seed.
fn play(name: &str, scenario: impl Fn(&mut Simulation)) {
    play_with(name, |_| {}, scenario);
}

/// The same with other settings than the usual ones.
fn play_with(name: &str, change: impl Fn(&mut Settings), scenario: impl Fn(&mut Simulation)) {
    let chosen =
        option_env!("EVENKEEL_SIMULATION_SEED").map(|seed| seed.parse().expect("the seed is a number"));
    let seeds = chosen.map_or(SEEDS.to_vec(), |seed: u64| vec![seed]);
    for policy in PolicySettings::ALL {
        for &seed in &seeds {
            let run = || {
                let mut settings = Settings { policy, ..Settings::default() };
                change(&mut settings);
                let mut simulation = Simulation::new(settings, seed);
                scenario(&mut simulation);
                simulation.end();
            };
            let result = catch_unwind(AssertUnwindSafe(run));
            let failed = "fails as said above; to replay it, set EVENKEEL_SIMULATION_SEED to";
            assert!(result.is_ok(), "{name} with {policy} {failed} {seed}");
        }
    }
}
