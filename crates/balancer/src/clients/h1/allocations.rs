//! The usual request allocates nothing, on its client's first connection or on a new one each time: everything it needs is used
//! again from the one before.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use evenkeel_sockopt::set_defer_accept;
use evenkeel_wire::{Stream, ring_together};

use super::connection::serve;
use crate::clients::accept::{HELD_BACK, Transport, accept};
use crate::clients::frontend::Frontend;
use crate::context::Worker;
use crate::context::set_up::set_up;
use crate::servers::groups::Groups;

const REQUEST: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

/// Until buffers have grown and histograms know the endpoint.
const WARM_UP: usize = 100;
const COUNTED: usize = 1_000;

/// A table grows once. One allocation each request would be a thousand.
const SELDOM: u64 = 5;

/// A connection that is waited for is watched by the runtime, which allocates for that. With a busy machine some are; one each
/// would be a thousand.
const WAITED_FOR: u64 = 200;

#[test]
fn the_usual_request_allocates_nothing() {
    let upstream = upstream();
    let (warm, is_warm) = oneshot::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let (done, is_done) = oneshot::channel();
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let balancer = front.local_addr().unwrap();
    thread::spawn(move || {
        let stream = TcpStream::connect(balancer).unwrap();
        stream.set_nodelay(true).unwrap();
        ask(&stream, WARM_UP);
        warm.send(()).unwrap();
        may_go.recv().unwrap();
        ask(&stream, COUNTED);
        done.send(()).unwrap();
    });

    let shared = set_up(&[upstream]);
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default()).unwrap();
    let (stream, peer) = front.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    runtime.block_on(async {
        tokio::task::spawn_local(ring_together().unwrap());
        let permit = shared.connections.admit().unwrap();
        let group = Groups::new(Worker::new(shared, Arc::default()));
        let frontend = Frontend::new(group).unwrap();
        serve(&frontend, Stream::accepted(stream), peer, permit);
        is_warm.await.unwrap();
    });
    let counted = allocation_counter::measure(|| {
        go.send(()).unwrap();
        runtime.block_on(is_done).unwrap();
    });
    assert!(counted.count_total <= SELDOM, "{counted:?} in {COUNTED} requests");
}

#[test]
fn a_new_connection_for_each_request_allocates_nothing() {
    let upstream = upstream();
    let (warm, is_warm) = oneshot::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let (done, is_done) = oneshot::channel();
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let balancer = front.local_addr().unwrap();
    set_defer_accept(&front, HELD_BACK).unwrap();
    front.set_nonblocking(true).unwrap();
    let shared = set_up(&[upstream]);
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default()).unwrap();
    let ask = move |count| (0..count).for_each(|_| ask_once(balancer));
    thread::spawn(move || {
        ask(WARM_UP);
        warm.send(()).unwrap();
        may_go.recv().unwrap();
        ask(COUNTED);
        done.send(()).unwrap();
    });
    let (_stays_open, close) = oneshot::channel();
    runtime.block_on(async {
        tokio::task::spawn_local(ring_together().unwrap());
        let group = Groups::new(Worker::new(shared, Arc::default()));
        let frontend = Frontend::new(group).unwrap();
        tokio::task::spawn_local(accept(frontend, front, Transport::Tcp, Vec::new(), close));
        is_warm.await.unwrap();
    });
    let counted = allocation_counter::measure(|| {
        go.send(()).unwrap();
        runtime.block_on(is_done).unwrap();
    });
    assert!(counted.count_total <= WAITED_FOR, "{counted:?} in {COUNTED} connections");
}

fn upstream() -> SocketAddr {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = server.local_addr().unwrap();
    thread::spawn(move || {
        for stream in server.incoming() {
            thread::spawn(move || serve_forever(&stream.unwrap()));
        }
    });
    upstream
}

fn serve_forever(mut stream: &TcpStream) {
    let mut received = [0; 4096];
    // A request of this size comes in one piece on loopback.
    while stream.read(&mut received).unwrap_or_default() > 0 {
        stream.write_all(RESPONSE).unwrap();
    }
}

fn ask(mut stream: &TcpStream, count: usize) {
    let mut received = [0; 4096];
    for _ in 0..count {
        stream.write_all(REQUEST).unwrap();
        let len = stream.read(&mut received).unwrap();
        assert!(received[..len].starts_with(b"HTTP/1.1 200 OK\r\n") && received[..len].ends_with(b"ok"));
    }
}

fn ask_once(balancer: SocketAddr) {
    const LAST: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(balancer).unwrap();
    stream.write_all(LAST).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n") && received.ends_with(b"ok"));
}
