//! What readers of `/api/events` hear as it happens, written once for all of them: events, incidents that begin or change,
//! and requests to which something happened.
//!
//! A reader remembers the number of the last frame it has sent and asks for what came after. Whoever is too slow misses
//! frames that have left the ring.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stream::frame;
use crate::clock::now;
use crate::context::Shared;

/// The most frames that are kept.
const KEPT: usize = 256;

/// Between two looks at the story: each incident is told at most four times a second.
const LOOK: Duration = Duration::from_millis(250);

/// The most incidents that are told at a look; the others have their turn at the next.
const INCIDENTS: usize = 16;

/// The most requests that are told in a second; those beyond are in `/api/requests` alone.
const REQUESTS: usize = 10;

/// The latest frames.
#[derive(Debug)]
pub(super) struct Feed {
    kept: Mutex<VecDeque<Kept>>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    /// The number of the event, where it is one.
    event: u64,
    frame: Bytes,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// The number of the newest frame, and a way to wait for the next.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The frames after the one with this number, and the newest number; without events up to `event`.
    pub(super) fn after(&self, number: u64, event: u64) -> (Vec<Bytes>, u64) {
        let kept = self.kept();
        let newest = kept.back().map_or(number, |newest| newest.number);
        let wanted = |kept: &&Kept| kept.number > number && (kept.event == 0 || kept.event > event);
        (kept.iter().filter(wanted).map(|kept| kept.frame.clone()).collect(), newest)
    }

    fn add(&self, event: u64, frame: Bytes) {
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let number = *self.newest.borrow() + 1;
        kept.push_back(Kept { number, event, frame });
        self.newest.send_replace(number);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // A panic leaves nothing half done while the lock is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills the feed until the process ends.
pub(super) async fn run(shared: Arc<Shared>, feed: Arc<Feed>) {
    let mut news = shared.events.watch();
    let mut event = 0;
    let mut tapped = Tapped { seen: 0, second: now(), told: 0 };
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = news.changed() => {
                if changed.is_err() {
                    return;
                }
                for happened in shared.events.after(event) {
                    event = happened.id;
                    feed.add(event, frame("event", &happened));
                }
            }
            _ = ticks.tick() => {
                for incident in shared.story.changed_incidents(INCIDENTS) {
                    feed.add(0, frame("incident", &incident));
                }
                for request in tapped.take(&shared, now()) {
                    feed.add(0, request);
                }
            }
        }
    }
}

/// The requests that were told.
struct Tapped {
    seen: u64,
    second: Instant,
    told: usize,
}

impl Tapped {
    fn take(&mut self, shared: &Shared, now: Instant) -> Vec<Bytes> {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.told) = (now, 0);
        }
        let (seen, most) = (self.seen, REQUESTS - self.told);
        let (frames, newest) = shared.story.tap(|requests| {
            let mut newest = seen;
            let frames: Vec<Bytes> = requests
                .filter(|(number, _)| *number > seen)
                .inspect(|(number, _)| newest = *number)
                .filter_map({
                    let mut room = most;
                    move |(_, request)| {
                        room = room.checked_sub(1)?;
                        Some(frame("request", &request))
                    }
                })
                .collect();
            (frames, newest)
        });
        self.seen = newest;
        self.told += frames.len();
        frames
    }
}
