//! `least_requests`: the endpoint with the fewest requests in flight for its weight; among equals, in rotation.
//!
//! The rotation is by stride scheduling (Waldspurger and Weihl, 1995): each endpoint has a *turn*, the lowest turn goes
//! next and moves on by a stride that is shorter for a larger weight. So one caller with one request at a time sees
//! 1, 2, 3, 1, 2, 3, and with weights 2, 1 sees 1, 2, 1.
//!
//! Each worker keeps its own turns. So that a caller whose connections come to different workers sees the rotation as
//! well, equals of a small set go by when they were last chosen, by whichever worker.
//!
//! The law needs a scan: the minimum over counters that all workers change at any time cannot be kept in order without
//! every request writing a shared structure, and a minimum over a sample is another law (`random_two`). Where all
//! weights are equal the scan begins behind the endpoint that was chosen last and ends at the first that has nothing in
//! flight: nobody can have less, and the rotation is kept. Only a set that is busy throughout is read to its end,
//! one cache line for each endpoint.

use crate::endpoint::{EndpointId, FULL_SHARE};
use crate::upstream::Snapshot;

use super::Field;

/// The turns of one worker.
#[derive(Default)]
pub(crate) struct LeastRequests {
    /// Parallel to the snapshot's endpoints.
    turns: Vec<Turn>,
    /// The latest turn that was taken.
    latest: u64,
    /// Where the next scan of equals begins.
    next: usize,
}

#[derive(Clone, Copy)]
struct Turn {
    id: EndpointId,
    at: u64,
}

/// Up to so many endpoints are read to the end for each pick.
const SMALL: usize = 16;

/// The stride of weight 1. Divisible by many weights; 2^40 picks do not overflow a turn.
const STRIDE: u64 = 720_720;

impl LeastRequests {
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot) {
        let old = std::mem::take(&mut self.turns);
        self.turns.extend(snapshot.endpoints().iter().map(|endpoint| {
            let id = endpoint.id();
            let known = old.binary_search_by_key(&id, |turn| turn.id).ok();
            // A new endpoint has nothing to catch up on.
            Turn { id, at: known.map_or(self.latest, |index| old[index].at) }
        }));
    }

    pub(crate) fn choose(&mut self, field: &Field<'_>) -> Option<usize> {
        if field.snapshot.is_even() { self.among_equals(field) } else { self.by_weight(field) }
    }

    fn among_equals(&mut self, field: &Field<'_>) -> Option<usize> {
        let chosen = if self.turns.len() <= SMALL { self.among_few(field) } else { self.among_many(field) };
        self.next = chosen? + 1;
        chosen
    }

    /// The whole set in order, beginning behind the one chosen last.
    fn in_order(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let begin = if self.next < count { self.next } else { 0 };
        (begin..count).chain(0..begin)
    }

    fn among_few(&self, field: &Field<'_>) -> Option<usize> {
        let endpoints = field.snapshot.endpoints();
        let admitted =
            self.in_order(endpoints.len()).filter(|&index| field.admits_endpoint(&endpoints[index]));
        admitted.min_by_key(|&index| (endpoints[index].in_flight(), endpoints[index].last_picked()))
    }

    fn among_many(&self, field: &Field<'_>) -> Option<usize> {
        let endpoints = field.snapshot.endpoints();
        let mut best: Option<(usize, u32)> = None;
        for index in self.in_order(endpoints.len()) {
            let endpoint = &endpoints[index];
            let in_flight = endpoint.in_flight();
            if best.is_none_or(|(_, fewest)| in_flight < fewest) && field.admits_endpoint(endpoint) {
                best = Some((index, in_flight));
                if in_flight == 0 {
                    break;
                }
            }
        }
        best.map(|(index, _)| index)
    }

    fn by_weight(&mut self, field: &Field<'_>) -> Option<usize> {
        let mut best: Option<Candidate> = None;
        for (index, endpoint) in field.admitted() {
            let turn = self.turns.get(index).map_or(0, |turn| turn.at);
            let candidate =
                Candidate { index, in_flight: endpoint.in_flight(), share: endpoint.share(), turn };
            if best.as_ref().is_none_or(|best| candidate.goes_before(best)) {
                best = Some(candidate);
            }
        }
        let best = best?;
        self.take_turn(&best);
        Some(best.index)
    }

    fn take_turn(&mut self, taken: &Candidate) {
        self.latest = self.latest.max(taken.turn);
        let stride = STRIDE * u64::from(FULL_SHARE) / u64::from(taken.share);
        // Turns that were missed, because of load or an ejection, are not made up for in a burst.
        if let Some(turn) = self.turns.get_mut(taken.index) {
            turn.at = self.latest + stride;
        }
    }
}

struct Candidate {
    index: usize,
    in_flight: u32,
    share: u32,
    turn: u64,
}

impl Candidate {
    fn goes_before(&self, other: &Self) -> bool {
        // in_flight / share, multiplied out.
        let own = u64::from(self.in_flight) * u64::from(other.share);
        let others = u64::from(other.in_flight) * u64::from(self.share);
        (own, self.turn) < (others, other.turn)
    }
}
