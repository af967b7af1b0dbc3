//! Servers that exist only as the way they answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_upstream::{ProbeFailure, ProbeResult};

/// How the network and the process of a server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves.
    Up,
    /// It serves, and tells probes that it is about to leave.
    Leaving,
    /// Its process is gone and its address still routed: connects are refused.
    Refusing,
    /// Its address is gone: connects hang, open connections are silent.
    Gone,
    /// It is frozen: connects succeed, nothing answers until it thaws.
    Frozen,
}

/// What becomes of one request in a hundred.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) corrupt: u32,
    pub(crate) truncate: u32,
    pub(crate) reset: u32,
    pub(crate) stall: u32,
}

impl Faults {
    pub(crate) fn fate(self, rng: &mut fastrand::Rng) -> Fate {
        let Self { corrupt, truncate, reset, stall } = self;
        let mut draw = rng.u32(0..100);
        for (percent, fate) in [
            (corrupt, Fate::Corrupt),
            (truncate, Fate::Truncated),
            (reset, Fate::Reset),
            (stall, Fate::Stalled),
        ] {
            if draw < percent {
                return fate;
            }
            draw -= percent;
        }
        Fate::Right
    }
}

/// What probes hear, whatever requests hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probes {
    Honest,
    AlwaysPass,
    AlwaysFail,
}

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: State,
    pub(crate) latency: Duration,
    /// The deviation of the logarithm of how long it works, where its times have a tail: with 0.5 one in a hundred takes three times
    /// as long as the middle one, and one in a hundred thousand eight times.
    pub(crate) tail: Option<f64>,
    /// So many of a hundred requests take so long, whatever they are.
    pub(crate) slow: Option<(u32, Duration)>,
    /// It takes one request at a time, and whoever comes meanwhile waits, a probe too: where it does so, when it will have done
    /// all it has.
    pub(crate) done_at: Option<Instant>,
    /// With that: so many wait to be taken, and whoever comes beyond that is not answered.
    pub(crate) line: Option<u32>,
    pub(crate) status: u16,
    pub(crate) faults: Faults,
    pub(crate) probes: Probes,
    /// Whether look-ups find it.
    pub(crate) listed: bool,
    /// Whether they find it under the name of the backups.
    pub(crate) backup: bool,
    /// Rises when its connections break.
    pub(crate) incarnation: u32,
}

/// How a response turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Right,
    Corrupt,
    Truncated,
    Reset,
    Stalled,
}

impl Server {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            address: ([172, 18, 0, number + 2], 8080).into(),
            state: State::Up,
            latency: Duration::from_millis(2),
            tail: None,
            slow: None,
            done_at: None,
            line: None,
            status: 200,
            faults: Faults::default(),
            probes: Probes::Honest,
            listed: true,
            backup: false,
            incarnation: 0,
        }
    }

    /// A backup.
    pub(crate) fn spare(number: u8) -> Self {
        Self { backup: true, ..Self::new(number) }
    }

    /// How long it works on a request.
    pub(crate) fn works_for(&self, rng: &mut fastrand::Rng) -> Duration {
        match (self.slow, self.tail) {
            (Some((percent, time)), _) if rng.u32(0..100) < percent => time,
            (_, Some(deviation)) => self.latency.mul_f64((deviation * normal(rng)).exp()),
            _ => self.latency * rng.u32(80..150) / 100,
        }
    }

    pub(crate) fn fate(&self, rng: &mut fastrand::Rng) -> Fate {
        self.faults.fate(rng)
    }

    /// Whether a request that has arrived is worked on.
    pub(crate) fn is_working(&self) -> bool {
        matches!(self.state, State::Up | State::Leaving)
    }

    /// After how long it has answered a request that comes at `now` and is worked on for `time`.
    pub(crate) fn takes_up(&mut self, time: Duration, now: Instant) -> Duration {
        let Some(done_at) = &mut self.done_at else { return time };
        *done_at = now.max(*done_at) + time;
        *done_at - now
    }

    /// Whether a connect goes unanswered because too many wait already.
    pub(crate) fn is_line_full(&self, now: Instant) -> bool {
        let (Some(line), Some(done_at)) = (self.line, self.done_at) else { return false };
        done_at.saturating_duration_since(now) > self.latency * (line + 1)
    }

    /// What a probe hears, and after how long.
    pub(crate) fn probe(&self, timeout: Duration, now: Instant) -> (ProbeResult, Duration) {
        let soon = Duration::from_millis(1);
        let waits = self.done_at.map_or(Duration::ZERO, |done_at| done_at.saturating_duration_since(now));
        match (self.probes, self.state) {
            (Probes::Honest, State::Up) if self.is_line_full(now) => {
                (ProbeResult::Failed(ProbeFailure::TimedOut), timeout)
            }
            (Probes::Honest, State::Up) if waits >= timeout => {
                (ProbeResult::Failed(ProbeFailure::Unanswered), timeout)
            }
            (Probes::Honest, State::Up) => (ProbeResult::Passed, waits + soon),
            (Probes::AlwaysPass, _) => (ProbeResult::Passed, soon),
            (Probes::AlwaysFail, _) => (ProbeResult::Failed(ProbeFailure::Status(500)), soon),
            (Probes::Honest, State::Leaving) => (ProbeResult::Draining, soon),
            (Probes::Honest, State::Refusing) => (ProbeResult::Failed(ProbeFailure::Refused), soon),
            (Probes::Honest, State::Gone) => (ProbeResult::Failed(ProbeFailure::TimedOut), timeout),
            (Probes::Honest, State::Frozen) => (ProbeResult::Failed(ProbeFailure::Unanswered), timeout),
        }
    }
}

/// From the standard normal distribution (Box and Muller's way).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
