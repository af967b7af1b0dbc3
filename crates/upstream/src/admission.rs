//! Waiting for an endpoint below its limit: one bounded line with a deadline, for all workers.
//!
//! A limit on requests in flight keeps a slow server from being buried, and its share of them from everyone else.
//! When all endpoints are at their limit, a request waits a little; when too many wait, the next one is turned away at
//! once. The one that has waited longest picks first, in whichever worker: a worker that kept a line of its own would hand
//! the places that it frees to its own requests, and those of the others would wait in vain.
//!
//! The first in line picks when called: by an attempt that ended, or by the one before, which found a place and
//! so may have left another. The line therefore moves as fast as places become free, and one that should not be there
//! dissolves at once; a line that only looked now and then would stay as soon as more came than it let go.
//!
//! ```text
//! pick ──AllBusy──▶ join ──full──▶ turned away
//!                    │
//!                    ▼        first in line and called: pick again
//!                 waiting ──────────────────────────────────────────▶ drop (a lease) ──▶ the next is called
//!                    └──────────deadline────────────────────────────▶ drop
//! ```
//!
//! Some who hold a place, or stand in line, do so for a client that may be gone: see [`Doubtful`].
//!
//! While none waits, which is nearly always, all this is one number that is only read.

mod doubtful;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::settings::AdmissionSettings;
pub use doubtful::Doubtful;
use doubtful::Doubts;

/// The line of waiting requests. Cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    /// As long as the line. Changed under its lock, read without.
    length: AtomicU32,
    limit: AtomicU32,
    /// How long one waits, in microseconds.
    timeout: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    doubts: Doubts,
    /// Places at endpoints that were given up for who waits, and that nobody has come for yet.
    given_up: usize,
    next: u64,
}

struct Waiting {
    number: u64,
    called: bool,
    /// Its client may be gone.
    doubtful: bool,
    waker: Option<Waker>,
}

/// Every place is taken: the request is turned away, and may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// A place in the line. Dropping it leaves the line, with a lease or without; the next one may find a place on an endpoint
/// as well, and is called.
#[must_use = "a place that is dropped at once was taken for nothing"]
pub struct Place {
    queue: Queue,
    number: u64,
    /// Until when it is worth waiting.
    pub deadline: Instant,
}

impl Queue {
    /// The first in line looks again after this time, called or not: an endpoint that changed its state, rather than ended
    /// an attempt, calls none.
    pub const LOOK_AGAIN: Duration = Duration::from_millis(5);

    pub(crate) fn new(settings: AdmissionSettings) -> Self {
        let queue = Self(Arc::new(Shared {
            length: AtomicU32::new(0),
            limit: AtomicU32::new(0),
            timeout: AtomicU64::new(0),
            line: Mutex::default(),
        }));
        queue.adopt(settings);
        queue
    }

    /// Who joins from now on finds these limits.
    pub(crate) fn adopt(&self, settings: AdmissionSettings) {
        let AdmissionSettings { queue: limit, queue_timeout: timeout, .. } = settings;
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.timeout.store(timeout.as_micros() as u64, Ordering::Relaxed);
    }

    /// Whether a new request may pick at once. If not, it joins: none overtakes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Requests that wait.
    pub fn len(&self) -> u32 {
        self.0.length.load(Ordering::Relaxed)
    }

    /// Joins the end of the line, and asks those to give way whose client may be gone.
    pub fn join(&self, now: Instant) -> Result<Place, QueueFull> {
        let mut line = self.line();
        let number = line.number();
        line.waiting.push_back(Waiting { number, called: false, doubtful: false, waker: None });
        let asked = line.make_way();
        let is_full = line.waiting.len() > self.0.limit.load(Ordering::Relaxed) as usize;
        if is_full {
            line.waiting.pop_back();
        }
        self.measure(&line);
        drop(line);
        asked.iter().for_each(Waker::wake_by_ref);
        if is_full {
            return Err(QueueFull);
        }
        let timeout = Duration::from_micros(self.0.timeout.load(Ordering::Relaxed));
        Ok(Place { queue: self.clone(), number, deadline: now + timeout })
    }

    /// Calls the first in line, for an endpoint may be below its limit now.
    pub fn call(&self) {
        if !self.is_empty() {
            let waker = self.line().call();
            waker.inspect(Waker::wake_by_ref);
        }
    }

    /// Notes how long the line is, for those who read that without its lock.
    fn measure(&self, line: &Line) {
        self.0.length.store(line.waiting.len() as u32, Ordering::Relaxed);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What it returns is to be woken, best without the lock.
    fn call(&mut self) -> Option<Waker> {
        let first = self.waiting.front_mut()?;
        first.called = true;
        first.waker.take()
    }

    /// Numbers rise along the line, and mostly it is the first that is asked for.
    fn position(&self, number: u64) -> Option<usize> {
        if self.waiting.front()?.number == number {
            return Some(0);
        }
        self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()
    }
}

impl Place {
    /// Whether it is this one's turn to pick.
    pub fn is_first(&self) -> bool {
        self.queue.line().position(self.number) == Some(0)
    }

    /// Ready when this one has been called since it was last asked.
    pub fn poll_called(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut line = self.queue.line();
        let Some(at) = line.position(self.number) else { return Poll::Pending };
        let waiting = &mut line.waiting[at];
        if std::mem::take(&mut waiting.called) {
            return Poll::Ready(());
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        let Some(at) = line.position(self.number) else { return };
        line.waiting.remove(at);
        line.given_up = if line.waiting.is_empty() { 0 } else { line.given_up.saturating_sub(1) };
        self.queue.measure(&line);
        let next = if at == 0 { line.call() } else { None };
        drop(line);
        next.inspect(Waker::wake_by_ref);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    fn queue(places: u32) -> Queue {
        Queue::new(AdmissionSettings { queue: places, ..AdmissionSettings::default() })
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn join(queue: &Queue) -> Place {
        queue.join(start()).unwrap()
    }

    /// Whether it has been called since it was last asked.
    fn is_called(place: &Place) -> bool {
        place.poll_called(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn whoever_waits_longest_picks_first() {
        let queue = queue(8);
        let (a, b) = (join(&queue), join(&queue));
        assert!(a.is_first() && !b.is_first());
        drop(a);
        assert!(b.is_first());
        drop(b);
        assert!(queue.is_empty());
    }

    #[test]
    fn one_may_give_up_in_the_middle_of_the_line() {
        let queue = queue(8);
        let [a, b, c] = [(); 3].map(|()| join(&queue));
        drop(b);
        assert!(a.is_first());
        drop(a);
        assert!(c.is_first());
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let queue = queue(2);
        let (a, _b) = (join(&queue), join(&queue));
        assert_eq!(queue.join(start()).err(), Some(QueueFull));
        drop(a);
        assert!(queue.join(start()).is_ok());
    }

    #[test]
    fn the_first_is_called_when_a_place_is_free_and_once_for_each_call() {
        let queue = queue(8);
        queue.call();
        let (a, b) = (join(&queue), join(&queue));
        assert!(!is_called(&a), "nobody was there to be called");
        queue.call();
        assert!(!is_called(&b) && is_called(&a));
        assert!(!is_called(&a));
    }

    #[test]
    fn whoever_leaves_as_the_first_calls_the_next() {
        let queue = queue(8);
        let [a, b, c] = [(); 3].map(|()| join(&queue));
        drop(b);
        assert!(!is_called(&a) && !is_called(&c), "the first is as far as it was");
        drop(a);
        assert!(is_called(&c));
    }

    #[test]
    fn a_call_wakes_the_first_by_the_waker_it_left_last() {
        struct Bell(AtomicU32);
        impl Wake for Bell {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let bells = [(); 2].map(|()| Arc::new(Bell(AtomicU32::new(0))));
        let rung = || bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed));
        let queue = queue(8);
        let place = join(&queue);
        for bell in &bells {
            let waker = Waker::from(Arc::clone(bell));
            assert!(place.poll_called(&mut Context::from_waker(&waker)).is_pending());
        }
        queue.call();
        assert_eq!(rung(), [0, 1]);
        queue.call();
        assert_eq!(rung(), [0, 1], "it is awake already");
    }
}
