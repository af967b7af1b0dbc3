//! P19, P21, P43, P45 and P71: bodies that do not come, come too slowly, or that nobody wants.

use std::thread;
use std::time::Instant;

use crate::harness::{Connection, OK, PATIENCE, SHORT, Stage};

/// More than is kept for another attempt, so that it streams.
const LARGE: usize = 200_000;

fn large_post() -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n")
}

/// A client that has sent a part of a large body, and the one server that has received the head and something of it.
fn halfway(stage: &Stage) -> (Connection, Connection) {
    let client = stage.client(large_post() + &"x".repeat(1000));
    let mut server = stage.servers.accept();
    assert_eq!(server.head().field("content-length"), Some("200000"));
    assert_eq!(server.exactly(1000), b"x".repeat(1000));
    (client, server)
}

#[test]
fn p19_a_body_that_ends_short_aborts_the_request_and_moves_it_nowhere() {
    let stage = Stage::of(2, &[]);
    let (mut client, mut server) = halfway(&stage);
    client.finish();
    let (rest, _) = server.end();
    assert_eq!(rest, b"");
    assert_eq!(client.end().0, b"");
    stage.assert_untouched("a request whose body ended short");
}

#[test]
fn p19_a_small_body_that_ends_short_reaches_no_server() {
    let stage = Stage::new();
    let mut client = stage.client("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    client.finish();
    assert_eq!(client.end().0, b"");
    stage.assert_untouched("a body that ended short");
}

#[test]
fn p21_the_answer_to_a_body_left_unread_is_received_whole() {
    let stage = Stage::with(&[("MAX_BODY", "1KiB")]);
    let mut client = stage.client(large_post());
    let refused = client.message();
    assert_eq!(refused.status(), 413);
    assert!(refused.closes());
    client.send(vec![b'x'; LARGE]).finish();
    assert_eq!(client.closed(), b"");
    stage.assert_untouched("a body over the limit");
}

#[test]
fn p21_a_chunked_body_over_the_limit_is_refused_when_it_gets_there() {
    let stage = Stage::with(&[("MAX_BODY", "1KiB")]);
    let mut client =
        stage.client("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    let mut server = stage.servers.accept();
    server.head();
    client.send(format!("800\r\n{}\r\n0\r\n\r\n", "x".repeat(0x800)));
    assert_eq!(client.message().status(), 413);
    assert_eq!(client.closed(), b"");
    let (received, _) = server.end();
    assert!(!received.ends_with(b"0\r\n\r\n"));
}

#[test]
fn p43_a_small_body_that_stops_coming_gets_408() {
    let stage = Stage::with(&[("BODY_TIMEOUT", SHORT)]);
    let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    let late = client.message();
    assert_eq!(late.status(), 408);
    assert!(late.closes());
    assert_eq!(client.closed(), b"");
    stage.assert_untouched("a body that stopped coming");
}

#[test]
fn p43_a_large_body_that_stops_coming_gets_408_and_its_server_is_let_go() {
    let stage = Stage::with(&[("BODY_TIMEOUT", SHORT)]);
    let (mut client, mut server) = halfway(&stage);
    let late = client.message();
    assert_eq!(late.status(), 408);
    assert!(late.closes());
    assert_eq!(client.closed(), b"");
    assert_eq!(server.end().0, b"");
}

#[test]
fn p45_a_reset_cancels_the_attempt_within_a_second() {
    let stage = Stage::new();
    let client = stage.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = stage.servers.accept();
    server.message();
    let start = Instant::now();
    client.reset();
    assert_eq!(server.end().0, b"");
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
}

#[test]
fn p45_a_reset_after_a_half_close_cancels_the_attempt_within_a_second() {
    let stage = Stage::new();
    let mut client = stage.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.finish();
    let mut server = stage.servers.accept();
    server.message();
    let start = Instant::now();
    client.reset();
    assert_eq!(server.end().0, b"");
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
}

#[test]
fn p45_a_reset_during_a_response_cancels_it_within_a_second() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.exactly(5), b"begun");
    let start = Instant::now();
    client.reset();
    server.end();
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
}

#[test]
fn p45_a_reset_after_a_half_close_cancels_a_response_within_a_second() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun");
    client.finish();
    client.through(b"begun");
    let start = Instant::now();
    client.reset();
    server.end();
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
}

#[test]
fn p45_an_end_inside_the_body_cancels_the_attempt_within_a_second() {
    let stage = Stage::new();
    let (mut client, mut server) = halfway(&stage);
    let start = Instant::now();
    client.finish();
    server.end();
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
}

#[test]
fn p45_a_client_that_closed_its_sending_side_is_served() {
    let stage = Stage::new();
    let mut client = stage.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.finish();
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    assert_eq!(client.closed(), b"");
}

#[test]
fn p45_a_client_that_closed_its_sending_side_is_cancelled_where_that_is_set() {
    let stage = Stage::with(&[("ABORT_ON_CLOSE", "on")]);
    let mut client = stage.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = stage.servers.accept();
    server.message();
    client.finish();
    assert_eq!(server.end().0, b"");
    assert_eq!(client.end().0, b"");
}

#[test]
fn p71_an_early_answer_is_relayed_at_once_and_the_upload_stopped() {
    let stage = Stage::new();
    let (mut client, mut server) = halfway(&stage);
    server.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig").finish();
    let response = client.message();
    assert_eq!((response.status(), response.text()), (413, "big"));
    assert!(response.closes());
    client.send(vec![b'x'; LARGE - 1000]);
    assert_eq!(client.closed(), b"");
    server.end();
}

#[test]
fn p71_an_early_answer_survives_a_server_that_reads_no_more() {
    let stage = Stage::new();
    let (mut client, mut server) = halfway(&stage);
    server.send("HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n");
    let response = client.head();
    assert_eq!(response.status(), 413);
    assert!(response.closes());
    client.send(vec![b'x'; 50_000]);
    server.send("0\r\n\r\n");
    drop(server);
    assert_eq!(client.chunked().0, b"big");
    client.try_send(vec![b'x'; LARGE - 51_000]);
    assert_eq!(client.closed(), b"", "within {PATIENCE:?}");
}

#[test]
fn p71_an_early_answer_that_ends_in_a_reset_reaches_a_client_that_goes_on_sending() {
    const PIECE: usize = 100_000;
    const PIECES: usize = 30;
    let stage = Stage::new();
    // More would be lost at the server already: a reset takes with it what the other side has no window for.
    let big = "b".repeat(20_000);
    let answers = [
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig".to_owned(),
        "HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n{big}\r\n0\r\n\r\n"),
    ];
    for answer in answers.iter().cycle().take(30) {
        let length = PIECE * PIECES;
        let mut client = stage.client(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        ));
        let sender = thread::spawn(move || {
            let sent = (0..PIECES).take_while(|_| client.try_send(vec![b'x'; PIECE])).count();
            (client, sent)
        });
        let mut server = stage.servers.accept();
        server.head();
        server.send(answer);
        server.reset();
        let (mut client, sent) = sender.join().unwrap();
        assert_eq!(sent, PIECES, "whoever sends is heard out, for a bounded time");
        let response = client.message();
        assert_eq!(response.status(), 413);
        assert!(response.body == b"big" || response.body == big.as_bytes());
        client.closed();
    }
}

#[test]
fn p21_a_client_that_says_more_than_its_last_request_gets_the_answer_all_the_same() {
    let stage = Stage::new();
    let mut client =
        stage.client("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    let mut server = stage.servers.accept();
    assert_eq!(server.message().body, b"hello");
    client.send("\r\n");
    server.send(OK);
    let answer = client.message();
    assert!(answer.status() == 200 && answer.closes() && answer.body == b"ok", "{answer:?}");
    client.end();
}
