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

/// Whether the keealive timer runs at the balancer's end of a connection whose other end this is.
fn has_keepalive(peer: SocketAddr) -> bool {
    let remote = format!("0100007F:{:04X}", peer.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let row = table.lines().map(fields).find(|row| row.get(2) == Some(&remote));
    // The kernel's `tr:tm->when`: 02 is keepalive.
    row.is_some_and(|row| row[5].starts_with("02:"))
}
