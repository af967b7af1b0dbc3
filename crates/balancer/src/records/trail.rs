//! The trail of a request's attempts, as a `Proxy-Status` field (RFC 9209): which server was tried, why, how long it took
//! and what came of it. On request only (`BALANCER_TRAIL`), because it names the servers.

use std::fmt::Write;
use std::time::Instant;

use evenkeel_upstream::EndpointId;
use evenkeel_upstream::attempt::{Attempts, TrailEntry, TrailOutcome};

use crate::records::roster::Roster;

/// Writes what the attempts did into `details`, in words that need no escaping.
pub(crate) fn describe(attempts: &Attempts, roster: &Roster, now: Instant, details: &mut String) {
    let label = |id: EndpointId| roster.of(id).map_or_else(|| "gone".to_owned(), |server| server.to_string());
    details.clear();
    for entry in attempts.trail() {
        let separator = if details.is_empty() { "" } else { ", " };
        // Writing into a String cannot fail.
        let _ = write!(details, "{separator}{}", Step { entry, server: label(entry.endpoint), now });
    }
}

/// The line that tells them to the client.
pub(crate) fn line(name: &str, details: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("Proxy-Status: {name}; details=\"{details}\"\r\n").as_bytes());
}

/// One attempt in words without quotes or backslashes: `2 moved server-2 (172.18.0.4:8080) status 200 in 3.1 ms`.
struct Step {
    entry: TrailEntry,
    server: String,
    now: Instant,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TrailEntry { number, why, outcome, begun, since, .. } = self.entry;
        let until = if outcome == TrailOutcome::Running { self.now } else { since };
        let took = until.saturating_duration_since(begun).as_secs_f64() * 1e3;
        write!(f, "{number} {} {} ", why.name(), self.server)?;
        write!(f, "{outcome} in {took:.1} ms")
    }
}
