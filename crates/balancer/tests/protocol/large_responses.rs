//! Long responses of known length, which go from socket to socket through a pipe: the same bytes, and the same ends, as any other.

use std::thread;
use std::time::Duration;

use crate::harness::{Connection, OK, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// What no socket's buffers hold, bytes.
const LARGE: usize = 8 << 20;

/// Content in which no part is like another.
fn content(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8) as u64)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(length)
        .collect()
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

/// A client that has asked, and the server's connection with the request.
fn asked(stage: &Stage) -> (Connection, Connection) {
    let client = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    (client, server)
}

/// Has the server send this while the client does that.
fn while_sending<T>(server: &mut Connection, bytes: &[u8], client: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        scope.spawn(|| _ = server.send(bytes));
        client()
    })
}

#[test]
fn a_long_response_comes_whole_and_both_connections_go_on() {
    let stage = Stage::new();
    let (mut client, mut server) = asked(&stage);
    for length in [LARGE, 1 << 20, 100_000, 65_536, 40_000, 36_864, 32_769, LARGE + 1] {
        let content = content(length);
        let response = [head(length), content.clone()].concat();
        let got = while_sending(&mut server, &response, || client.message());
        assert!(got.body == content, "{length}");
        client.send(GET);
        // On the same connection: nothing of the response is left on it.
        assert_eq!(server.message().line(), "GET / HTTP/1.1");
    }
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn what_a_slow_client_has_not_taken_waits_in_a_pipe_and_comes_when_it_does() {
    let stage = Stage::new();
    let mut client = stage.balancer.connect();
    client.send(GET);
    let mut server = stage.servers.accept();
    server.message();
    let before = stage.balancer.pipe_ends();
    let content = content(LARGE);
    let response = [head(LARGE), content.clone()].concat();
    let got = while_sending(&mut server, &response, || {
        stage.balancer.wait_until(|balancer| balancer.pipe_ends() == before + 2);
        client.message()
    });
    assert!(got.body == content);
}

#[test]
fn a_long_response_that_is_cut_off_ends_in_a_reset() {
    for at in [LARGE / 2, LARGE - 1] {
        let stage = Stage::new();
        let (mut client, mut server) = asked(&stage);
        let content = content(LARGE);
        let response = [&head(LARGE)[..], &content[..at]].concat();
        let got = thread::scope(|scope| {
            scope.spawn(move || _ = server.send(response).finish());
            client.reset_by_peer()
        });
        let begin = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!(content.starts_with(&got[begin..]), "{at}");
    }
}

#[test]
fn bytes_behind_a_long_response_are_nobodys() {
    let stage = Stage::new();
    let (mut client, mut server) = asked(&stage);
    let content = content(LARGE);
    let response = [&head(LARGE)[..], &content, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"].concat();
    let got = while_sending(&mut server, &response, || client.message());
    assert!(got.body == content);
    client.send(GET);
    let mut next = stage.servers.accept();
    next.message();
    next.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn the_server_of_a_client_that_leaves_a_long_response_is_left_as_well() {
    let stage = Stage::new();
    let (mut client, mut server) = asked(&stage);
    server.send(head(LARGE));
    assert_eq!(client.head().status(), 200);
    let content = content(LARGE);
    // More than sockets and a pipe take in.
    let before = stage.balancer.descriptors();
    assert!(server.send_some(&content).is_some());
    client.reset();
    while server.send_some(&content).is_some() {
        assert!(Connection::one_takes_more(std::iter::once(&server), Duration::from_secs(10)));
    }
    // And nothing is left of it but a pipe to be used again.
    stage.balancer.wait_until(|balancer| balancer.descriptors() <= before);
}
