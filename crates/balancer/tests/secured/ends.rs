//! How connections to servers end, and what they say while they are idle.

use crate::harness::transport::Parting;
use crate::harness::{OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nonce";
const OPEN_ENDED: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it";

#[test]
fn a_body_that_ends_with_its_connection_is_whole_only_with_a_word_of_parting() {
    for (parting, is_whole) in [(Parting::CloseNotify, true), (Parting::Fin, false)] {
        let stage = Stage::new();
        let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let (mut client, mut server) = stage.asked_and_answered(request, OPEN_ENDED);
        client.through(b"it");
        server.part(parting);
        // What the client gets is chunked, and says by itself whether it is whole.
        let (rest, _) = client.end();
        assert_eq!(rest.ends_with(b"0\r\n\r\n"), is_whole, "{parting:?}: {rest:?}");
    }
}

#[test]
fn a_body_of_a_length_needs_no_word_of_parting() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK_CLOSE);
    server.part(Parting::Fin);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn what_tls_says_for_itself_on_an_idle_connection_disturbs_nobody() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK);
    client.message();
    for request in [GET, POST, GET] {
        // New keys come while it is idle, as tickets may.
        server.tls().refresh_traffic_keys().unwrap();
        server.flush();
        client.send(request);
        server.message();
        server.send(OK);
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn an_idle_connection_that_ends_is_left_however_it_ends() {
    for parting in [Parting::CloseNotify, Parting::Fin] {
        let stage = Stage::new();
        let (mut client, mut server) = stage.answered(OK);
        client.message();
        server.part(parting);
        assert_eq!(server.closed(), b"", "{parting:?}");
        client.send(POST);
        let mut fresh = stage.servers.accept();
        assert_eq!(fresh.message().text(), "once");
        fresh.send(OK);
        assert_eq!(client.message().status(), 200, "{parting:?}");
    }
}

#[test]
fn what_cannot_be_repeated_never_goes_onto_a_connection_that_has_ended() {
    for parting in [Parting::CloseNotify, Parting::Fin] {
        for _ in 0..20 {
            let stage = Stage::new();
            let (mut client, mut server) = stage.answered(OK);
            client.message();
            // At the same moment, as far as the balancer can tell.
            server.part(parting);
            client.send(POST);
            assert_eq!(server.closed(), b"", "a byte of it came on the old connection");
            let mut fresh = stage.servers.accept();
            assert_eq!(fresh.message().text(), "once");
            fresh.send(OK);
            assert_eq!(client.message().status(), 200);
        }
    }
}

#[test]
fn what_comes_unasked_on_an_idle_connection_answers_nothing() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK);
    client.message();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen");
    server.closed();
    client.send(GET);
    let mut fresh = stage.servers.accept();
    fresh.message();
    fresh.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn large_bodies_go_both_ways() {
    const LARGE: usize = 3_000_000;
    let stage = Stage::new();
    let body: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    let mut client = stage.client(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n"));
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        client.send(&sent);
        client
    });
    let mut server = stage.servers.accept();
    assert!(server.message().body == body);
    let mut client = sender.join().unwrap();
    let sender = std::thread::spawn(move || {
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).send(&body);
        (server, body)
    });
    let response = client.message();
    let (_server, body) = sender.join().unwrap();
    assert!(response.body == body);
}
