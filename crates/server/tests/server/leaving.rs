//! SIGTERM: nothing that was begun is lost, and whoever balances over this server can see it leave.

use std::{
    io::ErrorKind,
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use evenkeel_stage::until;
use rustix::process::Signal;

use crate::{process::Server, wire::Connection};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Waits until a server has noticed its signal; readiness changes at once, but a signal takes its way.
fn until_unready(server: &Server) {
    until("it is not ready", || (server.get("/readyz", "").status == 503).then_some(()));
}

#[test]
fn a_leaving_server_is_unready_and_still_serves_then_closes_and_exits_with_0() {
    let server = Server::start(&[("SERVER_LEAVE_AFTER", "2s")]);
    let mut idle = server.connect();
    assert_eq!(idle.ask(GET).field("connection"), None);
    let mut used = server.connect();
    assert_eq!(used.ask(GET).status, 200);
    let mut running = server.connect();
    running.send("GET /delay/2500ms HTTP/1.1\r\nhost: a\r\n\r\n");

    let asked = Instant::now();
    server.signal(Signal::TERM);
    until_unready(&server);
    let mut admin = Connection::open(server.admin);
    assert_eq!(admin.ask("GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n").status, 503);
    assert_eq!(admin.rest().unwrap(), b"");
    // New connections and old ones are served, once each.
    let late = server.get("/", "");
    assert_eq!((late.status, late.field("connection")), (200, Some("close")));
    let response = used.ask(GET);
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert!(asked.elapsed() < Duration::from_secs(2), "too slow to tell");

    // The idle connection ends when the listener closes, not before, and with FIN.
    assert_eq!(idle.rest().unwrap(), b"");
    assert!(asked.elapsed() >= Duration::from_millis(1900));
    let refused = until("nobody is let in", || TcpStream::connect(server.traffic).err());
    let refused = refused.kind();
    assert_eq!(refused, ErrorKind::ConnectionRefused);

    let finished = running.receive(false);
    assert_eq!((finished.status, finished.text(), finished.broken), (200, "waited 2.5s\n", None));
    assert_eq!(server.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn what_never_ends_is_left_behind_when_the_time_to_finish_is_over() {
    let settings =
        [("SERVER_FAULTS", "hang"), ("SERVER_LEAVE_AFTER", "10ms"), ("SERVER_FINISH_WITHIN", "200ms")];
    let server = Server::start(&settings);
    let mut hanging = server.connect();
    hanging.send(GET);
    server.signal(Signal::TERM);
    let asked = Instant::now();
    assert_eq!(server.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn a_websocket_is_told_that_the_server_goes_away() {
    let server = Server::start(&[("SERVER_LEAVE_AFTER", "50ms")]);
    let mut connection = server.connect();
    connection.send(
        "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(connection.head().0, 101);
    server.signal(Signal::TERM);
    // A close frame with status 1001, going away (RFC 6455 §7.4.1).
    let mut frame = Vec::new();
    connection.exactly(4, &mut frame).unwrap();
    assert_eq!(frame, [0x88, 0x02, 0x03, 0xe9]);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let server = Server::start(&[("SERVER_LEAVE_AFTER", "1h")]);
    server.signal(Signal::INT);
    until_unready(&server);
    server.signal(Signal::TERM);
    let status = server.wait();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
}
