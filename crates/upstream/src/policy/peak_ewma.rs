//! `peak_ewma`: two endpoints drawn by weight, the one with less expected latency.
//!
//! The expected latency is a peak-sensitive mean of the times to a head (see [`crate::latency`]) times one more than
//! the requests in flight for its weight (after Finagle's *Peak EWMA*). It keeps traffic from an endpoint that has become slow,
//! before its queue shows it. A failure raises the estimate, or an endpoint that fails fast would look the best of all.

use crate::endpoint::{Endpoint, FULL_SHARE};

use super::Field;
use super::random_two::draw_two;

/// Has no state: estimates are the endpoints' own.
pub(crate) struct PeakEwma;

impl PeakEwma {
    #[expect(clippy::unused_self, reason = "every law chooses in the same way")]
    pub(crate) fn choose(&self, field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<usize> {
        let (one, other) = draw_two(field, rng)?;
        let Some(other) = other else { return Some(one) };
        let (a, b) = (field.endpoint(one)?, field.endpoint(other)?);
        let (a_peak, b_peak) = match (a.peak_micros(field.now), b.peak_micros(field.now)) {
            // Of an endpoint that has not answered yet, what is known of the other is expected.
            (0, 0) => (1, 1),
            (0, peak) | (peak, 0) => (peak, peak),
            both => both,
        };
        Some(if cost(b, b_peak, a) < cost(a, a_peak, b) { other } else { one })
    }
}

/// peak × (in flight / weight + 1), with shares for weights and multiplied out with the other's.
fn cost(endpoint: &Endpoint, peak: u64, other: &Endpoint) -> u128 {
    let in_flight = u128::from(endpoint.in_flight()) * u128::from(FULL_SHARE);
    u128::from(peak) * (in_flight + u128::from(endpoint.share())) * u128::from(other.share())
}
