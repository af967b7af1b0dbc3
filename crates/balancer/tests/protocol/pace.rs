//! P43, P44 and P81: how slowly a client may send or take a body, and how long a server may be silent in one.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Connection, OK, SHORT, Stage};

/// Nobody is as fast.
const FAST: (&str, &str) = ("MIN_RATE", "1GiB/s");
const ANY: (&str, &str) = ("MIN_RATE", "off");

/// The grace as well, where it is shorter than that.
const PATIENCE: (&str, &str) = ("BODY_TIMEOUT", "1500ms");

/// From one piece that drips to the next.
const DROP: Duration = Duration::from_millis(20);

/// Longer than [`PATIENCE`] and the grace together.
const LONG: Duration = Duration::from_secs(4);

/// Calls it again and again, without a pause that could be taken for silence; nobody else is asked meanwhile.
fn for_a_long_time(stage: &Stage, mut drip: impl FnMut()) {
    let start = Instant::now();
    while start.elapsed() < LONG {
        drip();
        assert!(stage.servers.are_left_alone_for(DROP), "a request was sent elsewhere");
    }
}

#[test]
fn p43_a_small_body_that_drips_gets_408_and_reaches_no_server() {
    let stage = Stage::with(&[PATIENCE]);
    let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
    while client.is_silent_for(DROP) {
        client.send("x");
    }
    let late = client.message();
    assert_eq!(late.status(), 408);
    assert!(late.closes());
    assert_eq!(client.closed(), b"");
    stage.assert_untouched("a body that drips");
}

#[test]
fn p43_a_large_body_that_drips_gets_408_and_nobody_is_blamed() {
    let stage = Stage::with(&[PATIENCE]);
    for _ in 0..4 {
        let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut server = stage.servers.accept();
        server.head();
        while client.is_silent_for(DROP) {
            client.send("1\r\nx\r\n");
        }
        assert_eq!(client.message().status(), 408);
        assert!(!server.end().0.ends_with(b"0\r\n\r\n"));
    }
    assert_eq!(ejections(&stage), 0);
}

#[test]
fn p43_a_body_drips_for_as_long_as_it_likes_where_that_is_set() {
    let stage = Stage::with(&[PATIENCE, ANY]);
    let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut server = stage.servers.accept();
    server.head();
    for_a_long_time(&stage, || _ = client.send("1\r\nx\r\n"));
    client.send("0\r\n\r\n");
    server.chunked();
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p43_a_server_that_reads_slowly_is_not_the_clients_doing() {
    let stage = Stage::with(&[PATIENCE]);
    let length = 32 << 20;
    let mut client = stage.client(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
    let mut server = stage.servers.accept();
    server.head();
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(vec![b'x'; length]).message());
        // More than the kernel takes is on its way, and the server leaves it there.
        for_a_long_time(&stage, || {});
        server.exactly(length);
        server.send(OK);
        assert_eq!(sending.join().unwrap().status(), 200);
    });
}

/// A client that takes a large response piece by piece, and the server that sends it as fast as it can.
fn takes_slowly(stage: &Stage, take: impl FnOnce(&mut Connection)) {
    let mut client = stage.balancer.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = stage.servers.accept();
    server.message();
    thread::scope(|scope| {
        scope.spawn(move || {
            server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while server.try_send([b'x'; 10_000]) {}
        });
        client.head();
        take(&mut client);
        client.reset();
    });
}

#[test]
fn p44_a_client_that_takes_a_response_too_slowly_is_reset() {
    let stage = Stage::with(&[PATIENCE, FAST]);
    takes_slowly(&stage, |client| {
        let start = Instant::now();
        while client.take(10_000) {
            assert!(start.elapsed() < 2 * LONG, "it is served all the same");
            assert!(stage.servers.are_left_alone_for(DROP), "the request was sent elsewhere");
        }
    });
}

#[test]
fn p44_a_client_takes_a_response_as_slowly_as_it_likes_where_that_is_set() {
    let stage = Stage::with(&[PATIENCE, ANY]);
    takes_slowly(&stage, |client| for_a_long_time(&stage, || assert!(client.take(20_000))));
}

#[test]
fn p44_a_server_that_drips_is_not_the_clients_doing() {
    let stage = Stage::with(&[PATIENCE, FAST]);
    let (mut client, mut server) = stage.answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.head();
    for_a_long_time(&stage, || {
        server.send("1\r\nx\r\n");
        client.through(b"1\r\nx\r\n");
    });
    server.send("0\r\n\r\n");
    client.through(b"0\r\n\r\n");
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn p81_a_stream_of_events_may_be_silent_for_longer_than_a_body() {
    let stage = Stage::with(&[("BODY_TIMEOUT", SHORT)]);
    let (mut client, mut server) = stage.answered(EVENTS);
    client.head();
    assert!(client.is_silent_for(Duration::from_millis(1200)));
    server.send("7\r\ndata:1\n\r\n");
    assert_eq!(client.through(b"data:1\n\r\n"), b"7\r\ndata:1\n\r\n");
}

#[test]
fn p81_a_stream_of_events_has_a_time_of_its_own() {
    let stage = Stage::with(&[("STREAM_TIMEOUT", SHORT)]);
    let (mut client, mut server) = stage.answered(EVENTS);
    client.head();
    client.reset_by_peer();
    server.end();
}

#[test]
fn p81_responses_that_are_ended_for_their_silence_say_nothing_against_their_server() {
    let stage = Stage::of(2, &[("BODY_TIMEOUT", SHORT), ("STREAM_TIMEOUT", SHORT)]);
    let until_close = "HTTP/1.1 200 OK\r\n\r\nbegun";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    let silent: Vec<_> = [EVENTS, until_close, chunked]
        .repeat(4)
        .into_iter()
        .map(|response| stage.answered(response))
        .collect();
    for (mut client, _server) in silent {
        client.head();
        client.reset_by_peer();
    }
    assert_eq!(ejections(&stage), 0);
}

/// How often a server was ejected.
fn ejections(stage: &Stage) -> usize {
    let metrics = stage.balancer.admin("/metrics");
    let counts = metrics.text().lines().filter(|line| line.starts_with("evenkeel_endpoint_ejections_total"));
    let counts: Vec<usize> = counts.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!counts.is_empty(), "{}", metrics.text());
    counts.iter().sum()
}
