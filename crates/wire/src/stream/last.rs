//! What is sent last: whole, and its end with it.

use super::*;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

/// A stream, of which the runtime has heard or not, and its other end.
fn accepted(is_watched: bool) -> (Stream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_nonblocking(true).unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut stream = Stream::accepted(tcp);
    if is_watched {
        stream.watch().unwrap();
    }
    (stream, peer)
}

async fn send_last(stream: &mut Stream, head: &[u8], body: &[u8]) {
    let mut sent = 0;
    poll_fn(|cx| stream.poll_send_last(cx, head, body, &mut sent)).await.unwrap();
    assert_eq!(sent, head.len() + body.len());
}

#[tokio::test]
async fn the_end_comes_with_the_last_that_is_sent() {
    for (is_watched, body) in [(false, &b""[..]), (false, b" body"), (true, b""), (true, b" body")] {
        let (mut stream, mut peer) = accepted(is_watched);
        send_last(&mut stream, b"head", body).await;
        let mut room = [0; 64];
        let count = peer.read(&mut room).unwrap();
        assert_eq!(room[..count], [b"head", body].concat());
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut room).unwrap(), 0, "no segment of its own is to come");
        assert_eq!(stream.is_watched(), is_watched);
    }
}

#[tokio::test]
async fn who_takes_it_slowly_gets_all_of_the_last() {
    let (mut stream, mut peer) = accepted(false);
    let body = vec![b'x'; 8 << 20];
    let (waits, is_waiting) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        is_waiting.recv().unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    let mut sent = 0;
    poll_fn(|cx| {
        let done = stream.poll_send_last(cx, b"head", &body, &mut sent);
        if done.is_pending() {
            let _ = waits.send(());
        }
        done
    })
    .await
    .unwrap();
    assert_eq!(reading.join().unwrap(), 4 + body.len());
}

#[tokio::test]
async fn what_nobody_has_read_takes_nothing_from_the_last() {
    let (mut stream, mut peer) = accepted(false);
    peer.write_all(b"more than was asked for").unwrap();
    let begun = Instant::now();
    while stream.idleness_now() == Idleness::Quiet {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
    }
    send_last(&mut stream, b"head", b"").await;
    drop(stream);
    let mut head = [0; 4];
    peer.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"head");
}
