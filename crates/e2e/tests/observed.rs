//! What the balancer says about itself, held against what its clients have seen.

use evenkeel_stage::{Connection, Load, Processes, basic};
use rustix::process::Signal;
use serde_json::Value;

/// Enough right answers that each server is in the middle of some when one dies.
const A_WHILE: u64 = 1000;

#[test]
fn metrics_agree_with_what_clients_counted_while_a_server_died() {
    let set = Processes::start(3, &[]);
    let load = Load::start(set.balancer(), 8, "/", &[]);
    load.wait_for_more(A_WHILE);
    set.member("server-2").signal(Signal::KILL);
    load.wait_for_more(A_WHILE);
    let tally = load.stop();
    tally.assert_nothing_failed();
    let metrics = Metrics::of(&set);
    assert_eq!(metrics.value("evenkeel_requests_total"), tally.right());
    assert_eq!(metrics.value("evenkeel_responses_total{class=\"2xx\"}"), tally.right());
    assert_eq!(metrics.value("evenkeel_request_duration_seconds_count"), tally.right());
    assert_eq!(metrics.value("evenkeel_requests_failed_total"), 0);
    assert_eq!(metrics.value("evenkeel_requests_queued"), 0);
    let ended = metrics.sum("evenkeel_attempts_ended_total{");
    assert_eq!(ended, metrics.sum("evenkeel_attempts_total{"), "every attempt that begins ends");
    assert_eq!(ended, metrics.sum("evenkeel_endpoint_attempts_total{"), "and was one of an endpoint");
    let dead = set.member("server-2").traffic;
    let series = format!("evenkeel_endpoint_in_flight{{endpoint=\"{dead}\",server=\"server-2\"}}");
    assert_eq!(metrics.value(&series), 0);
}

#[test]
fn a_request_is_a_line_that_tells_no_secret() {
    let mut set = Processes::start(2, &[("MANAGER_BALANCER_ACCESS_LOG", "json")]);
    let secrets = ["canary-password", "canary-cookie", "canary-query"];
    let credentials = basic("canary", secrets[0]);
    let fields = [
        ("Authorization", credentials.as_str()),
        ("Cookie", secrets[1]),
        ("X-Request-Id", "canary-in-the-mine"),
        ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let mut connection = Connection::open(set.balancer()).unwrap();
    assert_eq!(connection.get(&format!("/?token={}", secrets[2]), &fields).unwrap().status, 200);
    let line = set.wait_for_line("canary-in-the-mine");
    let (_, line) = line.split_once("| ").unwrap();
    let told: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&told["method"], &told["path"], &told["status"]), (&"GET".into(), &"/".into(), &200.into()));
    assert_eq!(told["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(told["attempts"][0]["outcome"], "answered");
    let (_, lines) = set.end();
    let (_, encoded) = credentials.split_once(' ').unwrap();
    for secret in secrets.into_iter().chain([encoded]) {
        assert!(lines.iter().all(|line| !line.contains(secret)), "{secret}: {lines:#?}");
    }
}

#[test]
fn a_refused_request_is_logged_with_what_it_asked_for() {
    let mut set =
        Processes::start(1, &[("MANAGER_BALANCER_ACCESS_LOG", "text"), ("MANAGER_BALANCER_MAX_BODY", "10")]);
    let mut connection = Connection::open(set.balancer()).unwrap();
    let answer = connection.request("PUT", "/large?token=canary", &[], &[b'x'; 11]).unwrap();
    assert_eq!(answer.status, 413);
    let line = set.wait_for_line(" status=413 ");
    assert!(line.contains("\"PUT /large\" status=413 end=refused error=http_request_error"), "{line}");
}

/// A scrape.
struct Metrics(Vec<(String, String)>);

impl Metrics {
    fn of(set: &Processes) -> Self {
        let mut admin = Connection::open(set.member("balancer").admin).expect("it listens");
        let answer = admin.get("/metrics", &[]).expect("it answers");
        let text = String::from_utf8(answer.body).expect("metrics are text");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a line is a series and a value");
            (series.to_owned(), value.to_owned())
        };
        Self(lines.map(series).collect())
    }

    fn value(&self, series: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == series);
        whole(&found.unwrap_or_else(|| panic!("{series} is missing: {:#?}", self.0)).1)
    }

    /// Of all series that begin like this.
    fn sum(&self, beginning: &str) -> u64 {
        self.0.iter().filter(|(name, _)| name.starts_with(beginning)).map(|(_, value)| whole(value)).sum()
    }
}

fn whole(value: &str) -> u64 {
    value.parse().expect("a count is a whole number")
}
