//! How fast a client must send a body, or take one, while the balancer waits for it: a client that drips would otherwise hold
//! a place at a server for as long as it likes.
//!
//! ```text
//! credit:  GRACE ──1 s a second, while it is waited for──▶ 0: too slow
//!            ▲ └── each byte that moves is worth the time it may take; no more is saved than `quiet`
//! ```
//! What is saved lets a client that was fast pause for as long as one that has never moved a byte may be waited for. While a
//! server is slow, the client is not waited for, and nothing is counted.

use std::num::NonZero;
use std::time::{Duration, Instant};

use evenkeel_service::{Setting, Size, not};

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(NonZero<u64>);

/// The time a client has to begin before it is held to the rate.
const GRACE: Duration = Duration::from_secs(10);

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Without any progress.
    pub(crate) quiet: Duration,
    /// With some. `None` for any.
    pub(crate) rate: Option<Rate>,
}

/// One direction of one message, and how long its client may still be waited for.
#[derive(Debug)]
pub(crate) struct Pace {
    patience: Patience,
    credit: Duration,
    /// While it is waited for: since when, or since bytes moved last.
    since: Option<Instant>,
}

impl Rate {
    /// How long so many bytes may take.
    fn time_for(self, bytes: usize) -> Duration {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / self.0;
        Duration::from_nanos(nanos)
    }
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

    /// Whether it has been waited for too long.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| now >= until)
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

/// `1KiB/s`, or `off` for any rate.
pub(crate) fn min_rate(text: &str) -> Result<Option<Rate>, String> {
    if text == "off" {
        return Ok(None);
    }
    let bytes = text.strip_suffix("/s").and_then(|size| Size::parse(size).ok());
    let rate = bytes.and_then(|Size(bytes)| NonZero::new(bytes)).map(Rate);
    rate.map(Some).ok_or_else(|| not(text, "a size a second above 0", "1KiB/s, or off"))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_rate_is_a_size_a_second() {
        assert_eq!(min_rate("1KiB/s"), Ok(Rate::new(1024)));
        assert_eq!(min_rate("off"), Ok(None));
        for bad in ["1KiB", "0/s", "0", "1KB/s", "1KiB/m", "on", "/s"] {
            let wanted = format!("`{bad}` is not a size a second above 0; write it as 1KiB/s, or off");
            assert_eq!(min_rate(bad).unwrap_err(), wanted);
        }
    }

    impl Rate {
        fn new(bytes: u64) -> Option<Self> {
            NonZero::new(bytes).map(Self)
        }
    }
}
