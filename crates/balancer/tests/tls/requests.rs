//! Requests over TLS are requests.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::client::Client;
use crate::harness::message::Head;
use crate::harness::{Connection, OK};
use crate::{GET, Secured};

/// The next request that a server hears, answered.
fn answer(server: &mut Connection) -> Head {
    let seen = server.head();
    server.send(OK);
    seen
}

#[test]
fn a_request_is_forwarded_as_one_of_https_and_the_connection_stays() {
    let secured = Secured::new();
    let mut client = secured.connect();
    assert_eq!(client.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    let seen = answer(&mut server);
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("forwarded"), Some("for=127.0.0.1;host=\"shop.example\";proto=https"));
    assert!(client.through("\r\n\r\nok").starts_with("HTTP/1.1 200 OK\r\n"));
    client.send(GET.repeat(2));
    for _ in 0..2 {
        answer(&mut server);
        client.through("\r\n\r\nok");
    }
    assert_eq!(secured.count("evenkeel_tls_handshakes_total{version=\"1.3\",outcome=\"full\"}"), 1);
}

#[test]
fn a_plain_request_beside_it_is_one_of_http() {
    let secured = Secured::new();
    let seen = secured.stage.forwarded(GET);
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
}

#[test]
fn there_need_be_no_plain_http_beside_it() {
    let secured = Secured::with(&[("BIND", "off")]);
    assert_eq!(secured.stage.balancer.traffic(), secured.stage.balancer.secured(), "there is no other");
    let mut client = secured.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    // Without a host it is the address that was connected to.
    let seen = answer(&mut secured.stage.servers.accept());
    assert_eq!(seen.field("host"), Some(secured.stage.balancer.secured().to_string().as_str()));
    client.through("\r\n\r\nok");
}

#[test]
fn a_parked_client_keeps_its_session() {
    let secured = Secured::new();
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    answer(&mut server);
    client.through("\r\n\r\nok");
    for _ in 0..2 {
        // Longer than a connection keeps its task.
        client.tcp().set_read_timeout(Some(Duration::from_millis(1_200))).unwrap();
        let (unread, end) = client.end();
        assert_eq!((unread, end), (Vec::new(), Err(std::io::ErrorKind::WouldBlock)));
        client.tcp().set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        client.send(GET);
        answer(&mut server);
        client.through("\r\n\r\nok");
    }
}

#[test]
fn large_bodies_go_both_ways_whole() {
    let secured = Secured::new();
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    let mut client = secured.connect();
    let length = body.len();
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        client.send(format!("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {length}\r\n\r\n"));
        client.send(sent);
        client
    });
    let mut server = secured.stage.servers.accept();
    let seen = server.message();
    assert!(seen.body == body, "{} bytes are not those that were sent", seen.body.len());
    let answered = body.clone();
    let answering = std::thread::spawn(move || {
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).send(answered);
        server
    });
    let mut client = sender.join().unwrap();
    client.through("\r\n\r\n");
    assert!(client.exactly(length) == body, "what came is not what was sent");
    answering.join().unwrap();
}

#[test]
fn the_proxy_protocol_comes_before_tls() {
    let secured = Secured::with(&[("PROXY_PROTOCOL", "on")]);
    let mut tcp = TcpStream::connect(secured.stage.balancer.secured()).unwrap();
    tcp.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n").unwrap();
    let mut client = Client::over(tcp, &secured.config, "shop.example").unwrap();
    client.send(GET);
    let seen = answer(&mut secured.stage.servers.accept());
    assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
}
