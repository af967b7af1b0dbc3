//! The ledger: what became of each request of a run (`X-Evenkeel-Run`), kept for the client that sent it. It reconciles
//! this with what it saw itself and with what the servers wrote down, and names every request that went astray.
//!
//! ```text
//! worker 1 ── line ──▶ its page ─┐ when it is full, or somebody asks
//! worker 2 ── line ──▶ its page ─┼──────────────────────────────────▶ ring ──▶ GET /ledger
//! control task ──── event ───────┘
//! ```
//! A line is written once its response has gone, or has failed to. A worker never waits for the ring: while somebody reads
//! it, the page grows, up to [`PAGE_BYTES`]. What does not fit then is lost, and its numbers with it: a gap that a
//! reader sees, because entries that are missing must not look as if they had never been.

mod line;
mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use evenkeel_upstream::Change;

use crate::records::account::Account;
use crate::records::events::unix_millis;
use crate::records::roster::{Roster, Server};
use line::{Attempt, Happening, Passage, Resettled};
pub(crate) use ring::Excerpt;
use ring::Ring;

/// A page goes to the ring when it has grown to so many bytes.
const FULL: usize = 32 * 1024;

/// The most bytes of a page that cannot go there.
const PAGE_BYTES: usize = 1024 * 1024;

/// The ledger of the process.
#[derive(Debug)]
pub(crate) struct Ledger {
    ring: Mutex<Ring>,
    /// Of each worker. Nobody who holds one waits for the ring.
    pages: Mutex<Vec<Arc<Mutex<Page>>>>,
}

/// Lines of one worker that are not in the ring yet.
#[derive(Debug, Default)]
struct Page {
    text: Vec<u8>,
    count: u64,
    /// Lines that found no room, all of them after those in `text`.
    lost: u64,
}

/// A worker's own end of the ledger.
#[derive(Debug)]
pub(crate) struct Pen {
    ledger: Arc<Ledger>,
    page: Arc<Mutex<Page>>,
}

impl Ledger {
    /// An empty ledger that remembers so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { ring: Mutex::new(Ring::new(bytes)), pages: Mutex::default() }
    }

    /// Another worker's end of it.
    pub(crate) fn pen(self: &Arc<Self>) -> Pen {
        let page = Arc::<Mutex<Page>>::default();
        lock(&self.pages).push(page.clone());
        Pen { ledger: self.clone(), page }
    }

    /// Records that something happened to an endpoint.
    pub(crate) fn note(&self, change: &Change, server: &Server) {
        let mut text = Vec::new();
        line::write(&mut text, &Happening::of(change, server, unix_millis()));
        lock(&self.ring).add(text, 1);
    }

    /// Records that other settings are in force.
    pub(crate) fn note_settings(&self, changed: &[String]) {
        let mut text = Vec::new();
        line::write(&mut text, &Resettled { at: unix_millis(), event: "settings", endpoint: "", changed });
        lock(&self.ring).add(text, 1);
    }

    /// How many entries found no room.
    pub(crate) fn lost(&self) -> u64 {
        lock(&self.ring).lost
    }

    /// What it remembers from the entry with this number on.
    pub(crate) fn read(&self, after: u64) -> Excerpt {
        let pages = lock(&self.pages).clone();
        for page in pages {
            let taken = lock(&page).take();
            taken.keep_in(&mut lock(&self.ring));
        }
        lock(&self.ring).excerpt(after)
    }
}

impl Pen {
    /// Records a request that has ended, where it is one of a run.
    pub(crate) fn record(&self, account: &Account, roster: &Roster) {
        let Some(mark) = &account.mark else { return };
        self.write(&Passage {
            run: &mark.run,
            id: &mark.id,
            status: (account.status > 0).then_some(account.status),
            whole: account.end.is_whole(),
            at: unix_millis(),
            upstream: account.upstream.as_deref(),
            attempts: account.trail.iter().map(|entry| Attempt::of(entry, account, roster)).collect(),
        });
    }

    fn write(&self, passage: &Passage<'_>) {
        let mut page = lock(&self.page);
        if page.text.len() < PAGE_BYTES && page.lost == 0 {
            line::write(&mut page.text, passage);
            page.count += 1;
        } else {
            page.lost += 1;
        }
        if page.text.len() >= FULL {
            match self.ledger.ring.try_lock() {
                Ok(mut ring) => page.take().keep_in(&mut ring),
                Err(TryLockError::Poisoned(ring)) => page.take().keep_in(&mut ring.into_inner()),
                // Somebody reads; the next line tries again.
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }
}

impl Page {
    /// Takes what is on it off, and leaves an empty one that has room for as much.
    fn take(&mut self) -> Self {
        let empty = Self { text: Vec::with_capacity(self.text.len().min(FULL)), ..Self::default() };
        std::mem::replace(self, empty)
    }

    fn keep_in(self, ring: &mut Ring) {
        if self.count > 0 {
            ring.add(self.text, self.count);
        }
        ring.lose(self.lost);
    }
}

/// A panic while a lock is held leaves nothing half done in here, so a poisoned lock is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(id: &str) -> Passage<'_> {
        Passage { run: "r", id, upstream: None, status: Some(200), whole: true, at: 0, attempts: Vec::new() }
    }

    fn told(excerpt: Excerpt) -> Vec<String> {
        let text: Vec<u8> = excerpt.into_lines(Some("r".to_owned())).flatten().collect();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_every_worker_wrote_is_told_at_once() {
        let ledger = Arc::new(Ledger::new(1 << 20));
        let (one, other) = (ledger.pen(), ledger.pen());
        one.write(&passage("a"));
        other.write(&passage("b"));
        let excerpt = ledger.read(0);
        assert_eq!((excerpt.oldest, excerpt.next), (0, 2));
        let lines = told(excerpt);
        assert!(lines[0].starts_with(r#"{"n":0,"run":"r","id":"a","status":200,"#), "{lines:?}");
        assert!(lines[1].starts_with(r#"{"n":1,"run":"r","id":"b","#), "{lines:?}");
        one.write(&passage("c"));
        let lines = told(ledger.read(2));
        assert!(lines.len() == 1 && lines[0].starts_with(r#"{"n":2,"run":"r","id":"c","#), "{lines:?}");
    }

    #[test]
    fn a_full_page_goes_to_the_ring_by_itself() {
        let ledger = Arc::new(Ledger::new(1 << 20));
        let pen = ledger.pen();
        while lock(&ledger.ring).excerpt(0).next == 0 {
            pen.write(&passage("a"));
            assert!(lock(&pen.page).text.len() < FULL + 200);
        }
        assert_eq!(lock(&pen.page).count, 0);
    }

    #[test]
    fn a_reader_stalls_no_worker_and_what_is_lost_meanwhile_is_a_gap() {
        let ledger = Arc::new(Ledger::new(8 << 20));
        let pen = ledger.pen();
        let reading = lock(&ledger.ring);
        let mut written = 0;
        while lock(&pen.page).lost < 3 {
            pen.write(&passage("a"));
            written += 1;
        }
        assert!(lock(&pen.page).text.len() < PAGE_BYTES + 200);
        drop(reading);
        let excerpt = ledger.read(0);
        assert_eq!(
            (excerpt.oldest, excerpt.next),
            (written, written),
            "whoever asked for less must hear of it"
        );
        pen.write(&passage("b"));
        let excerpt = ledger.read(written);
        assert_eq!((excerpt.oldest, excerpt.next), (written, written + 1));
        assert_eq!(told(excerpt).len(), 1);
        assert_eq!(ledger.lost(), 3);
    }
}
