//! What happened to the endpoints lately, in words: kept for whoever opens the live page, and announced to those who watch.
//!
//! A watcher remembers the number of the last event it has seen and asks for what came after. Whoever is too slow
//! misses events that have left the ring; nobody is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use evenkeel_upstream::{Change, News};
use serde::Serialize;
use tokio::sync::watch;

use crate::records::roster::Server;

/// The most events that are kept; older ones are forgotten.
const EVENTS_KEPT: usize = 512;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    /// Rises by one with each event of this process.
    pub(crate) id: u64,
    /// Unix time, milliseconds.
    at_ms: u64,
    /// A word for what kind of event it is.
    kind: &'static str,
    /// What the server is called; absent where it concerns several.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// The upstream that it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    /// The event in words.
    text: String,
}

/// The latest events.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    ring: VecDeque<Event>,
    counts: BTreeMap<&'static str, u64>,
}

/// Kinds whose count is shown from the start, so that the first of them is seen as a rise.
const COUNTED: [&str; 8] =
    ["added", "busy", "draining", "ejected", "healthy", "probation", "suspect", "vanished"];

impl Events {
    pub(crate) fn new() -> Self {
        let counts = COUNTED.into_iter().map(|kind| (kind, 0)).collect();
        let kept = Kept { ring: VecDeque::with_capacity(EVENTS_KEPT), counts };
        Self { kept: Mutex::new(kept), newest: watch::Sender::new(0) }
    }

    /// A change of one endpoint.
    pub(crate) fn publish(&self, change: &Change, server: &Server) {
        let kind = change.news.name();
        *self.kept().counts.entry(kind).or_default() += 1;
        self.add(kind, Some(server), format!("{} {}", server.told(), change.news));
    }

    /// Something that concerns the upstream as a whole.
    pub(crate) fn note(&self, kind: &'static str, text: String) {
        self.add(kind, None, text);
    }

    fn add(&self, kind: &'static str, server: Option<&Server>, text: String) {
        let endpoint = server.map(|server| server.address.to_string());
        let upstream = server.and_then(|server| server.upstream.as_deref().map(str::to_owned));
        let server = server.map(Server::called);
        let mut kept = self.kept();
        if kept.ring.len() == EVENTS_KEPT {
            kept.ring.pop_front();
        }
        let id = *self.newest.borrow() + 1;
        kept.ring.push_back(Event { id, at_ms: unix_millis(), kind, server, endpoint, upstream, text });
        self.newest.send_replace(id);
    }

    /// The number of the newest event, and a way to wait for the next.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The events after the one with this number that are still kept, oldest first.
    pub(crate) fn after(&self, id: u64) -> Vec<Event> {
        self.kept().ring.iter().filter(|event| event.id > id).cloned().collect()
    }

    /// How often each kind of change has happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.kept().counts.clone()
    }

    /// Whole after a panic too: nothing in here is half done while the lock is held.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in Unix time, milliseconds.
pub(crate) fn unix_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_millis() as u64)
}

/// Whether a change is bad news, for the log.
pub(crate) fn is_bad(news: News) -> bool {
    matches!(news, News::Ejected { .. } | News::Suspect(_) | News::Busy { .. } | News::Vanished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_gets_what_came_after_the_last_it_saw() {
        let events = Events::new();
        events.note("moved", "one".to_owned());
        let watcher = events.watch();
        let seen = *watcher.borrow();
        assert!(events.after(seen).is_empty());
        events.note("moved", "two".to_owned());
        assert!(watcher.has_changed().unwrap());
        let news = events.after(seen);
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].id, news[0].text.as_str()), (2, "two"));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let events = Events::new();
        for number in 0..EVENTS_KEPT + 3 {
            events.note("moved", number.to_string());
        }
        let kept = events.after(0);
        assert_eq!(kept.len(), EVENTS_KEPT);
        assert_eq!(kept[0].text, "3");
    }
}
