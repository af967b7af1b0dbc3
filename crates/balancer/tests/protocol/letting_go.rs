//! What is held for a request and what is counted of it, when it is decided and its answer has yet to pass.

use crate::harness::{Balancer, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const WRONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n\r\nhello";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:\n\r\n";

fn in_flight(balancer: &Balancer) -> Vec<String> {
    let metrics = balancer.admin("/metrics");
    let lines = metrics.text().lines().filter(|line| line.starts_with("evenkeel_endpoint_in_flight{"));
    let mut counts: Vec<String> =
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect();
    counts.sort();
    counts
}

#[test]
fn an_attempt_that_failed_is_let_go_of_before_a_long_answer_of_another() {
    let stage = Stage::of(2, &[]);
    let mut client = stage.client(GET);
    let (first, mut server) = stage.servers.accept_at_any();
    server.message();
    server.send(WRONG);
    let (second, mut other) = stage.servers.accept_at_any();
    assert_ne!(first, second);
    other.message();
    other.send(ENDLESS);
    client.through(b"data:\n");
    stage.balancer.wait_until(|balancer| in_flight(balancer) == ["0", "1"]);
}

#[test]
fn a_client_that_left_before_its_answer_is_counted() {
    let stage = Stage::new();
    let client = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    client.reset();
    stage.balancer.wait_until(|balancer| {
        balancer.admin("/metrics").text().contains("\nevenkeel_requests_abandoned_total 1\n")
    });
}
