//! The ledger tells what became of each request of a run: whatever happened to it, in the words that the client reconciles
//! with what it saw itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, unused_imports, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

use harness::{Balancer, Nobody, OK, Servers, Stage};
use serde_json::{Value, json};

/// What makes runs be heard.
const RUNS: [(&str, &str); 1] = [("RUNS", "on")];

/// A request of the run `r`.
fn of_run(method: &str, id: &str, more: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: h\r\nX-Evenkeel-Run: r\r\nX-Request-Id: {id}\r\n{more}\r\n")
}

/// The requests of the run, once there are so many.
fn requests(balancer: &Balancer, count: usize) -> Vec<Value> {
    let read = || {
        let answer = balancer.admin("/ledger?run=r");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let lines: Vec<Value> =
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["ledger"], &lines[0]["oldest"]), (&json!(1), &json!(0)));
        lines.into_iter().filter(|line| line.get("run").is_some()).collect::<Vec<_>>()
    };
    balancer.wait_until(|_| read().len() >= count);
    read()
}

/// The only request: the status sent, whether all of it was, and how its attempts ended.
fn only(balancer: &Balancer) -> (Value, bool, Vec<(u64, String, Value)>) {
    let requests = requests(balancer, 1);
    let [request] = requests.as_slice() else { panic!("one request, not {requests:?}") };
    assert_eq!(request["run"], "r");
    let attempts = request["attempts"].as_array().unwrap().iter();
    let attempts = attempts
        .map(|attempt| {
            let end = attempt["end"].as_str().unwrap().to_owned();
            (attempt["n"].as_u64().unwrap(), end, attempt["status"].clone())
        })
        .collect();
    (request["status"].clone(), request["whole"].as_bool().unwrap(), attempts)
}

#[test]
fn an_answered_request_is_told_once_and_one_of_no_run_is_not() {
    let stage = Stage::with(&RUNS);
    for (request, response) in
        [(of_run("GET", "r-1", ""), OK), ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".into(), OK)]
    {
        let (mut client, _server) = stage.asked_and_answered(request, response);
        assert_eq!(client.message().status(), 200);
    }
    let told = requests(&stage.balancer, 1);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["id"], &told[0]["attempts"][0]["why"]), (&json!("r-1"), &json!("first")));
    assert_eq!(told[0]["attempts"][0]["endpoint"], stage.servers.upstream());
    assert_eq!(only(&stage.balancer), (json!(200), true, vec![(1, "answered".into(), json!(200))]));
}

#[test]
fn a_request_that_moved_is_told_with_both_its_attempts() {
    let servers = Servers::listen(2);
    let balancer = Balancer::start(&servers.upstream(), &RUNS);
    let mut client = balancer.connect();
    client.send(of_run("GET", "r-1", ""));
    let mut first = servers.accept();
    assert_eq!(first.message().field("x-attempt"), Some("1"));
    first.reset();
    let mut second = servers.accept();
    assert_eq!(second.message().field("x-attempt"), Some("2"));
    second.send(OK);
    assert_eq!(client.message().status(), 200);
    let ends = vec![(1, "reset".into(), Value::Null), (2, "answered".into(), json!(200))];
    assert_eq!(only(&balancer), (json!(200), true, ends));
}

#[test]
fn a_server_that_never_answered_let_the_request_down() {
    let stage = Stage::of(2, &[&RUNS[..], &[("RESPONSE_TIMEOUT", "200ms")]].concat());
    let mut client = stage.client(of_run("GET", "r-1", ""));
    let (silent, mut first) = stage.servers.accept_at_any();
    first.message();
    let (other, mut second) = stage.servers.accept_at_any();
    assert_ne!(silent, other);
    assert_eq!(second.message().field("x-attempt"), Some("2"));
    second.send(OK);
    assert_eq!(client.message().status(), 200);
    let ends = vec![(1, "timeout".into(), Value::Null), (2, "answered".into(), json!(200))];
    assert_eq!(only(&stage.balancer), (json!(200), true, ends));
}

#[test]
fn an_error_of_a_server_that_nobody_saw_is_a_failure_and_not_an_answer() {
    let servers = Servers::listen(2);
    let balancer = Balancer::start(&servers.upstream(), &RUNS);
    let mut client = balancer.connect();
    client.send(of_run("GET", "r-1", ""));
    for response in ["HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", OK] {
        let mut server = servers.accept();
        server.message();
        server.send(response);
    }
    assert_eq!(client.message().status(), 200);
    let ends = vec![(1, "status".into(), json!(503)), (2, "answered".into(), json!(200))];
    assert_eq!(only(&balancer), (json!(200), true, ends));
}

#[test]
fn a_response_that_broke_off_was_not_sent_whole() {
    let stage = Stage::with(&RUNS);
    let begun = format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{}", "x".repeat(100_000));
    let (mut client, server) = stage.asked_and_answered(of_run("GET", "r-1", ""), begun);
    assert_eq!(client.head().status(), 200);
    client.exactly(100_000);
    drop(server);
    client.reset_by_peer();
    assert_eq!(only(&stage.balancer), (json!(200), false, vec![(1, "truncated".into(), Value::Null)]));
}

#[test]
fn a_request_that_is_refused_has_no_attempts() {
    let stage = Stage::with(&[("RUNS", "on"), ("MAX_BODY", "1KiB")]);
    let mut client = stage.client(of_run("POST", "r-1", "Content-Length: 2000\r\n"));
    assert_eq!(client.message().status(), 413);
    assert_eq!(only(&stage.balancer), (json!(413), true, vec![]));
}

#[test]
fn a_request_that_no_server_took_is_told_with_the_error_that_was_sent() {
    let nobody = Nobody::new();
    let balancer = Balancer::start(&nobody.upstream(), &RUNS);
    let mut client = balancer.connect();
    client.send(of_run("GET", "r-1", ""));
    let status = client.message().status();
    assert_eq!(only(&balancer), (json!(status), true, vec![(1, "refused".into(), Value::Null)]));
}

#[test]
fn a_client_that_went_away_was_sent_nothing() {
    let stage = Stage::with(&RUNS);
    let client = stage.client(of_run("GET", "r-1", ""));
    let mut server = stage.servers.accept();
    server.message();
    client.reset();
    assert_eq!(only(&stage.balancer), (Value::Null, false, vec![(1, "abandoned".into(), Value::Null)]));
}

#[test]
fn a_request_without_an_id_is_told_under_the_one_it_was_given() {
    let stage = Stage::with(&RUNS);
    let seen = stage.forwarded("GET / HTTP/1.1\r\nHost: h\r\nX-Evenkeel-Run: r\r\n\r\n");
    let told = requests(&stage.balancer, 1);
    assert_eq!(told[0]["id"].as_str(), seen.field("x-request-id"));
}

#[test]
fn a_run_that_is_no_name_is_not_told() {
    let stage = Stage::with(&RUNS);
    for name in ["\"r\", x", "", "r/x", "r:x", &"x".repeat(65)] {
        stage.forwarded(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Evenkeel-Run: {name}\r\n\r\n"));
    }
    stage.forwarded(of_run("GET", "r-2", ""));
    let told = requests(&stage.balancer, 1);
    assert!(told.len() == 1 && told[0]["id"] == "r-2", "{told:?}");
    assert_eq!(stage.balancer.admin("/ledger").text().matches("\"run\":").count(), 1);
}

#[test]
fn no_ledger_is_kept_where_it_is_off() {
    let stage = Stage::with(&[("RUNS", "on"), ("LEDGER", "off")]);
    stage.forwarded(of_run("GET", "r-1", ""));
    let answer = stage.balancer.admin("/ledger?run=r");
    assert_eq!(answer.status(), 404);
    assert!(answer.text().contains("BALANCER_LEDGER"), "{}", answer.text());
    assert!(
        Balancer::refused(&[("UPSTREAM", "a:1"), ("LEDGER", "12KiB")]).contains("BALANCER_LEDGER: `12KiB`")
    );
}

#[test]
fn runs_and_the_faults_they_bring_are_heard_and_passed_on_only_where_that_is_wanted() {
    let request = of_run("GET", "r-1", "x-evenkeel-FAULT: hang\r\n");
    let stage = Stage::with(&RUNS);
    let seen = stage.forwarded(&request);
    assert_eq!((seen.field("x-evenkeel-run"), seen.field("x-evenkeel-fault")), (Some("r"), Some("hang")));
    let stage = Stage::new();
    let seen = stage.forwarded(&request);
    assert_eq!((seen.field("x-evenkeel-run"), seen.field("x-evenkeel-fault")), (None, None));
    assert_eq!(seen.field("x-request-id"), Some("r-1"));
    let answer = stage.balancer.admin("/ledger?run=r");
    assert_eq!(answer.status(), 404);
    assert!(answer.text().contains("BALANCER_RUNS is off"), "{}", answer.text());
}
