//! When a member that ended is started again.
//!
//! `ends ──250 ms──▶ ends again soon ──500 ms, 1 s, … 8 s──▶ … ──ran for 10 s──▶ as if for the first time`

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(8);
/// A member that ran this long has recovered.
const STEADY: Duration = Duration::from_secs(10);

/// How patient the manager has become with one member.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    last: Option<Duration>,
}

impl Patience {
    /// How long to wait before the next start of a member that ran for `ran`.
    pub(crate) fn next(&mut self, ran: Duration) -> Duration {
        let pause = match self.last {
            Some(last) if ran < STEADY => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quick_end_doubles_the_pause_up_to_a_bound() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = (0..7).map(|_| patience.next(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 8000]);
    }

    #[test]
    fn a_steady_run_is_forgiven() {
        let mut patience = Patience::default();
        patience.next(Duration::ZERO);
        patience.next(Duration::ZERO);
        assert_eq!(patience.next(STEADY), FIRST);
    }
}
