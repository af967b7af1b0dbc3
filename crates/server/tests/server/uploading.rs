//! Request bodies: echoed, counted, verified, refused.

use std::{fmt::Write as _, io::Write as _, thread};

use evenkeel_digest::{Algorithm, Digest};

use crate::process::Server;

/// Longer than what is held before an echo begins.
const LONG: usize = 1 << 20;

fn post(target: &str, fields: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len())
}

fn digest_field(body: &str) -> String {
    format!("content-digest: {}\r\n", Digest::of(Algorithm::Sha512, body.as_bytes()).field_value())
}

#[test]
fn a_short_body_comes_back_with_its_type() {
    let server = Server::start(&[]);
    let response = server.ask(&post("/echo", "content-type: text/x\r\n", "hello"));
    assert_eq!(
        (response.status, response.text(), response.field("content-type")),
        (200, "hello", Some("text/x"))
    );
    assert!(response.is_intact());
    assert_eq!(server.ask("PURGE /echo HTTP/1.1\r\nhost: a\r\n\r\n").body, b"");
}

#[test]
fn a_long_body_comes_back_while_it_is_sent() {
    let server = Server::start(&[]);
    let body = "0123456789abcdef".repeat(LONG / 16);
    let promise = digest_field(&body);
    for sent in [post("/echo", "", &body), chunked(&body), post("/echo", &promise, &body)] {
        let mut connection = server.connect();
        let mut sender = connection.sender();
        let sending = thread::spawn(move || sender.write_all(sent.as_bytes()));
        let response = connection.receive(false);
        sending.join().unwrap().unwrap();
        assert_eq!((response.status, response.broken), (200, None));
        assert!(response.body == body.as_bytes());
        assert_eq!(response.field("content-digest"), None, "what is not known yet is not promised");
    }
}

fn chunked(body: &str) -> String {
    let mut sent = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for piece in body.as_bytes().chunks(10_000) {
        let piece = std::str::from_utf8(piece).unwrap();
        write!(sent, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
    }
    sent + "0\r\n\r\n"
}

#[test]
fn an_upload_is_counted_and_hashed() {
    let server = Server::start(&[]);
    let json = server.ask(&post("/upload", &digest_field("hello"), "hello")).json();
    assert_eq!((&json["length"], &json["verified"]), (&5.into(), &true.into()));
    assert_eq!(json["digest"], Digest::of(Algorithm::Sha256, b"hello").field_value());
    assert_eq!(server.ask(&post("/upload", "", "hello")).json()["verified"], false);
}

#[test]
fn a_wrong_digest_is_a_bad_request_everywhere() {
    let server = Server::start(&[]);
    for target in ["/echo", "/upload", "/status/200", "/delay/1ms"] {
        let response = server.ask(&post(target, &digest_field("hellO"), "hello"));
        assert_eq!(response.status, 400, "{target}");
        assert_eq!(response.field("content-type"), Some("application/problem+json"));
        let detail = response.json()["detail"].to_string();
        assert!(detail.contains("Content-Digest: the content has sha-512=:"), "{detail}");
    }
    let malformed = server.ask(&post("/upload", "content-digest: sha-256\r\n", "hello"));
    assert_eq!(malformed.status, 400);
}

#[test]
fn a_false_promise_of_the_client_is_not_made_by_the_server() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut sender = connection.sender();
    let sent = post("/echo", &digest_field("other"), &"x".repeat(LONG));
    let sending = thread::spawn(move || sender.write_all(sent.as_bytes()));
    let response = connection.receive(false);
    sending.join().unwrap().unwrap();
    assert_eq!((response.status, response.body.len(), response.broken), (200, LONG, None));
    assert_eq!((response.field("content-digest"), response.field("repr-digest")), (None, None));
}

#[test]
fn a_body_that_can_be_held_comes_back_with_the_digest_of_what_came() {
    let server = Server::start(&[]);
    for fields in ["", &digest_field(&"x".repeat(200_000))] {
        let response = server.ask(&post("/echo", fields, &"x".repeat(200_000)));
        assert!(response.status == 200 && response.is_intact());
    }
    assert_eq!(server.ask(&post("/echo", &digest_field("other"), &"x".repeat(200_000))).status, 400);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let server = Server::start(&[("SERVER_MAX_BODY", "10")]);
    assert_eq!(server.ask(&post("/upload", "", "0123456789")).status, 200);
    assert_eq!(server.ask(&post("/upload", "", "0123456789a")).status, 413);
    let chunked =
        "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n";
    assert_eq!(server.ask(chunked).status, 413);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let server = Server::start(&[("SERVER_BODY_TIMEOUT", "50ms")]);
    let response = server.ask("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel");
    assert_eq!(response.status, 408);
}
