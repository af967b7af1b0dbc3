//! P54 to P56: changing the protocol, which only those that are named may.

use std::time::{Duration, Instant};

use crate::harness::{Connection, OK, SHORT, Stage};

pub(crate) const WEBSOCKET: &str =
    "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
pub(crate) const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Both ends of a tunnel.
fn tunnel(stage: &Stage) -> (Connection, Connection) {
    let (mut client, server) = stage.asked_and_answered(WEBSOCKET, SWITCHED);
    assert_eq!(client.head().status(), 101);
    (client, server)
}

#[test]
fn p54_bytes_are_tunnelled_after_101_and_not_before() {
    let stage = Stage::new();
    let mut client = stage.client(format!("{WEBSOCKET}early"));
    let mut server = stage.servers.accept();
    let seen = server.head();
    assert_eq!((seen.field("connection"), seen.field("upgrade")), (Some("upgrade"), Some("websocket")));
    assert!(server.is_silent_for(Duration::from_millis(100)), "bytes before the 101");
    server.send(format!("{SWITCHED}from the server"));
    let head = client.head();
    assert_eq!((head.field("connection"), head.field("upgrade")), (Some("upgrade"), Some("websocket")));
    assert_eq!(client.exactly(15), b"from the server");
    assert_eq!(server.exactly(5), b"early");
    client.send(b"GET / HTTP/1.1\r\n\r\n\0\xff");
    assert_eq!(server.exactly(20), b"GET / HTTP/1.1\r\n\r\n\0\xff");
}

#[test]
fn p54_without_a_101_what_follows_is_the_next_request() {
    let stage = Stage::new();
    let mut client = stage.client(format!("{WEBSOCKET}GET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    let next = server.message();
    assert_eq!((next.line(), next.field("via").is_some()), ("GET /next HTTP/1.1", true));
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p54_other_protocols_are_not_asked_for() {
    let stage = Stage::new();
    for upgrade in ["h2c", "TLS/1.2", "websocket/13", "websockets"] {
        let seen = stage.forwarded(format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: {upgrade}\r\n\r\n"
        ));
        assert_eq!((seen.field("connection"), seen.field("upgrade")), (None, None), "{upgrade}");
    }
    let seen = stage.forwarded("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(seen.field("upgrade"), None, "Connection has to name it");
}

#[test]
fn p54_the_protocols_asked_for_are_those_of_the_setting() {
    let stage = Stage::with(&[("UPGRADES", "websocket,foo/2")]);
    let upgrade = |protocol: &str| {
        format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n")
    };
    let (mut client, mut server) =
        stage.asked_and_answered(upgrade("bar, Foo/2"), SWITCHED.replace("websocket", "foo/2"));
    assert_eq!(client.head().status(), 101);
    client.send("foo");
    assert_eq!(server.exactly(3), b"foo");
    assert_eq!(stage.forwarded(upgrade("foo/3")).field("upgrade"), None);

    let stage = Stage::with(&[("UPGRADES", "*")]);
    let (mut client, _server) =
        stage.asked_and_answered(upgrade("SPDY/3.1"), SWITCHED.replace("websocket", "SPDY/3.1"));
    assert_eq!(client.head().status(), 101);
    assert_eq!(stage.forwarded(upgrade("h2c")).field("upgrade"), None);
}

#[test]
fn p54_an_upgrade_with_a_body_that_is_not_whole_at_the_server_is_refused() {
    let stage = Stage::new();
    let with_body = |field: &str| {
        format!(
            "POST /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{field}\r\n\r\n"
        )
    };
    stage.refuses(with_body("Content-Length: 100000"), 400);
    stage.refuses(with_body("Transfer-Encoding: chunked"), 400);
}

#[test]
fn p54_a_101_before_the_server_has_the_whole_body_is_a_bad_answer() {
    let stage = Stage::with(&[("KEEP", "8MiB")]);
    // More than the kernel takes for a server that reads nothing.
    let body = "x".repeat(8 << 20);
    let mut client = stage.balancer.connect();
    client.send(format!(
        "POST /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let mut server = stage.servers.accept();
    server.head();
    server.send(SWITCHED);
    assert_eq!(client.message().status(), 502);
    server.end();
}

#[test]
fn p54_a_body_before_the_upgrade_is_a_body() {
    let stage = Stage::new();
    let mut client = stage.client(
        "POST /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhellotunnel",
    );
    let mut server = stage.servers.accept();
    assert_eq!(server.message().text(), "hello");
    server.send(SWITCHED);
    assert_eq!(client.head().status(), 101);
    assert_eq!(server.exactly(6), b"tunnel");
}

#[test]
fn p55_a_101_that_was_not_asked_for_is_a_bad_answer() {
    let stage = Stage::new();
    let other = SWITCHED.replace("websocket", "h2c");
    let unnamed = SWITCHED.replace("Upgrade: websocket\r\n", "");
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (request, response) in [(get, SWITCHED), (WEBSOCKET, &other), (WEBSOCKET, &unnamed)] {
        let (mut client, mut server) = stage.asked_and_answered(request, response);
        assert_eq!(client.message().status(), 502);
        assert_eq!(server.end().0, b"");
    }
}

#[test]
fn p56_an_end_of_sending_is_passed_on_and_the_other_direction_goes_on() {
    let stage = Stage::new();
    let (mut client, mut server) = tunnel(&stage);
    client.send("last").finish();
    assert_eq!(server.closed(), b"last");
    server.send("still here").finish();
    assert_eq!(client.closed(), b"still here");
}

#[test]
fn p56_a_broken_tunnel_ends_in_a_reset() {
    let stage = Stage::new();
    let (mut client, server) = tunnel(&stage);
    server.reset();
    client.reset_by_peer();
}

#[test]
fn p56_a_tunnel_outlives_every_timeout_of_http() {
    let stage = Stage::with(&[("IDLE_TIMEOUT", SHORT), ("BODY_TIMEOUT", SHORT), ("HEAD_TIMEOUT", SHORT)]);
    let (mut client, mut server) = tunnel(&stage);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        client.send("ping");
        assert_eq!(server.exactly(4), b"ping");
        server.send("pong");
        assert_eq!(client.exactly(4), b"pong");
    }
}

#[test]
fn p56_a_tunnel_has_the_grace_to_end_when_the_balancer_leaves() {
    let stage = Stage::with(&[("GRACE", SHORT)]);
    let (mut client, mut server) = tunnel(&stage);
    stage.balancer.leave();
    client.send("ping");
    assert_eq!(server.exactly(4), b"ping", "what has begun goes on");
    assert_eq!(stage.balancer.left(), Some(0));
    assert_eq!(client.end().0, b"");
    assert_eq!(server.end().0, b"");
}
