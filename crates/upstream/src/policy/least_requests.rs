//! `least_requests`: the endpoint with the fewest requests in flight for its weight; among equals, in rotation.
//!
//! The rotation is by stride scheduling (Waldspurger and Weihl, 1995): each endpoint has a *turn*, the lowest turn goes
//! next and moves on by a stride that is shorter for a larger weight. So one caller with one request at a time sees
//! 1, 2, 3, 1, 2, 3, and with weights 2, 1 sees 1, 2, 1. The turn stands in the endpoint's own block, so that a caller whose
//! connections come to different workers sees that as well.
//!
//! The rule needs a scan: the minimum over counters that all workers change at any time cannot be kept in order without
//! every request writing a shared structure, and a minimum over a sample is another rule (`random_two`). In a large set of
//! equal weights the scan begins behind the endpoint that this worker chose last and ends at the first that has nothing in
//! flight: none can have less, and there the rotation is the worker's own. Only a set that is busy throughout is read
//! to its end, one cache line for each endpoint.

use crate::endpoint::{Endpoint, FULL_SHARE};

use super::Field;

/// One worker's place in a large set.
#[derive(Default)]
pub(crate) struct LeastRequests {
    /// Where the next scan of equals begins.
    next: usize,
}

/// The stride of weight 1. Divisible by many weights; 2^40 picks do not overflow a turn.
const STRIDE: u32 = 720_720;

/// Up to so many endpoints are read to the end for each pick, and keep one rotation over all workers.
const ENDPOINTS_READ_TO_THE_END: usize = 16;

impl LeastRequests {
    pub(crate) fn choose(&mut self, field: &Field<'_>) -> Option<usize> {
        let is_large = field.snapshot.endpoints().len() > ENDPOINTS_READ_TO_THE_END;
        if is_large && field.snapshot.is_even() { self.among_many(field) } else { by_turn(field) }
    }

    fn among_many(&mut self, field: &Field<'_>) -> Option<usize> {
        let endpoints = field.snapshot.endpoints();
        let begin = if self.next < endpoints.len() { self.next } else { 0 };
        let in_order = (begin..endpoints.len()).chain(0..begin);
        let mut best: Option<(usize, u32)> = None;
        for index in in_order {
            let endpoint = &endpoints[index];
            let in_flight = endpoint.in_flight();
            if best.is_none_or(|(_, fewest)| in_flight < fewest) && field.admits_with(endpoint, in_flight) {
                best = Some((index, in_flight));
                if in_flight == 0 {
                    break;
                }
            }
        }
        let (index, _) = best?;
        self.next = index + 1;
        Some(index)
    }
}

fn by_turn(field: &Field<'_>) -> Option<usize> {
    let mut best: Option<Candidate> = None;
    // Who has the smallest share has the longest stride.
    let (mut latest, mut smallest) = (0, u32::MAX);
    for (index, endpoint) in field.snapshot.endpoints().iter().enumerate() {
        let candidate = Candidate::of(index, endpoint);
        if !field.admits_with(endpoint, candidate.in_flight) {
            continue;
        }
        latest = latest.max(candidate.turn);
        smallest = smallest.min(candidate.share);
        if best.as_ref().is_none_or(|best| candidate.goes_before(best)) {
            best = Some(candidate);
        }
    }
    let best = best?;
    let own = stride(best.share);
    let longest = if smallest == best.share { own } else { stride(smallest) };
    // Turns that were missed, because of load or an ejection, are not made up for in a burst.
    let turn = best.turn.max(latest.saturating_sub(longest));
    field.snapshot.endpoints()[best.index].set_turn(turn + own);
    Some(best.index)
}

fn stride(share: u32) -> u64 {
    u64::from(STRIDE * FULL_SHARE / share)
}

struct Candidate {
    index: usize,
    in_flight: u32,
    share: u32,
    turn: u64,
}

impl Candidate {
    fn of(index: usize, endpoint: &Endpoint) -> Self {
        Self { index, in_flight: endpoint.in_flight(), share: endpoint.share(), turn: endpoint.turn() }
    }

    fn goes_before(&self, other: &Self) -> bool {
        // in_flight / share, multiplied out.
        let own = u64::from(self.in_flight) * u64::from(other.share);
        let others = u64::from(other.in_flight) * u64::from(self.share);
        (own, self.turn) < (others, other.turn)
    }
}
