//! What each worker counts of each endpoint. Upstream counts attempts and failures itself; here are the times, and how the
//! connections are used.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use evenkeel_upstream::EndpointId;
use rustc_hash::FxHashMap;

use super::{Counter, Distribution, Histogram, Stats};

/// One worker's view of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct EndpointStats {
    /// From the beginning of an attempt to its answer, where there was one.
    pub(crate) answered: Histogram,
    /// Connections opened to it.
    pub(crate) opened: Counter,
    /// Attempts that began on an idle connection.
    pub(crate) reused: Counter,
}

/// Those of one worker, by endpoint: the worker looks its own up, and whoever asks reads a table that never changes.
/// A table is replaced when the worker first meets an endpoint; those that are gone are left out then.
#[derive(Debug, Default)]
pub(crate) struct ByEndpoint(ArcSwap<FxHashMap<EndpointId, Arc<EndpointStats>>>);

impl ByEndpoint {
    /// Counts something of `id`, for the worker whose table this is. `known` tells which endpoints there still are.
    pub(crate) fn count(
        &self,
        id: EndpointId,
        known: impl Fn(EndpointId) -> bool,
        count: impl FnOnce(&EndpointStats),
    ) {
        let table = self.0.load();
        if let Some(stats) = table.get(&id) {
            return count(stats);
        }
        let kept = table.iter().filter(|&(&other, _)| known(other));
        let mut larger: FxHashMap<_, _> = kept.map(|(id, stats)| (*id, stats.clone())).collect();
        count(larger.entry(id).or_default());
        self.0.store(Arc::new(larger));
    }
}

/// One endpoint over all workers, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointTotals {
    pub(crate) answered: Distribution,
    pub(crate) opened: u64,
    pub(crate) reused: u64,
}

/// All endpoints that any worker has met.
pub(crate) fn totals(workers: &[Arc<Stats>]) -> HashMap<EndpointId, EndpointTotals> {
    let mut totals: HashMap<EndpointId, EndpointTotals> = HashMap::new();
    for worker in workers {
        for (id, stats) in worker.by_endpoint.0.load().iter() {
            let total = totals.entry(*id).or_default();
            total.answered.include(&stats.answered);
            total.opened += stats.opened.get();
            total.reused += stats.reused.get();
        }
    }
    totals
}
