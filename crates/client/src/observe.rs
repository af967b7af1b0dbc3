//! The client's metrics, and the only place that knows their names.
//!
//! They count what the report counts, while the run goes on. Labels are bounded: the targets are those of the settings,
//! and statuses count by their class.

use std::collections::BTreeMap;
use std::rc::Rc;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::measure::LATE;
use crate::outcome::{Exchange, Kind};

/// The upper bounds of the histograms, in seconds, to beyond the longest that a request takes by default.
const BOUNDS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];

/// The metrics of every target that was measured so far.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    registry: Registry,
    targets: BTreeMap<String, Rc<Observer>>,
}

impl Metrics {
    /// Those of one target; they are there from now on, at zero. A target that is measured twice goes on with its own.
    pub(crate) fn of(&mut self, target: &impl ToString) -> Rc<Observer> {
        let registry = &self.registry;
        let observer = self.targets.entry(target.to_string());
        observer.or_insert_with_key(|target| Rc::new(Observer::new(registry, target))).clone()
    }

    /// What a scrape reads, from whichever thread.
    pub(crate) fn registry(&self) -> Registry {
        self.registry.clone()
    }
}

/// All metrics in Prometheus' text format.
pub(crate) fn scrape(registry: &Registry) -> Vec<u8> {
    let mut text = Vec::new();
    // Writing into a Vec cannot fail, and families that were registered have a text form.
    let _ = TextEncoder::new().encode(&registry.gather(), &mut text);
    text
}

/// Observes the requests to one target.
#[derive(Debug)]
pub(crate) struct Observer {
    right: IntCounter,
    failed: IntCounter,
    failures: IntCounterVec,
    wrong: IntCounter,
    late: IntCounter,
    dropped: IntCounter,
    masked: IntCounter,
    failed_attempts: IntCounter,
    in_flight: IntGauge,
    received: IntCounter,
    opened: IntCounter,
    handshakes: IntCounterVec,
    latency_right: Histogram,
    latency_failed: Histogram,
    service: Histogram,
    connect: Histogram,
}

/// A request on its way, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Observer {
    fn new(registry: &Registry, target: &str) -> Self {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("evenkeel_client_{name}"), help).const_label("target", target)
        };
        let counter = |name: &str, help: &str| registered(registry, IntCounter::with_opts(opts(name, help)));
        let by_outcome = |outcome: &str| {
            let help = "Requests that have ended: answered rightly, or failed.";
            registered(
                registry,
                IntCounter::with_opts(opts("requests_total", help).const_label("outcome", outcome)),
            )
        };
        let times = |options: Opts| {
            let options = HistogramOpts::from(options).buckets(BOUNDS.to_vec());
            registered(registry, Histogram::with_opts(options))
        };
        let latency = |outcome: &str| {
            let help = "From the moment a request was due to its end; not of those that warm up.";
            times(opts("request_duration_seconds", help).const_label("outcome", outcome))
        };
        Self {
            right: by_outcome("right"),
            failed: by_outcome("failed"),
            failures: registered(
                registry,
                IntCounterVec::new(
                    opts("failures_total", "Failed requests, by the report's kinds; statuses by class."),
                    &["kind"],
                ),
            ),
            wrong: counter(
                "wrong_answers_total",
                "Failed requests with a whole response that a less careful client would have believed.",
            ),
            late: counter("requests_late_total", "Requests begun more than 10 ms after their moment."),
            dropped: counter(
                "requests_dropped_total",
                "Requests that were due and not sent in time or before the run ended, because every sender was busy.",
            ),
            masked: counter(
                "requests_masked_total",
                "Requests answered well though an attempt failed, as the balancer's ledger tells.",
            ),
            failed_attempts: counter(
                "attempts_failed_total",
                "Attempts that failed, as the balancer's ledger tells.",
            ),
            in_flight: registered(
                registry,
                IntGauge::with_opts(opts("requests_in_flight", "Requests begun and not ended.")),
            ),
            received: counter("received_bytes_total", "Bytes of response bodies received."),
            opened: counter("connections_opened_total", "Connections opened for requests."),
            handshakes: registered(
                registry,
                IntCounterVec::new(
                    opts(
                        "handshakes_total",
                        "TLS handshakes on connections for requests, by version and whether they were resumed.",
                    ),
                    &["version", "resumed"],
                ),
            ),
            latency_right: latency("right"),
            latency_failed: latency("failed"),
            service: times(opts(
                "service_duration_seconds",
                "From the beginning of a request to its end, of right answers; not of those that warm up.",
            )),
            connect: times(opts(
                "connect_duration_seconds",
                "To a connection with the target; not for requests that warm up.",
            )),
        }
    }

    /// Counts a request as in flight until the result is dropped.
    pub(crate) fn begun(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// Requests in flight now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.get().cast_unsigned()
    }

    /// Counts a request that has ended, as [`Measurements`](crate::measure::Measurements) does.
    pub(crate) fn ended(&self, exchange: &Exchange) {
        self.received.inc_by(exchange.received);
        self.late.inc_by(u64::from(exchange.delay() > LATE));
        self.opened.inc_by(u64::from(exchange.connect.is_some()));
        if let Some(shaken) = exchange.handshake {
            let version = if shaken.how.is_tls13 { "1.3" } else { "1.2" };
            let resumed = if shaken.how.is_resumed { "yes" } else { "no" };
            self.handshakes.with_label_values(&[version, resumed]).inc();
        }
        match &exchange.outcome {
            Ok(()) => self.right.inc(),
            Err(failure) => {
                self.failed.inc();
                self.wrong.inc_by(u64::from(failure.kind.is_wrong_answer()));
                self.failures.with_label_values(&[label(failure.kind)]).inc();
            }
        }
        if exchange.measured {
            self.time(exchange);
        }
    }

    /// Counts requests that were due and are not sent.
    pub(crate) fn dropped(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    /// Counts a request that the balancer tells of: how many of its attempts failed, and whether it was answered well.
    pub(crate) fn told(&self, failed_attempts: usize, well: bool) {
        self.failed_attempts.inc_by(failed_attempts as u64);
        self.masked.inc_by(u64::from(well && failed_attempts > 0));
    }

    fn time(&self, exchange: &Exchange) {
        if let Some(connect) = exchange.connect {
            self.connect.observe(connect.as_secs_f64());
        }
        if exchange.outcome.is_err() {
            return self.latency_failed.observe(exchange.latency().as_secs_f64());
        }
        self.latency_right.observe(exchange.latency().as_secs_f64());
        self.service.observe(exchange.service_time().as_secs_f64());
    }
}

/// The report's words for a kind of failure, as one word. A target that makes up statuses makes few labels of them.
fn label(kind: Kind) -> String {
    match kind {
        Kind::Status(status) => format!("status_{}xx", status / 100),
        kind => kind.to_string().replace([' ', '-'], "_"),
    }
}

/// The names above are fixed, valid and different, so neither step can fail; the first test that runs would show it.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("a metric's name and labels are valid");
    registry.register(Box::new(metric.clone())).expect("a metric is registered once");
    metric
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::measure::tests::{exchange, some_beginning};

    fn lines(metrics: &Metrics) -> BTreeSet<String> {
        let text = String::from_utf8(scrape(&metrics.registry())).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn ended(observer: &Observer, begin: Instant, took: u64, failed: Option<Kind>) {
        let took = Duration::from_millis(took);
        observer.ended(&exchange(begin, Duration::from_secs(9), took, failed));
    }

    #[test]
    fn each_request_counts_by_outcome_kind_and_time() {
        let (mut metrics, begin) = (Metrics::default(), some_beginning());
        let observer = metrics.of(&"http://a");
        ended(&observer, begin, 3, None);
        ended(&observer, begin, 30, None);
        ended(&observer, begin, 1, Some(Kind::WrongDigest));
        ended(&observer, begin, 1, Some(Kind::Stalled));
        ended(&observer, begin, 1, Some(Kind::Status(502)));
        ended(&observer, begin, 1, Some(Kind::Status(503)));
        observer.told(2, true);
        observer.told(1, false);
        let _on_its_way = observer.begun();
        drop(observer.begun());
        let lines = lines(&metrics);
        for line in [
            "evenkeel_client_requests_total{outcome=\"right\",target=\"http://a\"} 2",
            "evenkeel_client_requests_total{outcome=\"failed\",target=\"http://a\"} 4",
            "evenkeel_client_failures_total{kind=\"wrong_digest\",target=\"http://a\"} 1",
            "evenkeel_client_failures_total{kind=\"stalled_in_mid_body\",target=\"http://a\"} 1",
            "evenkeel_client_failures_total{kind=\"status_5xx\",target=\"http://a\"} 2",
            "evenkeel_client_wrong_answers_total{target=\"http://a\"} 1",
            "evenkeel_client_requests_masked_total{target=\"http://a\"} 1",
            "evenkeel_client_attempts_failed_total{target=\"http://a\"} 3",
            "evenkeel_client_requests_in_flight{target=\"http://a\"} 1",
            "evenkeel_client_received_bytes_total{target=\"http://a\"} 60",
            "evenkeel_client_request_duration_seconds_bucket{outcome=\"right\",target=\"http://a\",le=\"0.005\"} 1",
            "evenkeel_client_request_duration_seconds_count{outcome=\"right\",target=\"http://a\"} 2",
            "evenkeel_client_request_duration_seconds_count{outcome=\"failed\",target=\"http://a\"} 4",
            "evenkeel_client_service_duration_seconds_count{target=\"http://a\"} 2",
        ] {
            assert!(lines.contains(line), "{line} is missing from\n{lines:#?}");
        }
    }

    #[test]
    fn what_warms_up_counts_but_not_its_time() {
        let (mut metrics, begin) = (Metrics::default(), some_beginning());
        let warming = exchange(begin, Duration::from_secs(1), Duration::ZERO, None);
        let connect = Some(Duration::from_millis(1));
        metrics.of(&"http://a").ended(&Exchange { measured: false, connect, ..warming });
        let lines = lines(&metrics);
        for line in [
            "evenkeel_client_requests_total{outcome=\"right\",target=\"http://a\"} 1",
            "evenkeel_client_connections_opened_total{target=\"http://a\"} 1",
            "evenkeel_client_request_duration_seconds_count{outcome=\"right\",target=\"http://a\"} 0",
            "evenkeel_client_connect_duration_seconds_count{target=\"http://a\"} 0",
        ] {
            assert!(lines.contains(line), "{line} is missing from\n{lines:#?}");
        }
    }

    #[test]
    fn each_target_has_its_own_and_one_measured_twice_goes_on() {
        let (mut metrics, begin) = (Metrics::default(), some_beginning());
        for target in ["http://a", "http://b", "http://a"] {
            ended(&metrics.of(&target), begin, 1, None);
        }
        let lines = lines(&metrics);
        assert!(lines.contains("evenkeel_client_requests_total{outcome=\"right\",target=\"http://a\"} 2"));
        assert!(lines.contains("evenkeel_client_requests_total{outcome=\"right\",target=\"http://b\"} 1"));
    }
}
