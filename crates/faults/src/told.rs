//! What the balancer tells of its endpoints while a scenario lasts: its events, as they come.
//!
//! They are read as the live page reads them, from `/api/events`: a suspicion may be over between two looks at a state.

use std::{
    collections::HashMap,
    io::{self, Write},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use evenkeel_stage::{Connection, Upload};
use serde::Deserialize;

use crate::Result;

/// The longest line that is taken for one, in bytes; the minutes before come as one.
const LONGEST_LINE: usize = 4 << 20;

/// One event of the balancer.
#[derive(Clone, Debug, Deserialize)]
struct Event {
    id: u64,
    /// Unix time, milliseconds.
    at_ms: u64,
    kind: String,
    endpoint: Option<String>,
    text: String,
}

/// All events of a stretch of time, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    events: Vec<Event>,
    /// When the stretch ended, Unix time, milliseconds.
    until_ms: u64,
}

/// Listens until it is asked.
#[derive(Debug)]
pub(crate) struct Listener {
    heard: Arc<Mutex<Vec<Event>>>,
    enough: Arc<AtomicBool>,
    reader: JoinHandle<io::Result<()>>,
}

impl Listener {
    /// Begins to listen at a balancer's admin interface; what happened before does not count.
    pub(crate) fn start(admin: SocketAddr) -> Result<Self> {
        let heard = Arc::<Mutex<Vec<Event>>>::default();
        let enough = Arc::<AtomicBool>::default();
        let mut lines =
            Lines { heard: heard.clone(), enough: enough.clone(), line: Vec::new(), event: String::new() };
        let mut connection = Connection::open(admin)?;
        let reader = thread::spawn(move || {
            let nothing = Upload { length: 0, from: io::empty() };
            connection.transfer("GET", "/api/events", &[], nothing, &mut lines).map(drop)
        });
        Ok(Self { heard, enough, reader })
    }

    /// Ends listening and returns what was heard. That the balancer hung up before is an error: a gap proves nothing.
    pub(crate) fn told(self) -> Result<Told> {
        if self.reader.is_finished() {
            return Err("the balancer's events ended before the scenario did".into());
        }
        // The reader looks at it with the next bytes; the balancer tells its state every second.
        self.enough.store(true, Relaxed);
        self.reader
            .join()
            .map_err(|_| "the listener panicked")?
            .expect_err("it ends when it has heard enough");
        let events = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Told { events, until_ms: since_epoch.as_millis() as u64 })
    }
}

impl Told {
    /// Every ejection, in the balancer's words.
    pub(crate) fn ejections(&self) -> Vec<String> {
        self.events.iter().filter(|event| event.kind == "ejected").map(|event| event.text.clone()).collect()
    }

    /// How long the longest suspicion lasted. One that was not over lasted to the end.
    pub(crate) fn longest_suspicion(&self) -> Duration {
        let mut since = HashMap::new();
        let mut longest = 0;
        for event in &self.events {
            let Some(endpoint) = event.endpoint.as_deref() else { continue };
            if event.kind == "suspect" {
                since.entry(endpoint).or_insert(event.at_ms);
            } else if let Some(began) = since.remove(endpoint) {
                longest = longest.max(event.at_ms.saturating_sub(began));
            }
        }
        let open = since.values().map(|began| self.until_ms.saturating_sub(*began)).max();
        Duration::from_millis(longest.max(open.unwrap_or_default()))
    }
}

/// Takes the lines of an event stream (WHATWG HTML §9.2.6) and keeps the events.
struct Lines {
    heard: Arc<Mutex<Vec<Event>>>,
    enough: Arc<AtomicBool>,
    line: Vec<u8>,
    /// The name of the event whose data comes next.
    event: String,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.enough.load(Relaxed) {
            return Err(io::Error::other("heard enough"));
        }
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > LONGEST_LINE {
                    return Err(io::Error::other("an event without end"));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            self.take(&String::from_utf8_lossy(&line))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&mut self, line: &str) -> io::Result<()> {
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut self.event);
        } else if let Some(data) = line.strip_prefix("data: ")
            && self.event == "event"
        {
            let event: Event = serde_json::from_str(data)?;
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let missed = heard.last().is_some_and(|last| event.id != last.id + 1);
            heard.push(event);
            if missed {
                return Err(io::Error::other("the balancer told more than was heard"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(stream: &str, piece: usize) -> Told {
        let heard = Arc::<Mutex<Vec<Event>>>::default();
        let mut lines =
            Lines { heard: heard.clone(), enough: Arc::default(), line: Vec::new(), event: String::new() };
        stream.as_bytes().chunks(piece).for_each(|bytes| lines.write_all(bytes).unwrap());
        let events = heard.lock().unwrap().clone();
        Told { events, until_ms: 900 }
    }

    fn event(id: u64, at_ms: u64, kind: &str, endpoint: &str) -> String {
        format!(
            "event: event\ndata: {{\"id\":{id},\"at_ms\":{at_ms},\"kind\":\"{kind}\",\"endpoint\":\"{endpoint}\",\"text\":\"{endpoint} {kind}\"}}\n\n"
        )
    }

    #[test]
    fn a_suspicion_lasts_until_the_next_word_of_its_endpoint() {
        let stream = event(1, 100, "suspect", "a")
            + &event(2, 150, "suspect", "b")
            + &event(3, 180, "cleared", "a")
            + &event(4, 400, "ejected", "b");
        for piece in [1, 7, 4096] {
            let told = heard(&stream, piece);
            assert_eq!(told.longest_suspicion(), Duration::from_millis(250));
            assert_eq!(told.ejections(), ["b ejected"]);
        }
    }

    #[test]
    fn a_suspicion_that_is_never_cleared_lasts_to_the_end() {
        let stream = event(1, 50, "healthy", "b") + &event(2, 100, "suspect", "a");
        assert_eq!(heard(&stream, 64).longest_suspicion(), Duration::from_millis(800));
        assert_eq!(heard("", 64).longest_suspicion(), Duration::ZERO);
    }

    #[test]
    fn what_happened_before_and_states_do_not_count() {
        let before = "retry: 1000\n\nevent: events\ndata: [{\"id\":1}]\n\nevent: state\ndata: {}\n\n";
        assert!(heard(before, 64).ejections().is_empty());
    }
}
