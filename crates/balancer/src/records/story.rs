//! The story of what went wrong: requests to which something happened and what control knows of servers, brought together
//! into [incidents](Incidents), for the log and for whoever asks.
//!
//! ```text
//! workers ── requests that met trouble ──▶ bounded channel ─┐
//! control task ── changes, failed probes ───────────────────┴─▶ story ──▶ log, /api/incidents, /api/requests
//! ```
//! The usual request has no part in it. A worker waits for nobody: what the channel has no room for is counted, and the
//! incidents of that time say *at least*.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_service::tracing::{info, warn};
use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome, Why};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::now;
use crate::records::account::{self, Account};
use crate::records::events::unix_millis;
use crate::records::incidents::{Fact, Ghost, IncidentView, Incidents};
use crate::records::mishap::{End, Failed, Mishap, MishapView, Try};
use crate::records::roster::{Place, Roster, Server};

/// Requests that wait to be taken in: beyond that they are dropped, and counted.
const WAITING: usize = 1024;

/// Requests that are kept for whoever asks; the oldest make room.
const TAPPED: usize = 64;

/// How often it is looked whether an incident is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The most bytes that are kept of a path.
const PATH: usize = 256;

/// The most bytes that are kept of a method or an id.
const WORD: usize = 128;

/// The story of this process.
#[derive(Debug)]
pub(crate) struct Story {
    told: Mutex<Told>,
    mishaps: mpsc::Sender<Mishap>,
    missed: AtomicU64,
}

#[derive(Debug)]
struct Told {
    incidents: Incidents,
    tap: VecDeque<(u64, Mishap)>,
    /// The number of the newest request.
    tapped: u64,
    moves: Moves,
}

/// Requests that moved to another server and are over, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) requests: u64,
    /// Those whose client got a right answer.
    pub(crate) answered: u64,
}

impl Moves {
    /// What was counted after `earlier`.
    pub(crate) fn since(self, earlier: &Self) -> Self {
        Self { requests: self.requests - earlier.requests, answered: self.answered - earlier.answered }
    }
}

impl Story {
    /// Nothing has happened yet. `probes`: a server has to pass a probe before it serves. With it what [`run`] takes in.
    pub(crate) fn new(probes: bool) -> (Self, mpsc::Receiver<Mishap>) {
        let (mishaps, waiting) = mpsc::channel(WAITING);
        let told = Told {
            incidents: Incidents::new(probes),
            tap: VecDeque::new(),
            tapped: 0,
            moves: Moves::default(),
        };
        (Self { told: Mutex::new(told), mishaps, missed: AtomicU64::new(0) }, waiting)
    }

    /// Takes in what control knows of a server.
    pub(crate) fn happened(&self, server: &Server, fact: Fact, at: Instant) {
        self.told().incidents.happened(server, fact, unix_ms_of(at, now()));
    }

    /// Takes in whether a server has to pass a probe before it serves.
    pub(crate) fn asks_for_probes(&self, probes: bool) {
        self.told().incidents.ask_for_probes(probes);
    }

    /// Takes in that an upstream is no longer in the settings, and that nothing runs on it any more.
    pub(crate) fn upstream_is_gone(&self, upstream: Option<&str>, at: Instant) {
        self.told().incidents.upstream_is_gone(upstream, unix_ms_of(at, now()));
    }

    /// Takes in that people call a server otherwise from now on.
    pub(crate) fn called(&self, before: &Server, now: &Server) {
        self.told().incidents.called(before, now);
    }

    /// Takes in the request that has just ended, with this head, where something happened to it.
    pub(crate) fn note(&self, account: &Account, head: &[u8], roster: &Roster, now: Instant) {
        if account.trail.len() > 1 || account.is_remarkable() {
            self.hand_over(account, head, roster, now);
        }
    }

    #[cold]
    fn hand_over(&self, account: &Account, head: &[u8], roster: &Roster, now: Instant) {
        let Some(end) = end(account) else { return };
        // Looked for first: where there is no room, nothing is made.
        match self.mishaps.try_reserve() {
            Ok(room) => room.send(mishap(account, head, end, roster, now)),
            Err(_) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// All incidents that are kept, oldest first, and the number of the newest.
    pub(crate) fn incidents(&self) -> (Vec<IncidentView>, u64) {
        let told = self.told();
        (told.incidents.views(), told.incidents.newest())
    }

    /// At most `most` incidents that have begun or changed since they were last asked for.
    pub(crate) fn changed_incidents(&self, most: usize) -> Vec<IncidentView> {
        self.told().incidents.take_changed(most)
    }

    /// Does something with the latest requests to which something happened, oldest first, each with its number.
    pub(crate) fn tap<T>(
        &self,
        look: impl FnOnce(&mut dyn Iterator<Item = (u64, MishapView<'_>)>) -> T,
    ) -> T {
        let told = self.told();
        look(&mut told.tap.iter().map(|(number, mishap)| (*number, mishap.into())))
    }

    /// Requests that moved.
    pub(crate) fn moves(&self) -> Moves {
        self.told().moves
    }

    /// Servers that left lately.
    pub(crate) fn gone(&self) -> Vec<Ghost> {
        self.told().incidents.gone()
    }

    /// How long the server at this place has been back from its last crash.
    pub(crate) fn back_for(&self, place: &Place) -> Option<Duration> {
        let back_ms = self.told().incidents.back_ms(place)?;
        Some(Duration::from_millis(unix_millis().saturating_sub(back_ms)))
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // A panic leaves nothing half done that anybody would miss.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings it together until the process ends.
pub(crate) async fn run(story: Arc<Story>, mut waiting: mpsc::Receiver<Mishap>) {
    let mut ticks = interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(mishap) = waiting.recv() => story.told().take(mishap),
            _ = ticks.tick() => {
                let lines = {
                    let mut told = story.told();
                    if story.missed.swap(0, Ordering::Relaxed) > 0 {
                        told.incidents.missed();
                    }
                    told.incidents.tick(unix_millis())
                };
                for line in lines {
                    if line.alarm { warn!("{}", line.text) } else { info!("{}", line.text) }
                }
            }
        }
    }
}

impl Told {
    fn take(&mut self, mishap: Mishap) {
        self.incidents.passed(&mishap);
        let moved = |attempt: &Try| matches!(attempt.why, Why::Moved | Why::Retry);
        if mishap.end != End::ClientGone && mishap.attempts.iter().any(moved) {
            self.moves.requests += 1;
            self.moves.answered += u64::from(mishap.is_well());
        }
        if self.tap.len() == TAPPED {
            self.tap.pop_front();
        }
        self.tapped += 1;
        self.tap.push_back((self.tapped, mishap));
    }
}

/// How it ended for its client; `None` where it was the client's own doing.
fn end(account: &Account) -> Option<End> {
    Some(match account.end {
        account::End::Complete | account::End::Tunnel => End::Answered,
        account::End::Refused | account::End::TurnedAway | account::End::Redirected => return None,
        account::End::Failed => End::Failed(match account.error {
            Some("connection_limit_reached") => Failed::Busy,
            _ if account.trail.is_empty() => Failed::NoServer,
            _ => Failed::Tried,
        }),
        account::End::ClientGone if account.trail.len() < 2 => return None,
        account::End::ClientGone => End::ClientGone,
        account::End::Truncated => End::CutOff,
    })
}

fn mishap(account: &Account, head: &[u8], end: End, roster: &Roster, now: Instant) -> Mishap {
    let took = account.took(now);
    let mut words = head.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let attempt = |entry: &TrailEntry| {
        let answered = account.answered == Some(entry.number);
        let since = if entry.outcome == TrailOutcome::Running { now } else { entry.since };
        Some(Try {
            number: entry.number.number(),
            why: entry.why,
            server: Server::clone(&*roster.of(entry.endpoint)?),
            begun: account.after(entry.begun),
            took: since.saturating_duration_since(entry.begun),
            outcome: entry.outcome,
            silent: entry.silent,
            answered,
            word: entry.end(answered),
        })
    };
    Mishap {
        id: text(head.get(account.id.clone()).unwrap_or_default(), WORD),
        at_ms: unix_millis().saturating_sub(took.as_millis() as u64),
        upstream: account.upstream.clone(),
        method: text(method, WORD),
        path: {
            let prefix = account.prefix.as_deref().unwrap_or_default();
            text(&[prefix.as_bytes(), path].concat(), PATH)
        },
        status: account.status,
        took,
        end,
        attempts: account.trail.iter().filter_map(attempt).collect(),
    }
}

fn text(ascii: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&ascii[..ascii.len().min(most)]).into_owned()
}

/// A moment in Unix time, milliseconds.
fn unix_ms_of(at: Instant, now: Instant) -> u64 {
    unix_millis().saturating_sub(now.saturating_duration_since(at).as_millis() as u64)
}
