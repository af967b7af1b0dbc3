//! The beat of the live page: once a second, and soon after every event, the counters are read, compared with those of
//! some seconds ago, and published as one [`State`] that all readers share.
//!
//! The minutes before are kept here too, so that a page that has just been opened shows how it came about.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use actix_web::web::Bytes;
use evenkeel_upstream::{EndpointId, EndpointState};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Admin;
use super::certificates::CertificatesView;
use super::state::{EndpointView, Recent, State, Totals, UpstreamView, millis};
use crate::clock::now;
use crate::context::Shared;
use crate::records::events::{Events, unix_millis};
use crate::records::metrics::{self, Distribution, EndpointTotals, Stats, sum};
use crate::records::story::Moves;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// How soon after an event there is a beat; what happens meanwhile is in it.
const SOON: Duration = Duration::from_millis(100);

/// How far back rates and latencies of an endpoint are looked at, in beats: one second alone would flicker.
const WINDOW: usize = 5;

/// Beats that are kept for the charts: five minutes.
const HISTORY: usize = 300;

/// Between two notes about requests that moved.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);

/// The last beat.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) state: State,
    /// Oldest first.
    pub(super) history: Vec<Point>,
    frame: OnceLock<Bytes>,
}

impl Pulse {
    /// The state as a server-sent event, written once for all readers.
    pub(super) fn frame(&self) -> Bytes {
        self.frame.get_or_init(|| super::stream::frame("state", &self.state)).clone()
    }
}

/// What one second was like.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Point {
    /// Unix time of its end, milliseconds.
    at_ms: u64,
    /// A second each:
    requests: f64,
    /// Answers of 500 and above, and responses that broke off.
    errors: f64,
    /// Attempts begun because another failed, fell silent or answered badly.
    moves: f64,
    /// Second attempts for speed: races and hedges.
    hedges: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// The counters at one moment.
struct Sample {
    at: Instant,
    totals: Totals,
    times: Distribution,
    attempts: HashMap<EndpointId, u64>,
    endpoints: HashMap<EndpointId, EndpointTotals>,
}

/// Beats until nobody can listen any more.
pub(super) async fn run(admin: Admin, beat: watch::Sender<Arc<Pulse>>) {
    let mut past = VecDeque::with_capacity(WINDOW + 1);
    let mut history: VecDeque<Point> = VecDeque::with_capacity(HISTORY);
    let mut before: VecDeque<Totals> = VecDeque::with_capacity(HISTORY);
    let mut notes = Notes { since: Totals::default(), moves: Moves::default(), due: now() };
    let mut news = admin.shared.events.watch();
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !beat.is_closed() {
        let regular = tokio::select! {
            _ = ticks.tick() => true,
            changed = news.changed() => {
                if changed.is_err() {
                    return;
                }
                sleep(SOON).await;
                false
            }
        };
        let endpoints = admin.endpoints().await;
        let sample = Sample::take(&admin.stats, &endpoints);
        let mut state = describe(&admin, &sample);
        state.now = past.back().map(|earlier| point(earlier, &sample)).unwrap_or_default();
        state.endpoints = views(&admin.shared, &endpoints, past.front(), &sample);
        state.lately = state.totals.since(before.front().unwrap_or(&Totals::default()));
        state.gone = admin.shared.story.gone();
        state.known = state.endpoints.len() + state.gone.len();
        notes.take(&admin.shared.events, &state.totals, admin.shared.story.moves(), sample.at);
        if regular {
            if !past.is_empty() {
                keep(&mut history, state.now, HISTORY);
            }
            keep(&mut before, state.totals, HISTORY);
            keep(&mut past, sample, WINDOW);
        }
        let history = history.iter().copied().collect();
        beat.send_replace(Arc::new(Pulse { state, history, frame: OnceLock::new() }));
        news.mark_unchanged();
    }
}

fn keep<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

impl Sample {
    fn take(workers: &[Arc<Stats>], endpoints: &[EndpointState]) -> Self {
        Self {
            at: now(),
            totals: totals(workers),
            times: metrics::times(workers, |stats| &stats.request_times),
            attempts: endpoints.iter().map(|endpoint| (endpoint.id, endpoint.attempts)).collect(),
            endpoints: metrics::totals(workers),
        }
    }
}

/// The state but for what the endpoints and the last second were like.
fn describe(admin: &Admin, sample: &Sample) -> State {
    let (shared, edition) = (&admin.shared, admin.shared.edition());
    let settings = &edition.settings;
    let upstreams: Vec<UpstreamView> = edition
        .upstreams()
        .map(|(settings, served)| UpstreamView::of(settings, served, &admin.stats))
        .collect();
    State {
        name: settings.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        at_ms: unix_millis(),
        uptime_ms: admin.started.elapsed().map_or(0, |elapsed| elapsed.as_millis() as u64),
        ready: !shared.leaving.is_unready() && shared.can_serve(),
        leaving: shared.leaving.is_unready(),
        read_only: settings.admin.token.is_none(),
        policy: upstreams[0].policy,
        connections: shared.connections.open(),
        max_connections: settings.max_connections,
        waiting: upstreams.iter().map(|upstream| upstream.waiting).sum(),
        retries_left: upstreams.iter().map(|upstream| upstream.retries_left).sum(),
        hedges_left: upstreams.iter().map(|upstream| upstream.hedges_left).sum(),
        // One without a name has nothing to say that is not said above.
        upstreams: if upstreams.iter().any(UpstreamView::is_named) { upstreams } else { Vec::new() },
        redirects: settings
            .upstreams
            .routing
            .as_ref()
            .map_or_else(Vec::new, |routing| routing.redirects.clone()),
        settled: shared.reloads.settled(),
        totals: sample.totals,
        certificates: shared.tls.as_ref().map(|tls| CertificatesView::of(tls, SystemTime::now())),
        ..State::default()
    }
}

/// The endpoints, with what they were like since `earlier`.
fn views(
    shared: &Shared,
    endpoints: &[EndpointState],
    earlier: Option<&Sample>,
    later: &Sample,
) -> Vec<EndpointView> {
    let begun = |endpoint: &EndpointState| {
        let before = earlier.and_then(|earlier| earlier.attempts.get(&endpoint.id));
        endpoint.attempts.saturating_sub(before.copied().unwrap_or_default())
    };
    let all: u64 = endpoints.iter().map(begun).sum();
    let seconds =
        earlier.map_or(BEAT, |earlier| later.at.saturating_duration_since(earlier.at)).as_secs_f64();
    let unknown = EndpointTotals::default();
    let view = |endpoint: &EndpointState| {
        let totals = later.endpoints.get(&endpoint.id).unwrap_or(&unknown);
        let before = earlier.and_then(|earlier| earlier.endpoints.get(&endpoint.id)).unwrap_or(&unknown);
        let times = totals.answered.since(&before.answered);
        let begun = begun(endpoint) as f64;
        let recent = Recent {
            rate: round(begun / seconds.max(1e-3)),
            share: if all == 0 { 0.0 } else { begun / all as f64 },
            p50_ms: times.quantile(0.5).map(millis),
            p99_ms: times.quantile(0.99).map(millis),
            opened: totals.opened,
            reused: totals.reused,
        };
        EndpointView { recent: Some(recent), ..EndpointView::of(endpoint, shared, later.at) }
    };
    endpoints.iter().map(view).collect()
}

fn totals(workers: &[Arc<Stats>]) -> Totals {
    let sum = |counter: fn(&Stats) -> &metrics::Counter| sum(workers, counter);
    Totals {
        requests: sum(|stats| &stats.requests),
        refused: sum(|stats| &stats.refused),
        turned_away: sum(|stats| &stats.denied) + sum(|stats| &stats.disowned) + sum(|stats| &stats.limited),
        redirected: sum(|stats| &stats.redirected_to_https) + sum(|stats| &stats.redirected),
        failed: sum(|stats| &stats.failed),
        masked: sum(|stats| &stats.masked),
        abandoned: sum(|stats| &stats.abandoned),
        truncated: sum(|stats| &stats.truncated),
        server_errors: sum(|stats| &stats.answered_5xx),
        moved: sum(|stats| &stats.moved),
        retries: sum(|stats| &stats.retry),
        races: sum(|stats| &stats.race),
        hedges: sum(|stats| &stats.hedge),
        wrong_digests: sum(|stats| &stats.wrong_digest),
        bytes_in: sum(|stats| &stats.bytes_in),
        bytes_out: sum(|stats| &stats.bytes_out),
    }
}

/// What the time between two samples was like.
fn point(earlier: &Sample, later: &Sample) -> Point {
    let seconds = later.at.saturating_duration_since(earlier.at).as_secs_f64().max(1e-3);
    let (before, after) = (&earlier.totals, &later.totals);
    let rate =
        |counted: fn(&Totals) -> u64| round(counted(after).saturating_sub(counted(before)) as f64 / seconds);
    let times = later.times.since(&earlier.times);
    Point {
        at_ms: unix_millis(),
        requests: rate(|totals| totals.requests),
        errors: rate(|totals| totals.server_errors + totals.truncated),
        moves: rate(|totals| totals.moved + totals.retries),
        hedges: rate(|totals| totals.races + totals.hedges),
        p50_ms: times.quantile(0.5).map(millis),
        p99_ms: times.quantile(0.99).map(millis),
    }
}

fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

/// Says in words that requests moved or failed, at once and then from time to time.
struct Notes {
    /// What was said already.
    since: Totals,
    moves: Moves,
    due: Instant,
}

impl Notes {
    fn take(&mut self, events: &Events, totals: &Totals, moves: Moves, now: Instant) {
        let new = moves.since(&self.moves);
        let failed = totals.failed.saturating_sub(self.since.failed);
        let broken = totals.truncated.saturating_sub(self.since.truncated);
        if new.requests + failed + broken == 0 || now < self.due {
            return;
        }
        if new.requests > 0 {
            events.note("moved", words_of(new));
        }
        if failed > 0 {
            events.note("failed", format!("{} got no answer of any server", count(failed, "request")));
        }
        if broken > 0 {
            events.note("failed", format!("{} broke off half way", count(broken, "response")));
        }
        *self = Self { since: *totals, moves, due: now + NOTE_INTERVAL };
    }
}

/// Each of them is over, so the numbers add up.
fn words_of(moved: Moves) -> String {
    let requests = count(moved.requests, "request");
    match moved.requests - moved.answered {
        0 => format!("{requests} moved to another server, and answered there"),
        failed => format!("{requests} moved to another server: {} answered, {failed} not", moved.answered),
    }
}

fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(events: &Events) -> Vec<String> {
        let shown = serde_json::to_value(events.after(0)).unwrap();
        let text = |event: &serde_json::Value| event["text"].as_str().unwrap().to_owned();
        shown.as_array().unwrap().iter().map(text).collect()
    }

    #[test]
    fn moves_are_told_at_once_and_then_together() {
        let (events, begin) = (Events::new(), now());
        let mut notes = Notes { since: Totals::default(), moves: Moves::default(), due: begin };
        let totals = Totals::default();
        let moves = |requests, answered| Moves { requests, answered };
        notes.take(&events, &totals, moves(1, 1), begin);
        notes.take(&events, &totals, moves(9, 8), begin + Duration::from_secs(1));
        notes.take(&events, &totals, moves(10, 9), begin + NOTE_INTERVAL);
        notes.take(&events, &totals, moves(10, 9), begin + 2 * NOTE_INTERVAL);
        assert_eq!(
            texts(&events),
            [
                "1 request moved to another server, and answered there",
                "9 requests moved to another server: 8 answered, 1 not",
            ]
        );
    }

    #[test]
    fn a_point_counts_what_came_between_two_samples() {
        let sample = |at, requests, truncated| Sample {
            at,
            totals: Totals { requests, truncated, ..Totals::default() },
            times: Distribution::default(),
            attempts: HashMap::new(),
            endpoints: HashMap::new(),
        };
        let begin = now();
        let (earlier, later) = (sample(begin, 100, 0), sample(begin + 2 * BEAT, 350, 2));
        let point = point(&earlier, &later);
        assert_eq!((point.requests, point.errors, point.p50_ms), (125.0, 1.0, None));
    }
}
