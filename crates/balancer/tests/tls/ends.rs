//! How connections end: in order, or so that nobody takes a part for the whole.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::harness::PATIENCE;
use crate::{GET, Secured};

#[test]
fn a_response_that_ends_with_its_connection_ends_in_order() {
    let secured = Secured::new();
    let mut client = secured.connect();
    client.send("GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n");
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it").finish();
    let (received, end) = client.end();
    assert!(received.ends_with(b"all of it"));
    assert_eq!(end, Ok(()), "an end without close_notify looks cut off");
}

#[test]
fn a_response_that_breaks_off_does_not_end_in_order() {
    let secured = Secured::with(&[("HOLD", "0")]);
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it");
    client.through("not all of it");
    server.reset();
    let (_, end) = client.end();
    assert!(matches!(end, Err(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)), "{end:?}");
}

#[test]
fn who_only_stops_sending_behind_a_whole_request_is_answered_though_it_does_not_say_so() {
    let secured = Secured::new();
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    client.tcp().shutdown(Shutdown::Write).unwrap();
    // Time to see that, and to take it for a client that is gone.
    assert!(server.is_silent_for(Duration::from_millis(300)));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfor it");
    client.through("for it");
}

#[test]
fn a_body_that_is_cut_off_is_no_request() {
    let secured = Secured::with(&[("KEEP", "0")]);
    let mut client = secured.connect();
    client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let mut server = secured.stage.servers.accept();
    server.through(b"hello\r\n");
    client.tcp().shutdown(Shutdown::Write).unwrap();
    let (rest, _) = server.end();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the server takes it for the whole");
}

#[test]
fn a_client_that_parts_between_two_requests_is_let_go_in_order() {
    let secured = Secured::new();
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send(crate::harness::OK);
    client.through("\r\n\r\nok");
    client.part();
    client.tcp().shutdown(Shutdown::Write).unwrap();
    let (rest, _) = client.end();
    assert_eq!(rest, b"");
    secured.stage.balancer.wait_until(|_| secured.count("evenkeel_connections_open") == 0);
}

#[test]
fn clients_over_tls_are_answered_while_the_balancer_leaves() {
    let secured = Secured::new();
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    secured.stage.balancer.leave();
    secured.stage.balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 503);
    server.send(crate::harness::OK);
    let (received, end) = client.end();
    assert!(received.ends_with(b"\r\n\r\nok"), "{:?}", String::from_utf8_lossy(&received));
    assert_eq!(end, Ok(()));
    assert_eq!(secured.stage.balancer.left(), Some(0));
}

#[test]
fn a_record_that_comes_in_drips_does_not_keep_a_connection_open() {
    // Longer than a connection keeps its task without a byte: each drip wakes one that is parked.
    let secured = Secured::with(&[("IDLE_TIMEOUT", "1500ms"), ("FIRST_BYTE_TIMEOUT", "1h")]);
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send(crate::harness::OK);
    client.through("\r\n\r\nok");
    let answered = Instant::now();
    let mut tcp = client.tcp();
    tcp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // Data of 16 KiB, of which far less will come.
    let mut record = b"\x17\x03\x03\x40\x00".to_vec();
    record.resize(16 * 1024, 0);
    let is_closed = record.iter().any(|drip| {
        let is_taken = tcp.write_all(&[*drip]).is_ok();
        // What it may still say is its word of parting.
        let said = tcp.read(&mut [0; 64]).map_err(|error| error.kind());
        assert!(answered.elapsed() < PATIENCE, "it is still open");
        !is_taken || said != Err(ErrorKind::WouldBlock)
    });
    assert!(is_closed);
    secured.stage.balancer.wait_until(|_| secured.count("evenkeel_connections_open") == 0);
}
