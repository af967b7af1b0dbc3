//! Faults on demand, as they look on the wire.

use std::{io::ErrorKind, time::Instant};

use evenkeel_digest::Digest;
use evenkeel_stage::until;

use crate::{
    process::Server,
    wire::{Connection, Response},
};

/// One GET to a server that always does this.
fn with(fault: &str) -> Response {
    Server::start(&[("SERVER_FAULTS", fault), ("SERVER_DATA", "0123456789")]).get("/", "")
}

fn admin(server: &Server, request: &str) -> Response {
    Connection::open(server.admin).ask(request)
}

fn put(server: &Server, faults: &str, fields: &str) -> Response {
    let length = faults.len();
    admin(
        server,
        &format!("PUT /faults HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{fields}\r\n{faults}"),
    )
}

#[test]
fn a_status_comes_instead_of_the_answer_but_not_to_probes() {
    let server = Server::start(&[("SERVER_FAULTS", "status=503")]);
    let response = server.get("/", "");
    assert_eq!(response.status, 503);
    assert!(response.is_intact());
    assert_eq!(server.get("/readyz", "").status, 200);
}

#[test]
fn probes_can_fail_while_requests_succeed() {
    let server = Server::start(&[("SERVER_FAULTS", "status=503@path=/readyz")]);
    assert_eq!((server.get("/readyz", "").status, server.get("/", "").status), (503, 200));
}

#[test]
fn a_corrupt_body_has_the_digest_of_the_right_one() {
    let response = with("corrupt");
    assert_eq!((response.status, response.body.len(), response.broken), (200, 10, None));
    assert_ne!(response.body, b"0123456789");
    let right = Digest::of(evenkeel_digest::Algorithm::Sha256, b"0123456789").field_value();
    assert_eq!(response.field("content-digest"), Some(right.as_str()));
}

#[test]
fn a_wrong_digest_comes_with_the_right_body() {
    let response = with("wrong-digest");
    assert_eq!(response.body, b"0123456789");
    assert!(response.field("content-digest").is_some() && !response.is_intact());
}

#[test]
fn a_digest_can_be_missing() {
    let response = with("no-digest");
    assert_eq!((response.text(), response.field("content-digest")), ("0123456789", None));
}

#[test]
fn a_truncated_body_ends_with_fin_after_half() {
    let response = with("truncate");
    assert_eq!((response.body.as_slice(), response.broken), (&b"01234"[..], Some(ErrorKind::UnexpectedEof)));
    assert_eq!(response.field("content-length"), Some("10"));
}

#[test]
fn f9_a_reset_body_ends_with_rst_after_half() {
    let response = with("reset");
    assert_eq!(
        (response.body.as_slice(), response.broken),
        (&b"01234"[..], Some(ErrorKind::ConnectionReset))
    );
}

#[test]
fn long_bodies_are_cut_in_the_middle_too() {
    let server = Server::start(&[("SERVER_FAULTS", "truncate")]);
    let response = server.get("/bytes/300001", "");
    assert_eq!((response.body.len(), response.broken), (150_000, Some(ErrorKind::UnexpectedEof)));
}

#[test]
fn a_stalled_body_stands_still_after_half_and_does_not_end() {
    let server = Server::start(&[("SERVER_FAULTS", "stall"), ("SERVER_DATA", "0123456789")]);
    let mut connection = server.connect();
    connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    connection.head();
    let mut half = Vec::new();
    connection.exactly(5, &mut half).unwrap();
    assert_eq!(half, b"01234");
    assert!(connection.is_silent());
}

#[test]
fn a_hanging_request_gets_nothing() {
    let server = Server::start(&[("SERVER_FAULTS", "hang")]);
    let mut connection = server.connect();
    connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(connection.is_silent());
}

#[test]
fn a_request_that_hangs_is_given_up_when_its_client_closes() {
    let server = Server::start(&[("SERVER_FAULTS", "hang@path=/")]);
    let mut connection = server.connect();
    connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let metric = |value: u32| format!("\nevenkeel_server_requests_running {value}\n");
    let running =
        |value| admin(&server, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").text().contains(&metric(value));
    until("it runs", || running(1).then_some(()));
    drop(connection);
    until("it does not run", || running(0).then_some(()));
}

#[test]
fn a_connection_can_end_after_each_response() {
    let server = Server::start(&[("SERVER_FAULTS", "close")]);
    let mut connection = server.connect();
    let response = connection.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert_eq!(connection.rest().unwrap(), b"");
}

#[test]
fn right_credentials_can_be_refused() {
    let response = with("unauthorized");
    assert_eq!(response.status, 401);
    assert!(response.field("www-authenticate").is_some());
}

#[test]
fn delays_and_slow_bodies_take_their_time() {
    let began = Instant::now();
    assert_eq!(with("delay=100ms-150ms,slow=100/s").text(), "0123456789");
    // Two beats of 5 bytes, 50 ms apart, after 100 ms.
    assert!(began.elapsed().as_millis() >= 150);
}

#[test]
fn the_same_seed_fails_the_same_requests() {
    let statuses = |seed: &str| -> Vec<u16> {
        let server = Server::start(&[("SERVER_FAULTS", "status=500:50%"), ("SERVER_SEED", seed)]);
        (0..32).map(|_| server.get("/", "").status).collect()
    };
    assert_eq!(statuses("7"), statuses("7"));
    assert_ne!(statuses("7"), statuses("8"));
}

#[test]
fn faults_are_set_seen_and_lifted_through_the_admin_port() {
    let server = Server::start(&[]);
    assert_eq!(put(&server, "status=500@first=1,close:0%", "").status, 200);
    assert_eq!([server.get("/", "").status, server.get("/", "").status], [500, 200]);
    let seen = admin(&server, "GET /faults HTTP/1.1\r\nhost: a\r\n\r\n").json();
    let rule = serde_json::json!({ "rule": "status=500@first=1", "asked": 2, "fired": 1 });
    assert_eq!(seen["faults"][0], rule);
    assert_eq!(put(&server, "status=500", "").status, 200);
    assert_eq!(server.get("/", "").status, 500);
    assert_eq!(admin(&server, "DELETE /faults HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    assert_eq!(server.get("/", "").status, 200);
}

#[test]
fn bad_faults_and_those_of_web_pages_are_refused() {
    let server = Server::start(&[]);
    let bad = put(&server, "explode", "");
    assert_eq!(bad.status, 400);
    assert!(bad.json()["detail"].to_string().contains("`explode` is not a fault"));
    assert_eq!(put(&server, "hang", "origin: http://evil.example\r\n").status, 403);
    assert_eq!(server.get("/", "").status, 200);
    assert_eq!(server.get("/faults", "").status, 404);
}

#[test]
fn a_request_brings_its_own_faults_only_where_that_is_allowed() {
    let field = "x-evenkeel-fault: status=500\r\n";
    assert_eq!(Server::start(&[]).get("/", field).status, 200);
    let server = Server::start(&[("SERVER_FAULTS_BY_REQUEST", "on")]);
    assert_eq!([server.get("/", field).status, server.get("/", "").status], [500, 200]);
    assert_eq!(server.get("/", "x-evenkeel-fault: explode\r\n").status, 400);
}
