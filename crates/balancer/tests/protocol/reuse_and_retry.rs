//! P73 to P76: when a request may be sent again, where, and how often.

use std::collections::BTreeSet;
use std::thread;

use crate::harness::{Balancer, Connection, Nobody, OK, OK_CLOSE, SHORT, Servers, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

/// A client whose first request was answered, and the server's connection that now idles.
fn idle(stage: &Stage) -> (Connection, Connection) {
    let (mut client, server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    (client, server)
}

#[test]
fn a_response_that_fills_the_buffer_it_is_held_in_leaves_its_connection_for_the_next() {
    let stage = Stage::new();
    let mut client = stage.client(GET);
    let mut server = stage.servers.accept();
    for length in [17 << 10, 32 << 10, 40_000, 64 << 10] {
        server.message();
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length)));
        assert_eq!(client.message().text().len(), length);
        client.send(GET);
    }
    server.message();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p73_an_idempotent_request_is_sent_again_when_an_idle_connection_was_stale() {
    for end in [Connection::reset, drop] {
        let stage = Stage::new();
        let (mut client, mut server) = idle(&stage);
        client.send("PUT /again HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        server.message();
        end(server);
        let mut fresh = stage.servers.accept();
        let again = fresh.message();
        assert_eq!((again.line(), again.text()), ("PUT /again HTTP/1.1", "hello"));
        fresh.send(OK);
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn p73_the_end_of_an_idle_connection_is_seen_while_nobody_asks() {
    let stage = Stage::new();
    let (_client, mut server) = idle(&stage);
    server.finish();
    assert_eq!(server.closed(), b"");
}

#[test]
fn p73_another_request_is_not_sent_again_once_a_byte_was_written() {
    let stage = Stage::new();
    let (mut client, mut server) = idle(&stage);
    client.send(POST);
    server.message();
    drop(server);
    let bad = client.message();
    assert_eq!(bad.status(), 502);
    assert!(bad.field("proxy-status").unwrap().ends_with("; error=connection_terminated"));
    stage.assert_untouched("a POST on a stale connection");
}

/// A server whose time for idle connections ends while a request is on its way to it.
const TOO_LONG_IDLE: &str = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

#[test]
fn p73_a_408_to_a_connection_that_was_idle_is_no_answer_to_what_may_be_sent_again() {
    let stage = Stage::new();
    let (mut client, mut server) = idle(&stage);
    client.send("PUT /again HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    server.message();
    server.send(TOO_LONG_IDLE);
    let mut fresh = stage.servers.accept();
    let again = fresh.message();
    assert_eq!((again.line(), again.text()), ("PUT /again HTTP/1.1", "hello"));
    fresh.send(TOO_LONG_IDLE).finish();
    assert_eq!(client.message().status(), 408, "on a fresh connection it is the server's answer");
}

#[test]
fn p73_a_408_is_the_answer_to_what_may_not_be_sent_again() {
    let stage = Stage::new();
    let (mut client, mut server) = idle(&stage);
    client.send(POST);
    server.message();
    server.send(TOO_LONG_IDLE).finish();
    assert_eq!(client.message().status(), 408);
    stage.assert_untouched("a POST that was answered");
}

#[test]
fn p73_a_408_that_leaves_the_connection_open_is_the_servers_answer() {
    let stage = Stage::new();
    let (mut client, mut server) = idle(&stage);
    client.send(GET);
    server.message();
    server.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.message().status(), 408);
    client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(server.message().line(), "GET /next HTTP/1.1", "and the GET was not sent again");
}

#[test]
fn p73_a_connection_known_to_be_closed_is_not_used() {
    let stage = Stage::new();
    let (mut client, server) = idle(&stage);
    drop(server);
    client.send(POST);
    let mut fresh = stage.servers.accept();
    assert_eq!(fresh.message().text(), "hello");
    fresh.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p73_a_connection_that_was_used_is_not_stale() {
    let stage = Stage::new();
    let (mut client, server) = stage.asked_and_answered(POST, "");
    drop(server);
    assert_eq!(client.message().status(), 502, "it was sent, so it may have been done");
    stage.assert_untouched("a POST that was sent");
}

#[test]
fn p74_a_refused_connect_moves_any_method() {
    let (nobody, servers) = (Nobody::new(), Servers::listen(1));
    let upstream = format!("{},{}", nobody.upstream(), servers.upstream());
    let balancer = Balancer::start(&upstream, &[("POLICY", "round_robin")]);
    let mut attempts = BTreeSet::new();
    for _ in 0..4 {
        let mut client = balancer.connect();
        client.send(POST);
        let mut server = servers.accept();
        let seen = server.message();
        assert_eq!(seen.text(), "hello");
        attempts.insert(seen.field("x-attempt").unwrap().to_owned());
        server.send(OK_CLOSE);
        assert_eq!(client.message().status(), 200);
    }
    assert_eq!(attempts, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
}

#[test]
fn p75_nothing_is_sent_again_after_a_byte_of_the_response_went_out() {
    let stage = Stage::of(2, &[]);
    let (mut client, server) =
        stage.answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
    client.head();
    client.through(b"begun\r\n");
    drop(server);
    client.reset_by_peer();
    stage.assert_untouched("a response that had begun");
}

#[test]
fn p75_a_waiting_request_that_is_not_idempotent_ends_in_504() {
    let stage = Stage::of(2, &[("RESPONSE_TIMEOUT", SHORT)]);
    let (mut client, mut server) = stage.asked_and_answered(POST, "");
    let late = client.message();
    assert_eq!(late.status(), 504);
    assert!(late.field("proxy-status").unwrap().ends_with("; error=http_response_timeout"));
    assert_eq!(server.end().0, b"", "an answer that comes now would reach nobody");
    stage.assert_untouched("a POST without an answer");
}

#[test]
fn p75_an_idempotent_request_is_sent_elsewhere_at_the_response_timeout() {
    let stage = Stage::of(2, &[("RESPONSE_TIMEOUT", SHORT)]);
    let mut client = stage.client(GET);
    let (silent, mut first) = stage.servers.accept_at_any();
    first.message();
    let (other, mut second) = stage.servers.accept_at_any();
    assert_ne!(silent, other);
    assert_eq!(second.message().field("x-attempt"), Some("2"));
    second.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p76_a_request_has_four_attempts_each_on_another_endpoint() {
    let stage = Stage::of(6, &[]);
    let mut client = stage.client(GET);
    let (mut tried, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for attempt in 1..=4 {
        let (index, mut server) = stage.servers.accept_at_any();
        let seen = server.message();
        assert_eq!(seen.field("x-attempt"), Some(attempt.to_string().as_str()));
        ids.insert(seen.field("x-request-id").unwrap().to_owned());
        assert!(tried.insert(index), "{index} was tried before");
    }
    assert_eq!(ids.len(), 1, "the id is the same over all attempts");
    assert_eq!(client.message().status(), 502);
    stage.assert_untouched("four attempts");
}

#[test]
fn p76_fewer_attempts_can_be_set() {
    let stage = Stage::of(3, &[("ATTEMPTS", "2")]);
    let mut client = stage.client(GET);
    for _ in 0..2 {
        stage.servers.accept().message();
    }
    assert_eq!(client.message().status(), 502);
    stage.assert_untouched("two attempts");
}

#[test]
fn p76_a_body_that_was_kept_is_sent_again_whole() {
    let stage = Stage::of(2, &[]);
    let body = "0123456789".repeat(6000);
    let mut client =
        stage.client(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n{body}"));
    for attempt in ["1", "2"] {
        let mut server = stage.servers.accept();
        let seen = server.message();
        assert_eq!((seen.field("x-attempt"), seen.text() == body), (Some(attempt), true));
        if attempt == "2" {
            server.send(OK);
        }
    }
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p76_a_chunked_body_that_was_kept_is_sent_again_whole() {
    let stage = Stage::of(2, &[]);
    let mut client = stage
        .client("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(stage.servers.accept().message().text(), "hello");
    let mut second = stage.servers.accept();
    let seen = second.message();
    assert_eq!((seen.text(), seen.trailers.as_str()), ("hello", "X-Sum: 1\r\n"));
    second.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p76_a_body_too_large_to_keep_is_not_sent_again() {
    let stage = Stage::of(2, &[]);
    let mut client = stage.client("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    let sender = thread::spawn(move || {
        client.send(vec![b'x'; 200_000]);
        client
    });
    assert_eq!(stage.servers.accept().message().body.len(), 200_000);
    assert_eq!(sender.join().unwrap().message().status(), 502);
    stage.assert_untouched("a large body");
}

#[test]
fn p76_retries_on_a_status_draw_on_a_budget() {
    const REQUESTS: usize = 100;
    let Stage { servers, balancer } = Stage::of(2, &[]);
    let refusing = thread::spawn(move || {
        let mut attempts = 0;
        loop {
            let mut server = servers.accept();
            if server.message().line().starts_with("POST ") {
                return attempts;
            }
            attempts += 1;
            server.send("HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for _ in 0..REQUESTS {
        let mut client = balancer.connect();
        client.send(GET);
        assert_eq!(client.message().status(), 503, "the last real answer is the server's");
    }
    // It is tried once, and ends the counting.
    balancer.connect().send(POST).message();
    let attempts = refusing.join().unwrap();
    let retries = attempts - REQUESTS;
    assert!(retries >= 10, "{retries} retries: the budget holds 30 at the start");
    assert!(retries <= 80, "{retries} retries: the budget does not bound them");
}

#[test]
fn p76_all_attempts_are_inside_one_deadline() {
    let stage = Stage::of(2, &[("TOTAL_TIMEOUT", SHORT)]);
    let mut client = stage.client(GET);
    let mut first = stage.servers.accept();
    first.message();
    let late = client.message();
    assert_eq!(late.status(), 504);
    assert_eq!(first.end().0, b"");
}
