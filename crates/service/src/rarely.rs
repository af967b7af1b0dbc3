//! Lines about one kind of trouble, at most so many a second: the log of a day on which a server breaks off each response
//! still shows what else happened.
//!
//! ```
//! # use std::time::Instant;
//! use evenkeel_service::{Rarely, tracing::warn};
//!
//! static CUT_OFF: Rarely = Rarely::new(1);
//! if let Some(more) = CUT_OFF.admit(Instant::now()) {
//!     warn!("a response was cut off{more}");
//! }
//! ```

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What lines are counted in.
const WINDOW: Duration = Duration::from_secs(1);

/// One kind of trouble, wherever in the process it shows.
#[derive(Debug)]
pub struct Rarely(Mutex<Limit>);

/// How many lines were held back since the last that was said; nothing where there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More(u64);

impl More {
    /// None.
    pub const NONE: Self = Self(0);
}

impl Rarely {
    /// At most so many lines a second.
    pub const fn new(most: u32) -> Self {
        Self(Mutex::new(Limit { most, window: None, held: 0 }))
    }

    /// Whether to say it at `now`, and what to add.
    pub fn admit(&self, now: Instant) -> Option<More> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).admit(now)
    }
}

#[derive(Debug)]
struct Limit {
    most: u32,
    /// When the current window began, and how many lines were said in it.
    window: Option<(Instant, u32)>,
    held: u64,
}

impl Limit {
    fn admit(&mut self, now: Instant) -> Option<More> {
        let current = self.window.filter(|(since, _)| now.saturating_duration_since(*since) < WINDOW);
        let (since, said) = current.unwrap_or((now, 0));
        if said >= self.most {
            self.held += 1;
            return None;
        }
        self.window = Some((since, said + 1));
        Some(More(std::mem::take(&mut self.held)))
    }
}

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, "; and {more} more like this since the last was said"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_then_one_a_second_with_how_many_more() {
        let limit = Rarely::new(1);
        let start = Instant::now();
        let at = |milliseconds| limit.admit(start + Duration::from_millis(milliseconds)).map(|more| more.0);
        let said: Vec<_> = [0, 1, 500, 999, 1000, 1001, 5000, 5001].into_iter().map(at).collect();
        assert_eq!(said, [Some(0), None, None, None, Some(3), None, Some(1), None]);
        assert_eq!(More(0).to_string(), "");
        assert_eq!(More(3).to_string(), "; and 3 more like this since the last was said");
    }

    #[test]
    fn several_at_once_may_be_allowed() {
        let limit = Rarely::new(2);
        let start = Instant::now();
        let said = [0, 0, 0, 1].map(|seconds| limit.admit(start + Duration::from_secs(seconds)).is_some());
        assert_eq!(said, [true, true, false, true]);
    }
}
