//! The scenarios of the matrix, each one function that reads as its sentence. To add one: the function, and a line in
//! [`ALL`].

mod all_servers;
mod balancer;
mod clients;
mod misbehaviour;
mod network;
mod one_server;
mod settings;
mod slowness;

use std::time::Duration;

use crate::{Result, stage::Stage, verdict::Cell};

/// One scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The number in the matrix.
    pub(crate) fault: &'static str,
    /// What happens.
    pub(crate) words: &'static str,
    /// Whether `--quick` plays it.
    pub(crate) is_quick: bool,
    /// Whether the peers are put to it as well.
    pub(crate) for_peers: bool,
    /// Plays it once.
    pub(crate) play: fn(&Stage) -> Result<Vec<Cell>>,
}

/// All of them, in the order of the matrix.
pub(crate) const ALL: &[Scenario] = &[
    quick("F1", "`docker kill` one", one_server::kill).for_peers(),
    quick("F2", "`docker stop` one", one_server::stop).for_peers(),
    quick("F3", "kill, back after 1 s", one_server::kill_and_return),
    quick("F4", "`docker pause` one for 4 s", one_server::pause_for_4_seconds).for_peers(),
    slow("F4", "`docker pause` one for 40 s", one_server::pause_for_40_seconds).for_peers(),
    slow("F5", "`docker network disconnect` one", one_server::disconnect).for_peers(),
    quick("F6", "rolling restart of all three", all_servers::rolling_restart),
    quick("F7", "all down 10 s", all_servers::all_down),
    slow("F8", "one server 500 ms slow, 5 % stalls, `peak_ewma`", misbehaviour::slow_under_peak_ewma),
    slow(
        "F8",
        "one server 500 ms slow, 5 % stalls, `least_requests`",
        misbehaviour::slow_under_least_requests,
    ),
    quick("F9", "RST after half the body", misbehaviour::reset_in_mid_body),
    quick("F10", "one server answers 500 to everything", misbehaviour::always_500),
    quick("F10", "one server answers 503 to everything", misbehaviour::always_503),
    slow("F11", "probes pass, the data path is dead", misbehaviour::only_probes_pass),
    slow("F11", "probes fail, the data path lives", misbehaviour::only_probes_fail),
    slow("F12", "30 % packet loss at one server", network::packet_loss),
    slow("F12", "1 Mbit/s at one server", network::narrow_line),
    quick("F13", "SIGTERM to the balancer under load", balancer::leave),
    quick("F14", "SIGKILL to the balancer, restart", balancer::kill_and_restart),
    slow("F15", "one server recreated at a new address", all_servers::new_address),
    slow("F15", "`--scale 3→6→2` under load", all_servers::scale),
    slow("F16", "descriptors exhausted at the balancer", balancer::no_descriptors),
    slow("F16", "one server's accept queue full", network::full_accept_queue),
    slow("F17", "clients vanish in mid-download and mid-upload, × 10,000", clients::vanish),
    slow("F18", "one server flips a byte in 5 % of bodies", misbehaviour::flipped_bytes),
    quick("F19", "10 % of GETs and every PUT and DELETE take 0.8 s at every server", slowness::slow_kinds),
    slow("F20", "the same with sticky sessions", slowness::slow_kinds_with_sessions),
    slow("F21", "all servers 10 × slower at once for 10 s", slowness::all_ten_times_slower),
    slow("F22", "settings changed 1,000 times by reload, under load", settings::change),
    quick("F23", "`docker compose up -d` with a changed balancer", balancer::change),
    slow("F23", "the same with two balancers on a holder's port, one after the other", balancer::change_pair),
    quick("F25", "settings that cannot be taken up", settings::spoil),
];

const fn quick(fault: &'static str, words: &'static str, play: fn(&Stage) -> Result<Vec<Cell>>) -> Scenario {
    Scenario { fault, words, is_quick: true, for_peers: false, play }
}

const fn slow(fault: &'static str, words: &'static str, play: fn(&Stage) -> Result<Vec<Cell>>) -> Scenario {
    Scenario { is_quick: false, ..quick(fault, words, play) }
}

impl Scenario {
    const fn for_peers(self) -> Self {
        Self { for_peers: true, ..self }
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
