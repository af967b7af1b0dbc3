//! Sockets that whoever starts the balancer holds, as systemd does (`LISTEN_FDS`): a restart refuses nobody.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::{Balancer, Connection, OK_CLOSE, Servers};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Clients that come one connection after the other, all the time.
const CLIENTS: usize = 8;

/// Requests that are answered before, between and after restarts.
const A_WHILE: usize = 100;

/// How often the balancer is replaced.
const RESTARTS: usize = 3;

fn socket() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn restarts_under_load_refuse_and_lose_nothing() {
    let held = socket();
    let address = held.local_addr().unwrap();
    let servers = Servers::listen(1);
    let upstream = servers.upstream();
    servers.answer_all(OK_CLOSE);
    let mut balancer = Balancer::handed_over(&[&held], "traffic", &upstream);
    assert_eq!(balancer.traffic(), address);
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        // Panics where it is refused, reset or not answered.
                        assert_eq!(Connection::to(address).send(GET).message().status(), 200);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let a_while = || {
            let enough = answered.load(Ordering::Relaxed) + A_WHILE;
            while answered.load(Ordering::Relaxed) < enough {
                assert!(!clients.iter().any(thread::ScopedJoinHandle::is_finished), "a client has failed");
                thread::yield_now();
            }
        };
        a_while();
        for _ in 0..RESTARTS {
            balancer.leave();
            assert_eq!(balancer.left(), Some(0));
            balancer = Balancer::handed_over(&[&held], "traffic", &upstream);
            a_while();
        }
        over.store(true, Ordering::Relaxed);
        // Before the last balancer goes.
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn who_comes_while_no_balancer_is_there_is_answered_by_the_next() {
    let held = socket();
    let servers = Servers::listen(1);
    let upstream = servers.upstream();
    servers.answer_all(OK_CLOSE);
    let first = Balancer::handed_over(&[&held], "traffic", &upstream);
    first.leave();
    assert_eq!(first.left(), Some(0));
    // One that asks, and one that only connects and is silent.
    let mut asking = Connection::to(held.local_addr().unwrap());
    asking.send(GET);
    let mut silent = Connection::to(held.local_addr().unwrap());
    let _second = Balancer::handed_over(&[&held], "traffic", &upstream);
    assert_eq!(asking.message().status(), 200);
    assert_eq!(silent.send(GET).message().status(), 200);
}

#[test]
fn each_socket_is_for_what_it_is_called_and_a_single_one_without_a_name_is_for_traffic() {
    let (traffic, admin) = (socket(), socket());
    let servers = Servers::listen(1);
    let upstream = servers.upstream();
    servers.answer_all(OK_CLOSE);
    let balancer = Balancer::handed_over(&[&admin, &traffic], "admin:traffic", &upstream);
    assert_eq!(balancer.traffic(), traffic.local_addr().unwrap());
    let ready = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(Connection::to(admin.local_addr().unwrap()).send(ready).message().status(), 200);
    assert_eq!(balancer.connect().send(GET).message().status(), 200);
    drop(balancer);
    let balancer = Balancer::handed_over(&[&traffic], "evenkeel.socket", &upstream);
    assert_eq!(balancer.connect().send(GET).message().status(), 200);
    assert_eq!(balancer.traffic(), traffic.local_addr().unwrap());
}

#[test]
fn what_is_handed_over_and_for_nothing_is_named() {
    let (one, other) = (socket(), socket());
    let said = Balancer::fails_with(&[&one, &other], "traffic:web", &[]);
    assert!(said.contains("LISTEN_FDNAMES: socket 2 of 2 is called \"web\""), "{said}");
    let said = Balancer::fails_with(&[&one], "tls", &[]);
    assert!(said.contains("a socket for tls was handed over, and BALANCER_TLS_BIND is not set"), "{said}");
}
