//! Servers that have never passed a probe, told of once: nothing has changed for the worse, so no event says it, and whoever has
//! just written an address wonders why nobody answers.

use std::collections::BTreeMap;

use evenkeel_upstream::{EndpointId, ProbeFailure, ProbeResult};
use tracing::warn;

use crate::records::roster::Server;

/// So many probes of a server that only starts have time to fail.
const PATIENCE: u32 = 10;

/// How often each that has not passed a probe yet has failed one.
#[derive(Debug, Default)]
pub(crate) struct Unproven(BTreeMap<EndpointId, u32>);

impl Unproven {
    /// A server was found, or found again.
    pub(crate) fn found(&mut self, endpoint: EndpointId) {
        self.0.insert(endpoint, 0);
    }

    /// Takes in a probe of this server, and says it of one that has failed often enough.
    pub(crate) fn probed(&mut self, endpoint: EndpointId, server: &Server, result: ProbeResult) {
        if let Some(failure) = self.counts(endpoint, result) {
            warn!("{server} has passed no probe yet and serves nobody: {failure}. {}", mend(failure));
        }
    }

    /// Forgets a server that has gone.
    pub(crate) fn forget(&mut self, endpoint: EndpointId) {
        self.0.remove(&endpoint);
    }

    /// What is to be told, if anything is.
    fn counts(&mut self, endpoint: EndpointId, result: ProbeResult) -> Option<ProbeFailure> {
        match result {
            ProbeResult::Failed(failure) => {
                let failed = self.0.get_mut(&endpoint)?;
                *failed += 1;
                // What keeps TLS from being spoken is told in full, and at once, elsewhere.
                (*failed == PATIENCE && !matches!(failure, ProbeFailure::Tls(_))).then_some(failure)
            }
            ProbeResult::Passed | ProbeResult::Draining => {
                self.0.remove(&endpoint);
                None
            }
        }
    }
}

fn mend(failure: ProbeFailure) -> &'static str {
    match failure {
        ProbeFailure::Refused => "Nobody listens at that address and port, or no way leads there",
        ProbeFailure::TimedOut => "No connection came about: no way leads there, or a firewall is between",
        ProbeFailure::Unanswered => {
            "It takes connections and answers later than BALANCER_PROBE_TIMEOUT, or never; BALANCER_PROBE=tcp asks only whether it listens"
        }
        ProbeFailure::Closed | ProbeFailure::Garbage => {
            "It speaks no HTTP/1.1 at that port, or speaks TLS there (BALANCER_UPSTREAM_TLS)"
        }
        ProbeFailure::Status(_) => "BALANCER_PROBE and BALANCER_PROBE_EXPECT say what is asked and expected",
        ProbeFailure::Local => "This process has no descriptor or no port left",
        ProbeFailure::Tls(_) => "",
    }
}
