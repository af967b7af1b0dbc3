//! P81: a tunnel, a body in either direction, a connection without a first byte, a client that is gone: each has a bound in
//! time.

use std::fs;
use std::net::SocketAddr;

use crate::harness::{OK, Stage};

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

/// Whether the keepalive timer runs at the balancer's end of a connection whose other end this is.
fn has_keepalive(peer: SocketAddr) -> bool {
    let remote = format!("0100007F:{:04X}", peer.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let row = table.lines().map(fields).find(|row| row.get(2) == Some(&remote));
    // The kernel's `tr:tm->when`: 02 is keepalive.
    row.is_some_and(|row| row[5].starts_with("02:"))
}
