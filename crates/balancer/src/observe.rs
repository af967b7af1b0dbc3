//! What is counted, and the only place that knows metric names. Each worker writes its own counters; gauges are read
//! from the state when someone asks, never kept in step by hand.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_upstream::EndpointState;

/// A number that only grows, written by one worker and read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. One writer: a load and a store do, without a locked instruction.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($name:ident => $metric:literal, $labels:literal, $help:literal;)*) => {
        /// The counters of one worker.
        #[derive(Debug, Default)]
        pub(crate) struct Stats {
            $(#[doc = $help] pub(crate) $name: Counter,)*
        }

        const METRICS: &[(&str, &str, &str, fn(&Stats) -> &Counter)] =
            &[$(($metric, $labels, $help, |stats| &stats.$name),)*];
    };
}

counters! {
    connections => "evenkeel_connections_total", "", "Connections of clients accepted.";
    refused_connections => "evenkeel_connections_refused_total", "", "Connections of clients beyond the limit, answered with 503.";
    requests => "evenkeel_requests_total", "", "Requests received, whatever became of them.";
    answered_1xx => "evenkeel_responses_total", "class=\"1xx\"", "Responses sent to clients, by class of status.";
    answered_2xx => "evenkeel_responses_total", "class=\"2xx\"", "Responses sent to clients, by class of status.";
    answered_3xx => "evenkeel_responses_total", "class=\"3xx\"", "Responses sent to clients, by class of status.";
    answered_4xx => "evenkeel_responses_total", "class=\"4xx\"", "Responses sent to clients, by class of status.";
    answered_5xx => "evenkeel_responses_total", "class=\"5xx\"", "Responses sent to clients, by class of status.";
    refused => "evenkeel_requests_refused_total", "", "Requests that broke the protocol or a limit, answered by the balancer.";
    failed => "evenkeel_requests_failed_total", "", "Requests that no server answered: 502, 503 or 504 of the balancer's own.";
    masked => "evenkeel_requests_masked_total", "", "Requests answered rightly though an earlier attempt failed.";
    truncated => "evenkeel_responses_truncated_total", "", "Responses that broke off after their head had gone to the client.";
    abandoned => "evenkeel_requests_abandoned_total", "", "Requests whose client went away before the response was complete.";
    first => "evenkeel_attempts_total", "reason=\"first\"", "Attempts begun, by reason.";
    retry => "evenkeel_attempts_total", "reason=\"retry\"", "Attempts begun, by reason.";
    moved => "evenkeel_attempts_total", "reason=\"moved\"", "Attempts begun, by reason.";
    race => "evenkeel_attempts_total", "reason=\"race\"", "Attempts begun, by reason.";
    hedge => "evenkeel_attempts_total", "reason=\"hedge\"", "Attempts begun, by reason.";
    opened => "evenkeel_server_connections_opened_total", "", "Connections to servers opened.";
    reused => "evenkeel_server_connections_reused_total", "", "Exchanges on a connection that had been idle.";
    wrong_digest => "evenkeel_digest_failures_total", "", "Responses whose bytes did not match their digest.";
    bytes_in => "evenkeel_received_bytes_total", "", "Bytes of request bodies received from clients.";
    bytes_out => "evenkeel_sent_bytes_total", "", "Bytes of response bodies sent to clients.";
    dropped_evidence => "evenkeel_evidence_dropped_total", "", "Reports of failures that the control task had no room for.";
}

impl Stats {
    /// Counts a response by its status.
    pub(crate) fn answered(&self, status: u16) {
        let counter = match status {
            ..200 => &self.answered_1xx,
            200..300 => &self.answered_2xx,
            300..400 => &self.answered_3xx,
            400..500 => &self.answered_4xx,
            _ => &self.answered_5xx,
        };
        counter.add(1);
    }
}

/// All metrics in Prometheus' text format (version 0.0.4).
pub(crate) fn render(workers: &[Arc<Stats>], open: usize, endpoints: &[EndpointState]) -> String {
    let mut text = String::with_capacity(8 * 1024);
    // Writing into a String cannot fail.
    let _ = write_metrics(&mut text, workers, open, endpoints);
    text
}

fn write_metrics(
    text: &mut String,
    workers: &[Arc<Stats>],
    open: usize,
    endpoints: &[EndpointState],
) -> fmt::Result {
    let mut described = "";
    for (metric, labels, help, counter) in METRICS {
        if described != *metric {
            writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} counter")?;
            described = metric;
        }
        let total: u64 = workers.iter().map(|stats| counter(stats).get()).sum();
        if labels.is_empty() {
            writeln!(text, "{metric} {total}")?;
        } else {
            writeln!(text, "{metric}{{{labels}}} {total}")?;
        }
    }
    gauge(text, "evenkeel_connections_open", "Connections of clients open now.")?;
    writeln!(text, "evenkeel_connections_open {open}")?;
    gauge(text, "evenkeel_endpoint_usable", "1 where an endpoint takes new requests, by address.")?;
    for endpoint in endpoints {
        writeln!(
            text,
            "evenkeel_endpoint_usable{{endpoint=\"{}\"}} {}",
            endpoint.address,
            u8::from(endpoint.usable)
        )?;
    }
    gauge(text, "evenkeel_endpoint_in_flight", "Attempts in flight, by address.")?;
    for endpoint in endpoints {
        writeln!(
            text,
            "evenkeel_endpoint_in_flight{{endpoint=\"{}\"}} {}",
            endpoint.address, endpoint.in_flight
        )?;
    }
    Ok(())
}

fn gauge(text: &mut String, metric: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} gauge")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_workers_are_added_up() {
        let workers = [Arc::new(Stats::default()), Arc::new(Stats::default())];
        workers[0].answered(200);
        workers[1].answered(204);
        workers[1].answered(503);
        let text = render(&workers, 7, &[]);
        assert!(text.contains("evenkeel_responses_total{class=\"2xx\"} 2\n"), "{text}");
        assert!(text.contains("evenkeel_responses_total{class=\"5xx\"} 1\n"), "{text}");
        assert!(text.contains("evenkeel_connections_open 7\n"), "{text}");
        assert_eq!(text.matches("# TYPE evenkeel_responses_total counter").count(), 1);
    }
}
