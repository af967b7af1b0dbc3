//! How the balancer leaves: its door closes last, and nobody who came in is sent away unanswered.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::harness::{Balancer, Connection, OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Has the balancer leave, and waits until it says so.
fn leave(balancer: &Balancer) {
    balancer.leave();
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 503);
}

#[test]
fn sigquit_is_heard_as_sigterm_is() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.asked_and_answered(GET, "");
    kill_process(stage.balancer.pid(), Signal::QUIT).unwrap();
    stage.balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 503);
    server.send(OK);
    assert_eq!(client.message().status(), 200);
    assert_eq!(stage.balancer.left(), Some(0));
}

#[test]
fn while_a_slow_request_runs_others_come_and_are_answered_and_told_to_go() {
    let stage = Stage::new();
    let mut slow = stage.client(GET);
    let mut slow_server = stage.servers.accept();
    slow_server.message();
    leave(&stage.balancer);
    for _ in 0..3 {
        let mut client = stage.client(GET);
        let mut server = stage.servers.accept();
        server.message();
        server.send(OK_CLOSE).finish();
        let response = client.message();
        assert_eq!((response.status(), response.closes()), (200, true));
        assert_eq!(client.closed(), b"");
    }
    slow_server.send(OK);
    let response = slow.message();
    assert_eq!((response.status(), response.closes()), (200, true));
    assert_eq!(slow.closed(), b"");
    assert_eq!(stage.balancer.left(), Some(0));
}

#[test]
fn a_client_that_is_quiet_does_not_keep_the_balancer() {
    let stage = Stage::with(&[("GRACE", "1m")]);
    let (mut quiet, _server) = stage.answered(OK);
    assert_eq!(quiet.message().status(), 200);
    let mut silent = stage.balancer.connect();
    stage.balancer.leave();
    assert_eq!(quiet.closed(), b"");
    assert_eq!(silent.closed(), b"");
    drop((quiet, silent));
    assert_eq!(stage.balancer.left(), Some(0));
}

/// The kernel keeps back who has said nothing: they are connected all the same, and must not find the door closed.
#[test]
fn clients_that_have_only_connected_are_answered_while_the_balancer_leaves() {
    let balancer = Balancer::start(&ready_server(), &[]);
    let mut silent: Vec<_> = (0..20).map(|_| balancer.connect()).collect();
    balancer.leave();
    for client in &mut silent {
        client.send(GET);
        let response = client.message();
        assert_eq!((response.status(), response.closes()), (200, true));
        assert_eq!(client.closed(), b"");
    }
    assert_eq!(balancer.left(), Some(0));
}

#[test]
fn a_client_that_asks_again_while_the_balancer_leaves_is_answered() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK);
    assert_eq!(client.message().status(), 200);
    leave(&stage.balancer);
    client.send(GET);
    server.message();
    server.send(OK);
    let response = client.message();
    assert_eq!((response.status(), response.closes()), (200, true));
    assert_eq!(client.closed(), b"");
    drop(client);
    assert_eq!(stage.balancer.left(), Some(0));
}

#[test]
fn leave_after_serves_as_before_and_is_unready() {
    let stage = Stage::with(&[("LEAVE_AFTER", "1m")]);
    leave(&stage.balancer);
    let (mut client, _server) = stage.answered(OK);
    let response = client.message();
    assert_eq!((response.status(), response.closes()), (200, false));
    // The second signal does not wait for it.
    stage.balancer.leave();
    assert_eq!(stage.balancer.left(), Some(128 + 15));
}

#[test]
fn a_second_signal_ends_at_once() {
    let stage = Stage::with(&[("GRACE", "1m")]);
    let (_waiting, _server) = stage.answered("");
    leave(&stage.balancer);
    stage.balancer.leave();
    assert_eq!(stage.balancer.left(), Some(128 + 15));
}

/// A server that answers whatever it is asked, on every connection; it ends with the test process.
fn ready_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut heads = BufReader::new(&stream).split(b'\n').map_while(Result::ok);
                while heads.by_ref().any(|line| line == b"\r") && (&stream).write_all(OK.as_bytes()).is_ok() {
                }
            });
        }
    });
    address
}

/// Four clients that connect anew for each request, for as long as they are let in: nobody who is in is cut off, and there is
/// an end though they never stop coming.
#[test]
fn nobody_who_comes_in_is_cut_off_while_clients_keep_coming() {
    let balancer = Balancer::start(&ready_server(), &[("WORKERS", "2")]);
    let address = balancer.traffic();
    let (answered, answers) = channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let answered = answered.clone();
            scope.spawn(move || {
                // Who is not let in any more is refused, or not heard.
                while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
                    let mut client = Connection::of(stream);
                    client.send(GET);
                    assert_eq!(client.message().status(), 200);
                    answered.send(()).unwrap();
                }
            });
        }
        answers.iter().take(100).for_each(drop);
        balancer.leave();
        assert_eq!(balancer.left(), Some(0));
    });
}
