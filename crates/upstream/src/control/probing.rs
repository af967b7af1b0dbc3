//! Which endpoints are to be probed now, and what a probe's result means.
//!
//! What is healthy is probed once an interval, with jitter so that probes do not march in step. What is not is urgent:
//! suspects every 100 ms until they are cleared or ejected; the rest every 100 ms at first and then ever more slowly, to
//! the usual interval. A thousand dead servers do not become a thousand probes at once: the number in flight and the
//! number a second are bounded for the whole process.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::endpoint::EndpointId;
use crate::evidence::TlsFailure;
use crate::health::{Fall, Health};

use super::Control;
use super::changes::News;
use super::describe::LastProbe;
use super::member::Member;

/// A probe to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of which endpoint.
    pub endpoint: EndpointId,
    /// Where it listens for traffic.
    pub address: SocketAddr,
    /// Until it counts as failed.
    pub timeout: Duration,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The endpoint is alive.
    Passed,
    /// It said that it is about to leave, or not ready yet.
    Draining,
    /// It is not, or not as it should be.
    Failed(ProbeFailure),
}

/// Why a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFailure {
    /// Nobody listens there.
    Refused,
    /// No connection in time.
    TimedOut,
    /// A connection, and no answer on it in time.
    Unanswered,
    /// The connection was reset or closed.
    Closed,
    /// Something that is no response in the protocol.
    Garbage,
    /// An answer that will not do, of this status.
    Status(u16),
    /// This process could not even try; says nothing about the endpoint.
    Local,
    /// Somebody listens there, and no handshake came about.
    Tls(TlsFailure),
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Draining => f.write_str("draining"),
            Self::Failed(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Unanswered => f.write_str("connected, and not answered in time"),
            Self::Closed => f.write_str("connection closed"),
            Self::Garbage => f.write_str("malformed response"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Local => f.write_str("no local resources to probe"),
            Self::Tls(why) => why.fmt(f),
        }
    }
}

/// When one endpoint is probed.
#[derive(Debug)]
pub(super) struct NextProbe {
    next: Instant,
    started: Option<Started>,
}

#[derive(Clone, Copy, Debug)]
struct Started {
    at: Instant,
    /// A result that never comes is not waited for beyond this.
    lost_at: Instant,
}

/// A probe of somebody busy is waited for this many times as long as any.
const WAITED_FOR_BUSY: u32 = 10;

/// How long after its own timeout a probe counts as lost in the shell.
const PROBE_LOST_AFTER: Duration = Duration::from_secs(1);

impl NextProbe {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, started: None }
    }

    /// Now, rather than when its time would come.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.next = self.next.min(now);
    }

    fn is_due(&self, urgent_since: Option<Instant>, now: Instant) -> bool {
        let running = self.started.is_some_and(|started| {
            // One that began before the suspicion may hang as long as a usual probe may.
            let outdated = urgent_since.is_some_and(|since| started.at < since);
            now < started.lost_at && !outdated
        });
        self.next <= now && !running
    }
}

/// What bounds the probes of the whole process.
#[derive(Debug, Default)]
pub(super) struct ProbeRate {
    second: Option<Instant>,
    started_in_second: u32,
}

impl ProbeRate {
    fn allows(&mut self, max_per_second: u32, now: Instant) -> bool {
        let over = |begun: Instant| now.saturating_duration_since(begun) >= Duration::from_secs(1);
        if self.second.is_none_or(over) {
            (self.second, self.started_in_second) = (Some(now), 0);
        }
        let allowed = self.started_in_second < max_per_second;
        self.started_in_second += u32::from(allowed);
        allowed
    }
}

impl Control {
    /// The probes to start now. Each is answered by [`Control::probed`].
    pub fn probes_due(&mut self, now: Instant, rng: &mut impl FnMut() -> u64) -> Vec<Probe> {
        let mut due = Vec::new();
        if !self.settings.probes.enabled {
            return due;
        }
        let settings = self.settings.probes;
        let nothing_serves = self.nothing_serves();
        // One that waits for somebody busy costs nothing but its place in that line.
        let running = |member: &&Member| {
            let held = |started: Started| {
                now < started.lost_at.min(started.at + settings.timeout + PROBE_LOST_AFTER)
            };
            member.probes.started.is_some_and(held)
        };
        let mut in_flight = self.members.values().filter(running).count();
        // Suspects first, then those that have waited longest: beyond the bounds all have to wait a little, and none for ever.
        let waits = |member: &&Member| !member.vanished && member.probes.is_due(member.suspect_since(), now);
        let turn = |member: &Member| (member.suspect_since().is_none(), member.probes.next, member.id());
        let mut turns: Vec<_> = self.members.values().filter(waits).map(turn).collect();
        turns.sort_unstable();
        for (.., id) in turns {
            if in_flight >= settings.max_in_flight || !self.probe_rate.allows(settings.max_per_second, now) {
                break;
            }
            let Some(member) = self.members.get_mut(&id) else { continue };
            in_flight += 1;
            let timeout = timeout(member, &settings);
            let interval = jittered(interval(member, &settings, nothing_serves, now), rng);
            member.probes.next = now + interval;
            member.probes.started = Some(Started { at: now, lost_at: now + timeout + PROBE_LOST_AFTER });
            due.push(Probe { endpoint: member.id(), address: member.endpoint.address(), timeout });
        }
        due
    }

    /// Takes in how a probe ended.
    pub fn probed(&mut self, id: EndpointId, result: ProbeResult, took: Duration, now: Instant) {
        if let Some(member) = self.members.get_mut(&id) {
            member.listen(&mut self.changes, now);
        }
        let facts = self.facts(id, now);
        let Some(member) = self.members.get_mut(&id) else { return };
        let started = member.probes.started.take().map(|started| started.at);
        member.last_probe = Some(LastProbe { at: now, took, result });
        let was_busy = member.observed.is_busy();
        let changed = match result {
            ProbeResult::Passed => {
                if std::mem::take(&mut member.leaving) {
                    self.changes.add(member, News::Stays, now);
                }
                member.doubt(false, started);
                member.clear_suspicion(&mut self.changes, now);
                member.observed.probe_passed(facts, &self.settings, now)
            }
            ProbeResult::Draining => {
                member.doubt(false, started);
                member.observed.probe_answered(now);
                // It takes requests no longer, so an endpoint that never served cannot leave.
                if !member.leaving && member.observed.health() == Health::Healthy {
                    member.leaving = true;
                    member.endpoint.drop_idle_connections();
                    self.changes.add(member, News::Leaving, now);
                }
                false
            }
            ProbeResult::Failed(ProbeFailure::Local) => false,
            // It waits behind requests that are answered one by one.
            ProbeResult::Failed(ProbeFailure::Unanswered)
                if started.is_some_and(|started| member.endpoint.has_answered_since(started)) =>
            {
                false
            }
            ProbeResult::Failed(ProbeFailure::TimedOut)
                if started.is_some_and(|started| member.endpoint.lives_though_silent_to(started)) =>
            {
                member.endpoint.line_is_full(now);
                false
            }
            ProbeResult::Failed(ProbeFailure::TimedOut)
                if member.may_have_a_full_line(facts.others_serve, now) =>
            {
                false
            }
            ProbeResult::Failed(ProbeFailure::Unanswered) => {
                // Where all are at work, nothing is better off elsewhere.
                member.doubt(true, started.filter(|_| facts.others_serve && !facts.at_work));
                let since = started.unwrap_or(now);
                member.observed.probe_failed(Fall::Unanswered { since }, facts, &self.settings, now)
            }
            ProbeResult::Failed(why) => {
                let how = if why == ProbeFailure::TimedOut { Fall::Unconnected } else { Fall::Outright };
                member.doubt(true, started);
                member.observed.probe_failed(how, facts, &self.settings, now)
            }
        };
        self.changes.add_busy(member, was_busy, now);
        if changed {
            if member.observed.health() != Health::Healthy {
                member.leaving = false;
            }
            self.changes.add_health(member, None, now);
            member.health_changed(now);
        }
        member.write_bits(&self.settings, now);
        self.open_trials(now);
    }
}

/// Who is busy is asked once and waited for, rather than again and again: each probe that was given up stands in its line as well.
fn timeout(member: &Member, settings: &crate::settings::ProbeSettings) -> Duration {
    let ended = member.last_probe.map(|probe| probe.at);
    match member.suspect_since() {
        Some(since) if !member.observed.is_busy() || ended.is_none_or(|ended| ended < since) => {
            settings.suspect_timeout
        }
        _ if member.observed.is_busy() => settings.timeout * WAITED_FOR_BUSY,
        _ => settings.timeout,
    }
}

fn interval(
    member: &Member,
    settings: &crate::settings::ProbeSettings,
    nothing_serves: bool,
    now: Instant,
) -> Duration {
    // Who is busy already has its probes to answer beside its work, and is no sooner known to be anything else.
    if member.suspect_since().is_some() && !member.observed.is_busy() {
        return settings.urgent_interval;
    }
    if member.observed.health() == Health::Healthy && !member.leaving {
        return settings.interval;
    }
    // A thirtieth of the time it has been out: a hundredth of a minute at first, a second after half of one.
    let out_for = now.saturating_duration_since(member.observed.since());
    let slowest = if nothing_serves { settings.urgent_interval * 2 } else { settings.interval };
    (out_for / 30).clamp(settings.urgent_interval.min(slowest), slowest)
}

/// Within a tenth of `interval` to either side.
fn jittered(interval: Duration, rng: &mut impl FnMut() -> u64) -> Duration {
    let permille = 900 + (rng() % 201) as u32;
    interval * permille / 1_000
}
