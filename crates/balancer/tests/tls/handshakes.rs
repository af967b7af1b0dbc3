//! Handshakes: whose certificate is shown, which version is spoken, what resumes, and what is bounded.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use evenkeel_stage::{Renegotiation, Tls};

use crate::client::{Authority, Client};
use crate::harness::{OK, PATIENCE, SHORT};
use crate::{GET, Secured};

const FULL: &str = "evenkeel_tls_handshakes_total{version=\"1.3\",outcome=\"full\"}";
const RESUMED: &str = "evenkeel_tls_handshakes_total{version=\"1.3\",outcome=\"resumed\"}";
const LATE: &str = "evenkeel_tls_handshakes_total{version=\"none\",outcome=\"timeout\"}";
const GONE: &str = "evenkeel_tls_handshakes_total{version=\"none\",outcome=\"gone\"}";
const PLAIN: &str = "evenkeel_tls_handshakes_total{version=\"none\",outcome=\"plain_http\"}";
const BROKEN: &str = "evenkeel_tls_sessions_broken_total";
const REFUSED: &str = "evenkeel_tls_handshakes_total{version=\"none\",outcome=\"refused\"}";

/// A request on this connection is answered.
fn works(secured: &Secured, client: &mut Client) {
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send(crate::harness::OK_CLOSE).finish();
    client.through("\r\n\r\nok");
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let authority = Authority::new();
    authority.put("a", "first.example");
    authority.put("b", "*.shop.example");
    authority.put("c", "www.shop.example");
    let secured = Secured::of(authority, &[]);
    let address = secured.stage.balancer.secured();
    // The client verifies the name: only the right one will do.
    for host in ["first.example", "www.shop.example", "api.shop.example"] {
        assert!(Client::to(address, &secured.config, host).is_ok(), "{host}");
    }
    assert!(Client::to(address, &secured.config, "elsewhere.example").is_err());
}

#[test]
fn a_host_that_another_certificate_is_for_takes_another_connection() {
    let authority = Authority::new();
    authority.put("a", "first.example");
    authority.put("b", "*.shop.example");
    let secured = Secured::of(authority, &[]);
    let address = secured.stage.balancer.secured();
    let options = |host: &str| {
        format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n")
    };
    let asked = |name: &str, host: &str| {
        // Twice: who goes on from an earlier handshake is held to the same.
        let statuses = [(); 2].map(|()| {
            let mut client = Client::to(address, &secured.config, name).unwrap();
            client.send(options(host));
            String::from_utf8(client.end().0).unwrap()["HTTP/1.1 ".len()..][..3].to_owned()
        });
        assert_eq!(statuses[0], statuses[1]);
        statuses[0].clone()
    };
    // There is no other connection for the last ones.
    for host in [
        "www.shop.example",
        "API.shop.example:8443",
        "www.shop.example.",
        "elsewhere.example",
        "127.0.0.1",
        "[::1]:443",
    ] {
        assert_eq!(asked("www.shop.example", host), "204", "{host}");
    }
    for host in ["first.example", "First.Example:8443", "first.example."] {
        assert_eq!(asked("www.shop.example", host), "421", "{host}");
    }
}

#[test]
fn who_names_nobody_asks_for_any_host() {
    let authority = Authority::new();
    authority.put("a", "127.0.0.1");
    let secured = Secured::of(authority, &[]);
    // No name goes out for an address (RFC 6066 §3).
    let mut client = Client::to(secured.stage.balancer.secured(), &secured.config, "127.0.0.1").unwrap();
    client.send("OPTIONS * HTTP/1.1\r\nHost: any.example\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
    assert!(client.end().0.starts_with(b"HTTP/1.1 204 "));
}

#[test]
fn a_session_is_resumed_on_whatever_worker() {
    let secured = Secured::with(&[("WORKERS", "3")]);
    let mut first = secured.connect();
    works(&secured, &mut first);
    assert!(!first.is_resumed());
    for _ in 0..6 {
        let mut client = secured.connect();
        assert!(client.is_resumed());
        works(&secured, &mut client);
    }
    assert_eq!((secured.count(FULL), secured.count(RESUMED)), (1, 6));
}

#[test]
fn tls_1_2_is_spoken_and_resumed_unless_it_is_too_old() {
    let secured = Secured::new();
    let config = secured.authority.trusted(&[&rustls::version::TLS12]);
    for is_resumed in [false, true] {
        let address = secured.stage.balancer.secured();
        let mut client = Client::to(address, &config, "shop.example").unwrap();
        works(&secured, &mut client);
        assert_eq!(client.is_resumed(), is_resumed);
    }
    let strict = Secured::with(&[("TLS_MIN", "1.3")]);
    let config = strict.authority.trusted(&[&rustls::version::TLS12]);
    assert!(Client::to(strict.stage.balancer.secured(), &config, "shop.example").is_err());
    // The client hears it before it is counted.
    strict.stage.balancer.wait_until(|_| strict.count(REFUSED) == 1);
    works(&strict, &mut strict.connect());
}

#[test]
fn a_handshake_that_does_not_come_in_time_is_over() {
    let secured = Secured::with(&[("HEAD_TIMEOUT", SHORT)]);
    let mut slow = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    // The beginning of a record that is 512 bytes long.
    slow.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    assert_eq!(slow.read(&mut [0; 64]).unwrap(), 0);
    assert_eq!(secured.count(LATE), 1);
}

#[test]
fn who_speaks_plain_http_is_told_so_in_it() {
    let secured = Secured::new();
    for request in [GET, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"] {
        let mut plain = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        plain.write_all(request.as_bytes()).unwrap();
        let mut told = String::new();
        plain.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
        assert!(told.contains("\r\nConnection: close\r\n") && told.contains("ask https://"), "{told}");
    }
    assert_eq!(secured.count(PLAIN), 2);
    works(&secured, &mut secured.connect());
}

#[test]
fn what_is_no_handshake_is_refused_with_an_alert() {
    let secured = Secured::new();
    let mut plain = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"\x80\x2e\x01\x03\x01").unwrap();
    let mut alert = [0; 1];
    plain.read_exact(&mut alert).unwrap();
    assert_eq!(alert, [21]);
    secured.stage.balancer.wait_until(|_| secured.count(REFUSED) == 1);
    let mut cut = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    cut.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    drop(cut);
    secured.stage.balancer.wait_until(|_| secured.count(GONE) == 1);
    works(&secured, &mut secured.connect());
}

/// A message of so many bytes that is its announcement and zeros, in records of 1 KiB.
fn announcing(length: u16) -> Vec<u8> {
    let mut message = vec![0; usize::from(length)];
    message[..2].copy_from_slice(b"\x01\0");
    message[2..4].copy_from_slice(&(length - 4).to_be_bytes());
    let mut records = Vec::new();
    for piece in message.chunks(1 << 10) {
        records.extend_from_slice(b"\x16\x03\x01");
        records.extend_from_slice(&(piece.len() as u16).to_be_bytes());
        records.extend_from_slice(piece);
    }
    records
}

#[test]
fn a_hello_is_not_held_however_long_it_says_that_it_will_be() {
    let secured = Secured::new();
    let mut long = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    long.set_read_timeout(Some(PATIENCE)).unwrap();
    let hello = announcing(60 << 10);
    // Half of it is waited for, and one byte more is too much.
    let mut sent = 0;
    while sent < 31 << 10 {
        long.write_all(&hello[sent..sent + 1000]).unwrap();
        sent += 1000;
    }
    assert_eq!(secured.count(REFUSED), 0);
    // The rest may meet a connection that is over.
    let _ = long.write_all(&hello[sent..]);
    let end = long.read(&mut [0; 64]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    secured.stage.balancer.wait_until(|_| secured.count(REFUSED) == 1);
    works(&secured, &mut secured.connect());
}

#[test]
fn who_asks_for_a_renegotiation_is_told_no_once_and_then_ended() {
    let secured = Secured::new();
    let tls = Tls::that_tells_its_keys(secured.authority.pem().as_bytes(), "shop.example").unwrap();
    let tcp = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Renegotiation::over(tcp, &tls).unwrap();
    client.ask().unwrap();
    // A warning: no_renegotiation (RFC 5246 §7.2.2).
    assert_eq!(client.alert().unwrap(), Some([1, 100]));
    assert_eq!(secured.count(BROKEN), 0);
    client.ask().unwrap();
    assert_eq!(client.alert().unwrap(), None);
    secured.stage.balancer.wait_until(|_| secured.count(BROKEN) == 1);
    works(&secured, &mut secured.connect());
}

#[test]
fn a_record_that_does_not_verify_ends_a_connection_at_once_whatever_it_waits_for() {
    let secured = Secured::new();
    let mut garbled = b"\x17\x03\x03\0\x20".to_vec();
    garbled.extend_from_slice(&[7; 32]);
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
    for (before, begun) in (0..).zip(["", "GET / HTTP/1.1\r\n", post]) {
        let mut client = secured.connect();
        client.send(begun);
        // What comes with the last of the handshake belongs to that.
        let shaken = || secured.count(FULL) + secured.count(RESUMED);
        secured.stage.balancer.wait_until(|_| shaken() == before + 1);
        client.tcp().write_all(&garbled).unwrap();
        assert!(client.end().1.is_err());
        secured.stage.balancer.wait_until(|_| secured.count(BROKEN) == before + 1);
    }
    works(&secured, &mut secured.connect());
}

#[test]
fn an_ordinary_client_does_not_notice_two_hundred_who_do_not_finish() {
    let secured = Secured::new();
    let half_open: Vec<_> = (0..200)
        .map(|_| {
            let mut tcp = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
            tcp.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            tcp
        })
        .collect();
    secured.stage.balancer.wait_until(|_| secured.count("evenkeel_connections_open") >= 200);
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    for _ in 0..20 {
        server.message();
        server.send(OK);
        client.through("\r\n\r\nok");
        client.send(GET);
    }
    drop(half_open);
    secured.stage.balancer.wait_until(|_| secured.count(GONE) == 200);
}
