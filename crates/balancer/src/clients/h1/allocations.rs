//! The usual request allocates nothing: everything it needs is used again from the one before.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use evenkeel_wire::{Stream, ring_together};

use super::connection::serve;
use crate::clients::frontend::Frontend;
use crate::context::Worker;
use crate::context::set_up::set_up;
use crate::servers::groups::Groups;

const REQUEST: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

/// Until buffers have grown and histograms know the endpoint.
const WARM_UP: usize = 100;
const COUNTED: usize = 1_000;

/// A timer that has rung is made anew. With a busy machine a few do; one each request would be a thousand.
const TIMERS: u64 = 20;

#[test]
fn the_usual_request_allocates_nothing() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = server.local_addr().unwrap();
    thread::spawn(move || {
        for stream in server.incoming() {
            thread::spawn(move || serve_forever(&stream.unwrap()));
        }
    });
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
        tokio::task::spawn_local(ring_together());
        let permit = shared.connections.admit().unwrap();
        let group = Groups::new(Worker::new(shared, Arc::default()));
        let frontend = Frontend::new(group).unwrap();
        tokio::task::spawn_local(serve(frontend, Stream::accepted(stream), peer, permit));
        is_warm.await.unwrap();
    });
    let counted = allocation_counter::measure(|| {
        go.send(()).unwrap();
        runtime.block_on(is_done).unwrap();
    });
    assert!(counted.count_total <= TIMERS, "{counted:?} in {COUNTED} requests");
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
