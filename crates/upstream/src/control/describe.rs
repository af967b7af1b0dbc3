//! The state of all endpoints as plain values, for the admin interface and the metrics.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::endpoint::{EndpointId, Weight};
use crate::evidence::FailureClass;
use crate::health::Health;

use super::Control;
use super::member::Member;
use super::probing::ProbeResult;

/// One endpoint at one moment.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what the admin interface shows, in any combination")]
pub struct EndpointState {
    /// Its name for the life of the process.
    pub id: EndpointId,
    /// Where it listens.
    pub address: SocketAddr,
    /// What people call it.
    pub label: String,
    /// What is thought of it.
    pub health: Health,
    /// For how long that has been so.
    pub state_for: Duration,
    /// Whether it is usable at all.
    pub usable: bool,
    /// Whether something odd was seen and no probe has passed since.
    pub suspect: bool,
    /// Whether it takes connections and has no time for probes.
    pub busy: bool,
    /// Whether it was told to drain.
    pub draining: bool,
    /// Whether it said that it is about to leave.
    pub leaving: bool,
    /// Whether no look-up finds it any more.
    pub vanished: bool,
    /// Whether it serves only while no other can.
    pub backup: bool,
    /// Its weight.
    pub weight: Weight,
    /// How often it was ejected.
    pub ejections: u64,
    /// Requests in flight.
    pub in_flight: u32,
    /// How long it usually takes to a connection; `None` where nothing is known yet.
    pub usual_connect: Option<Duration>,
    /// The same to the head of an answer, over all kinds of requests.
    pub usual_head: Option<Duration>,
    /// The last probe that ended.
    pub last_probe: Option<LastProbe>,
    /// How long ago a response of it was last whole and good.
    pub last_success: Option<Duration>,
    /// Attempts ever begun on it.
    pub attempts: u64,
    /// Attempts that ended well.
    pub successes: u64,
    /// Failures by class.
    pub failures: [(FailureClass, u64); FailureClass::ALL.len()],
}

/// A probe that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastProbe {
    /// When it ended.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub result: ProbeResult,
}

impl Control {
    /// All endpoints, those included that vanished and still have requests in flight.
    pub fn describe(&self, now: Instant) -> Vec<EndpointState> {
        self.members.values().map(|member| member.describe(now)).collect()
    }
}

impl Member {
    fn describe(&self, now: Instant) -> EndpointState {
        let endpoint = &self.endpoint;
        let ago = |at: Instant| now.saturating_duration_since(at);
        EndpointState {
            id: endpoint.id(),
            address: endpoint.address(),
            label: endpoint.label().to_owned(),
            health: self.observed.health(),
            state_for: ago(self.observed.since()),
            usable: endpoint.is_usable() && !self.vanished,
            suspect: endpoint.is_suspect(),
            busy: self.observed.is_busy(),
            draining: self.draining,
            leaving: self.leaving,
            vanished: self.vanished,
            backup: endpoint.is_backup(),
            weight: self.weight,
            ejections: self.observed.ejections(),
            in_flight: endpoint.in_flight(),
            usual_connect: endpoint.usual_connect(),
            usual_head: endpoint.usual_head(),
            last_probe: self.last_probe,
            last_success: endpoint.last_success().map(ago),
            attempts: endpoint.attempts(),
            successes: endpoint.successes(),
            failures: FailureClass::ALL.map(|class| (class, endpoint.failures(class))),
        }
    }
}
