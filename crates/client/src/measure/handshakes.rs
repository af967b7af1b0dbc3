//! TLS handshakes, by what they were.

use evenkeel_wire::Handshake;

use super::Latency;
use crate::outcome::Shaken;

/// How many handshakes of which kind, and how long they took. Warming up is where most of them happen, so that all count.
#[derive(Debug)]
pub(crate) struct Handshakes([(Handshake, Latency); 4]);

impl Default for Handshakes {
    fn default() -> Self {
        let of = |is_tls13, is_resumed| (Handshake { is_tls13, is_resumed }, Latency::with_digits(2));
        Self([of(true, false), of(true, true), of(false, false), of(false, true)])
    }
}

impl Handshakes {
    pub(super) fn record(&mut self, shaken: Shaken) {
        if let Some((_, times)) = self.0.iter_mut().find(|(how, _)| *how == shaken.how) {
            times.record(shaken.took);
        }
    }

    /// Those kinds of which there were some, the newest version first, and whole ones before resumptions.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (Handshake, &Latency)> {
        self.0.iter().filter(|(_, times)| times.count() > 0).map(|(how, times)| (*how, times))
    }
}
