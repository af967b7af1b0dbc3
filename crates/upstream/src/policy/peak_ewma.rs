//! `peak_ewma`: two endpoints drawn by weight; the less loaded, or the one that is clearly faster.
//!
//! The draw gives each endpoint its weight, so the comparison must not take it back. Times to a head scatter: between
//! two estimates there is always a difference, and to follow it is to toss a coin, by which the heavier endpoint, drawn more
//! often, can only lose. So a difference below [`CLEARLY_SLOWER`] decides nothing, and the load does. Beyond it, expected
//! latency is the estimate times one more than the requests in flight for the weight (after Finagle's *Peak EWMA*),
//! which keeps traffic from an endpoint that has become slow before its queue shows it.
//!
//! A failure raises the estimate (see [`crate::latency`]), or an endpoint that fails fast would look the best of all.

use crate::endpoint::{Endpoint, FULL_SHARE};
use crate::latency::Expected;

use super::Field;
use super::random_two::{draw_two, is_less_loaded};

/// Has no state: estimates are the endpoints' own.
pub(crate) struct PeakEwma;

/// So many times as slow is no chance: one answer ten times as long as usual raises an estimate by little more than half.
const CLEARLY_SLOWER: u64 = 2;

impl PeakEwma {
    #[expect(clippy::unused_self, reason = "every policy chooses in the same way")]
    pub(crate) fn choose(&self, field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<usize> {
        let (one, other) = draw_two(field, rng)?;
        let Some(other) = other else { return Some(one) };
        let (a, b) = (field.endpoint(one)?, field.endpoint(other)?);
        let (a_time, b_time) = (a.expected(field.now), b.expected(field.now));
        let other_is_better = if is_clearly_slower(a_time, b_time) {
            cost(b, b_time.learnt, a) < cost(a, a_time.faded, b)
        } else if is_clearly_slower(b_time, a_time) {
            cost(b, b_time.faded, a) < cost(a, a_time.learnt, b)
        } else {
            is_less_loaded(b, a)
        };
        Some(if other_is_better { other } else { one })
    }
}

/// Compares what is left of the one's slowness with what was learnt of the other: that nothing was heard of an endpoint
/// for a while makes it less slow, and never faster than it was. Of one that has not answered yet nothing is expected.
fn is_clearly_slower(one: Expected, than: Expected) -> bool {
    than.learnt != 0 && one.faded > CLEARLY_SLOWER * than.learnt
}

/// Time × (in flight / weight + 1), with shares for weights and multiplied out with the other's.
fn cost(endpoint: &Endpoint, time: u64, other: &Endpoint) -> u128 {
    let in_flight = u128::from(endpoint.in_flight()) * u128::from(FULL_SHARE);
    u128::from(time) * (in_flight + u128::from(endpoint.share())) * u128::from(other.share())
}
