//! What an exchange waits for the clock for, each by its name; one alarm rings for the first of them.

use std::time::Instant;

/// What a moment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The attempts want to be looked at: silence, a race, a hedge, the end of patience.
    Attempts,
    /// The first in the queue looks again for an endpoint below its limit, or gives up.
    Queue,
    /// The client sends its body too slowly.
    Upload,
    /// The client takes the response too slowly.
    Download,
    /// Nothing has come of the response for too long.
    Silence,
    /// A client that is not read from is asked whether it is still there.
    GoneCheck,
}

const TIMERS: usize = Timer::GoneCheck as usize + 1;

/// The moments that are set. Each is a fixed one: a span from now would move away with each wake.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timers {
    moments: [Option<Instant>; TIMERS],
    /// Which of them are set, a bit for each: mostly it is one.
    set: u8,
}

const _: () = assert!(TIMERS <= u8::BITS as usize, "each has a bit");

impl Timers {
    /// Sets a timer, or stops it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if at.is_some() {
            self.moments[timer as usize] = at;
            self.set |= 1 << timer as u8;
        } else {
            self.set &= !(1 << timer as u8);
        }
    }

    /// Sets a timer where it is not set.
    pub(crate) fn start(&mut self, timer: Timer, at: impl FnOnce() -> Instant) {
        if self.set & 1 << timer as u8 == 0 {
            self.set(timer, Some(at()));
        }
    }

    /// The first moment of all.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (mut first, mut left) = (None, self.set);
        while left != 0 {
            let at = self.moments[left.trailing_zeros() as usize];
            first = if first.is_some() { first.min(at) } else { at };
            left &= left - 1;
        }
        first
    }

    /// Whether a timer has rung by `now`; it is no longer set then.
    pub(crate) fn rang(&mut self, timer: Timer, now: Instant) -> bool {
        let is_set = self.set & 1 << timer as u8 != 0;
        let rang = is_set && self.moments[timer as usize].is_some_and(|at| now >= at);
        if rang {
            self.set(timer, None);
        }
        rang
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_first_of_all_is_next_and_each_rings_by_itself_and_once() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Attempts, Some(after(5)));
        timers.set(Timer::Upload, Some(after(3)));
        assert_eq!(timers.next(), Some(after(3)));
        assert!(timers.rang(Timer::Upload, after(4)) && !timers.rang(Timer::Attempts, after(4)));
        assert!(!timers.rang(Timer::Upload, after(9)), "it has rung");
        assert_eq!(timers.next(), Some(after(5)));
        timers.set(Timer::Attempts, None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn one_that_was_started_does_not_move_away() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.start(Timer::GoneCheck, || start);
        timers.start(Timer::GoneCheck, || start + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(start));
    }
}
