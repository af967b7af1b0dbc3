//! Waiting for an endpoint below its limit: a bounded queue with a deadline.
//!
//! A limit on requests in flight keeps a slow server from being buried, and its share of them from everyone else.
//! When all endpoints are at their limit, a request waits a little; when too many wait, the next one hears 503 at
//! once. The number of waiting requests is bounded over all workers, the order is kept by each worker for its own:
//! a place freed anywhere goes to whoever looks first, and within one worker the longest waiting looks first.
//!
//! ```text
//! pick ──AllBusy──▶ join ──full──▶ 503
//!                    │
//!                    ▼        first in line: pick again
//!                 waiting ──────────────────────────────▶ leave (a lease)
//!                    └──────────deadline────────────────▶ leave (503)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::settings::AdmissionSettings;
use crate::upstream::Upstream;

/// The places to wait in, shared by all workers.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicU32,
    limit: u32,
    timeout: Duration,
}

impl Places {
    pub(crate) fn new(settings: AdmissionSettings) -> Self {
        Self { taken: AtomicU32::new(0), limit: settings.queue, timeout: settings.queue_timeout }
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        let one_more = |taken: u32| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

/// One worker's line of waiting requests.
#[derive(Debug)]
pub struct Queue {
    places: Arc<Places>,
    line: VecDeque<u64>,
    next: u64,
}

/// Every place is taken: the request gets 503 with Retry-After.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// A place in a worker's line. Given back by [`Queue::leave`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not left stays taken"]
pub struct Place {
    number: u64,
    /// Until when it is worth waiting.
    pub deadline: Instant,
}

impl Queue {
    /// While others may free a place without this worker's knowing, the first in line looks again after this time.
    pub const LOOK_AGAIN: Duration = Duration::from_millis(5);

    /// An empty line of a worker of `upstream`.
    pub fn new(upstream: &Upstream) -> Self {
        Self::over(Arc::clone(&upstream.shared().places))
    }

    fn over(places: Arc<Places>) -> Self {
        Self { places, line: VecDeque::new(), next: 0 }
    }

    /// Whether a new request may pick at once. If not, it joins: nobody overtakes.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Requests of this worker that wait.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Joins the end of the line.
    pub fn join(&mut self, now: Instant) -> Result<Place, QueueFull> {
        if !self.places.take() {
            return Err(QueueFull);
        }
        let number = self.next;
        self.next += 1;
        self.line.push_back(number);
        Ok(Place { number, deadline: now + self.places.timeout })
    }

    /// Whether it is this one's turn to pick.
    pub fn is_first(&self, place: &Place) -> bool {
        self.line.front() == Some(&place.number)
    }

    /// Leaves the line, with a lease or without.
    #[expect(clippy::needless_pass_by_value, reason = "a place is left once: it is consumed")]
    pub fn leave(&mut self, place: Place) {
        // Numbers rise along the line, and mostly it is the first that leaves.
        if let Ok(at) = self.line.binary_search(&place.number) {
            self.line.remove(at);
            self.places.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(self.line.len() as u32, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(queue: u32) -> Arc<Places> {
        Arc::new(Places::new(AdmissionSettings { queue, ..AdmissionSettings::default() }))
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn whoever_waits_longest_picks_first() {
        let mut queue = Queue::over(places(8));
        let (a, b) = (queue.join(start()).unwrap(), queue.join(start()).unwrap());
        assert!(queue.is_first(&a) && !queue.is_first(&b));
        queue.leave(a);
        assert!(queue.is_first(&b));
        queue.leave(b);
        assert!(queue.is_empty());
    }

    #[test]
    fn one_may_give_up_in_the_middle_of_the_line() {
        let mut queue = Queue::over(places(8));
        let [a, b, c] = [(); 3].map(|()| queue.join(start()).unwrap());
        queue.leave(b);
        queue.leave(a);
        assert!(queue.is_first(&c));
        queue.leave(c);
    }

    #[test]
    fn the_bound_holds_over_all_workers() {
        let places = places(2);
        let (mut one, mut other) = (Queue::over(Arc::clone(&places)), Queue::over(Arc::clone(&places)));
        let (a, _b) = (one.join(start()).unwrap(), other.join(start()).unwrap());
        assert_eq!(one.join(start()), Err(QueueFull));
        one.leave(a);
        assert!(one.join(start()).is_ok());
    }

    #[test]
    fn a_worker_that_ends_gives_its_places_back() {
        let places = places(2);
        let mut queue = Queue::over(Arc::clone(&places));
        let _places = (queue.join(start()).unwrap(), queue.join(start()).unwrap());
        drop(queue);
        assert_eq!(places.taken(), 0);
    }
}
