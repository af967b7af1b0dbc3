//! P50, behind a proxy that speaks the PROXY protocol: who the client is, it says before the first request.

use std::time::Duration;

use crate::harness::{OK, SHORT, Stage};

const ON: (&str, &str) = ("PROXY_PROTOCOL", "on");
const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const V1: &str = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n";

/// Version 2, IPv6 over TCP: `2001:db8::7` port 4711 to `2001:db8::1` port 80, with an extension behind.
fn v2() -> Vec<u8> {
    let address = |last: u8| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    let body = [&address(7)[..], &address(1), &[0x12, 0x67, 0, 80], &[4, 0, 1, 0]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0", &[body.len() as u8][..], &body].concat()
}

#[test]
fn p50_the_proxy_protocol_says_who_the_client_is() {
    let stage = Stage::with(&[ON]);
    let seen = stage.forwarded(format!("{V1}{GET}"));
    assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(seen.field("forwarded"), Some("for=192.0.2.7;host=\"h\";proto=http"));
    let seen = stage.forwarded([v2(), GET.into()].concat());
    assert_eq!(seen.field("x-forwarded-for"), Some("2001:db8::7"));
}

#[test]
fn p50_the_proxy_protocol_introduces_every_request_of_its_connection() {
    let stage = Stage::with(&[ON]);
    let (mut client, mut server) = stage.asked_and_answered(format!("{V1}{GET}"), OK);
    assert_eq!(client.message().status(), 200);
    assert!(client.is_silent_for(Duration::from_millis(1200)), "also after it was quiet for a while");
    client.send(GET);
    assert_eq!(server.message().field("x-forwarded-for"), Some("192.0.2.7"));
}

#[test]
fn p50_a_proxy_that_speaks_for_itself_is_the_client() {
    let stage = Stage::with(&[ON]);
    let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), GET.into()].concat();
    assert_eq!(stage.forwarded(local).field("x-forwarded-for"), Some("127.0.0.1"));
    let unknown = format!("PROXY UNKNOWN\r\n{GET}");
    assert_eq!(stage.forwarded(unknown).field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn p50_the_address_connected_to_is_the_host_of_a_request_without_one() {
    let stage = Stage::with(&[ON]);
    let seen = stage.forwarded(format!("{V1}GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(seen.field("host"), Some("192.0.2.1"));
}

#[test]
fn p50_trust_is_in_the_client_that_was_introduced() {
    let stage = Stage::with(&[ON, ("TRUSTED_PROXIES", "192.0.2.0/24")]);
    let request = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
    let seen = stage.forwarded(format!("{V1}{request}"));
    assert_eq!(seen.field("x-forwarded-for"), Some("9.9.9.9, 192.0.2.7"));
    let seen = stage.forwarded([v2(), request.into()].concat());
    assert_eq!(seen.field("x-forwarded-for"), Some("2001:db8::7"));
}

#[test]
fn p50_a_connection_without_the_header_is_closed_without_a_word() {
    let stage = Stage::with(&[ON, ("FIRST_BYTE_TIMEOUT", SHORT)]);
    for bytes in [GET, "PROXY TCP4 nonsense\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 4711"] {
        assert_eq!(stage.client(bytes).end().0, b"", "{bytes:?}");
    }
    let seen = stage.forwarded(format!("{V1}GET /after HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!(seen.line(), "GET /after HTTP/1.1");
}

#[test]
fn p50_a_header_comes_in_pieces() {
    let stage = Stage::with(&[ON]);
    let mut client = stage.balancer.connect();
    for byte in format!("{V1}{GET}").bytes() {
        client.send([byte]);
    }
    let mut server = stage.servers.accept();
    assert_eq!(server.message().field("x-forwarded-for"), Some("192.0.2.7"));
}

#[test]
fn p50_the_header_is_no_request_where_it_is_not_expected() {
    let stage = Stage::new();
    stage.refuses(format!("{V1}{GET}"), 400);
    stage.refuses([v2(), GET.into()].concat(), 400);
}
