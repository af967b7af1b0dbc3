//! The one owner of health: takes in evidence and probe results, and says what is to be probed and what changed.
//!
//! One task of the process drives it. It alone decides that an endpoint is healthy, ejected, on probation or gone, and
//! writes that into the endpoint's bits, where every worker's next pick reads it. So health has one history, and
//! a worker never waits for it. The shell:
//!
//! * hands on what workers report ([`Control::evidence`]) and what probes and look-ups found
//!   ([`Control::probed`], [`Control::resolved`]);
//! * then starts [`Control::probes_due`], publishes [`Control::take_changes`], and sleeps until
//!   [`Control::next_wake`], when it calls [`Control::tick`].

mod adopting;
mod changes;
mod describe;
mod discovery;
mod member;
mod probing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::budget::Filler;
use crate::endpoint::{EndpointId, EndpointIds, Weight};
use crate::evidence::{Evidence, Standing, Testimony};
use crate::health::{Cause, Facts, Health, Source};
use crate::record::{Judgement, Peers};
use crate::settings::Settings;
use crate::spec::UpstreamSpec;
use crate::upstream::Upstream;
use changes::Changes;
pub use changes::{Change, News};
pub use describe::{EndpointState, LastProbe};
pub use discovery::LookupFailed;
use member::Member;
use probing::ProbeRate;
pub use probing::{Probe, ProbeFailure, ProbeResult};

/// Owns the health of all endpoints.
pub struct Control {
    upstream: Upstream,
    spec: UpstreamSpec,
    settings: Settings,
    epoch: Instant,
    members: BTreeMap<EndpointId, Member>,
    by_address: HashMap<SocketAddr, EndpointId>,
    ids: EndpointIds,
    changes: Changes,
    filler: Filler,
    probe_rate: ProbeRate,
    next_tick: Option<Instant>,
}

/// What a person may tell an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Give it no new requests, except of the sessions it has.
    Drain,
    /// Use it again.
    Activate,
    /// Give it this weight. Holds until the process ends, over re-resolution.
    Weight(Weight),
}

/// There is no endpoint with that id or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEndpoint;

/// Between two ticks: trials are opened anew, ramps rise, budgets fill, the vanished are let go.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

impl Control {
    pub(crate) fn new(
        upstream: Upstream,
        spec: UpstreamSpec,
        settings: Settings,
        ids: EndpointIds,
        epoch: Instant,
    ) -> Self {
        Self {
            upstream,
            spec,
            settings,
            epoch,
            members: BTreeMap::new(),
            by_address: HashMap::new(),
            ids,
            changes: Changes::default(),
            filler: Filler::new(),
            probe_rate: ProbeRate::default(),
            next_tick: None,
        }
    }

    /// The names whose addresses make up the upstream.
    pub fn spec(&self) -> &UpstreamSpec {
        &self.spec
    }

    /// Takes in what traffic showed of an endpoint. Of an endpoint that is gone, nothing.
    pub fn evidence(&mut self, id: EndpointId, testimony: impl Into<Testimony>, now: Instant) {
        let testimony: Testimony = testimony.into();
        let evidence = testimony.evidence;
        let facts = self.facts(id, now);
        let Some(member) = self.members.get_mut(&id) else { return };
        let finding = member.record.add(testimony, member.known(), &self.settings.outliers, now);
        member.notice_suspicion(Some(evidence), &mut self.changes, now);
        let charge = match finding {
            Judgement::Nothing => None,
            Judgement::Charge(cause) => Some(cause),
            Judgement::BadRow { since } => self.stands_out(id, since).then_some(Cause::Misbehaving),
        };
        let Some(member) = self.members.get_mut(&id) else { return };
        let changed = match member.observed.health() {
            Health::Probation { .. } if evidence == Evidence::Succeeded => {
                member.trial_ended();
                member.observed.trial_succeeded(facts, &self.settings, now)
            }
            Health::Probation { .. } => {
                let failed = testimony.fails_a_trial().or(charge);
                if failed.is_some() || testimony.standing == Standing::Refuted {
                    member.trial_ended();
                }
                failed.is_some_and(|cause| member.observed.trial_failed(cause, &self.settings, now))
            }
            _ => charge.is_some_and(|cause| member.observed.charged(cause, facts, &self.settings, now)),
        };
        if changed {
            self.changes.add_health(member, Some(evidence), now);
            member.health_changed(now);
        } else if evidence == Evidence::Succeeded && !self.settings.probes.enabled {
            member.clear_suspicion(&mut self.changes, now);
        }
        member.write_bits(&self.settings, now);
        self.open_trials(now);
    }

    /// Does what a person says.
    pub fn command(&mut self, id: EndpointId, command: Command, now: Instant) -> Result<(), UnknownEndpoint> {
        let member = self.members.get_mut(&id).ok_or(UnknownEndpoint)?;
        match command {
            Command::Drain if !member.draining => {
                member.draining = true;
                member.endpoint.drop_idle_connections();
                self.changes.add(member, News::Draining, now);
            }
            Command::Activate if member.draining => {
                member.draining = false;
                self.changes.add(member, News::Activated, now);
            }
            Command::Weight(weight) if weight != member.weight => {
                member.weight = weight;
                self.changes.add(member, News::Weight(weight), now);
                member.write_bits(&self.settings, now);
                self.publish();
                return Ok(());
            }
            Command::Drain | Command::Activate | Command::Weight(_) => {}
        }
        member.write_bits(&self.settings, now);
        Ok(())
    }

    /// The endpoint with this address.
    pub fn find(&self, address: SocketAddr) -> Option<EndpointId> {
        self.by_address.get(&address).copied()
    }

    /// The host that an endpoint was found by.
    pub fn host(&self, id: EndpointId) -> Option<&str> {
        self.members.get(&id).map(|member| member.endpoint.host())
    }

    /// When [`Control::tick`] is due.
    pub fn next_wake(&self) -> Option<Instant> {
        self.next_tick
    }

    /// Does what time asks for. The first call starts the clock.
    pub fn tick(&mut self, now: Instant) {
        if self.next_tick.is_some_and(|due| now < due) {
            return;
        }
        self.next_tick = Some(now + TICK_INTERVAL);
        self.let_go_of_the_vanished(now);
        let probes = self.settings.probes.enabled;
        for member in self.members.values_mut() {
            member.listen(&mut self.changes, now);
            if member.observed.tick(&self.settings, now) {
                self.changes.add_health(member, None, now);
                member.health_changed(now);
            }
            member.notice_suspicion(None, &mut self.changes, now);
            // Successes are not told one by one, and they end what was held against it.
            member.record.note_successes(member.endpoint.successes());
            if !probes {
                member.outlive_suspicion(&self.settings, &mut self.changes, now);
            }
            member.write_bits(&self.settings, now);
        }
        self.eject_the_unheard(now);
        if self.hand_over(now) {
            self.publish();
        }
        self.open_trials(now);
        let attempts = self.members.values().map(|member| member.endpoint.attempts()).sum();
        let in_flight = self.members.values().map(|member| member.endpoint.in_flight()).sum();
        self.filler.fill(self.upstream.budgets(), attempts, in_flight, now);
    }

    /// What changed since the last call, in order.
    pub fn take_changes(&mut self) -> impl Iterator<Item = Change> + use<> {
        self.changes.take().into_iter()
    }

    /// An endpoint that answers nothing soon looks busy and gets nothing new, so that no further evidence comes of it.
    fn eject_the_unheard(&mut self, now: Instant) {
        let unheard = |member: &&Member| {
            let known = member.known();
            member.endpoint.in_flight() > 0
                && member.observed.health() == Health::Healthy
                && member.record.is_unheard(known, &self.settings.outliers, now)
        };
        let unheard: Vec<EndpointId> = self.members.values().filter(unheard).map(Member::id).collect();
        for id in unheard {
            let facts = self.facts(id, now);
            let Some(member) = self.members.get_mut(&id) else { continue };
            if member.observed.charged(Cause::Misbehaving, facts, &self.settings, now) {
                self.changes.add_health(member, Some(Evidence::Outpaced), now);
                member.health_changed(now);
                member.write_bits(&self.settings, now);
            }
        }
    }

    /// Whether a row of bad statuses since `since` is this endpoint's own doing. At most half of the endpoints are ever
    /// ejected for it: a minority that answers well is no standard.
    fn stands_out(&self, id: EndpointId, since: Instant) -> bool {
        let others = || self.members.values().filter(|member| member.id() != id && !member.vanished);
        let peers: Vec<&Member> = others().filter(|member| member.endpoint.is_plain()).collect();
        let answered_well = |peer: &&Member| peer.endpoint.last_success().is_some_and(|at| at >= since);
        if peers.is_empty() || peers.len() * 2 < others().count() || !peers.iter().any(answered_well) {
            return false;
        }
        let shares: f64 = peers.iter().map(|peer| peer.record.bad_share(peer.endpoint.successes())).sum();
        let peers = Peers { bad_share: shares / peers.len() as f64 };
        self.members.get(&id).is_some_and(|member| member.record.stands_out(peers))
    }

    fn facts(&self, id: EndpointId, now: Instant) -> Facts {
        let serves = |member: &Member| member.id() != id && !member.vanished && member.endpoint.is_plain();
        let present = || self.members.values().filter(|member| !member.vanished);
        let out = present().filter(|member| member.id() != id && is_out_by_traffic(member)).count();
        let may_be_out = present().count() * self.settings.outliers.max_ejected as usize / 100;
        let recent = self.settings.probes.traffic_outweighs;
        let member = self.members.get(&id);
        let success = member.and_then(|member| member.endpoint.last_success());
        Facts {
            others_serve: self.members.values().any(serves),
            may_eject: out < may_be_out.max(1),
            at_work: member.is_some_and(|member| member.is_at_work(now)),
            traffic_succeeds: success.is_some_and(|at| now.saturating_duration_since(at) < recent),
        }
    }

    /// Whether no endpoint is usable: then everything is more urgent.
    fn nothing_serves(&self) -> bool {
        !self.members.values().any(|member| !member.vanished && member.endpoint.is_usable())
    }

    /// One trial at a time for each endpoint on probation.
    fn open_trials(&mut self, now: Instant) {
        let open = self.members.values_mut().map(|member| u32::from(member.open_trial(now))).sum();
        self.upstream.shared().trials.store(open, Ordering::Relaxed);
    }

    fn publish(&self) {
        let present = self.members.values().filter(|member| !member.vanished);
        let members = present.map(|member| (Arc::clone(&member.endpoint), member.weight));
        self.upstream.publish(members.collect());
    }
}

/// Whether traffic keeps it from serving: ejected, or not yet back.
fn is_out_by_traffic(member: &Member) -> bool {
    matches!(member.observed.health(), Health::Ejected { by: Source::Traffic, .. } | Health::Probation { .. })
}
