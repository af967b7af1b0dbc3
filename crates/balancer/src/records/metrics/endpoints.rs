//! What each worker counts of each endpoint. Upstream counts attempts and failures itself; here are the times, and how the
//! connections are used.

use std::cell::RefCell;
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

type Table = FxHashMap<EndpointId, Arc<EndpointStats>>;

/// Those of one worker, by endpoint, for whoever asks: a table that never changes. It is replaced when the worker first meets an
/// endpoint; those that are gone are left out then.
#[derive(Debug, Default)]
pub(crate) struct ByEndpoint(ArcSwap<Table>);

/// The same table for the worker that counts, which so needs no locked instruction to find an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Met(RefCell<Arc<Table>>);

impl Met {
    /// Counts something of `id`. `known` tells which endpoints there still are; a new table is shown in `shown`.
    pub(crate) fn count(
        &self,
        id: EndpointId,
        shown: &ByEndpoint,
        known: impl Fn(EndpointId) -> bool,
        count: impl FnOnce(&EndpointStats),
    ) {
        if let Some(stats) = self.0.borrow().get(&id) {
            return count(stats);
        }
        count(&self.meet(id, shown, known));
    }

    #[cold]
    fn meet(
        &self,
        id: EndpointId,
        shown: &ByEndpoint,
        known: impl Fn(EndpointId) -> bool,
    ) -> Arc<EndpointStats> {
        let mut table = self.0.borrow_mut();
        let kept = table.iter().filter(|&(&other, _)| known(other));
        let mut larger: Table = kept.map(|(id, stats)| (*id, stats.clone())).collect();
        let stats = larger.entry(id).or_default().clone();
        *table = Arc::new(larger);
        shown.0.store(table.clone());
        stats
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
