//! What the balancer holds in memory is bounded by what is written in its settings, whatever its clients and servers do: not
//! in the usual state alone, but in every one that a request can get into, and in all of them at once.

use std::thread;
use std::time::Duration;

use crate::harness::{Connection, OK, Stage};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How many there are of each kind of troublemaker, all at the same time in the end.
const OF_EACH: u64 = 16;

/// The most that each tries to make the balancer hold.
const TRIED: usize = 8 << 20;

/// What an exchange may hold: a window of `BALANCER_KEEP` and as much read ahead, in a vector that has doubled its way there,
/// and a buffer for each direction.
const ALLOWED: u64 = 2 * 128 * KIB + 96 * KIB;

/// Nobody takes any more when this long nobody has.
const STUCK: Duration = Duration::from_millis(100);

const UPLOAD: &str = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";

/// Who tries to fill the balancer, with what, and whoever else has to stay connected meanwhile.
struct Trouble {
    maker: Connection,
    with: Vec<u8>,
    #[expect(dead_code, reason = "they stay connected for as long as this lives")]
    others: Vec<Connection>,
}

/// Has all of them send until each has sent what it tries to, or is taken nothing more from.
fn make(troubles: &mut [Trouble]) {
    let mut sent = vec![0; troubles.len()];
    loop {
        let at_it = troubles.iter().zip(&sent).filter(|(_, sent)| **sent < TRIED);
        if !Connection::one_takes_more(at_it.map(|(trouble, _)| &trouble.maker), STUCK) {
            return;
        }
        for (Trouble { maker, with, .. }, sent) in troubles.iter_mut().zip(&mut sent) {
            // What was cut off in the middle goes on there.
            let next = &with[*sent % with.len()..];
            *sent =
                if *sent < TRIED { maker.send_some(next).map_or(TRIED, |more| *sent + more) } else { TRIED };
        }
    }
}

/// A chunk of so many bytes.
fn chunk(length: usize) -> Vec<u8> {
    [format!("{length:x}\r\n").as_bytes(), vec![b'x'; length].as_slice(), b"\r\n"].concat()
}

/// The next connection to a server, which has received a head and takes little more.
fn reads_a_head(stage: &Stage) -> Connection {
    let mut server = stage.servers.accept().narrow();
    server.head();
    server
}

/// A client that has sent this, and now reads little; and the server that has received its head.
fn reads_little(stage: &Stage, request: &str) -> (Connection, Connection) {
    let mut client = stage.balancer.connect().narrow();
    client.send(request);
    (client, reads_a_head(stage))
}

/// Begins one trouble.
type Begin = fn(&Stage) -> Trouble;

const KINDS: [(&str, Begin); 12] = [
    ("an upload to a server that reads nothing", |stage| {
        let maker = stage.client(UPLOAD);
        Trouble { with: chunk(0x8000), others: vec![reads_a_head(stage)], maker }
    }),
    ("an upload in small chunks", |stage| {
        let maker = stage.client(UPLOAD);
        Trouble { with: chunk(1).repeat(1000), others: vec![reads_a_head(stage)], maker }
    }),
    ("an upload that nobody has asked to go on", |stage| {
        let maker = stage.client(
            "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
        );
        Trouble { with: vec![b'x'; 0x8000], others: vec![reads_a_head(stage)], maker }
    }),
    ("an upload after an early 503", |stage| {
        let maker = stage.client(UPLOAD);
        let mut first = reads_a_head(stage);
        first.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n");
        Trouble { with: chunk(0x8000), others: vec![first, reads_a_head(stage)], maker }
    }),
    ("an upload after an answer has begun", |stage| {
        let mut maker = stage.client(UPLOAD);
        let mut server = reads_a_head(stage);
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        assert_eq!(maker.head().status(), 200);
        Trouble { with: chunk(0x8000), others: vec![server], maker }
    }),
    ("requests behind one that is not answered", |stage| {
        let maker = stage.client(POST);
        Trouble { with: POST.repeat(500).into_bytes(), others: vec![reads_a_head(stage)], maker }
    }),
    ("a response to a client that reads nothing", |stage| {
        let (client, mut maker) = reads_little(stage, POST);
        maker.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        Trouble { with: vec![b'x'; 0x8000], others: vec![client], maker }
    }),
    ("a response in small chunks", |stage| {
        let (client, mut maker) = reads_little(stage, POST);
        maker.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        Trouble { with: chunk(1).repeat(1000), others: vec![client], maker }
    }),
    ("two responses that are held and never whole", |stage| {
        let maker = stage.client("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        let held = |status: &str| {
            let mut server = stage.servers.accept();
            server.message();
            server.send(format!("HTTP/1.1 {status}\r\nContent-Length: 65536\r\n\r\n{}", "x".repeat(65535)));
            server
        };
        let others = vec![held("503 Service Unavailable"), held("200 OK")];
        Trouble { with: POST.repeat(500).into_bytes(), others, maker }
    }),
    ("a head without an end", |stage| Trouble {
        maker: stage.client("GET / HTTP/1.1\r\n"),
        with: b"A: b\r\n".repeat(1000),
        others: vec![],
    }),
    ("a trailer section without an end", |stage| {
        let mut maker = stage.client(UPLOAD);
        maker.send("0\r\n");
        let server = reads_a_head(stage);
        Trouble { with: [b"A: ", vec![b'b'; 8000].as_slice(), b"\r\n"].concat(), others: vec![server], maker }
    }),
    ("a response head without an end", |stage| {
        let (client, mut maker) = reads_little(stage, POST);
        maker.send("HTTP/1.1 200 OK\r\n");
        Trouble { with: [b"A: ", vec![b'b'; 8000].as_slice(), b"\r\n"].concat(), others: vec![client], maker }
    }),
];

#[test]
fn p76_an_upload_goes_on_within_the_bound_after_an_early_503() {
    const CHUNKS: usize = 1024;
    let stage = Stage::of(2, &[]);
    let mut client = stage.client(UPLOAD);
    let mut first = stage.servers.accept();
    first.head();
    first.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n");
    let mut second = stage.servers.accept();
    let before = stage.balancer.peak_memory();
    let sender = thread::spawn(move || {
        for _ in 0..CHUNKS {
            client.send(chunk(0x10000));
        }
        client.send("0\r\n\r\n");
        client
    });
    let received = second.message();
    assert_eq!(received.body.len(), 5 + CHUNKS * 0x10000, "no byte is lost");
    second.send(OK);
    assert_eq!(sender.join().unwrap().message().text(), "ok");
    let grown = stage.balancer.peak_memory() - before;
    assert!(grown < 4 * MIB, "{grown} bytes for an upload of 64 MiB");
    // Half a request stands on it: it is not used again.
    first.end();
}

#[test]
fn p76_who_answered_503_early_is_the_answer_when_the_next_one_breaks_off() {
    const PIECE: usize = 0x8000;
    let stage = Stage::of(2, &[]);
    let mut client = stage.client("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
    let mut first = stage.servers.accept();
    first.head();
    // Relayed and not held: its upload side would go on where it stopped, and what it needs is gone.
    first.send("HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n");
    let mut second = stage.servers.accept();
    second.head();
    for piece in 0..8 {
        client.send(vec![b'0' + piece; PIECE]);
        assert_eq!(second.exactly(PIECE), vec![b'0' + piece; PIECE]);
    }
    second.reset();
    let response = client.head();
    assert_eq!(response.status(), 503);
    assert!(response.closes());
    first.send("0\r\n\r\n");
    assert_eq!(client.chunked().0, b"no\n");
    assert_eq!(first.end().0, b"", "nothing that does not follow what was sent before");
}

#[test]
fn what_a_server_announces_takes_no_memory_before_it_comes() {
    let stage = Stage::with(&[("HOLD", "64MiB")]);
    let before = stage.balancer.peak_memory();
    let (mut client, mut server) =
        stage.asked_and_answered(POST, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\nx");
    // Answered in order: the other one's bytes have been read by then.
    let (mut other, _) = stage.asked_and_answered(POST, OK);
    assert_eq!(other.message().text(), "ok");
    let grown = stage.balancer.peak_memory() - before;
    assert!(grown < 2 * MIB, "{grown} bytes for a body of one");
    server.send(vec![b'x'; 19_999_999]);
    assert_eq!(client.message().body.len(), 20_000_000, "it comes whole all the same");
}

#[test]
fn all_that_can_be_made_to_grow_stays_within_its_bound_at_once() {
    let patient = [("HEDGE", "off"), ("RACE", "off"), ("RETRY_BUDGET", "100"), ("RESPONSE_TIMEOUT", "1m")];
    let stage = Stage::of(2, &patient);
    let mut all = Vec::new();
    for (name, kind) in KINDS {
        let before = stage.balancer.peak_memory();
        let mut troubles: Vec<_> = (0..OF_EACH).map(|_| kind(&stage)).collect();
        make(&mut troubles);
        let grown = stage.balancer.peak_memory() - before;
        assert!(grown < OF_EACH * ALLOWED + MIB, "{name}: {} KiB each", grown / KIB / OF_EACH);
        all.push(troubles);
    }
}
