//! Whether the door is open: connections opened one after the other for as long as a scenario lasts, and how long at a
//! stretch none could be.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{Result, set::pass};

/// How long one trial may take: where nobody has the address it is not refused but lost, and would be tried again by the kernel
/// only after a second.
const TRIAL: Duration = Duration::from_millis(20);

/// Between two trials.
const AGAIN: Duration = Duration::from_millis(5);

/// A thread that tries.
#[derive(Debug)]
pub(crate) struct Door {
    enough: Arc<AtomicBool>,
    watcher: JoinHandle<Refusals>,
}

/// Stretches without a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    longest: Duration,
    /// When the one that lasts began.
    since: Option<Instant>,
}

impl Door {
    /// Begins to try.
    pub(crate) fn watch(address: SocketAddr) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let told = enough.clone();
        let watcher = thread::spawn(move || {
            let mut refusals = Refusals::default();
            while !told.load(Relaxed) {
                let began = Instant::now();
                let opened = TcpStream::connect_timeout(&address, TRIAL).is_ok();
                refusals.note(began, opened, Instant::now());
                pass(AGAIN);
            }
            refusals.note(Instant::now(), true, Instant::now());
            refusals
        });
        Self { enough, watcher }
    }

    /// Ends trying: how long the longest stretch was, from the beginning of the first trial that failed to the end of the first
    /// that did not.
    pub(crate) fn longest_refusal(self) -> Result<Duration> {
        self.enough.store(true, Relaxed);
        Ok(self.watcher.join().map_err(|_| "who watched the door panicked")?.longest)
    }
}

impl Refusals {
    fn note(&mut self, began: Instant, opened: bool, ended: Instant) {
        if !opened {
            self.since.get_or_insert(began);
        } else if let Some(since) = self.since.take() {
            self.longest = self.longest.max(ended.duration_since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_lasts_from_the_first_trial_that_failed_to_the_first_that_did_not() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut refusals = Refusals::default();
        for (began, opened, ended) in
            [(0, true, 1), (5, false, 25), (30, false, 31), (36, true, 37), (40, false, 41), (45, true, 46)]
        {
            refusals.note(at(began), opened, at(ended));
        }
        assert_eq!(refusals.longest, Duration::from_millis(32));
    }
}
