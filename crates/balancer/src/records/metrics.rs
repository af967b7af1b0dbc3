//! What is counted, and the only place that knows metric names ([`exposition`]). Each worker writes its own counters, the
//! control task its own; gauges are read from the state when someone asks, never kept in step by hand.

mod counter;
mod endpoints;
mod exposition;
mod histogram;
mod upstreams;

use std::sync::Arc;

use evenkeel_upstream::attempt::{OutcomeClass, TrailOutcome, Why};
use evenkeel_upstream::{ProbeFailure, ProbeResult};

pub(crate) use counter::Counter;
pub(crate) use endpoints::{ByEndpoint, EndpointStats, EndpointTotals, Met, totals};
pub(crate) use exposition::{OfUpstream, Scrape, render};
pub(crate) use histogram::{Distribution, Histogram, Sample};
pub(crate) use upstreams::{ByUpstream, CLASSES, UpstreamTotals};

macro_rules! counters {
    ($($name:ident => $metric:literal, $labels:literal, $help:literal;)*) => {
        /// What one worker counts.
        #[derive(Debug, Default)]
        pub(crate) struct Stats {
            $(#[doc = $help] pub(crate) $name: Counter,)*
            /// From the head of a request to the end of its response.
            pub(crate) request_times: Histogram,
            /// From the beginning of an attempt to its outcome.
            pub(crate) attempt_times: Histogram,
            /// To a connection with a server.
            pub(crate) connect_times: Histogram,
            /// In the queue for a server below its limit, of requests that had to wait there.
            pub(crate) queue_times: Histogram,
            /// Attempts that have ended.
            pub(crate) ended: Ended,
            /// What concerns one endpoint.
            pub(crate) by_endpoint: ByEndpoint,
            /// What concerns one upstream, where there are several.
            pub(crate) by_upstream: ByUpstream,
        }

        const METRICS: &[(&str, &str, &str, fn(&Stats) -> &Counter)] =
            &[$(($metric, $labels, $help, |stats| &stats.$name),)*];
    };
}

counters! {
    connections => "evenkeel_connections_total", "", "Connections of clients accepted.";
    refused_connections => "evenkeel_connections_refused_total", "", "Connections of clients beyond the limit, answered with 503.";
    limited_connections => "evenkeel_connections_limited_total", "", "Connections of clients that had as many as one may have: answered with 429, over TLS closed.";
    tls13_full => "evenkeel_tls_handshakes_total", "version=\"1.3\",outcome=\"full\"", "Handshakes with clients, by version of TLS and outcome.";
    tls13_resumed => "evenkeel_tls_handshakes_total", "version=\"1.3\",outcome=\"resumed\"", "Handshakes with clients, by version of TLS and outcome.";
    tls12_full => "evenkeel_tls_handshakes_total", "version=\"1.2\",outcome=\"full\"", "Handshakes with clients, by version of TLS and outcome.";
    tls12_resumed => "evenkeel_tls_handshakes_total", "version=\"1.2\",outcome=\"resumed\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_refused => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"refused\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_plain => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"plain_http\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_gone => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"gone\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_late => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"timeout\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_missing => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_missing\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_unknown => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_unknown\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_expired => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_expired\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_revoked => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_revoked\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_unchecked => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_unchecked\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_client_invalid => "evenkeel_tls_handshakes_total", "version=\"none\",outcome=\"client_certificate_invalid\"", "Handshakes with clients, by version of TLS and outcome.";
    tls_broken => "evenkeel_tls_sessions_broken_total", "", "Connections of clients ended for what came after their handshake: a second request for a renegotiation, a record that does not verify.";
    requests => "evenkeel_requests_total", "", "Requests received, whatever became of them.";
    answered_1xx => "evenkeel_responses_total", "class=\"1xx\"", "Responses sent to clients, by class of status.";
    answered_2xx => "evenkeel_responses_total", "class=\"2xx\"", "Responses sent to clients, by class of status.";
    answered_3xx => "evenkeel_responses_total", "class=\"3xx\"", "Responses sent to clients, by class of status.";
    answered_4xx => "evenkeel_responses_total", "class=\"4xx\"", "Responses sent to clients, by class of status.";
    answered_5xx => "evenkeel_responses_total", "class=\"5xx\"", "Responses sent to clients, by class of status.";
    refused => "evenkeel_requests_refused_total", "", "Requests that broke the protocol or a limit, answered by the balancer.";
    disowned => "evenkeel_requests_turned_away_total", "reason=\"certificate\"", "Requests of clients that may not come (403) or ask too often (429).";
    denied => "evenkeel_requests_turned_away_total", "reason=\"denied\"", "Requests of clients that may not come (403) or ask too often (429).";
    limited => "evenkeel_requests_turned_away_total", "reason=\"rate\"", "Requests of clients that may not come (403) or ask too often (429).";
    redirected_to_https => "evenkeel_requests_redirected_total", "reason=\"https\"", "Requests that were sent elsewhere: to https, or where a route leads.";
    redirected => "evenkeel_requests_redirected_total", "reason=\"route\"", "Requests that were sent elsewhere: to https, or where a route leads.";
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
    server_tls13_full => "evenkeel_server_tls_handshakes_total", "version=\"1.3\",outcome=\"full\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls13_resumed => "evenkeel_server_tls_handshakes_total", "version=\"1.3\",outcome=\"resumed\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls12_full => "evenkeel_server_tls_handshakes_total", "version=\"1.2\",outcome=\"full\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls12_resumed => "evenkeel_server_tls_handshakes_total", "version=\"1.2\",outcome=\"resumed\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls_untrusted => "evenkeel_server_tls_handshakes_total", "version=\"none\",outcome=\"untrusted\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls_refused => "evenkeel_server_tls_handshakes_total", "version=\"none\",outcome=\"refused\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    server_tls_gone => "evenkeel_server_tls_handshakes_total", "version=\"none\",outcome=\"gone\"", "Handshakes with servers for requests, by version of TLS and outcome.";
    wrong_digest => "evenkeel_digest_failures_total", "", "Responses whose bytes did not match their digest.";
    missing_digest => "evenkeel_digests_missing_total", "", "Responses that came without the digest that they had announced in Trailer.";
    bytes_in => "evenkeel_received_bytes_total", "", "Bytes of request bodies received from clients.";
    bytes_out => "evenkeel_sent_bytes_total", "", "Bytes of response bodies sent to clients.";
    dropped_evidence => "evenkeel_evidence_dropped_total", "", "Reports of failures that the control task had no room for.";
}

impl Stats {
    /// Counts an attempt that has got its endpoint.
    pub(crate) fn begun(&self, why: Why) {
        let counter = match why {
            Why::First => &self.first,
            Why::Retry => &self.retry,
            Why::Moved => &self.moved,
            Why::Race => &self.race,
            Why::Hedge => &self.hedge,
        };
        counter.add(1);
    }

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

/// Attempts that have ended, by why they were begun and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Ended([[Counter; OutcomeClass::ALL.len()]; REASONS.len()]);

const REASONS: [Why; 5] = [Why::First, Why::Retry, Why::Race, Why::Hedge, Why::Moved];

impl Ended {
    /// Counts one attempt.
    pub(crate) fn add(&self, why: Why, outcome: TrailOutcome) {
        self.0[why as usize][outcome.class() as usize].add(1);
    }
}

/// What the control task counts.
#[derive(Debug, Default)]
pub(crate) struct ControlStats {
    probes_passed: Counter,
    probes_failed: Counter,
    probes_unanswered: Counter,
    probes_draining: Counter,
    /// Look-ups that the resolver answered.
    pub(crate) lookups: Counter,
    /// Look-ups that failed: what is known was kept.
    pub(crate) lookups_failed: Counter,
}

impl ControlStats {
    /// Counts a probe that has ended.
    pub(crate) fn probed(&self, result: ProbeResult) {
        let counter = match result {
            ProbeResult::Passed => &self.probes_passed,
            ProbeResult::Draining => &self.probes_draining,
            ProbeResult::Failed(ProbeFailure::Unanswered) => &self.probes_unanswered,
            ProbeResult::Failed(_) => &self.probes_failed,
        };
        counter.add(1);
    }
}

/// A total over all workers.
pub(crate) fn sum(workers: &[Arc<Stats>], counter: impl Fn(&Stats) -> &Counter) -> u64 {
    workers.iter().map(|stats| counter(stats).get()).sum()
}

/// Times over all workers.
pub(crate) fn times(workers: &[Arc<Stats>], histogram: impl Fn(&Stats) -> &Histogram) -> Distribution {
    let mut all = Distribution::default();
    for stats in workers {
        all.include(histogram(stats));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_reason_and_outcome() {
        let page = include_str!("../../../../docs/operate.md");
        let row = page.lines().find(|line| line.contains("evenkeel_attempts_ended_total")).unwrap();
        let words: Vec<_> = row.split(|c: char| !c.is_ascii_alphabetic() && c != '_').collect();
        let said = REASONS.map(Why::name).into_iter().chain(OutcomeClass::ALL.map(OutcomeClass::name));
        for word in said {
            assert!(words.contains(&word), "{word} is missing in `{row}`");
        }
    }

    #[test]
    fn reasons_stand_where_their_number_says() {
        for (index, why) in REASONS.into_iter().enumerate() {
            assert_eq!(why as usize, index, "{}", why.name());
        }
    }
}
