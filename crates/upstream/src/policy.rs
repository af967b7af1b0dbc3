//! Who gets the next request. Each policy is one file with its rule and the test of it:
//!
//! | policy | rule | a pick costs |
//! |---|---|---|
//! | [`least_requests`] | fewest in flight for its weight, ties in rotation | a scan |
//! | [`round_robin`] | turns in proportion to weight, evenly spread over all workers | one step |
//! | [`random_two`] | two drawn by weight, the less loaded of them | two draws |
//! | [`peak_ewma`] | two drawn by weight, the less loaded or the clearly faster of them | two draws |
//! | [`consistent_hash`] | the same key, the same endpoint, with bounded load | one look-up |
//!
//! A policy chooses among the endpoints that a [`Field`] admits: all of one class, not tried yet, below their limit.
//! It never judges health. To add one: a file here with a type that has `choose`, a variant of [`PolicySettings`]
//! and of [`Policy`], its place in [`PolicySettings::ALL`], and a property test of its rule at 3 and at 1,000 endpoints.

mod consistent_hash;
mod least_requests;
mod peak_ewma;
mod random_two;
mod round_robin;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use crate::endpoint::{Endpoint, FULL_SHARE, Rank, Weight};
use crate::picker::Tried;
use crate::upstream::Snapshot;
pub use consistent_hash::ConsistentHashSettings;
use consistent_hash::{ConsistentHash, Maglev};
use least_requests::LeastRequests;
use peak_ewma::PeakEwma;
use random_two::RandomTwo;
use round_robin::RoundRobin;
pub(crate) use round_robin::Turns;
use schedule::Schedule;

/// Which policy, with its own settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicySettings {
    /// Fewest requests in flight for its weight; ties in rotation.
    #[default]
    LeastRequests,
    /// Smooth weighted rotation, one for all workers.
    RoundRobin,
    /// The less loaded of two drawn at random.
    RandomTwo,
    /// The less loaded of two drawn at random, or the one with less expected latency where one is clearly slower.
    PeakEwma,
    /// The same key to the same endpoint.
    ConsistentHash(ConsistentHashSettings),
}

impl PolicySettings {
    /// All policies, each with its usual settings.
    pub const ALL: [Self; 5] = [
        Self::LeastRequests,
        Self::RoundRobin,
        Self::RandomTwo,
        Self::PeakEwma,
        Self::ConsistentHash(ConsistentHashSettings::DEFAULT),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeastRequests => "least_requests",
            Self::RoundRobin => "round_robin",
            Self::RandomTwo => "random_two",
            Self::PeakEwma => "peak_ewma",
            Self::ConsistentHash(_) => "consistent_hash",
        }
    }
}

impl fmt::Display for PolicySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no policy. Says which there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy(String);

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = PolicySettings::ALL.map(PolicySettings::name).join(", ");
        write!(f, "`{}` is no policy; it is one of {names}", self.0)
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for PolicySettings {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let named = Self::ALL.into_iter().find(|policy| policy.name() == text);
        named.ok_or_else(|| UnknownPolicy(text.to_owned()))
    }
}

/// What a policy computes once for all workers when membership or weights change.
#[derive(Default)]
pub(crate) enum Table {
    #[default]
    Nothing,
    Schedule(Schedule),
    Maglev(Maglev),
}

impl Table {
    pub(crate) fn new(policy: PolicySettings, endpoints: &[Arc<Endpoint>], weights: &[Weight]) -> Self {
        match policy {
            PolicySettings::LeastRequests => Self::Nothing,
            PolicySettings::RoundRobin | PolicySettings::RandomTwo | PolicySettings::PeakEwma => {
                Self::Schedule(Schedule::new(weights))
            }
            PolicySettings::ConsistentHash(_) => Self::Maglev(Maglev::new(endpoints, weights)),
        }
    }

    fn schedule(&self) -> &[u32] {
        match self {
            Self::Schedule(schedule) => schedule.turns(),
            Self::Nothing | Self::Maglev(_) => &[],
        }
    }
}

/// The endpoints among which a policy may choose.
pub(crate) struct Field<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) tried: &'a Tried,
    pub(crate) rank: Rank,
    pub(crate) now: Instant,
}

impl Field<'_> {
    /// Whether the endpoint at `index` may be chosen.
    fn admits(&self, index: usize) -> bool {
        self.endpoint(index).is_some_and(|endpoint| self.admits_endpoint(endpoint))
    }

    fn admits_endpoint(&self, endpoint: &Endpoint) -> bool {
        self.admits_with(endpoint, endpoint.in_flight())
    }

    /// The same of an endpoint of which it was read how many it has in flight.
    fn admits_with(&self, endpoint: &Endpoint, in_flight: u32) -> bool {
        endpoint.flags().rank() == self.rank
            && !endpoint.is_full_with(in_flight)
            && !self.tried.has(endpoint.id())
    }

    fn endpoint(&self, index: usize) -> Option<&Endpoint> {
        self.snapshot.endpoints().get(index).map(|endpoint| &**endpoint)
    }

    /// In slow start an endpoint takes only a part of what its turn or its draw would give it.
    fn takes_its_turn(&self, index: usize, rng: &mut impl FnMut() -> u64) -> bool {
        let Some(endpoint) = self.endpoint(index) else { return false };
        let full = u32::from(self.snapshot.weight(index).get()) * FULL_SHARE;
        let share = endpoint.share();
        share >= full || rng() % u64::from(full) < u64::from(share)
    }

    /// Those that may be chosen, in order of id.
    fn admitted(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let endpoints = self.snapshot.endpoints().iter().map(|endpoint| &**endpoint).enumerate();
        endpoints.filter(|(_, endpoint)| self.admits_endpoint(endpoint))
    }
}

/// A worker's policy with its own cursors.
pub(crate) enum Policy {
    LeastRequests(LeastRequests),
    RoundRobin(RoundRobin),
    RandomTwo(RandomTwo),
    PeakEwma(PeakEwma),
    ConsistentHash(ConsistentHash),
}

impl Policy {
    /// `turns` are those of all workers of one upstream.
    pub(crate) fn new(policy: PolicySettings, turns: &Turns) -> Self {
        match policy {
            PolicySettings::LeastRequests => Self::LeastRequests(LeastRequests::default()),
            PolicySettings::RoundRobin => Self::RoundRobin(RoundRobin::new(turns)),
            PolicySettings::RandomTwo => Self::RandomTwo(RandomTwo),
            PolicySettings::PeakEwma => Self::PeakEwma(PeakEwma),
            PolicySettings::ConsistentHash(settings) => Self::ConsistentHash(ConsistentHash::new(settings)),
        }
    }

    /// Carries the cursors over to a new snapshot.
    pub(crate) fn adopt(&mut self) {
        match self {
            Self::LeastRequests(_) | Self::RoundRobin(_) | Self::RandomTwo(_) | Self::PeakEwma(_) => {}
            Self::ConsistentHash(policy) => policy.adopt(),
        }
    }

    /// The index of an endpoint that `field` admits; `None` only when it admits none.
    pub(crate) fn choose(
        &mut self,
        field: &Field<'_>,
        key: Option<u64>,
        rng: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        match self {
            Self::LeastRequests(policy) => policy.choose(field),
            Self::RoundRobin(policy) => policy.choose(field, rng),
            Self::RandomTwo(policy) => policy.choose(field, rng),
            Self::PeakEwma(policy) => policy.choose(field, rng),
            Self::ConsistentHash(policy) => policy.choose(field, key, rng),
        }
    }
}
