//! P45, when there is no room: a client that has closed its sending side may be gone, and gives way to one that is there.

use std::time::{Duration, Instant};

use crate::harness::{Balancer, Connection, OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A client that has asked and closed its sending side, and the server's connection that has its request. The end is seen when it
/// has waited for a moment.
fn half_closed(stage: &Stage) -> (Connection, Connection) {
    let (mut client, mut server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    client.send(GET);
    server.message();
    client.finish();
    (client, server)
}

#[test]
fn p45_a_client_that_closed_its_sending_side_is_given_up_for_one_that_waits() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "2")]);
    let mut there = [half_closed(&stage), half_closed(&stage)];
    let mut waiting = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(waiting.message().text(), "ok");
    let mut statuses = there.each_mut().map(|(client, server)| {
        // One of them has been let go.
        server.try_send(OK);
        client.message().status()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503], "one for one");
}

#[test]
fn p45_in_line_it_is_given_up_for_who_stands_behind_it() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1")]);
    let (mut first, mut server) = stage.answered("");
    let mut given_up = stage.client(GET);
    given_up.finish();
    stage.balancer.wait_until(|balancer| queued(balancer) == 1);
    let mut behind = stage.client(GET);
    assert_eq!(given_up.message().status(), 503);
    server.send(OK);
    assert_eq!(first.message().status(), 200);
    server.message();
    server.send(OK);
    assert_eq!(behind.message().status(), 200);
}

#[test]
fn p45_in_line_with_nobody_behind_it_it_is_served() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1")]);
    let (mut first, mut server) = stage.answered("");
    let mut last = stage.client(GET);
    last.finish();
    stage.balancer.wait_until(|balancer| queued(balancer) == 1);
    server.send(OK);
    assert_eq!(first.message().status(), 200);
    server.message();
    server.send(OK);
    assert_eq!(last.message().status(), 200);
}

#[test]
fn p45_in_line_a_reset_after_a_half_close_leaves_the_line_within_a_second() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1"), ("QUEUE_TIMEOUT", "1m")]);
    let (_first, _server) = stage.answered("");
    // The first in line looks by itself, the second does not.
    let _second = stage.client(GET);
    stage.balancer.wait_until(|balancer| queued(balancer) == 1);
    let mut third = stage.client(GET);
    third.finish();
    stage.balancer.wait_until(|balancer| queued(balancer) == 2);
    let start = Instant::now();
    third.reset();
    stage.balancer.wait_until(|balancer| queued(balancer) == 1);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn p45_a_silent_stream_of_one_that_closed_its_sending_side_is_given_up_for_one_that_waits() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1")]);
    let (mut client, mut server) =
        stage.answered("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata:1\n\n");
    client.through(b"data:1\n\n\r\n");
    client.finish();
    let mut waiting = stage.client(GET);
    assert_eq!(server.end().0, b"");
    client.reset_by_peer();
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(waiting.message().text(), "ok");
}

#[test]
fn p45_a_response_that_is_still_taken_is_given_up_for_nobody() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1")]);
    let (mut client, mut server) = stage.answered("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nbegun");
    client.through(b"begun");
    client.finish();
    // It is seen to be there for as long as what it is sent brings no reset.
    for _ in 0..3 {
        server.send([b'x'; 1000]);
        assert_eq!(client.exactly(1000), [b'x'; 1000]);
    }
    let mut waiting = stage.client(GET);
    stage.balancer.wait_until(|balancer| queued(balancer) == 1);
    server.send(vec![b'x'; 196_995]);
    client.exactly(196_995);
    server.message();
    server.send(OK);
    assert_eq!(waiting.message().text(), "ok");
}

#[test]
fn p45_it_is_given_up_for_a_connection_beyond_the_limit() {
    let stage = Stage::with(&[("MAX_CONNECTIONS", "3")]);
    let mut there = [half_closed(&stage), half_closed(&stage)];
    // It is seen to be gone once it has waited as long as they have: so have they been.
    let gone = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    gone.reset();
    assert_eq!(server.end().0, b"");
    stage.balancer.wait_until(|balancer| gauge(balancer, "evenkeel_connections_open") == 2);
    let (mut open, _) = stage.answered(OK_CLOSE);
    assert_eq!(open.message().status(), 200);
    let (mut client, _server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    assert_eq!(there[0].0.message().status(), 503);
    there[1].1.send(OK);
    assert_eq!(there[1].0.message().status(), 200);
}

#[test]
fn p45_what_it_has_sent_behind_the_request_that_is_given_up_goes_with_it() {
    let stage = Stage::with(&[("MAX_IN_FLIGHT", "1")]);
    let mut gone = stage.client(GET.repeat(3));
    let mut server = stage.servers.accept();
    server.message();
    gone.finish();
    let mut waiting = stage.client(GET);
    let mut server = stage.servers.accept();
    assert_eq!(server.message().line(), "GET / HTTP/1.1");
    server.send(OK);
    assert_eq!(waiting.message().status(), 200);
    assert_eq!(gone.message().status(), 503);
    assert_eq!(gone.closed(), b"", "and no server hears of the rest");
}

#[test]
fn p45_a_reset_is_noticed_also_behind_requests_that_are_not_read_yet() {
    let stage = Stage::new();
    let client = stage.client(GET.repeat(1000));
    let mut server = stage.servers.accept();
    server.message();
    let start = Instant::now();
    client.reset();
    assert_eq!(server.end().0, b"");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// How many requests wait for a place.
fn queued(balancer: &Balancer) -> usize {
    gauge(balancer, "evenkeel_requests_queued")
}

fn gauge(balancer: &Balancer, name: &str) -> usize {
    let metrics = balancer.admin("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}
