//! Who is waited for while a response passes, and since when.
//!
//! ```text
//! something is written and not taken ──▶ the client: Download
//! nothing to write                   ──▶ the server: Silence
//! the body goes on, and there is room ─▶ the client: Upload, beside either
//! ```

use std::time::{Duration, Instant};

use crate::exchange::pace::Pace;
use crate::exchange::timers::{Timer, Timers};
use crate::settings::pace::Patience;

/// How long each side has been waited for.
#[derive(Debug)]
pub(super) struct Waits {
    /// How long the server may be silent.
    silence: Duration,
    /// When anything moved last, either way.
    progress: Instant,
    /// How fast the client sends the rest of its body, where it has to.
    up: Option<Pace>,
    /// How fast it takes the response.
    down: Pace,
}

/// Who has kept everybody waiting for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stalled {
    Client,
    Server,
}

impl Waits {
    /// Of a response that has an end.
    pub(super) fn new(silence: Duration, patience: Patience, now: Instant) -> Self {
        let up = Some(Pace::new(patience));
        Self { silence, progress: now, up, down: Pace::new(patience) }
    }

    /// Of a stream of messages: who answers with one may be sent one as well, and no rate is asked of that.
    pub(super) fn of_messages(silence: Duration, patience: Patience, now: Instant) -> Self {
        Self { up: None, ..Self::new(silence, patience, now) }
    }

    /// The server has sent something, or taken something of the request.
    pub(super) fn moves(&mut self, now: Instant) {
        self.progress = now;
    }

    /// The client has taken so many bytes.
    pub(super) fn taken(&mut self, bytes: usize, now: Instant) {
        self.progress = now;
        self.down.moved(bytes, now);
    }

    /// The client has sent so many bytes of its body.
    pub(super) fn received(&mut self, bytes: usize, now: Instant) {
        self.progress = now;
        if let Some(up) = &mut self.up {
            up.moved(bytes, now);
        }
    }

    /// Sets the timers for a wait. `takes`: the client has something to take first; `sends`: there is room for more of its body.
    pub(super) fn arm(&mut self, timers: &mut Timers, takes: bool, sends: bool, now: Instant) {
        self.down.waits_if(takes, now);
        timers.set(Timer::Download, self.down.until());
        if let Some(up) = &mut self.up {
            up.waits_if(sends, now);
            timers.set(Timer::Upload, up.until());
        }
        timers.set(Timer::Silence, (!takes).then_some(self.progress + self.silence));
    }
}

impl Stalled {
    /// Who it is, when one of these timers has rung.
    pub(super) fn by(timers: &mut Timers, now: Instant) -> Option<Self> {
        if timers.rang(Timer::Upload, now) || timers.rang(Timer::Download, now) {
            Some(Self::Client)
        } else {
            timers.rang(Timer::Silence, now).then_some(Self::Server)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience { quiet: Duration::from_secs(30), rate: None };

    /// Who has stalled after so many seconds of a wait.
    fn stalled(waits: &mut Waits, takes: bool, sends: bool, from: Instant, seconds: u32) -> Option<Stalled> {
        let mut timers = Timers::default();
        waits.arm(&mut timers, takes, sends, from);
        Stalled::by(&mut timers, from + SECOND * seconds)
    }

    #[test]
    fn who_has_nothing_to_take_waits_for_the_server() {
        let start = Instant::now();
        let mut waits = Waits::new(20 * SECOND, PATIENCE, start);
        assert_eq!(stalled(&mut waits, false, false, start, 19), None);
        assert_eq!(stalled(&mut waits, false, false, start, 20), Some(Stalled::Server));
    }

    #[test]
    fn a_client_that_takes_nothing_is_no_silence_of_the_server() {
        let start = Instant::now();
        let mut waits = Waits::new(20 * SECOND, PATIENCE, start);
        assert_eq!(stalled(&mut waits, true, false, start, 29), None);
        assert_eq!(stalled(&mut waits, true, false, start, 30), Some(Stalled::Client));
    }

    #[test]
    fn whatever_moves_begins_the_wait_for_the_server_anew() {
        let start = Instant::now();
        let mut waits = Waits::new(20 * SECOND, PATIENCE, start);
        waits.received(1, start + 15 * SECOND);
        assert_eq!(stalled(&mut waits, false, false, start + 15 * SECOND, 19), None);
        waits.moves(start + 34 * SECOND);
        assert_eq!(stalled(&mut waits, false, false, start + 34 * SECOND, 19), None);
        waits.taken(1, start + 53 * SECOND);
        assert_eq!(stalled(&mut waits, false, false, start + 53 * SECOND, 20), Some(Stalled::Server));
    }

    #[test]
    fn a_body_that_does_not_come_is_the_clients_doing_except_beside_a_stream_of_messages() {
        let start = Instant::now();
        let mut waits = Waits::new(60 * SECOND, PATIENCE, start);
        assert_eq!(stalled(&mut waits, false, true, start, 30), Some(Stalled::Client));
        let mut waits = Waits::of_messages(60 * SECOND, PATIENCE, start);
        assert_eq!(stalled(&mut waits, false, true, start, 59), None);
        assert_eq!(stalled(&mut waits, false, true, start, 60), Some(Stalled::Server));
    }
}
