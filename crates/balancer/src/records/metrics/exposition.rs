//! All metrics in Prometheus' text format (version 0.0.4). Labels are bounded: reasons, outcomes and classes are fixed
//! words, and an endpoint's series end when it is gone.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_upstream::attempt::OutcomeClass;
use evenkeel_upstream::{EndpointId, EndpointState};
use evenkeel_wire::{TlsServer, TlsServers};

use crate::records::reloads::Settled;
use crate::records::roster::Roster;

use super::{
    CLASSES, ControlStats, EndpointTotals, Histogram, METRICS, REASONS, Stats, UpstreamTotals, sum, times,
    totals,
};

/// Everything that a scrape shows, at one moment.
pub(crate) struct Scrape<'a> {
    pub(crate) workers: &'a [Arc<Stats>],
    pub(crate) control: &'a ControlStats,
    pub(crate) endpoints: &'a [EndpointState],
    /// Who they are.
    pub(crate) roster: &'a Roster,
    /// How often each kind of change has happened.
    pub(crate) changes: BTreeMap<&'static str, u64>,
    /// Connections of clients open now.
    pub(crate) connections: usize,
    /// How many may be.
    pub(crate) most_connections: usize,
    pub(crate) upstreams: Vec<OfUpstream<'a>>,
    /// Lines of the access log that were lost.
    pub(crate) lost_lines: u64,
    /// Entries of the ledger that were lost.
    pub(crate) lost_entries: u64,
    /// `None` where no TLS is spoken.
    pub(crate) tls: Option<&'a TlsServer>,
    /// Of each upstream to which it is spoken.
    pub(crate) server_tls: Vec<&'a TlsServers>,
    pub(crate) settled: Settled,
    pub(crate) started: SystemTime,
}

/// What a scrape shows of one upstream.
pub(crate) struct OfUpstream<'a> {
    /// `None` where it is the only one.
    pub(crate) name: Option<&'a str>,
    /// Requests that wait for an endpoint below its limit.
    pub(crate) waiting: u32,
    pub(crate) retries_left: u64,
    pub(crate) hedges_left: u64,
}

/// The text of a scrape.
pub(crate) fn render(scrape: &Scrape<'_>) -> String {
    let mut text = String::with_capacity(32 * 1024 + scrape.endpoints.len() * 2048);
    // Writing into a String cannot fail.
    let _ = write_all(&mut text, scrape);
    text
}

fn write_all(text: &mut String, scrape: &Scrape<'_>) -> fmt::Result {
    write_process(text, scrape)?;
    write_settings(text, &scrape.settled)?;
    write_counters(text, scrape.workers)?;
    write_ended(text, scrape.workers)?;
    write_times(text, scrape.workers)?;
    write_control(text, scrape)?;
    write_gauges(text, scrape)?;
    write_requests_of_upstreams(text, scrape)?;
    scrape.tls.map_or(Ok(()), |tls| write_certificates(text, tls))?;
    if !scrape.server_tls.is_empty() {
        let metric = "evenkeel_server_tls_reload_failures_total";
        describe(
            text,
            metric,
            "counter",
            "Looks at the files of TLS to servers that found one that cannot be used.",
        )?;
        let failures: u64 = scrape.server_tls.iter().map(|tls| tls.reload_failures()).sum();
        writeln!(text, "{metric} {failures}")?;
        write_ends_to_servers(text, &scrape.server_tls)?;
    }
    let endpoints: Vec<Known<'_>> =
        scrape.endpoints.iter().map(|state| Known { state, labels: labels(state, scrape.roster) }).collect();
    write_endpoints(text, &endpoints)?;
    write_endpoint_totals(text, &endpoints, &totals(scrape.workers))
}

fn write_process(text: &mut String, scrape: &Scrape<'_>) -> fmt::Result {
    describe(text, "evenkeel_build_info", "gauge", "1, with the version that runs.")?;
    writeln!(text, "evenkeel_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
    let started = scrape.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    describe(text, "process_start_time_seconds", "gauge", "When the process started, in Unix time.")?;
    writeln!(text, "process_start_time_seconds {:.3}", started.as_secs_f64())
}

fn write_settings(text: &mut String, settled: &Settled) -> fmt::Result {
    let counters = [
        ("evenkeel_settings_reloads_total", "Times that other settings were taken up.", settled.reloads),
        (
            "evenkeel_settings_reload_failures_total",
            "Times that the settings in the file could not be taken up: nothing changed.",
            settled.failures,
        ),
    ];
    for (metric, help, value) in counters {
        describe(text, metric, "counter", help)?;
        writeln!(text, "{metric} {value}")?;
    }
    let metric = "evenkeel_settings_refused";
    describe(text, metric, "gauge", "1 while the file says what cannot be taken up.")?;
    writeln!(text, "{metric} {}", u8::from(settled.refused_since_ms.is_some()))?;
    let metric = "evenkeel_settings_loaded_at_seconds";
    describe(text, metric, "gauge", "Since when the settings are in force, in Unix time.")?;
    let since = Duration::from_millis(settled.in_force_since_ms);
    writeln!(text, "{metric} {:.3}", since.as_secs_f64())
}

fn write_counters(text: &mut String, workers: &[Arc<Stats>]) -> fmt::Result {
    let mut described = "";
    for (metric, labels, help, counter) in METRICS {
        if described != *metric {
            describe(text, metric, "counter", help)?;
            described = metric;
        }
        let total = sum(workers, counter);
        if labels.is_empty() {
            writeln!(text, "{metric} {total}")?;
        } else {
            writeln!(text, "{metric}{{{labels}}} {total}")?;
        }
    }
    Ok(())
}

fn write_ended(text: &mut String, workers: &[Arc<Stats>]) -> fmt::Result {
    let metric = "evenkeel_attempts_ended_total";
    describe(
        text,
        metric,
        "counter",
        "Attempts that have ended, by why they were begun and how they ended.",
    )?;
    for (row, why) in REASONS.iter().enumerate() {
        for (column, outcome) in OutcomeClass::ALL.iter().enumerate() {
            let total = sum(workers, |stats| &stats.ended.0[row][column]);
            writeln!(text, "{metric}{{reason=\"{}\",outcome=\"{}\"}} {total}", why.name(), outcome.name())?;
        }
    }
    Ok(())
}

/// A metric's name, its help, and where a worker counts it.
type Times = (&'static str, &'static str, fn(&Stats) -> &Histogram);

const TIMES: [Times; 4] = [
    (
        "evenkeel_request_duration_seconds",
        "From the head of a request to the end of its response.",
        |stats| &stats.request_times,
    ),
    ("evenkeel_attempt_duration_seconds", "From the beginning of an attempt to its outcome.", |stats| {
        &stats.attempt_times
    }),
    ("evenkeel_connect_duration_seconds", "To a connection with a server.", |stats| &stats.connect_times),
    (
        "evenkeel_queue_duration_seconds",
        "In the queue for a server below its limit, of requests that had to wait there.",
        |stats| &stats.queue_times,
    ),
];

fn write_times(text: &mut String, workers: &[Arc<Stats>]) -> fmt::Result {
    for (metric, help, histogram) in TIMES {
        describe(text, metric, "histogram", help)?;
        times(workers, histogram).write(text, metric)?;
    }
    Ok(())
}

fn write_control(text: &mut String, scrape: &Scrape<'_>) -> fmt::Result {
    let control = scrape.control;
    describe(text, "evenkeel_probes_total", "counter", "Probes that have ended, by result.")?;
    let probes = [
        ("passed", &control.probes_passed),
        ("failed", &control.probes_failed),
        ("unanswered", &control.probes_unanswered),
        ("draining", &control.probes_draining),
    ];
    for (result, counter) in probes {
        writeln!(text, "evenkeel_probes_total{{result=\"{result}\"}} {}", counter.get())?;
    }
    describe(text, "evenkeel_lookups_total", "counter", "Look-ups of the upstream's names, by result.")?;
    for (result, counter) in [("found", &control.lookups), ("failed", &control.lookups_failed)] {
        writeln!(text, "evenkeel_lookups_total{{result=\"{result}\"}} {}", counter.get())?;
    }
    describe(text, "evenkeel_endpoint_changes_total", "counter", "Changes of endpoints, by what changed.")?;
    for (change, count) in &scrape.changes {
        writeln!(text, "evenkeel_endpoint_changes_total{{change=\"{change}\"}} {count}")?;
    }
    let metric = "evenkeel_access_log_lines_lost_total";
    describe(text, metric, "counter", "Lines of the access log that the output did not take in time.")?;
    writeln!(text, "{metric} {}", scrape.lost_lines)?;
    let metric = "evenkeel_ledger_entries_lost_total";
    describe(
        text,
        metric,
        "counter",
        "Requests of a run that the ledger had no room for while it was read.",
    )?;
    writeln!(text, "{metric} {}", scrape.lost_entries)
}

/// A metric's name and help, and where it is read.
type OfAnUpstream = (&'static str, &'static str, fn(&OfUpstream<'_>) -> u64);

fn write_gauges(text: &mut String, scrape: &Scrape<'_>) -> fmt::Result {
    let most = scrape.most_connections as u64;
    let gauges = [
        ("evenkeel_connections_open", "Connections of clients open now.", scrape.connections as u64),
        ("evenkeel_connections_limit", "Connections of clients that may be open.", most),
    ];
    for (metric, help, value) in gauges {
        describe(text, metric, "gauge", help)?;
        writeln!(text, "{metric} {value}")?;
    }
    let of_upstreams: [OfAnUpstream; 3] = [
        ("evenkeel_requests_queued", "Requests that wait for a server below its limit.", |one| {
            one.waiting.into()
        }),
        ("evenkeel_retry_budget_left", "Retries that the budget allows now.", |one| one.retries_left),
        ("evenkeel_hedge_budget_left", "Hedges that the budget allows now.", |one| one.hedges_left),
    ];
    for (metric, help, read) in of_upstreams {
        describe(text, metric, "gauge", help)?;
        for upstream in &scrape.upstreams {
            match upstream.name {
                None => writeln!(text, "{metric} {}", read(upstream))?,
                Some(name) => writeln!(text, "{metric}{{upstream=\"{name}\"}} {}", read(upstream))?,
            }
        }
    }
    Ok(())
}

/// Where there are several.
fn write_requests_of_upstreams(text: &mut String, scrape: &Scrape<'_>) -> fmt::Result {
    let named = || scrape.upstreams.iter().filter_map(|upstream| upstream.name);
    let totals: Vec<_> = named().map(|name| (name, UpstreamTotals::of(scrape.workers, name))).collect();
    if totals.is_empty() {
        return Ok(());
    }
    let metric = "evenkeel_upstream_requests_total";
    let help = "Requests of an upstream that have ended, by class of status; none: the client went before the answer.";
    describe(text, metric, "counter", help)?;
    for (name, total) in &totals {
        for (class, count) in CLASSES.iter().zip(total.ended) {
            writeln!(text, "{metric}{{upstream=\"{name}\",class=\"{class}\"}} {count}")?;
        }
    }
    let metric = "evenkeel_upstream_request_seconds";
    describe(
        text,
        metric,
        "summary",
        "From the head of a request of an upstream to the end of its response.",
    )?;
    for (name, total) in &totals {
        writeln!(text, "{metric}_sum{{upstream=\"{name}\"}} {}", total.times.sum().as_secs_f64())?;
        writeln!(text, "{metric}_count{{upstream=\"{name}\"}} {}", total.times.count())?;
    }
    Ok(())
}

fn write_certificates(text: &mut String, tls: &TlsServer) -> fmt::Result {
    let metric = "evenkeel_certificate_seconds_left";
    describe(text, metric, "gauge", "Until a certificate ends; less than 0 where it has ended.")?;
    for certificate in tls.certificates() {
        let (name, left) = (escaped(&certificate.name), left(certificate.ends));
        writeln!(text, "{metric}{{certificate=\"{name}\"}} {left:.0}")?;
    }
    if let Some(end) = tls.clients_end() {
        let metric = "evenkeel_client_authority_seconds_left";
        describe(text, metric, "gauge", "Until the first authority of clients' certificates ends.")?;
        writeln!(text, "{metric} {:.0}", left(end.authority))?;
        if let Some(revoked) = end.revoked {
            let metric = "evenkeel_client_revocations_seconds_left";
            describe(text, metric, "gauge", "Until the first list of revoked client certificates ends.")?;
            writeln!(text, "{metric} {:.0}", left(revoked))?;
        }
    }
    let metric = "evenkeel_certificate_reload_failures_total";
    describe(text, metric, "counter", "Looks at the certificates that found one that cannot be used.")?;
    writeln!(text, "{metric} {}", tls.reload_failures())
}

/// The first end among all upstreams.
fn write_ends_to_servers(text: &mut String, servers: &[&TlsServers]) -> fmt::Result {
    let ends: Vec<_> = servers.iter().map(|tls| tls.ends()).collect();
    if let Some(ends) = ends.iter().map(|ends| ends.authority).min() {
        let metric = "evenkeel_server_tls_authority_seconds_left";
        describe(text, metric, "gauge", "Until the first authority of servers' certificates ends.")?;
        writeln!(text, "{metric} {:.0}", left(ends))?;
    }
    if let Some(ends) = ends.iter().filter_map(|ends| ends.own).min() {
        let metric = "evenkeel_server_tls_certificate_seconds_left";
        describe(text, metric, "gauge", "Until the certificate ends that servers are shown.")?;
        writeln!(text, "{metric} {:.0}", left(ends))?;
    }
    Ok(())
}

/// Seconds; less than 0 where it has ended.
fn left(ends: SystemTime) -> f64 {
    match ends.duration_since(SystemTime::now()) {
        Ok(left) => left.as_secs_f64(),
        Err(past) => -past.duration().as_secs_f64(),
    }
}

/// A metric's name, type and help, and where it is read.
type OfEndpoint = (&'static str, &'static str, &'static str, fn(&EndpointState) -> u64);

const OF_ENDPOINT: [OfEndpoint; 7] = [
    ("evenkeel_endpoint_usable", "gauge", "1 where an endpoint takes new requests.", |one| one.usable.into()),
    ("evenkeel_endpoint_draining", "gauge", "1 where an endpoint was told to drain.", |one| {
        one.draining.into()
    }),
    ("evenkeel_endpoint_weight", "gauge", "How much an endpoint takes compared to the others.", |one| {
        one.weight.get().into()
    }),
    ("evenkeel_endpoint_in_flight", "gauge", "Attempts in flight.", |one| one.in_flight.into()),
    ("evenkeel_endpoint_attempts_total", "counter", "Attempts begun on an endpoint.", |one| one.attempts),
    ("evenkeel_endpoint_successes_total", "counter", "Attempts on an endpoint that ended well.", |one| {
        one.successes
    }),
    ("evenkeel_endpoint_ejections_total", "counter", "How often an endpoint was ejected.", |one| {
        one.ejections
    }),
];

/// An endpoint, and what its series are labelled with.
struct Known<'a> {
    state: &'a EndpointState,
    labels: String,
}

fn labels(state: &EndpointState, roster: &Roster) -> String {
    // A name has letters, digits, dots, dashes and underscores.
    let server = roster.of(state.id);
    let called = server.as_ref().map_or_else(|| state.address.to_string(), |server| server.called());
    let mut labels = format!("endpoint=\"{}\",server=\"{called}\"", state.address);
    if let Some(upstream) = server.as_ref().and_then(|server| server.upstream.as_deref()) {
        let _ = write!(labels, ",upstream=\"{upstream}\"");
    }
    labels
}

fn write_endpoints(text: &mut String, endpoints: &[Known<'_>]) -> fmt::Result {
    for (metric, kind, help, read) in OF_ENDPOINT {
        describe(text, metric, kind, help)?;
        for endpoint in endpoints {
            writeln!(text, "{metric}{{{}}} {}", endpoint.labels, read(endpoint.state))?;
        }
    }
    let metric = "evenkeel_endpoint_failures_total";
    describe(text, metric, "counter", "Failures of an endpoint, by class.")?;
    for endpoint in endpoints {
        for (class, count) in &endpoint.state.failures {
            let (labels, class) = (&endpoint.labels, class.name());
            writeln!(text, "{metric}{{{labels},class=\"{class}\"}} {count}")?;
        }
    }
    Ok(())
}

fn write_endpoint_totals(
    text: &mut String,
    endpoints: &[Known<'_>],
    totals: &HashMap<EndpointId, EndpointTotals>,
) -> fmt::Result {
    let known = || endpoints.iter().filter_map(|one| Some((&one.labels, totals.get(&one.state.id)?)));
    let metric = "evenkeel_endpoint_response_seconds";
    describe(text, metric, "summary", "From the beginning of an attempt on an endpoint to its answer.")?;
    for (labels, total) in known() {
        writeln!(text, "{metric}_sum{{{labels}}} {}", total.answered.sum().as_secs_f64())?;
        writeln!(text, "{metric}_count{{{labels}}} {}", total.answered.count())?;
    }
    let metric = "evenkeel_endpoint_connections_opened_total";
    describe(text, metric, "counter", "Connections opened to an endpoint.")?;
    for (labels, total) in known() {
        writeln!(text, "{metric}{{{labels}}} {}", total.opened)?;
    }
    Ok(())
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn describe(text: &mut String, metric: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} {kind}")
}

#[cfg(test)]
mod tests {
    use evenkeel_upstream::attempt::{TrailOutcome, Why};
    use std::collections::BTreeSet;

    use super::*;

    fn rendered(workers: &[Arc<Stats>]) -> String {
        render(&Scrape {
            workers,
            control: &ControlStats::default(),
            endpoints: &[],
            roster: &Roster::default(),
            changes: BTreeMap::from([("ejected", 3)]),
            connections: 7,
            most_connections: 100,
            upstreams: vec![OfUpstream { name: None, waiting: 0, retries_left: 30, hedges_left: 0 }],
            lost_lines: 0,
            lost_entries: 0,
            tls: None,
            server_tls: Vec::new(),
            settled: Settled::default(),
            started: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        })
    }

    #[test]
    fn counters_of_all_workers_are_added_up() {
        let workers = [Arc::new(Stats::default()), Arc::new(Stats::default())];
        workers[0].answered(200);
        workers[1].answered(204);
        workers[1].answered(503);
        workers[0].ended.add(Why::Moved, TrailOutcome::Stale);
        workers[0].request_times.add(Duration::from_millis(1));
        workers[1].request_times.add(Duration::from_millis(3));
        let text = rendered(&workers);
        for line in [
            "evenkeel_responses_total{class=\"2xx\"} 2",
            "evenkeel_responses_total{class=\"5xx\"} 1",
            "evenkeel_connections_open 7",
            "evenkeel_attempts_ended_total{reason=\"moved\",outcome=\"stale\"} 1",
            "evenkeel_request_duration_seconds_sum 0.004",
            "evenkeel_request_duration_seconds_count 2",
            "evenkeel_endpoint_changes_total{change=\"ejected\"} 3",
            "process_start_time_seconds 1.500",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
        }
    }

    #[test]
    fn every_metric_is_described_once_and_every_series_differs() {
        let text = rendered(&[Arc::default()]);
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            let series = if line.starts_with('#') { line } else { line.rsplit_once(' ').unwrap().0 };
            assert!(seen.insert(series), "{series} is there twice");
        }
        for name in seen.iter().filter(|line| !line.starts_with('#')) {
            let metric = name.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end));
            let described =
                |metric: &str| seen.iter().any(|line| line.starts_with(&format!("# TYPE {metric} ")));
            assert!(described(metric) || family.is_some_and(described), "{metric} has no type");
        }
    }
}
