//! P38 to P42, P44 and P46: 100 (Continue), pipelining, HTTP/1.0 clients, and how long a connection lasts.

use std::time::{Duration, Instant};

use crate::harness::{OK, OK_CLOSE, SHORT, Stage};

/// Longer than a connection stays busy without a byte.
const QUIET: Duration = Duration::from_millis(1200);

const EXPECTING: &str = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn p38_the_servers_100_is_relayed_and_no_body_byte_goes_before_it() {
    let stage = Stage::new();
    let (mut client, mut server) = (stage.client(EXPECTING), stage.servers.accept());
    assert_eq!(server.head().field("expect"), Some("100-continue"));
    assert!(client.is_silent_for(Duration::from_millis(100)), "a 100 that no server sent");
    server.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    assert_eq!(server.exactly(5), b"hello");
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p38_a_body_that_the_client_sends_of_its_own_accord_goes_on_at_once() {
    let stage = Stage::new();
    let (mut client, mut server) = (stage.client(EXPECTING), stage.servers.accept());
    server.head();
    let begun = Instant::now();
    client.send("hello");
    assert_eq!(server.exactly(5), b"hello");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p38_a_final_status_instead_of_100_is_relayed_without_the_body() {
    let stage = Stage::new();
    let (mut client, mut server) = (stage.client(EXPECTING), stage.servers.accept());
    server.head();
    server.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    let refused = client.message();
    assert_eq!(refused.status(), 417);
    assert!(refused.closes(), "the client may or may not send the body now");
    client.try_send("hello");
    assert_eq!(server.end().0, b"", "a server's connection with half a request on it is not used again");
    assert_eq!(client.closed(), b"");
}

#[test]
fn p38_an_expectation_of_http_1_0_is_ignored() {
    let stage = Stage::new();
    let mut client = stage.client("PUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    let mut server = stage.servers.accept();
    let seen = server.message();
    assert_eq!((seen.field("expect"), seen.text()), (None, "hello"));
    server.send(format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"));
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p39_an_unknown_expectation_fails() {
    let stage = Stage::new();
    stage.refuses("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: a-miracle\r\n\r\nhello", 417);
}

#[test]
fn p40_pipelined_requests_are_answered_in_order() {
    let stage = Stage::new();
    let requests: Vec<_> = (1..=5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    let mut client = stage.client(requests.concat());
    let mut server = stage.servers.accept();
    for n in 1..=5 {
        assert_eq!(server.message().line(), format!("GET /{n} HTTP/1.1"));
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}"));
    }
    for n in 1..=5 {
        assert_eq!(client.message().text(), n.to_string());
    }
}

#[test]
fn p40_an_error_in_the_third_request_comes_after_two_answers() {
    let stage = Stage::new();
    let good = "GET /good HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut client = stage.client(format!("{good}{good}GET /bad HTTP/1.1\r\n\r\n{good}"));
    let mut server = stage.servers.accept();
    for _ in 0..2 {
        assert_eq!(server.message().line(), "GET /good HTTP/1.1");
        server.send(OK);
        assert_eq!(client.message().status(), 200);
    }
    let refused = client.message();
    assert_eq!(refused.status(), 400);
    assert!(refused.closes());
    assert_eq!(client.closed(), b"");
}

#[test]
fn p41_an_http_1_0_client_is_closed_unless_it_asks_to_stay() {
    let stage = Stage::new();
    let (mut client, _server) = stage.asked_and_answered("GET / HTTP/1.0\r\n\r\n", OK_CLOSE);
    let response = client.message();
    assert!(response.closes());
    assert_eq!(client.closed(), b"");

    let (mut client, mut server) =
        stage.asked_and_answered("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK);
    assert_eq!(client.message().field("connection"), Some("keep-alive"));
    client.send("GET /again HTTP/1.0\r\n\r\n");
    assert_eq!(server.message().line(), "GET /again HTTP/1.1");
    server.send(OK);
    assert!(client.message().closes());
}

#[test]
fn p41_an_http_1_0_client_gets_no_transfer_coding() {
    let stage = Stage::new();
    let (mut client, _server) = stage.asked_and_answered(
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let head = client.head();
    assert!(head.closes());
    assert_eq!((head.field("transfer-encoding"), head.field("content-length")), (None, None));
    assert_eq!(client.closed(), b"ok");
}

#[test]
fn p41_a_request_of_http_1_0_without_host_gets_one() {
    let stage = Stage::new();
    let seen = stage.forwarded("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(seen.line(), "GET / HTTP/1.1");
    assert_eq!(seen.field("host").unwrap(), stage.balancer.traffic().to_string());
}

#[test]
fn p42_a_head_that_stops_coming_gets_408_on_every_request() {
    let stage = Stage::with(&[("HEAD_TIMEOUT", SHORT)]);
    let mut client = stage.client("GET / HTTP/1.1\r\nHo");
    let late = client.message();
    assert_eq!(late.status(), 408);
    assert!(late.closes());
    assert_eq!(client.closed(), b"");

    let (mut client, _server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    client.send("GET /second HTTP/1.1\r\n");
    assert_eq!(client.message().status(), 408);
    assert_eq!(client.closed(), b"");
}

#[test]
fn p42_a_head_that_drips_is_late_all_the_same() {
    let stage = Stage::with(&[("HEAD_TIMEOUT", SHORT)]);
    let mut client = stage.client("GET / HTTP/1.1\r\nX-Drip: ");
    while client.is_silent_for(Duration::from_millis(20)) {
        client.send("x");
    }
    assert_eq!(client.message().status(), 408);
}

#[test]
fn p44_a_client_that_takes_nothing_is_closed() {
    let stage = Stage::with(&[("BODY_TIMEOUT", SHORT)]);
    let mut client = stage.balancer.connect().narrow();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = stage.servers.accept();
    server.message();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    while server.try_send([b'x'; 10_000]) {}
    client.reset_by_peer();
}

#[test]
fn p46_an_idle_connection_is_closed_without_a_word_when_its_time_is_over() {
    let stage = Stage::with(&[("IDLE_TIMEOUT", SHORT)]);
    let start = Instant::now();
    let (mut client, _server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    assert_eq!(client.closed(), b"");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} for an idle timeout", start.elapsed());
}

#[test]
fn p46_a_connection_that_was_quiet_for_a_while_is_served() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    assert!(client.is_silent_for(QUIET));
    client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(server.message().line(), "GET /again HTTP/1.1");
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}
