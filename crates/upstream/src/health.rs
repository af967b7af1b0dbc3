//! What is thought of one endpoint, and what changes it.
//!
//! ```text
//!             probe passed                 charge of traffic, or probes fell
//! Unproven ────────────────▶ Healthy ─────────────────────────────────────────▶ Ejected
//!                               ▲  ▲                                             │  ▲ │
//!                               │  └──────── by probes: probes rose ─────────────┘  │ │
//!                     trials    │                                                   │ │ by traffic: its time is over
//!                     succeeded │                                a trial failed,    │ │ and the last probe passed
//!                               │                                for twice as long  │ ▼
//!                               └─────────────────────────────────────────────── Probation
//! ```
//!
//! Probes and traffic are kept apart, because each is blind where the other sees: a probe passes while real requests
//! fail, and a probe fails for a path that nobody else uses. So a passed probe never ends an ejection that traffic
//! caused, and a failed one never ejects an endpoint whose traffic has just succeeded.
//!
//! A probe that finds a connection and no answer is of a kind of its own. A server that is paused looks like that, and so
//! does one whose workers are all at work, where a probe waits behind requests. Whoever has requests in flight that
//! are not late for their kind is taken to be *busy*: healthy, and used when nobody is free. So is the last one of all,
//! since a place in its line is better than none. The next sign of life ends it: a passed probe, or the head of
//! an answer. Without one for as long as an answer may take, it is ejected like any other that does not answer. Who was
//! busy already when it was found is used as the last resort.
//!
//! A probe that finds no connection is none of that: it may have met a line that is full, and whether it has is known before it comes here
//! ([`Control::probed`](crate::Control::probed)).
//!
//! Whether traffic amounts to a charge is the [`Record`](crate::record::Record)'s business; whether there is another
//! endpoint to serve in its place comes in as [`Facts`].

use std::fmt;
use std::time::{Duration, Instant};

use crate::settings::Settings;

/// What is thought of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing is known yet: it gets no requests, unless nobody else serves and it takes connections.
    Unproven,
    /// It serves.
    Healthy,
    /// It does not.
    Ejected {
        /// Why.
        cause: Cause,
        /// Who said so.
        by: Source,
        /// Not before this moment does an ejection by traffic end.
        until: Instant,
    },
    /// It gets single requests that could be repeated elsewhere, until enough of them have succeeded.
    Probation {
        /// Why it had been ejected.
        cause: Cause,
        /// Trials that have succeeded.
        passed: u32,
    },
}

/// Why an endpoint is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It takes no connections, or not all the time.
    Unreachable,
    /// It takes connections and gives no answer on them.
    Unanswering,
    /// It answers, but wrongly: better than nothing when there is nothing else.
    Misbehaving,
}

/// Whose evidence it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The probes'.
    Probes,
    /// The traffic's.
    Traffic,
}

/// What the machine must know beyond its own endpoint.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, in any combination")]
pub(crate) struct Facts {
    /// Another endpoint serves without anything against it.
    pub(crate) others_serve: bool,
    /// Traffic has taken out fewer endpoints than it may.
    pub(crate) may_eject: bool,
    /// Traffic of this endpoint has just succeeded.
    pub(crate) traffic_succeeds: bool,
    /// It has requests in flight, and none of them is late for its kind while others answer.
    pub(crate) at_work: bool,
}

/// How a probe failed, as far as health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fall {
    /// It refused, broke off, or gave an answer that will not do.
    Outright,
    /// No connection, and no word why.
    Unconnected,
    /// A connection and nothing on it.
    Unanswered {
        /// When the probe began.
        since: Instant,
    },
}

/// Health over time, with what must be remembered between two observations.
#[derive(Debug)]
pub(crate) struct Observed {
    health: Health,
    since: Instant,
    probes_passed: u32,
    probes_failed: u32,
    /// When it last gave a sign of life (a probe answered, the head or a part of a response), or was found.
    alive: Instant,
    /// The same without parts of a response, which who is at work sends as well.
    answered: Instant,
    /// When the last probe began, if that found a connection and no answer, and there was no sign of life since.
    unanswered: Option<Instant>,
    busy: bool,
    /// Ejections by traffic that are not forgotten yet.
    times: u32,
    /// All ejections ever.
    ejections: u64,
}

/// An ejection is forgotten after this many times its length of health.
const FORGOTTEN_AFTER_LENGTHS: u32 = 10;

impl Observed {
    pub(crate) fn new(settings: &Settings, now: Instant) -> Self {
        let health = if settings.probes.enabled { Health::Unproven } else { Health::Healthy };
        Self {
            health,
            since: now,
            probes_passed: 0,
            probes_failed: 0,
            alive: now,
            answered: now,
            unanswered: None,
            busy: false,
            times: 0,
            ejections: 0,
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.health
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn ejections(&self) -> u64 {
        self.ejections
    }

    /// Whether a request would get some answer, if not a right one.
    pub(crate) fn answers(&self, settings: &Settings) -> bool {
        match self.health {
            Health::Ejected { cause: Cause::Misbehaving, .. } => self.probes_failed < settings.probes.fall,
            Health::Healthy | Health::Probation { .. } => true,
            Health::Unproven | Health::Ejected { cause: Cause::Unreachable | Cause::Unanswering, .. } => {
                false
            }
        }
    }

    /// Whether it is healthy and has no time for anybody new.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether a request would get a connection, and perhaps an answer in the end: it was alive not long ago.
    pub(crate) fn connects(&self, settings: &Settings, now: Instant) -> bool {
        self.unanswered.is_some() && self.silent_for(now) < settings.attempts.response_timeout
    }

    /// Whether its last probe found a connection and no answer, and there was no sign of life since.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// For how long it has given no sign of life.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.alive)
    }

    /// For how long it has answered neither a probe nor a request.
    pub(crate) fn unanswered_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.answered)
    }

    /// It sent a part of a body at `at`. It lives; whether it has time for anybody else is another question.
    pub(crate) fn flowed(&mut self, at: Instant) {
        self.alive = self.alive.max(at);
    }

    /// It sent the head of a response at `at`. True when health changed.
    pub(crate) fn heard(&mut self, at: Instant, now: Instant) -> bool {
        (self.alive, self.answered) = (self.alive.max(at), self.answered.max(at));
        if self.unanswered.is_none_or(|since| at <= since) {
            return false;
        }
        self.answers_again();
        match self.health {
            // Its probes waited behind that.
            Health::Unproven => self.turn(Health::Healthy, now),
            // That it does not answer was all that spoke against it.
            Health::Ejected { cause: Cause::Unanswering, by: Source::Probes, .. } if at > self.since => {
                self.turn(Health::Healthy, now)
            }
            _ => false,
        }
    }

    /// A probe was answered that it is about to leave: it lives.
    pub(crate) fn probe_answered(&mut self, now: Instant) {
        (self.alive, self.answered) = (now, now);
        self.answers_again();
    }

    fn answers_again(&mut self) {
        (self.unanswered, self.busy, self.probes_failed) = (None, false, 0);
    }

    /// A probe passed. True when health changed.
    pub(crate) fn probe_passed(&mut self, facts: Facts, settings: &Settings, now: Instant) -> bool {
        self.probe_answered(now);
        self.probes_passed = self.probes_passed.saturating_add(1);
        let rise = if facts.others_serve { settings.probes.rise } else { 1 };
        match self.health {
            Health::Unproven => self.turn(Health::Healthy, now),
            Health::Ejected { by: Source::Probes, .. } if self.probes_passed >= rise => {
                self.turn(Health::Healthy, now)
            }
            // With nothing to serve instead, its time is not waited for: it may be all there is.
            Health::Ejected { by: Source::Traffic, cause, until } if now >= until || !facts.others_serve => {
                self.turn(Health::Probation { cause, passed: 0 }, now)
            }
            Health::Healthy | Health::Ejected { .. } | Health::Probation { .. } => false,
        }
    }

    /// A probe failed. True when health changed.
    pub(crate) fn probe_failed(
        &mut self,
        how: Fall,
        facts: Facts,
        settings: &Settings,
        now: Instant,
    ) -> bool {
        self.probes_passed = 0;
        if self.busy && self.unanswered.is_some() && !matches!(how, Fall::Unanswered { .. }) {
            if how == Fall::Unconnected
                && facts.at_work
                && !facts.others_serve
                && self.connects(settings, now)
            {
                // Its line is full, as far as anybody can tell, and there is no other to wait in.
                return false;
            }
            // Another trouble than before: it has to show as often as any.
            self.probes_failed = 0;
        }
        self.probes_failed = self.probes_failed.saturating_add(1);
        let cause = match how {
            Fall::Outright | Fall::Unconnected => {
                self.unanswered = None;
                Cause::Unreachable
            }
            Fall::Unanswered { since } => {
                self.unanswered = Some(since);
                Cause::Unanswering
            }
        };
        if self.probes_failed < settings.probes.fall || facts.traffic_succeeds {
            return false;
        }
        match self.health {
            Health::Healthy if self.connects(settings, now) && (facts.at_work || !facts.others_serve) => {
                self.busy = true;
                false
            }
            Health::Healthy => self.eject(Health::Ejected { cause, by: Source::Probes, until: now }, now),
            // Still traffic's charge to answer, as soon as it can be reached again.
            Health::Probation { .. } => {
                self.eject(Health::Ejected { cause, by: Source::Traffic, until: now }, now)
            }
            Health::Unproven | Health::Ejected { .. } => false,
        }
    }

    /// Traffic amounts to a charge. True when it was acted upon: traffic never ejects the last endpoint that serves, and only
    /// a part of all.
    pub(crate) fn charged(&mut self, cause: Cause, facts: Facts, settings: &Settings, now: Instant) -> bool {
        match self.health {
            Health::Healthy if facts.others_serve && facts.may_eject => {
                self.eject_for_traffic(cause, settings, now)
            }
            Health::Healthy | Health::Unproven | Health::Ejected { .. } | Health::Probation { .. } => false,
        }
    }

    /// A trial succeeded. True when health changed.
    pub(crate) fn trial_succeeded(&mut self, facts: Facts, settings: &Settings, now: Instant) -> bool {
        let Health::Probation { cause, passed } = self.health else { return false };
        let needed = if facts.others_serve { settings.outliers.trials } else { 1 };
        if passed + 1 >= needed {
            return self.turn(Health::Healthy, now);
        }
        self.health = Health::Probation { cause, passed: passed + 1 };
        false
    }

    /// A trial failed. True when health changed.
    pub(crate) fn trial_failed(&mut self, cause: Cause, settings: &Settings, now: Instant) -> bool {
        match self.health {
            Health::Probation { .. } => self.eject_for_traffic(cause, settings, now),
            _ => false,
        }
    }

    /// Time passed. True when health changed.
    pub(crate) fn tick(&mut self, settings: &Settings, now: Instant) -> bool {
        match self.health {
            Health::Ejected { by: Source::Traffic, cause, until }
                if !settings.probes.enabled && now >= until =>
            {
                self.turn(Health::Probation { cause, passed: 0 }, now)
            }
            Health::Healthy if self.times > 0 => {
                let good_for = now.saturating_duration_since(self.since);
                if good_for >= self.ejection(settings) * FORGOTTEN_AFTER_LENGTHS {
                    self.times = 0;
                }
                false
            }
            _ => false,
        }
    }

    /// Nothing is probed any more: what only probes had against it is void. True when health changed.
    pub(crate) fn trust(&mut self, now: Instant) -> bool {
        match self.health {
            Health::Unproven | Health::Ejected { by: Source::Probes, .. } => self.turn(Health::Healthy, now),
            Health::Healthy | Health::Ejected { .. } | Health::Probation { .. } => false,
        }
    }

    /// It vanished and came back: what was thought of it is no longer known to be so.
    pub(crate) fn returned(&mut self, settings: &Settings, now: Instant) {
        let (times, ejections) = (self.times, self.ejections);
        *self = Self { times, ejections, ..Self::new(settings, now) };
    }

    /// How long the last ejection by traffic was: twice as long each time.
    fn ejection(&self, settings: &Settings) -> Duration {
        let doublings = self.times.saturating_sub(1).min(16);
        (settings.outliers.ejection * 2u32.pow(doublings)).min(settings.outliers.max_ejection)
    }

    fn eject_for_traffic(&mut self, cause: Cause, settings: &Settings, now: Instant) -> bool {
        self.times += 1;
        let until = now + self.ejection(settings);
        self.eject(Health::Ejected { cause, by: Source::Traffic, until }, now)
    }

    fn eject(&mut self, ejected: Health, now: Instant) -> bool {
        self.ejections += 1;
        (self.probes_passed, self.busy) = (0, false);
        self.turn(ejected, now)
    }

    fn turn(&mut self, health: Health, now: Instant) -> bool {
        (self.health, self.since) = (health, now);
        true
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unproven => "unproven",
            Self::Healthy => "healthy",
            Self::Ejected { .. } => "ejected",
            Self::Probation { .. } => "probation",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::Unanswering => "unanswering",
            Self::Misbehaving => "misbehaving",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probes => "probes",
            Self::Traffic => "traffic",
        })
    }
}
