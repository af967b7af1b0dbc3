//! The metrics as Prometheus takes them: its linter finds nothing to say, and a scrape of the running set says what the
//! set says itself.
#![cfg(feature = "prometheus")]

mod client;
mod process;
mod scraper;

use std::{collections::BTreeSet, net::SocketAddr};

use client::Client;
use evenkeel_stage::{Connection, Load, Processes, root};
use rustix::process::Signal;
use scraper::{Scraper, check};

/// Enough right answers that the server with a fault has failed many times.
const A_WHILE: u64 = 1000;

/// How often the client is asked for its first failure, which takes it a moment.
const LOOKS: u32 = 10_000;

/// A series that is there once the client has failed.
const CLIENT_FAILURES: &str = "evenkeel_client_failures_total{kind=\"status_4xx\"";

/// The set under load, after something went wrong: one server was killed and serves again, another spoils answers. So
/// the series of failures are there as well.
fn set_with_failures() -> (Processes, Load) {
    let mut set =
        Processes::start(3, &[("MANAGER_RESTART", "on"), ("MANAGER_SERVER_1_FAULTS", "corrupt:5%")]);
    let load = Load::start(set.balancer(), 4, "/", &[]);
    load.wait_for("all servers", |tally| tally.by_server.len() == 3);
    load.wait_for_more(A_WHILE);
    set.member("server-2").signal(Signal::KILL);
    set.wait_for_line("| server-2 ended: signal 9 (SIGKILL)");
    set.wait_for_line("| server-2 runs again, pid ");
    let so_far = load.tally().by_server["server-2"];
    load.wait_for("the restarted server", |tally| tally.by_server["server-2"] > so_far);
    (set, load)
}

fn metrics(admin: SocketAddr) -> String {
    let answer = Connection::open(admin).and_then(|mut admin| admin.get("/metrics", &[]));
    let answer = answer.expect("it answers");
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).expect("metrics are text")
}

/// The value of a series without labels, as it is written.
fn value(metrics: &str, series: &str) -> String {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing:\n{metrics}")).to_owned()
}

/// What the client says once one of its requests has failed.
fn metrics_after_a_failure(client: &Client, load: &Load) -> String {
    let counted = |page: &String| page.contains(CLIENT_FAILURES);
    let mut pages = (0..LOOKS).map(|_| {
        load.wait_for_more(1);
        metrics(client.admin)
    });
    pages.find(counted).expect("the client fails often")
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics_of_balancer_servers_and_client() {
    let (set, load) = set_with_failures();
    let client = Client::start(set.balancer());
    let mut pages: Vec<_> =
        set.members.iter().map(|member| (member.name.as_str(), metrics(member.admin))).collect();
    pages.push(("client", metrics_after_a_failure(&client, &load)));
    for (name, page) in &pages {
        let own = match *name {
            "balancer" => "evenkeel_endpoint_failures_total{",
            "client" => CLIENT_FAILURES,
            _ => "evenkeel_server_responses_total{status=\"200\"}",
        };
        assert!(page.contains(own), "{own} is not what {name} says:\n{page}");
        let said = check(&["metrics"], page);
        assert!(said.is_empty(), "promtool says of {name}:\n{said}\n{page}");
        let mut known = BTreeSet::new();
        let series = page.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0));
        let twice: Vec<_> = series.filter(|series| !known.insert(*series)).collect();
        assert!(twice.is_empty(), "{name} says twice: {twice:#?}");
    }
    let (_, balancer) = pages.iter().find(|(name, _)| *name == "balancer").expect("it is a member");
    assert_ne!(value(balancer, "evenkeel_digest_failures_total"), "0", "nothing went wrong:\n{balancer}");
    load.stop();
}

#[test]
fn what_prometheus_counts_is_what_the_set_says() {
    let (set, load) = set_with_failures();
    let client = Client::start(set.balancer());
    let mut jobs: Vec<_> = set.members.iter().map(|member| (member.name.as_str(), member.admin)).collect();
    jobs.push(("client", client.admin));
    let mut prometheus = Scraper::start(&jobs);
    prometheus.wait_until("every target is up", |prometheus| {
        let up = prometheus.by_job("up");
        jobs.iter().all(|(job, _)| up.get(*job).is_some_and(|value| value == "1"))
    });
    prometheus.wait_until("the client's requests are counted", |prometheus| {
        let right = prometheus.one("sum(evenkeel_client_requests_total{outcome=\"right\"}) > 0");
        let failed = prometheus.one("sum(evenkeel_client_failures_total{kind=\"status_4xx\"}) > 0");
        right.is_some() && failed.is_some()
    });
    prometheus.wait_until("requests have a 99th percentile", |prometheus| {
        let quantile = "histogram_quantile(0.99, rate(evenkeel_request_duration_seconds_bucket[1m]))";
        let seconds = prometheus.one(quantile).and_then(|value| value.parse::<f64>().ok());
        seconds.is_some_and(|seconds| seconds.is_finite() && seconds > 0.0)
    });
    drop(client);
    let right = load.stop().right();
    let admin = set.member("balancer").admin;
    prometheus.wait_until("the requests are as many as the balancer says", |prometheus| {
        let counted = value(&metrics(admin), "evenkeel_requests_total");
        assert!(counted.parse::<u64>().expect("a count is a whole number") >= right, "{counted} of {right}");
        prometheus.one("sum(evenkeel_requests_total)") == Some(counted)
    });
}

#[test]
fn promtool_accepts_the_configuration_for_compose() {
    let file = root().join("deploy/prometheus.yml");
    let said = check(&["config", file.to_str().expect("the workspace's path is UTF-8")], "");
    assert!(said.contains("is valid prometheus config file syntax"), "{said}");
}
