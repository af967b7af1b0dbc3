//! The whole exchange with a caller that has no connection: its request is made of fields, its answer is kept.

mod fields;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::context::Worker;
use crate::context::set_up::set_up;
use fields::FieldsCaller;

/// A server that answers each connection's first request with these bytes and closes.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

/// Reads a head and, if it is chunked, its body.
fn read_request(stream: &mut TcpStream) {
    let mut received = Vec::new();
    let is_whole = |received: &[u8]| {
        let text = String::from_utf8_lossy(received).to_ascii_lowercase();
        if text.contains("transfer-encoding") {
            text.ends_with("0\r\n\r\n")
        } else {
            text.contains("\r\n\r\n")
        }
    };
    while !is_whole(&received) {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the request broke off");
        received.extend_from_slice(&some[..count]);
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asks these servers for one thing, and returns the caller with what it was told.
fn ask(servers: &[SocketAddr], fields: &[(&str, &str)], body: &'static [u8]) -> (FieldsCaller, Then) {
    let shared = set_up(servers);
    let mut caller = FieldsCaller::new(fields, body, &shared.edition().settings.limits);
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default()).unwrap();
    let then = runtime.block_on(async {
        let group = Groups::new(Worker::new(shared, std::sync::Arc::default()));
        run(&group, &mut caller, &mut Scratch::default()).await
    });
    (caller, then)
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/a")];
const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":authority", "shop.example"), (":path", "/a")];

#[test]
fn a_request_of_fields_is_answered_without_a_socket_of_its_client() {
    let server = server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
    let (caller, then) = ask(&[server], &GET, b"");
    assert_eq!((caller.status, caller.content.as_slice(), caller.ended), (200, &b"ok"[..], true));
    assert!(caller.head.contains("Content-Type: text/plain\r\n"), "{}", caller.head);
    assert!(matches!(then, Then::Next));
}

#[test]
fn its_body_is_passed_on_and_an_answer_without_a_length_is_relayed_with_its_trailers() {
    let server = server(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let (caller, _) = ask(&[server], &POST, b"a body that comes in pieces");
    assert_eq!((caller.status, caller.content.as_slice(), caller.ended), (200, &b"hello world"[..], true));
    assert_eq!(caller.trailers, b"X-Sum: 1\r\n");
}

#[test]
fn it_is_tried_elsewhere_where_a_server_is_not_there() {
    let server = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    for _ in 0..4 {
        let (caller, _) = ask(&[nobody(), server], &GET, b"");
        assert_eq!(caller.status, 200);
    }
}

#[test]
fn it_is_told_when_nobody_answers() {
    let (caller, then) = ask(&[nobody()], &GET, b"");
    assert_eq!(caller.status, 503);
    assert!(String::from_utf8_lossy(&caller.content).contains("No server can take the request now."));
    assert!(matches!(then, Then::Next));
}

#[test]
fn an_answer_that_breaks_off_is_aborted_and_not_ended() {
    let server = server("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello");
    let (caller, then) = ask(&[server], &GET, b"");
    assert_eq!((caller.status, caller.ended, caller.aborted), (200, false, true));
    assert!(matches!(then, Then::Close));
}
