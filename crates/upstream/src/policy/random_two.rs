//! `random_two`: two endpoints drawn by weight, the one with fewer requests in flight for its weight.
//!
//! The power of two choices (Mitzenmacher, 2001): almost as level as the least loaded of all, in constant time, and
//! many balancers that look at the same moment do not all run to the same endpoint.

use crate::endpoint::Endpoint;

use super::Field;

/// Has no state: the generator comes with each choice.
pub(crate) struct RandomTwo;

impl RandomTwo {
    #[expect(clippy::unused_self, reason = "every policy chooses in the same way")]
    pub(crate) fn choose(&self, field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<usize> {
        let (one, other) = draw_two(field, rng)?;
        let Some(other) = other else { return Some(one) };
        // The first of two draws by weight is itself a draw by weight: a tie keeps the proportions.
        Some(if is_less_loaded(field.endpoint(other)?, field.endpoint(one)?) { other } else { one })
    }
}

/// Fewer in flight for its weight, and still so with one request more. With few in flight the first alone sends
/// whatever follows a request to the lighter endpoint, and the second alone to the heavier.
pub(super) fn is_less_loaded(one: &Endpoint, than: &Endpoint) -> bool {
    let (share, than_share) = (u64::from(one.share()), u64::from(than.share()));
    let (in_flight, than_in_flight) = (u64::from(one.in_flight()), u64::from(than.in_flight()));
    in_flight * than_share < than_in_flight * share
        && (in_flight + 1) * than_share < (than_in_flight + 1) * share
}

/// Draws before every endpoint is looked at instead: enough while a tenth of them is usable.
const DRAWS_BEFORE_A_SCAN: usize = 24;

/// Two different endpoints drawn by weight, or the only one there is.
pub(super) fn draw_two(field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<(usize, Option<usize>)> {
    let turns = field.snapshot.table.schedule();
    let mut first = None;
    for _ in 0..DRAWS_BEFORE_A_SCAN {
        let draw = rng().checked_rem(turns.len() as u64)? as usize;
        let index = turns[draw] as usize;
        if first == Some(index) || !field.admits(index) || !field.takes_its_turn(index, rng) {
            continue;
        }
        match first {
            None => first = Some(index),
            Some(first) => return Some((first, Some(index))),
        }
    }
    match first {
        Some(first) => Some((first, None)),
        None => two_of_all(field, rng),
    }
}

fn two_of_all(field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<(usize, Option<usize>)> {
    let left = field.admitted().count() as u64;
    let nth = |n: u64| field.admitted().nth(n as usize).map(|(index, _)| index);
    let first = rng().checked_rem(left)?;
    let second = (left > 1).then(|| (first + 1 + rng() % (left - 1)) % left);
    Some((nth(first)?, second.and_then(nth)))
}
