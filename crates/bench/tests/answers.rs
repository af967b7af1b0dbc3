//! The servers that cost next to nothing answer rightly all the same, however bytes come and go.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Nothing here takes as long as this.
const PATIENCE: Duration = Duration::from_secs(20);

const LARGE: usize = 1 << 20;

/// A running process, ended when dropped.
struct Answers {
    child: Child,
    addresses: Vec<String>,
}

impl Answers {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_answers"))
            .args(["small=60", "1m=1048576", "127.0.0.1:0", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let addresses = lines.take(2).map(|line| line.expect("it says where it listens")).collect();
        Self { child, addresses }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.addresses[0]).expect("it listens");
        client.set_nodelay(true).expect("a socket takes it");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket takes it");
        client
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The status and the body of the next answer; its head is returned as well.
fn answer(client: &mut impl BufRead) -> (String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(
            client.read_line(&mut head).expect("a line comes"),
            0,
            "the connection ended within {head:?}"
        );
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("it has a length");
    let mut body = vec![0; length.parse().expect("a number")];
    client.read_exact(&mut body).expect("the body comes");
    (head, body)
}

#[test]
fn every_address_answers_with_what_was_asked_for_and_the_usual_fields() {
    let answers = Answers::start();
    for address in &answers.addresses {
        let mut client = BufReader::new(TcpStream::connect(address).unwrap());
        for (path, status, length) in [("/small", "200", 60), ("/readyz", "200", 0), ("/no", "404", 0)] {
            client.get_mut().write_all(get(path).as_bytes()).unwrap();
            let (head, body) = answer(&mut client);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert_eq!(body, vec![b'x'; length]);
            assert!(head.contains("\r\nConnection: keep-alive\r\n") && head.contains(" GMT\r\n"), "{head}");
            assert!(!head.contains("\r\nDate: Thu, 01 Jan 1970"), "{head}");
        }
    }
}

#[test]
fn a_head_may_come_byte_by_byte_and_two_requests_at_once() {
    let answers = Answers::start();
    let mut client = BufReader::new(answers.connect());
    for byte in get("/small").bytes() {
        client.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(answer(&mut client).1.len(), 60);
    let (third, rest) = ("GET /no HT", "TP/1.1\r\n\r\n");
    let some = get("/small") + &get("/1m") + third;
    client.get_mut().write_all(some.as_bytes()).unwrap();
    assert_eq!(answer(&mut client).1.len(), 60);
    assert_eq!(answer(&mut client).1, vec![b'x'; LARGE]);
    client.get_mut().write_all(rest.as_bytes()).unwrap();
    assert!(answer(&mut client).0.starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_body_is_taken_to_its_end_before_the_answer_and_is_no_request() {
    let answers = Answers::start();
    let mut client = BufReader::new(answers.connect());
    let body = get("/no").repeat(40_000);
    let (first, rest) = body.split_at(body.len() / 3);
    let head = format!("POST /take/small HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
    client.get_mut().write_all((head + first).as_bytes()).unwrap();
    // Another one is answered meanwhile, and this one is not yet.
    let mut other = BufReader::new(answers.connect());
    other.get_mut().write_all(get("/small").as_bytes()).unwrap();
    answer(&mut other);
    client.get_ref().set_nonblocking(true).unwrap();
    let early = client.fill_buf().unwrap_err();
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    client.get_ref().set_nonblocking(false).unwrap();
    client.get_mut().write_all((rest.to_owned() + &get("/1m")).as_bytes()).unwrap();
    assert_eq!(answer(&mut client).1.len(), 60);
    assert_eq!(answer(&mut client).1.len(), LARGE);
}

#[test]
fn a_client_that_reads_late_gets_everything_and_keeps_nobody_waiting() {
    const TIMES: usize = 24;
    let answers = Answers::start();
    let mut late = BufReader::new(answers.connect());
    // More than buffers of sockets hold.
    late.get_mut().write_all(get("/1m").repeat(TIMES).as_bytes()).unwrap();
    let mut gone = BufReader::new(answers.connect());
    gone.get_mut().write_all(get("/1m").repeat(TIMES).as_bytes()).unwrap();
    gone.fill_buf().unwrap();
    drop(gone);
    let mut other = BufReader::new(answers.connect());
    for _ in 0..10 {
        other.get_mut().write_all(get("/small").as_bytes()).unwrap();
        assert_eq!(answer(&mut other).1.len(), 60);
    }
    for _ in 0..TIMES {
        assert_eq!(answer(&mut late).1, vec![b'x'; LARGE]);
    }
}

#[test]
fn a_connection_ends_when_it_is_asked_to_and_after_what_is_not_understood() {
    let answers = Answers::start();
    let chunked = "POST /take/small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let endless = format!("GET /small HTTP/1.1\r\nX: {}", "x".repeat(20_000));
    let cases = [
        ("GET /1m HTTP/1.1\r\nConnection: close\r\n\r\n", "200"),
        ("GET /readyz HTTP/1.0\r\n\r\n", "200"),
        (chunked, "501"),
        ("HEAD /small HTTP/1.1\r\n\r\n", "501"),
        ("POST /take/small HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
        ("no HTTP\r\n\r\n", "400"),
        (&endless, "431"),
    ];
    for (request, status) in cases {
        let mut client = BufReader::new(answers.connect());
        client.get_mut().write_all(request.as_bytes()).unwrap();
        let (head, _) = answer(&mut client);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        // It ends, and not by a reset.
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0, "{head}");
        client.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}
