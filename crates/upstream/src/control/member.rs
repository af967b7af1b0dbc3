//! One endpoint as the control task knows it: the shared part and everything that only it keeps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::{Endpoint, EndpointId, FULL_SHARE, Flags, Weight};
use crate::evidence::Evidence;
use crate::health::{Cause, Health, Observed};
use crate::record::{Known, Record};
use crate::settings::Settings;

use super::changes::{Changes, News};
use super::describe::LastProbe;
use super::probing::NextProbe;

pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) observed: Observed,
    pub(super) record: Record,
    pub(super) weight: Weight,
    /// The indices of the names that have this address; empty for one that vanished.
    pub(super) names: Vec<usize>,
    pub(super) vanished: bool,
    /// By command.
    pub(super) draining: bool,
    /// By its own word.
    pub(super) leaving: bool,
    suspicion: Option<Suspicion>,
    pub(super) probes: NextProbe,
    pub(super) last_probe: Option<LastProbe>,
    trial_opened: Option<Instant>,
}

/// Why it gets nothing new until a probe has passed.
struct Suspicion {
    since: Instant,
    /// Whether whoever watches has heard of it.
    told: bool,
}

/// A trial that has come to nothing for this long does not keep the next one from being opened: its client went away, or a
/// hedge was faster. Not sooner, or a server that hangs would cost a hedge at each look.
const TRIAL_GIVEN_UP_AFTER: Duration = Duration::from_secs(1);

impl Member {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        weight: Weight,
        name: usize,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        let record = Record::new(known(&endpoint), now);
        Self {
            endpoint,
            observed: Observed::new(settings, now),
            record,
            weight,
            names: vec![name],
            vanished: false,
            draining: false,
            leaving: false,
            suspicion: None,
            probes: NextProbe::new(now),
            last_probe: None,
            trial_opened: None,
        }
    }

    pub(super) fn id(&self) -> EndpointId {
        self.endpoint.id()
    }

    pub(super) fn known(&self) -> Known {
        known(&self.endpoint)
    }

    /// Writes what is thought of the endpoint where the workers read it.
    pub(super) fn write_bits(&self, settings: &Settings, now: Instant) {
        let health = self.observed.health();
        let healthy = health == Health::Healthy;
        let answers = !healthy && self.observed.answers(settings);
        let is_away =
            matches!(health, Health::Ejected { cause: Cause::Unreachable | Cause::Unanswering, .. });
        self.endpoint.set_share(self.weight, self.ramp(settings, now));
        for (bits, on) in [
            (Flags::DRAINING, self.draining || self.vanished),
            (Flags::LEAVING, self.leaving),
            (Flags::TRIAL, matches!(health, Health::Probation { .. }) && !self.vanished && !self.draining),
            (Flags::ANSWERS, answers),
            (Flags::CONNECTS, self.observed.connects(settings, now)),
            (Flags::BUSY, self.observed.is_busy()),
            (Flags::UNREACHABLE, is_away),
            (Flags::ACCUSED, healthy && self.record.is_accused()),
            // Last, so that who sees it ejected sees why.
            (Flags::HEALTHY, healthy),
        ] {
            self.endpoint.set_flags(bits, on);
        }
    }

    /// The part of its share that it takes, of [`FULL_SHARE`].
    fn ramp(&self, settings: &Settings, now: Instant) -> u32 {
        let Some(slow_start) = settings.slow_start.filter(|time| !time.is_zero()) else { return FULL_SHARE };
        let healthy_for = now.saturating_duration_since(self.observed.since());
        let part = (healthy_for.as_secs_f64() / slow_start.as_secs_f64()).clamp(RAMP_AT_LEAST, 1.0);
        // Between 0 and 1 times 256.
        #[expect(clippy::cast_sign_loss, reason = "a part is not negative")]
        let ramp = (part * f64::from(FULL_SHARE)) as u32;
        ramp
    }

    /// Takes in that it has sent the head of a response, which workers stamp and tell nobody.
    pub(super) fn listen(&mut self, changes: &mut Changes, now: Instant) {
        if let Some(flowed) = self.endpoint.last_flowed() {
            self.observed.flowed(flowed);
        }
        let Some(heard) = self.endpoint.last_heard() else { return };
        let (was_busy, was_unanswered) = (self.observed.is_busy(), self.observed.is_unanswered());
        if self.observed.heard(heard, now) {
            changes.add_health(self, None, now);
            self.health_changed(now);
        }
        changes.add_busy(self, was_busy, now);
        // The probe that was asked for this is the one that waits behind what was answered.
        let lives = was_unanswered && !self.observed.is_unanswered();
        if lives && self.suspect_since().is_some_and(|since| heard > since) {
            self.clear_suspicion(changes, now);
        }
    }

    /// Whether it has requests in flight that may be all there is to its silence: nobody has found them late, or it is usually
    /// as slow as that.
    pub(super) fn is_at_work(&self, now: Instant) -> bool {
        let patience = self.endpoint.usual_head().map_or(UNKNOWN_WORK, |usual| usual * SLOW_TIMES_USUAL);
        let is_late = self.suspicion.is_some() && self.observed.silent_for(now) >= patience;
        self.endpoint.in_flight() > 0 && !is_late
    }

    /// Whether a connect that is not answered may find it at work, with a full line before it: lately requests were answered while
    /// connects were not. Those whom a full line drops ask again in a second or two, and until then a server may have nothing to do; so
    /// it is given that on top of what a request usually takes. What was never seen to have one looks as if it was cut off, and
    /// only where nobody else serves is it worth waiting for what a request takes.
    pub(super) fn may_have_a_full_line(&self, others_serve: bool, now: Instant) -> bool {
        let full_at = self.endpoint.last_line_full();
        let is_full = full_at.is_some_and(|at| now.saturating_duration_since(at) < FULL_LINE_LASTS);
        let Some(usual) = self.endpoint.usual_head() else { return false };
        let work = (usual * SLOW_TIMES_USUAL).min(UNKNOWN_WORK);
        let patience = match (is_full, others_serve) {
            (true, _) => work + NEXT_CONNECTS,
            (false, false) => work,
            (false, true) => return false,
        };
        let is_healthy = self.observed.health() == Health::Healthy;
        is_healthy && self.endpoint.in_flight() > 0 && self.observed.silent_for(now) < patience
    }

    /// Since when it gets nothing new until a probe has passed.
    pub(super) fn suspect_since(&self) -> Option<Instant> {
        self.suspicion.as_ref().map(|suspicion| suspicion.since)
    }

    /// After health has changed: its connections, its record and its probes begin anew.
    pub(super) fn health_changed(&mut self, now: Instant) {
        match self.observed.health() {
            Health::Ejected { .. } => self.endpoint.drop_idle_connections(),
            Health::Healthy | Health::Probation { .. } => self.record = Record::new(self.known(), now),
            Health::Unproven => {}
        }
        self.suspicion = None;
        self.endpoint.set_flags(Flags::SUSPECT, false);
        self.endpoint.set_flags(Flags::CONFIRMED, false);
        self.trial_opened = None;
        self.probes.hasten(now);
    }

    /// Takes note of a suspicion that a worker has already acted upon. It is told with the evidence for it, which comes a moment
    /// after the flag; should that be lost, it is probed and never told, since nobody knows why it was suspected.
    pub(super) fn notice_suspicion(
        &mut self,
        evidence: Option<Evidence>,
        changes: &mut Changes,
        now: Instant,
    ) {
        if self.observed.health() != Health::Healthy {
            // Nothing that is worse than suspect already can be suspected.
            self.endpoint.set_flags(Flags::SUSPECT, false);
            return;
        }
        if !self.endpoint.is_suspect() {
            return;
        }
        if self.suspicion.is_none() {
            self.probes.hasten(now);
        }
        let suspicion = self.suspicion.get_or_insert(Suspicion { since: now, told: false });
        if !suspicion.told
            && let Some(evidence) = evidence.filter(|evidence| evidence.makes_suspect())
        {
            suspicion.told = true;
            changes.add(self, News::Suspect(evidence), now);
        }
    }

    /// What a probe says that was started at `started`.
    pub(super) fn doubt(&self, failed: bool, started: Option<Instant>) {
        self.endpoint.set_flags(Flags::DOUBTED, failed);
        let asked = self.suspect_since().is_some_and(|since| started.is_some_and(|at| at >= since));
        self.endpoint.set_flags(Flags::CONFIRMED, failed && asked);
    }

    pub(super) fn clear_suspicion(&mut self, changes: &mut Changes, now: Instant) {
        self.endpoint.set_flags(Flags::SUSPECT, false);
        let told = self.suspicion.take().is_some_and(|suspicion| suspicion.told);
        if told && self.observed.health() == Health::Healthy {
            changes.add(self, News::Cleared, now);
        }
    }

    /// Without probes nothing else ends a suspicion of an endpoint that gets no requests.
    pub(super) fn outlive_suspicion(&mut self, settings: &Settings, changes: &mut Changes, now: Instant) {
        let over = |since: Instant| now.saturating_duration_since(since) >= settings.outliers.suspicion;
        if self.suspect_since().is_some_and(over) {
            self.clear_suspicion(changes, now);
        }
    }

    /// Opens a trial if the last one has ended. True while one is open.
    pub(super) fn open_trial(&mut self, now: Instant) -> bool {
        if !self.endpoint.flags().has(Flags::TRIAL) {
            self.endpoint.open_trials(0);
            return false;
        }
        let waits =
            self.trial_opened.is_some_and(|at| now.saturating_duration_since(at) < TRIAL_GIVEN_UP_AFTER);
        if !waits {
            self.trial_opened = Some(now);
            self.endpoint.open_trials(1);
        }
        self.endpoint.has_open_trial()
    }

    /// A trial has shown something: the next may follow at once.
    pub(super) fn trial_ended(&mut self) {
        self.trial_opened = None;
    }
}

/// Silent for longer than this multiple of its usual time to a head is silent, where it is suspected for it.
const SLOW_TIMES_USUAL: u32 = 4;
/// The same of one that has never answered a request.
const UNKNOWN_WORK: Duration = Duration::from_secs(5);

/// For so long after its line was seen to be full, an endpoint is taken to have one.
const FULL_LINE_LASTS: Duration = Duration::from_secs(10);
/// Whom a full line drops asks again after one second, and after two more (RFC 6298 §2 and §5.5).
const NEXT_CONNECTS: Duration = Duration::from_secs(2);

/// An endpoint in slow start takes at least this part.
const RAMP_AT_LEAST: f64 = 0.1;

fn known(endpoint: &Endpoint) -> Known {
    Known {
        attempts: endpoint.attempts(),
        successes: endpoint.successes(),
        heard: endpoint.last_heard(),
        probe_failed: endpoint.flags().has(Flags::DOUBTED),
    }
}
