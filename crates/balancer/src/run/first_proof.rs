//! How long the first clients are left in the accept queue. A balancer that starts under load would otherwise answer them 503,
//! though all servers are well: it does not know them yet.
//!
//! ```text
//! no address ──a look-up──▶ addresses ──a passed probe──▶ proven
//!      └── NO_ADDRESS ──▶ opens anyway     └── NO_PROOF ──▶ opens anyway
//! ```

use std::time::{Duration, Instant};

use evenkeel_service::Shutdown;
use tracing::warn;

use crate::clock::now;
use crate::context::Shared;

/// How long an address is waited for: as long as a connection may take by default, and less than clients wait for one. Where
/// everything starts at once, a nameserver may not know the servers yet, or be slow to say.
const NO_ADDRESS: Duration = Duration::from_secs(3);
/// How long the first passed probe is waited for, once there is somebody to be probed.
const NO_PROOF: Duration = Duration::from_secs(1);
/// How often the process looks.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a request would find a server of each upstream, or has waited long enough.
pub(super) async fn wait(shared: &Shared, shutdown: &Shutdown) {
    let begun = now();
    let edition = shared.edition();
    let mut proofs: Vec<_> = edition.upstreams.iter().map(|_| Proof::new(begun)).collect();
    loop {
        let now = now();
        let mut lacks_one = false;
        for (served, proof) in edition.upstreams.iter().zip(&mut proofs) {
            let snapshot = served.upstream.snapshot();
            lacks_one |= !snapshot.can_serve() && proof.waits(!snapshot.endpoints().is_empty(), now);
        }
        if !lacks_one || shutdown.is_requested() {
            break;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    for (served, settings) in edition.upstreams.iter().zip(&edition.settings.upstreams.all) {
        if served.upstream.snapshot().endpoints().is_empty() {
            let variable = settings.variable();
            warn!("{variable}: no address is known yet; requests get 503 until a look-up finds one");
        }
    }
}

/// What is waited for of one upstream.
struct Proof {
    begun: Instant,
    /// Until when there was nobody to be probed.
    unknown_until: Instant,
}

impl Proof {
    fn new(begun: Instant) -> Self {
        Self { begun, unknown_until: begun }
    }

    /// Whether an upstream that is not proven is still waited for. `known`: it has an address.
    fn waits(&mut self, known: bool, now: Instant) -> bool {
        if known {
            now < self.unknown_until + NO_PROOF
        } else {
            self.unknown_until = now;
            now < self.begun + NO_ADDRESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_has_an_address_is_waited_for_a_second() {
        let start = now();
        let mut proof = Proof::new(start);
        assert!(proof.waits(true, start + 999 * MS));
        assert!(!proof.waits(true, start + 1_000 * MS));
    }

    #[test]
    fn an_address_is_waited_for_longer_and_then_its_proof() {
        let start = now();
        let mut proof = Proof::new(start);
        assert!(proof.waits(false, start + 2_900 * MS));
        assert!(proof.waits(true, start + 3_800 * MS));
        assert!(!proof.waits(true, start + 3_900 * MS));
    }

    #[test]
    fn who_is_never_found_is_waited_for_no_longer_than_a_connection() {
        let start = now();
        let mut proof = Proof::new(start);
        assert!(proof.waits(false, start + 2_999 * MS));
        assert!(!proof.waits(false, start + 3_000 * MS));
    }
}
