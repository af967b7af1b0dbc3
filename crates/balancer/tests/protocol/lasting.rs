//! P81: a tunnel, a body in either direction, a connection without a first byte, a client that is gone: each has a bound in
//! time.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{OK, SHORT, Stage};
use crate::upgrade::{SWITCHED, WEBSOCKET};
use crate::vanishing::is_at_rest;

#[test]
fn p81_the_kernel_asks_silent_peers_on_both_sides_whether_they_are_there() {
    let stage = Stage::new();
    let (mut client, server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    for peer in [client.local(), server.local()] {
        // Only once the last byte has been acknowledged is it this timer that runs.
        stage.balancer.wait_until(|_| has_keepalive(peer));
    }
}

#[test]
fn p81_a_connection_without_a_first_byte_is_closed_without_a_word() {
    let stage = Stage::with(&[("FIRST_BYTE_TIMEOUT", SHORT)]);
    let (mut client, mut server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    let mut silent = stage.balancer.connect();
    assert_eq!(silent.closed(), b"");
    // This is not the time between two requests.
    client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(server.message().line(), "GET /again HTTP/1.1");
}

#[test]
fn p81_a_connection_that_is_parked_before_its_first_byte_is_closed_as_well() {
    // Longer than a connection keeps its task without a byte.
    let stage = Stage::with(&[("FIRST_BYTE_TIMEOUT", "1500ms"), ("IDLE_TIMEOUT", "1h")]);
    assert_eq!(stage.balancer.connect().closed(), b"");
}

/// The kernel keeps back who has said nothing, as long as it is there.
#[test]
fn who_connects_and_closes_is_let_in_and_forgotten() {
    let stage = Stage::new();
    for _ in 0..10 {
        let mut check = stage.balancer.connect();
        check.finish();
        assert_eq!(check.closed(), b"", "it is let in and closed in order");
    }
    stage.balancer.wait_until(|balancer| {
        balancer.admin("/metrics").text().lines().any(|line| line == "evenkeel_connections_open 0")
    });
    stage.assert_untouched("connections without a request");
}

#[test]
fn p81_an_introduction_is_no_first_byte_of_a_request() {
    let stage = Stage::with(&[("FIRST_BYTE_TIMEOUT", SHORT), ("PROXY_PROTOCOL", "on")]);
    assert_eq!(stage.client("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n").closed(), b"");
    assert_eq!(stage.client("PROXY TCP4 192.0.2.7").end().0, b"");
}

#[test]
fn p81_a_tunnel_through_which_nothing_goes_is_closed_on_both_sides() {
    let stage = Stage::with(&[("TUNNEL_TIMEOUT", SHORT)]);
    let (mut client, mut server) = stage.asked_and_answered(WEBSOCKET, SWITCHED);
    assert_eq!(client.head().status(), 101);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(800) {
        // Bytes in one direction are enough.
        server.send("tick");
        assert_eq!(client.exactly(4), b"tick");
    }
    assert_eq!(client.closed(), b"");
    assert_eq!(server.closed(), b"");
    stage.balancer.wait_until(is_at_rest);
}

/// Whether the keepalive timer runs at the balancer's end of a connection whose other end this is.
fn has_keepalive(peer: SocketAddr) -> bool {
    let remote = format!("0100007F:{:04X}", peer.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Other tests' connections of the past may have had that port as well.
    let mut rows = table.lines().map(fields).filter(|row| row.get(2) == Some(&remote));
    // The kernel's `tr:tm->when`: 02 is keepalive.
    rows.any(|row| row[5].starts_with("02:"))
}
