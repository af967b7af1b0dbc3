//! What each worker counts of the requests of each upstream, where there are several.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{Counter, Distribution, Histogram, Stats};

/// The classes of status, and what is none: a request whose client went before its answer began.
pub(crate) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// One worker's requests of one upstream.
#[derive(Debug, Default)]
struct UpstreamStats {
    /// By [`CLASSES`].
    ended: [Counter; CLASSES.len()],
    times: Histogram,
}

/// Those of one worker, by upstream. A table is replaced when the worker first meets an upstream; those that are gone are left
/// out then.
#[derive(Debug, Default)]
pub(crate) struct ByUpstream(ArcSwap<Vec<(Arc<str>, Arc<UpstreamStats>)>>);

impl ByUpstream {
    /// Counts a request that has ended with this status, for the worker whose table this is. `known` tells which upstreams there
    /// still are.
    pub(crate) fn count(&self, name: &Arc<str>, known: impl Fn(&str) -> bool, status: u16, took: Duration) {
        let table = self.0.load();
        let met = table.iter().find(|(other, _)| Arc::ptr_eq(other, name) || other == name);
        if let Some((_, met)) = met {
            return met.add(status, took);
        }
        let new = Arc::new(UpstreamStats::default());
        new.add(status, took);
        let kept = table.iter().filter(|(other, _)| known(other)).cloned();
        self.0.store(Arc::new(kept.chain([(name.clone(), new)]).collect()));
    }
}

impl UpstreamStats {
    fn add(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        self.ended[class].add(1);
        self.times.add(took);
    }
}

/// The requests of one upstream over all workers, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpstreamTotals {
    /// By [`CLASSES`].
    pub(crate) ended: [u64; CLASSES.len()],
    pub(crate) times: Distribution,
}

impl UpstreamTotals {
    /// Those of the upstream that is called that.
    pub(crate) fn of(workers: &[Arc<Stats>], name: &str) -> Self {
        let mut totals = Self::default();
        for worker in workers {
            let table = worker.by_upstream.0.load();
            let Some((_, stats)) = table.iter().find(|(other, _)| &**other == name) else { continue };
            for (total, ended) in totals.ended.iter_mut().zip(&stats.ended) {
                *total += ended.get();
            }
            totals.times.include(&stats.times);
        }
        totals
    }

    /// All that have ended.
    pub(crate) fn requests(&self) -> u64 {
        self.ended.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_workers_are_added_up_by_upstream_and_class() {
        let workers = [Arc::new(Stats::default()), Arc::new(Stats::default())];
        let add = |worker: usize, name: &str, status| {
            let took = Duration::from_millis(2);
            workers[worker].by_upstream.count(&name.into(), |_| true, status, took);
        };
        for (worker, name, status) in [
            (0, "api", 200),
            (1, "api", 204),
            (1, "api", 503),
            (1, "web", 999),
            (0, "api", 0),
            (0, "web", 101),
        ] {
            add(worker, name, status);
        }
        let api = UpstreamTotals::of(&workers, "api");
        assert_eq!((api.ended, api.requests()), ([1, 0, 2, 0, 0, 1], 4));
        assert_eq!(api.times.sum(), Duration::from_millis(8));
        assert_eq!(UpstreamTotals::of(&workers, "web").ended, [0, 1, 0, 0, 0, 1]);
        assert_eq!(UpstreamTotals::of(&workers, "none").requests(), 0);
    }

    #[test]
    fn one_that_is_gone_is_left_out_when_another_comes() {
        let stats = Stats::default();
        for name in ["old", "kept", "new"] {
            stats.by_upstream.count(&name.into(), |name| name != "old", 200, Duration::ZERO);
        }
        let names: Vec<_> = stats.by_upstream.0.load().iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["kept", "new"]);
    }
}
