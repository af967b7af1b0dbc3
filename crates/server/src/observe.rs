//! The server's metrics. Only this file knows their names.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use actix_web::http::StatusCode;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    core::Collector,
};

use crate::journal::Journal;

/// Counters and times since the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: IntCounterVec,
    seconds: Histogram,
    faults: IntCounterVec,
    running: AtomicU64,
    running_gauge: IntGauge,
    leaving: IntGauge,
    journal_failures: IntGauge,
}

/// A request that is being answered, until its response begins.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let buckets =
            vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let seconds = HistogramOpts::new(
            "evenkeel_server_response_seconds",
            "From a request's head to the head of its response.",
        );
        Self {
            responses: counters(&registry, "responses_total", "Responses, by status.", "status"),
            seconds: registered(&registry, Histogram::with_opts(seconds.buckets(buckets))),
            faults: counters(&registry, "faults_total", "Faults that fired, by kind.", "fault"),
            running: AtomicU64::new(0),
            running_gauge: gauge(&registry, "requests_running", "Requests whose response has not begun."),
            leaving: gauge(&registry, "leaving", "1 from SIGTERM on."),
            journal_failures: gauge(&registry, "journal_failures", "Lines the journal could not write."),
            registry,
        }
    }

    /// Counts a request as running until the result is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.running.fetch_add(1, Relaxed);
        Running(&self.running)
    }

    pub(crate) fn fired(&self, faults: &[&'static str]) {
        for fault in faults {
            self.faults.with_label_values(&[fault]).inc();
        }
    }

    pub(crate) fn answered(&self, status: StatusCode, after: Duration) {
        self.responses.with_label_values(&[status.as_str()]).inc();
        self.seconds.observe(after.as_secs_f64());
    }

    /// All metrics in Prometheus' text format. What is a state and not a count comes in with the question.
    pub(crate) fn scrape(&self, is_leaving: bool, journal: Option<&Journal>) -> Vec<u8> {
        self.running_gauge.set(self.running.load(Relaxed).cast_signed());
        self.leaving.set(i64::from(is_leaving));
        let failures = journal.map_or(0, Journal::failures);
        self.journal_failures.set(failures.cast_signed());
        let mut text = Vec::new();
        // Writing into a Vec cannot fail, and families that were registered have a text form.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> IntCounterVec {
    let options = Opts::new(format!("evenkeel_server_{name}"), help);
    registered(registry, IntCounterVec::new(options, &[label]))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, IntGauge::new(format!("evenkeel_server_{name}"), help))
}

/// The names above are fixed, valid and different, so neither step can fail; the first test that runs would show it.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("a metric's name and labels are valid");
    registry.register(Box::new(metric.clone())).expect("a metric is registered once");
    metric
}
