//! How fast a client must send a body, or take one, while the balancer waits for it: a client that drips would otherwise hold
//! a place at a server for as long as it likes.
//!
//! ```text
//! credit:  GRACE ──1 s a second, while it is waited for──▶ 0: too slow
//!            ▲ └── each byte that moves is worth the time it may take; no more is saved than `quiet`
//! ```
//! What is saved lets a client that was fast pause for as long as one that has never moved a byte may be waited for. While a
//! server is slow, the client is not waited for, and nothing is counted.

use std::time::{Duration, Instant};

use crate::settings::pace::Patience;

/// The time a client has to begin before it is held to the rate.
const GRACE: Duration = Duration::from_secs(10);

/// One direction of one message, and how long its client may still be waited for.
#[derive(Debug)]
pub(crate) struct Pace {
    patience: Patience,
    credit: Duration,
    /// While it is waited for: since when, or since bytes moved last.
    since: Option<Instant>,
}

impl Pace {
    /// Of a message that begins.
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, credit: GRACE.min(patience.quiet), since: None }
    }

    /// Of a body whose client waits for a 100 first.
    pub(crate) fn of_expected(patience: Patience) -> Self {
        Self { credit: patience.quiet, ..Self::new(patience) }
    }

    /// From now on the client is waited for, if it is not already.
    pub(crate) fn waits(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// From now on the client is waited for, or else somebody is for whom it has to wait itself.
    pub(crate) fn waits_if(&mut self, is_its_turn: bool, now: Instant) {
        if is_its_turn {
            self.waits(now);
        } else {
            self.count(0, now);
            self.since = None;
        }
    }

    /// So many bytes have moved.
    pub(crate) fn moved(&mut self, bytes: usize, now: Instant) {
        if bytes > 0 {
            self.count(bytes, now);
        }
    }

    /// When it is too slow; `None` while it is not waited for.
    pub(crate) fn until(&self) -> Option<Instant> {
        let quiet = self.patience.quiet;
        let left = if self.patience.rate.is_some() { self.credit.min(quiet) } else { quiet };
        self.since.map(|since| since + left)
    }

    fn count(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = &mut self.since {
            self.credit = self.credit.saturating_sub(now.saturating_duration_since(*since));
            *since = now;
        }
        if let Some(rate) = self.patience.rate {
            self.credit = self.credit.saturating_add(rate.time_for(bytes)).min(self.patience.quiet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::pace::min_rate;

    const SECOND: Duration = Duration::from_secs(1);
    const QUIET: Duration = Duration::from_secs(30);

    fn pace(rate: &str) -> Pace {
        Pace::new(Patience { quiet: QUIET, rate: min_rate(rate).unwrap() })
    }

    /// Moves so many bytes every second while it is waited for: after how many seconds it is over.
    fn lasts(pace: &mut Pace, bytes_a_second: usize) -> Option<u32> {
        let start = Instant::now();
        (1..1_000).find(|&seconds| {
            let now = start + SECOND * seconds;
            pace.waits(start + SECOND * (seconds - 1));
            let is_over = pace.is_over(now);
            pace.moved(bytes_a_second, now);
            is_over
        })
    }

    #[test]
    fn a_client_below_the_rate_has_the_grace_and_what_it_moves() {
        assert_eq!(lasts(&mut pace("1KiB/s"), 0), Some(10));
        assert_eq!(lasts(&mut pace("1KiB/s"), 512), Some(19));
        assert_eq!(lasts(&mut pace("1KiB/s"), 1024), None);
        assert_eq!(lasts(&mut pace("off"), 1), None);
        assert_eq!(lasts(&mut pace("off"), 0), Some(30));
    }

    #[test]
    fn what_a_fast_client_saves_lasts_for_one_pause_and_not_for_ever() {
        let start = Instant::now();
        let mut pace = pace("1KiB/s");
        pace.waits(start);
        pace.moved(1 << 30, start);
        assert_eq!(pace.until(), Some(start + QUIET));
        pace.moved(1, start + 29 * SECOND);
        assert!(pace.until().unwrap() < start + QUIET + SECOND);
    }

    #[test]
    fn nothing_is_counted_while_somebody_else_is_waited_for() {
        let start = Instant::now();
        let mut pace = pace("1KiB/s");
        pace.waits(start);
        pace.waits_if(false, start + 4 * SECOND);
        assert_eq!(pace.until(), None);
        pace.waits(start + 1_000 * SECOND);
        assert_eq!(pace.until(), Some(start + 1_006 * SECOND));
    }

    #[test]
    fn who_waits_for_a_100_is_waited_for_without_grace() {
        let start = Instant::now();
        let mut pace = Pace::of_expected(Patience { quiet: QUIET, rate: min_rate("1KiB/s").unwrap() });
        pace.waits(start);
        assert_eq!(pace.until(), Some(start + QUIET));
    }

    #[test]
    fn a_short_patience_is_a_short_grace() {
        let start = Instant::now();
        let mut pace = Pace::new(Patience { quiet: SECOND, rate: min_rate("1KiB/s").unwrap() });
        pace.waits(start);
        assert!(pace.is_over(start + SECOND) && !pace.is_over(start));
    }

    impl Pace {
        /// Whether it has been waited for too long.
        fn is_over(&self, now: Instant) -> bool {
            self.until().is_some_and(|until| now >= until)
        }
    }
}
