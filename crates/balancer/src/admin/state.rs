//! The state as the API shows it: plain values with their units in their names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use evenkeel_upstream::{EndpointState, Health};
use serde::Serialize;

use super::Admin;
use super::certificates::CertificatesView;
use super::pulse::Point;
use crate::context::Shared;
use crate::context::served::Served;
use crate::records::incidents::Ghost;
use crate::records::metrics::{CLASSES, Stats, UpstreamTotals};
use crate::records::reloads::Settled;
use crate::settings::InForce;
use crate::settings::upstream::UpstreamSettings;

/// The state of the balancer at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct State {
    pub(super) name: String,
    pub(super) version: &'static str,
    /// Unix time, milliseconds.
    pub(super) at_ms: u64,
    pub(super) uptime_ms: u64,
    /// What `/readyz` says.
    pub(super) ready: bool,
    pub(super) leaving: bool,
    /// Nothing can be changed: there is no token.
    pub(super) read_only: bool,
    pub(super) policy: &'static str,
    pub(super) connections: usize,
    pub(super) max_connections: usize,
    /// Requests that wait for an endpoint below its limit.
    pub(super) waiting: u32,
    pub(super) retries_left: u64,
    pub(super) hedges_left: u64,
    pub(super) totals: Totals,
    /// Of the last five minutes.
    pub(super) lately: Totals,
    /// What the last second was like.
    pub(super) now: Point,
    pub(super) endpoints: Vec<EndpointView>,
    /// Where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) upstreams: Vec<UpstreamView>,
    /// Requests that are sent elsewhere, as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) redirects: Vec<String>,
    /// Servers that left in the last minutes and have not come back.
    pub(super) gone: Vec<Ghost>,
    /// How the settings came to be in force.
    pub(super) settled: Settled,
    /// `None` where no TLS is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificates: Option<CertificatesView>,
    /// Endpoints and those that are gone.
    pub(super) known: usize,
}

/// Counts: since the start, or of the last minutes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) turned_away: u64,
    pub(super) redirected: u64,
    pub(super) failed: u64,
    pub(super) masked: u64,
    pub(super) abandoned: u64,
    pub(super) truncated: u64,
    pub(super) server_errors: u64,
    pub(super) moved: u64,
    pub(super) retries: u64,
    pub(super) races: u64,
    pub(super) hedges: u64,
    pub(super) wrong_digests: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// One of several upstreams.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UpstreamView {
    name: String,
    /// The requests that it takes; none for the one that takes what the others do not.
    routes: Vec<String>,
    /// Whether a request for it would find a server.
    ready: bool,
    pub(super) policy: &'static str,
    pub(super) waiting: u32,
    pub(super) retries_left: u64,
    pub(super) hedges_left: u64,
    /// Since the start:
    requests: u64,
    /// Those with an answer, by class of status.
    answered: BTreeMap<&'static str, u64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// One endpoint.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "what the page shows, in any combination")]
pub(super) struct EndpointView {
    /// What the server is called; its address where it has no name.
    pub(super) server: String,
    pub(super) address: SocketAddr,
    pub(super) name: String,
    /// The upstream that it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<String>,
    pub(super) state: &'static str,
    /// Why it is ejected or on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<&'static str>,
    pub(super) state_for_ms: f64,
    /// Until an ejection by traffic may end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_in_ms: Option<f64>,
    pub(super) usable: bool,
    pub(super) suspect: bool,
    pub(super) busy: bool,
    pub(super) draining: bool,
    pub(super) leaving: bool,
    pub(super) vanished: bool,
    pub(super) backup: bool,
    pub(super) weight: u16,
    pub(super) ejections: u64,
    pub(super) in_flight: u32,
    pub(super) attempts: u64,
    pub(super) successes: u64,
    /// Failures by class; those that never happened are left out.
    pub(super) failures: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usual_connect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usual_head_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_probe: Option<ProbeView>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) recent: Option<Recent>,
}

/// The last probe of an endpoint.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProbeView {
    result: String,
    took_ms: f64,
    ago_ms: f64,
}

/// What an endpoint's last seconds were like.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Recent {
    /// Attempts a second.
    pub(super) rate: f64,
    /// Of all attempts, 0 to 1.
    pub(super) share: f64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Connections opened to it since the start.
    pub(super) opened: u64,
    /// Attempts since the start that began on an idle connection.
    pub(super) reused: u64,
}

impl Totals {
    /// What was counted after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let less = |count: fn(&Self) -> u64| count(self).saturating_sub(count(earlier));
        Self {
            requests: less(|totals| totals.requests),
            refused: less(|totals| totals.refused),
            turned_away: less(|totals| totals.turned_away),
            redirected: less(|totals| totals.redirected),
            failed: less(|totals| totals.failed),
            masked: less(|totals| totals.masked),
            abandoned: less(|totals| totals.abandoned),
            truncated: less(|totals| totals.truncated),
            server_errors: less(|totals| totals.server_errors),
            moved: less(|totals| totals.moved),
            retries: less(|totals| totals.retries),
            races: less(|totals| totals.races),
            hedges: less(|totals| totals.hedges),
            wrong_digests: less(|totals| totals.wrong_digests),
            bytes_in: less(|totals| totals.bytes_in),
            bytes_out: less(|totals| totals.bytes_out),
        }
    }
}

impl UpstreamView {
    /// Whether there are others to tell it from.
    pub(super) fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// As it is now.
    pub(super) fn of(settings: &UpstreamSettings, served: &Served, workers: &[Arc<Stats>]) -> Self {
        let budgets = served.upstream.budgets();
        let name = settings.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let totals = UpstreamTotals::of(workers, &name);
        // What has no status has had no answer.
        let answered = CLASSES.into_iter().zip(totals.ended).skip(1).filter(|(_, count)| *count > 0);
        Self {
            requests: totals.requests(),
            answered: answered.collect(),
            p50_ms: totals.times.quantile(0.5).map(millis),
            p99_ms: totals.times.quantile(0.99).map(millis),
            name,
            routes: settings.routes.clone(),
            ready: served.upstream.snapshot().can_serve(),
            policy: settings.rules.policy.name(),
            waiting: served.upstream.queue().len(),
            retries_left: budgets.retries_left(),
            hedges_left: budgets.hedges_left(),
        }
    }
}

impl EndpointView {
    /// An endpoint without what takes two looks to know.
    pub(super) fn of(endpoint: &EndpointState, shared: &Shared, now: Instant) -> Self {
        let server = shared.roster.of(endpoint.id);
        // From a crash it may be back before anybody could eject it.
        let place = server.as_ref().map(|server| server.place());
        let back_for = place.and_then(|place| shared.story.back_for(&place)).unwrap_or(Duration::MAX);
        let upstream = server.as_ref().and_then(|server| server.upstream.as_deref().map(str::to_owned));
        let (state, cause, until) = match endpoint.health {
            Health::Unproven => ("unproven", None, None),
            Health::Healthy => ("healthy", None, None),
            Health::Ejected { cause, until, .. } => ("ejected", Some(cause), Some(until)),
            Health::Probation { cause, .. } => ("probation", Some(cause), None),
        };
        let failures = endpoint.failures.iter().filter(|(_, count)| *count > 0);
        Self {
            server: server.map_or_else(|| endpoint.address.to_string(), |server| server.called()),
            address: endpoint.address,
            name: endpoint.label.clone(),
            upstream,
            state,
            cause: cause.map(|cause| match cause {
                evenkeel_upstream::Cause::Unreachable => "unreachable",
                evenkeel_upstream::Cause::Unanswering => "unanswering",
                evenkeel_upstream::Cause::Misbehaving => "misbehaving",
            }),
            state_for_ms: millis(endpoint.state_for.min(back_for)),
            retry_in_ms: until.map(|until| millis(until.saturating_duration_since(now))),
            usable: endpoint.usable,
            suspect: endpoint.suspect,
            busy: endpoint.busy,
            draining: endpoint.draining,
            leaving: endpoint.leaving,
            vanished: endpoint.vanished,
            backup: endpoint.backup,
            weight: endpoint.weight.get(),
            ejections: endpoint.ejections,
            in_flight: endpoint.in_flight,
            attempts: endpoint.attempts,
            successes: endpoint.successes,
            failures: failures.map(|(class, count)| (class.name(), *count)).collect(),
            usual_connect_ms: endpoint.usual_connect.map(millis),
            usual_head_ms: endpoint.usual_head.map(millis),
            last_probe: endpoint.last_probe.map(|probe| ProbeView {
                result: probe.result.to_string(),
                took_ms: millis(probe.took),
                ago_ms: millis(now.saturating_duration_since(probe.at)),
            }),
            recent: None,
        }
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Everything at once: the last state, the minutes before it and the settings in force.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    state: &'a State,
    history: &'a [Point],
    settings: &'a [InForce],
}

/// `GET /api/state`
pub(super) async fn state(admin: web::Data<Admin>) -> HttpResponse {
    let pulse = admin.pulse.borrow().clone();
    HttpResponse::Ok().json(Whole {
        state: &pulse.state,
        history: &pulse.history,
        settings: &admin.shared.edition().settings.in_force,
    })
}
