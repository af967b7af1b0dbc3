//! `consistent_hash`: the same key to the same endpoint, moving as few keys as possible when endpoints come and go.
//!
//! A Maglev table (Eisenbud et al., 2016) over *all* members, usable or not: each endpoint walks its own permutation
//! of the table and the endpoints take slots in turn, by weight. Because an ejection does not change the table, only
//! the keys of the ejected endpoint move, each to its own next slot, and they come back when it does.
//!
//! With bounded load (Mirrokni, Thorup and Zadimoghaddam, 2018) a key whose endpoint has more than its fair part of
//! the requests in flight moves on as well, so that one hot key does not bury one server.

use std::sync::Arc;

use crate::endpoint::{Endpoint, FULL_SHARE, Weight};

use super::Field;

/// How far an endpoint may be above its fair part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsistentHashSettings {
    /// Percent of the fair part of the requests in flight at which keys move on; at least 100.
    pub bound_percent: u32,
    /// Below this many in flight keys never move on: with little to do, affinity is worth more than balance.
    pub bound_min: u32,
}

impl ConsistentHashSettings {
    /// What is usual.
    pub const DEFAULT: Self = Self { bound_percent: 125, bound_min: 8 };
}

impl Default for ConsistentHashSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Slot → index into the snapshot's endpoints.
pub(crate) struct Maglev(Box<[u32]>);

/// Prime, and a hundred times more than a thousand endpoints would need for shares within a few percent.
const TABLE_SLOTS: usize = 65_537;
const NO_ENDPOINT: u32 = u32::MAX;

impl Maglev {
    pub(crate) fn new(endpoints: &[Arc<Endpoint>], weights: &[Weight]) -> Self {
        if endpoints.is_empty() {
            return Self(Box::default());
        }
        let heaviest = weights.iter().copied().max().map_or(1, Weight::get);
        let mut walkers: Vec<Walker> =
            endpoints.iter().zip(weights).map(|(endpoint, &weight)| Walker::new(endpoint, weight)).collect();
        let mut slots = vec![NO_ENDPOINT; TABLE_SLOTS];
        let mut left = TABLE_SLOTS;
        // Each round fills at least one slot, for the heaviest.
        while left > 0 {
            for (index, walker) in walkers.iter_mut().enumerate() {
                walker.credit += walker.weight;
                if left == 0 || walker.credit < u32::from(heaviest) {
                    continue;
                }
                walker.credit -= u32::from(heaviest);
                let slot = walker.next_empty(&slots);
                slots[slot] = index as u32;
                left -= 1;
            }
        }
        Self(slots.into())
    }

    fn at(&self, hash: u64) -> Option<usize> {
        let slot = hash.checked_rem(self.0.len() as u64)? as usize;
        Some(self.0[slot] as usize)
    }
}

/// An endpoint's walk over all slots in an order of its own.
struct Walker {
    slot: usize,
    step: usize,
    weight: u32,
    credit: u32,
}

impl Walker {
    /// By address: the same in every process, after every restart.
    fn new(endpoint: &Endpoint, weight: Weight) -> Self {
        let slots = TABLE_SLOTS as u64;
        let slot = (scramble(endpoint.address_hash(), 0) % slots) as usize;
        let step = (scramble(endpoint.address_hash(), 1) % (slots - 1) + 1) as usize;
        Self { slot, step, weight: weight.get().into(), credit: 0 }
    }

    fn next_empty(&mut self, slots: &[u32]) -> usize {
        // A step that is prime to the number of slots comes by every slot; one of them is empty.
        loop {
            let slot = self.slot;
            self.slot = (slot + self.step) % TABLE_SLOTS;
            if slots[slot] == NO_ENDPOINT {
                return slot;
            }
        }
    }
}

/// One worker's estimate of the requests in flight.
pub(crate) struct ConsistentHash {
    settings: ConsistentHashSettings,
    in_flight: u64,
    shares: u64,
    picks_until_count: usize,
}

/// Slots tried for a key before every endpoint is looked at.
const SLOTS_TRIED_FOR_A_KEY: u64 = 16;
/// The sum over all endpoints is taken anew after a part of as many picks as there are endpoints: its cost a pick
/// stays that of a few endpoints.
const COUNTED_PER_PICK: usize = 4;

impl ConsistentHash {
    pub(crate) fn new(settings: ConsistentHashSettings) -> Self {
        Self { settings, in_flight: 0, shares: 0, picks_until_count: 0 }
    }

    pub(crate) fn adopt(&mut self) {
        self.picks_until_count = 0;
    }

    pub(crate) fn choose(
        &mut self,
        field: &Field<'_>,
        key: Option<u64>,
        rng: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        self.count(field);
        let key = key.unwrap_or_else(rng);
        // In slow start an endpoint gets a part of its keys, the same ones each time, and more of them as it goes.
        let mut draw = || scramble(key, SLOTS_TRIED_FOR_A_KEY);
        let super::Table::Maglev(table) = &field.snapshot.table else { return None };
        for nth in 0..SLOTS_TRIED_FOR_A_KEY {
            let index = table.at(scramble(key, nth))?;
            let below = |endpoint| field.admits_endpoint(endpoint) && self.is_below_bound(endpoint);
            if field.endpoint(index).is_some_and(below) && field.takes_its_turn(index, &mut draw) {
                return Some(index);
            }
        }
        // Highest random weight (Thaler and Ravishankar, 1998): the same key still finds the same endpoint.
        let score = |endpoint: &Endpoint| scramble(key ^ endpoint.address_hash(), 0);
        let below = field.admitted().filter(|(_, endpoint)| self.is_below_bound(endpoint));
        let best = below.max_by_key(|(_, endpoint)| score(endpoint));
        best.or_else(|| field.admitted().max_by_key(|(_, endpoint)| score(endpoint))).map(|(index, _)| index)
    }

    fn count(&mut self, field: &Field<'_>) {
        if self.picks_until_count > 0 {
            self.picks_until_count -= 1;
            return;
        }
        (self.in_flight, self.shares) = (0, 0);
        let mut usable = 0;
        for endpoint in
            field.snapshot.endpoints().iter().filter(|endpoint| endpoint.flags().rank() == field.rank)
        {
            usable += 1;
            self.in_flight += u64::from(endpoint.in_flight());
            self.shares += u64::from(endpoint.share());
        }
        self.picks_until_count = usable / COUNTED_PER_PICK;
    }

    fn is_below_bound(&self, endpoint: &Endpoint) -> bool {
        let in_flight = endpoint.in_flight();
        if in_flight < self.settings.bound_min {
            return true;
        }
        let part = u128::from(self.in_flight + 1) * u128::from(endpoint.share());
        let bound = part * u128::from(self.settings.bound_percent.max(100));
        let fair = u128::from(self.shares.max(FULL_SHARE.into())) * 100;
        u128::from(in_flight) < bound.div_ceil(fair)
    }
}

/// A different slot for a key the `nth` time (the finalizer of `SplitMix64`).
fn scramble(key: u64, nth: u64) -> u64 {
    let mut x = key.wrapping_add(nth.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
