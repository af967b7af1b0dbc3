//! How much repeated work is allowed beside the real work.
//!
//! A retry is right for one request and ruin for an upstream in trouble: everything failing once is everything sent
//! twice. So retries on a status or a digest, and hedges, draw on a bucket that fills with a share of recent requests
//! (the idea of Finagle's retry budget). Hedges are bounded at once as well, by a share of what is in flight (as Envoy
//! bounds retries): when everything turns slow, the bucket of a faster moment ago must not be spent on it. Requests do
//! not pay in, because a line that every request writes would be shared by all workers: the control task reads the
//! endpoints' counters ten times a second and fills for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::settings::{BudgetSettings, HedgeBudget};

/// The budgets of one upstream, shared by all workers.
#[derive(Debug)]
pub struct Budgets {
    retry: Budget,
    hedge: Budget,
    hedges: Arc<Hedges>,
}

/// The hedged requests that are not decided yet, and how many there may be.
#[derive(Debug)]
struct Hedges {
    running: AtomicU32,
    most: AtomicU32,
}

/// A request that is hedged. Dropped when it is decided.
#[derive(Debug)]
#[must_use = "a hedge counts as running for as long as this lives"]
pub struct Hedged(Arc<Hedges>);

impl Drop for Hedged {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hedged requests that may always run at once …
const HEDGES_AT_ONCE: u32 = 2;
/// … or one in so many of the requests in flight.
const IN_FLIGHT_PER_HEDGE: u32 = 8;

impl Budgets {
    /// Budgets that hold what they grant without any request.
    pub fn new(retry: BudgetSettings, hedge: HedgeBudget) -> Self {
        Self {
            retry: Budget::new(retry.percent, retry.per_second, RETRIES_SAVED_FOR),
            hedge: Budget::new(hedge.percent, 0, HEDGES_SAVED_FOR),
            hedges: Arc::new(Hedges { running: AtomicU32::new(0), most: AtomicU32::new(HEDGES_AT_ONCE) }),
        }
    }

    /// Grants what these say from now on; what is saved stays, as far as they let it.
    pub(crate) fn adopt(&self, retry: BudgetSettings, hedge: HedgeBudget) {
        self.retry.percent.store(retry.percent, Ordering::Relaxed);
        self.retry.per_second.store(retry.per_second, Ordering::Relaxed);
        self.hedge.percent.store(hedge.percent, Ordering::Relaxed);
    }

    /// Takes one retry; false when there is none left.
    pub fn take_retry(&self) -> bool {
        self.retry.take()
    }

    /// Attempts that were bought of these budgets: they are no requests, and must not earn more of their like.
    fn bought(&self) -> u64 {
        self.retry.taken.load(Ordering::Relaxed) + self.hedge.taken.load(Ordering::Relaxed)
    }

    /// Gives back a retry that found no endpoint.
    pub fn give_back_retry(&self) {
        self.retry.give_back();
    }

    /// Takes one hedge; `None` when there is none left, or too many run.
    pub fn take_hedge(&self) -> Option<Hedged> {
        let running = self.hedges.running.fetch_add(1, Ordering::Relaxed);
        let hedged = Hedged(Arc::clone(&self.hedges));
        (running < self.hedges.most.load(Ordering::Relaxed) && self.hedge.take()).then_some(hedged)
    }

    /// Gives back a hedge that found no endpoint.
    pub fn give_back_hedge(&self) {
        self.hedge.give_back();
    }

    /// Retries left.
    pub fn retries_left(&self) -> u64 {
        self.retry.left()
    }

    #[cfg(test)]
    pub(crate) fn grant_hedges(&self, count: u64) {
        self.hedge.thousandths.fetch_add(count * ONE_PERMISSION, Ordering::Relaxed);
    }

    /// Hedges left.
    pub fn hedges_left(&self) -> u64 {
        self.hedge.left()
    }
}

/// One bucket of whole and broken permissions.
#[derive(Debug)]
struct Budget {
    percent: AtomicU32,
    per_second: AtomicU32,
    memory: Duration,
    thousandths: CachePadded<AtomicU64>,
    /// Beside the bucket: who takes writes both.
    taken: AtomicU64,
}

const ONE_PERMISSION: u64 = 1_000;
/// A bucket holds what this time grants, so that a quiet hour does not pay for a storm.
const RETRIES_SAVED_FOR: Duration = Duration::from_secs(10);
/// Hedges are for the odd slow answer. When everything turns slow at once, a fuller bucket would make it slower.
const HEDGES_SAVED_FOR: Duration = Duration::from_secs(1);
/// How long requests count as recent.
const REQUESTS_RECENT_FOR: Duration = Duration::from_secs(10);

impl Budget {
    fn new(percent: u32, per_second: u32, memory: Duration) -> Self {
        let full = u64::from(per_second) * memory.as_secs() * ONE_PERMISSION;
        let thousandths = CachePadded::new(AtomicU64::new(full));
        let (percent, per_second) = (AtomicU32::new(percent), AtomicU32::new(per_second));
        Self { percent, per_second, memory, thousandths, taken: AtomicU64::new(0) }
    }

    fn take(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(ONE_PERMISSION);
        let taken = self.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        self.taken.fetch_add(u64::from(taken), Ordering::Relaxed);
        taken
    }

    fn give_back(&self) {
        self.thousandths.fetch_add(ONE_PERMISSION, Ordering::Relaxed);
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    fn left(&self) -> u64 {
        self.thousandths.load(Ordering::Relaxed) / ONE_PERMISSION
    }

    fn grants_per_second(&self, requests_per_second: f64) -> f64 {
        let (percent, at_least) =
            (self.percent.load(Ordering::Relaxed), self.per_second.load(Ordering::Relaxed));
        (requests_per_second * f64::from(percent) / 100.0).max(f64::from(at_least))
    }

    fn fill(&self, requests_per_second: f64, elapsed: Duration) {
        let grants = self.grants_per_second(requests_per_second) * ONE_PERMISSION as f64;
        let more = to_thousandths(grants * elapsed.as_secs_f64());
        // Room for one at least, or a small share of few requests would never add up to anything.
        let full = to_thousandths(grants * self.memory.as_secs_f64()).max(ONE_PERMISSION);
        // What was earned while requests were many is gone when they are few.
        let filled = |left: u64| Some((left + more).min(full));
        // The closure always gives a value, so this cannot fail.
        let _ = self.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, filled);
    }
}

#[expect(clippy::cast_sign_loss, reason = "rates and times are not negative")]
fn to_thousandths(grants: f64) -> u64 {
    grants.round() as u64
}

/// Fills the budgets from the endpoints' counters. Owned by the control task.
#[derive(Debug)]
pub(crate) struct Filler {
    at: Option<Instant>,
    attempts: u64,
    bought: u64,
    per_second: f64,
}

impl Filler {
    /// Less often than this a rate is more noise than signal.
    const STEP: Duration = Duration::from_millis(100);

    pub(crate) fn new() -> Self {
        Self { at: None, attempts: 0, bought: 0, per_second: 0.0 }
    }

    /// `attempts`: all attempts ever begun on the endpoints there are, which falls when one of them goes; `in_flight`: those
    /// that have not ended.
    pub(crate) fn fill(&mut self, budgets: &Budgets, attempts: u64, in_flight: u32, now: Instant) {
        budgets.hedges.most.store((in_flight / IN_FLIGHT_PER_HEDGE).max(HEDGES_AT_ONCE), Ordering::Relaxed);
        let bought = budgets.bought();
        let Some(at) = self.at else {
            (self.at, self.attempts, self.bought) = (Some(now), attempts, bought);
            return;
        };
        let elapsed = now.saturating_duration_since(at);
        if elapsed < Self::STEP {
            return;
        }
        let bought_since = bought.saturating_sub(self.bought);
        let begun = attempts.saturating_sub(self.attempts).saturating_sub(bought_since) as f64;
        (self.at, self.attempts, self.bought) = (Some(now), attempts, bought);
        let current = begun / elapsed.as_secs_f64();
        let weight = (elapsed.as_secs_f64() / REQUESTS_RECENT_FOR.as_secs_f64()).min(1.0);
        self.per_second += (current - self.per_second) * weight;
        // Requests that have just begun to come are recent requests as well.
        let recent = self.per_second.max(current.min(self.per_second * 2.0 + 10.0));
        budgets.retry.fill(recent, elapsed);
        budgets.hedge.fill(recent, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        Budgets::new(BudgetSettings::default(), HedgeBudget::default())
    }

    /// Requests at a steady rate for `seconds`; takes every retry there is and returns how many.
    fn retries_taken(requests_per_second: u64, seconds: u64) -> u64 {
        let (budgets, mut filler) = (budgets(), Filler::new());
        while budgets.take_retry() {}
        #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
        let start = Instant::now();
        let mut taken = 0;
        for tenth in 0..=seconds * 10 {
            let now = start + Duration::from_millis(100) * tenth as u32;
            filler.fill(&budgets, tenth * requests_per_second / 10, 0, now);
            while budgets.take_retry() {
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn a_fifth_of_recent_requests_may_be_retried() {
        let taken = retries_taken(1_000, 100);
        assert!((15_000..=20_000).contains(&taken), "{taken}");
    }

    #[test]
    fn three_a_second_may_always_be_retried() {
        let taken = retries_taken(0, 100);
        assert!((299..=300).contains(&taken), "{taken}");
    }

    #[test]
    fn a_hedge_needs_twenty_requests() {
        let budgets = budgets();
        assert!(budgets.take_hedge().is_none());
        budgets.hedge.fill(20.0, Duration::from_secs(1));
        assert!(budgets.take_hedge().is_some());
        assert!(budgets.take_hedge().is_none());
    }

    #[test]
    fn what_was_bought_of_servers_that_are_gone_costs_those_after_them_nothing() {
        let (budgets, mut filler) = (budgets(), Filler::new());
        budgets.grant_hedges(1_000);
        while budgets.take_hedge().is_some() {}
        #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
        let start = Instant::now();
        // All servers are replaced: their counters begin anew.
        for second in 0..10_u32 {
            let attempts = u64::from(second % 5) * 1_000;
            filler.fill(&budgets, attempts, 0, start + Duration::from_secs(1) * second);
        }
        assert!(budgets.hedges_left() > 0);
    }

    #[test]
    fn so_many_hedges_run_at_once_as_others_are_in_flight() {
        let (budgets, mut filler) = (budgets(), Filler::new());
        budgets.grant_hedges(100);
        let take_all = || std::iter::from_fn(|| budgets.take_hedge()).collect::<Vec<_>>();
        assert_eq!(take_all().len(), 2);
        #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
        filler.fill(&budgets, 0, 80, Instant::now());
        let running = take_all();
        assert_eq!(running.len(), 10);
        drop(running);
        assert_eq!(take_all().len(), 10);
    }
}
