//! `BALANCER_ALLOW`, `BALANCER_DENY`, `BALANCER_RATE` and `BALANCER_CLIENT_CONNECTIONS`.

use crate::harness::{Balancer, OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Clients whose address a proxy in front names.
const PROXIED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");

/// A GET of this client, as a proxy passes it on.
fn from(client: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {client}\r\n\r\n")
}

/// One value of the metrics.
fn metric(balancer: &Balancer, name: &str) -> u64 {
    let scrape = balancer.admin("/metrics");
    let line =
        scrape.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("{name} is not there")).parse().unwrap()
}

/// The attempts that any server has had.
fn attempts(balancer: &Balancer) -> u64 {
    metric(balancer, "evenkeel_attempts_total{reason=\"first\"}")
}

#[test]
fn a_denied_client_gets_403_and_nobody_else_does() {
    let stage = Stage::with(&[PROXIED, ("ALLOW", "192.0.2.0/24,2001:db8::/32"), ("DENY", "192.0.2.66")]);
    for denied in ["198.51.100.1", "192.0.2.66", "2001:db9::1"] {
        let mut client = stage.client(from(denied));
        let answer = client.message();
        assert_eq!((answer.status(), answer.field("content-type")), (403, Some("application/problem+json")));
        assert!(answer.closes(), "{denied}");
        assert!(answer.field("proxy-status").unwrap().contains("http_request_denied"), "{answer:?}");
    }
    for allowed in ["192.0.2.1", "2001:db8:1::1"] {
        assert_eq!(stage.forwarded(from(allowed)).line(), "GET / HTTP/1.1");
    }
    assert_eq!(attempts(&stage.balancer), 2);
    assert_eq!(metric(&stage.balancer, "evenkeel_requests_turned_away_total{reason=\"denied\"}"), 3);
    assert_eq!(metric(&stage.balancer, "evenkeel_requests_refused_total"), 0);
    // The page is told once a second.
    let is_told = |balancer: &Balancer| balancer.admin("/api/state").text().contains("\"turned_away\":3");
    stage.balancer.wait_until(is_told);
}

#[test]
fn who_is_not_trusted_cannot_say_to_be_somebody_else() {
    let stage = Stage::with(&[("DENY", "127.0.0.0/8")]);
    assert_eq!(stage.client(from("192.0.2.1")).message().status(), 403);
    assert_eq!(attempts(&stage.balancer), 0);
}

#[test]
fn a_client_that_asks_too_often_is_told_when_it_may_again_and_others_are_served() {
    let stage = Stage::with(&[PROXIED, ("RATE", "2/h;burst=3"), ("WORKERS", "2")]);
    // One after the other on connections of their own, so on both workers in turn.
    for _ in 0..3 {
        let mut client = stage.client(from("192.0.2.1"));
        let mut connection = stage.servers.accept();
        connection.message();
        connection.send(OK_CLOSE);
        assert_eq!(client.message().status(), 200);
    }
    let mut client = stage.client(from("192.0.2.1"));
    for _ in 0..3 {
        let answer = client.message();
        assert_eq!(answer.status(), 429, "{answer:?}");
        assert_eq!(answer.field("ratelimit-policy"), Some("\"client\";q=2;w=3600"));
        let again_in: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1700..=1800).contains(&again_in), "{again_in}");
        assert_eq!(answer.field("ratelimit"), Some(format!("\"client\";r=0;t={again_in}").as_str()));
        assert!(!answer.closes(), "it would come with a new connection");
        client.send(from("192.0.2.1"));
    }
    assert_eq!(client.message().status(), 429);
    assert_eq!(stage.forwarded(from("192.0.2.2")).line(), "GET / HTTP/1.1");
    assert_eq!(attempts(&stage.balancer), 4);
    assert_eq!(metric(&stage.balancer, "evenkeel_requests_turned_away_total{reason=\"rate\"}"), 4);
    let endpoints = stage.balancer.admin("/api/endpoints");
    assert!(endpoints.text().contains("\"failures\":{}"), "{endpoints:?}");
}

#[test]
fn addresses_of_one_64_share_what_they_may_ask_for() {
    let stage = Stage::with(&[PROXIED, ("RATE", "1/h")]);
    stage.forwarded(from("2001:db8::1"));
    assert_eq!(stage.client(from("2001:db8::ffff:2")).message().status(), 429);
    stage.forwarded(from("2001:db8:0:1::1"));
}

#[test]
fn what_is_behind_a_body_that_nobody_wants_is_not_read_as_a_request() {
    let stage = Stage::with(&[("RATE", "1/h")]);
    stage.forwarded(GET);
    let hidden = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{GET}", GET.len());
    let mut client = stage.client(hidden);
    let answer = client.message();
    assert_eq!((answer.status(), answer.closes()), (429, true));
    assert_eq!(client.closed(), b"");
    assert_eq!(attempts(&stage.balancer), 1);
}

#[test]
fn a_head_request_that_is_turned_away_gets_no_body() {
    let stage = Stage::with(&[("DENY", "127.0.0.1")]);
    let mut client = stage.client("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().status(), 403);
    assert_eq!(client.closed(), b"");
}

#[test]
fn a_client_has_as_many_connections_as_it_may_and_then_429() {
    let stage = Stage::with(&[("CLIENT_CONNECTIONS", "2")]);
    let (mut first, mut server) = stage.asked_and_answered(GET, OK);
    assert_eq!(first.message().status(), 200);
    let mut second = stage.client(GET);
    server.message();
    server.send(OK);
    assert_eq!(second.message().status(), 200);
    let mut third = stage.client(GET);
    let answer = third.message();
    assert_eq!((answer.status(), answer.closes(), answer.field("retry-after")), (429, true, Some("1")));
    third.closed();
    assert_eq!(metric(&stage.balancer, "evenkeel_connections_limited_total"), 1);
    assert_eq!(attempts(&stage.balancer), 2);
    drop(first);
    let is_gone = |balancer: &Balancer| metric(balancer, "evenkeel_connections_open") == 1;
    stage.balancer.wait_until(is_gone);
    let mut fourth = stage.client(GET);
    server.message();
    server.send(OK);
    assert_eq!(fourth.message().status(), 200);
}

#[test]
fn behind_the_proxy_protocol_a_connection_is_whose_the_proxy_says() {
    let stage = Stage::with(&[("CLIENT_CONNECTIONS", "1"), ("PROXY_PROTOCOL", "on")]);
    let introduced = |client: &str| format!("PROXY TCP4 {client} 192.0.2.200 4711 80\r\n{GET}");
    let (mut one, mut server) = stage.asked_and_answered(introduced("192.0.2.1"), OK);
    assert_eq!(one.message().status(), 200);
    let mut again = stage.client(introduced("192.0.2.1"));
    assert_eq!(again.message().status(), 429);
    again.closed();
    let mut other = stage.client(introduced("192.0.2.2"));
    server.message();
    server.send(OK);
    assert_eq!(other.message().status(), 200);
}

#[test]
fn those_that_one_client_has_too_many_take_nobody_elses_place() {
    let limits = [("CLIENT_CONNECTIONS", "1"), ("MAX_CONNECTIONS", "2"), ("PROXY_PROTOCOL", "on")];
    let stage = Stage::with(&limits);
    let introduced = |client: &str| format!("PROXY TCP4 {client} 192.0.2.200 4711 80\r\n{GET}");
    let (mut one, mut server) = stage.asked_and_answered(introduced("192.0.2.1"), OK);
    assert_eq!(one.message().status(), 200);
    // Told, and still there: it does not go by itself.
    let mut lingering = stage.client(introduced("192.0.2.1"));
    assert_eq!(lingering.message().status(), 429);
    let mut other = stage.client(introduced("192.0.2.2"));
    server.message();
    server.send(OK);
    assert_eq!(other.message().status(), 200);
    drop(lingering);
}

#[test]
fn proxies_that_are_trusted_have_any_number_of_connections() {
    let stage = Stage::with(&[PROXIED, ("CLIENT_CONNECTIONS", "1")]);
    let _idle: Vec<_> = (0..3)
        .map(|_| {
            let (mut client, _server) = stage.asked_and_answered(GET, OK_CLOSE);
            assert_eq!(client.message().status(), 200);
            client
        })
        .collect();
}

#[test]
fn bad_values_are_told_with_what_to_write() {
    let said = Balancer::refused(&[("ALLOW", "10.0.0.0/33"), ("RATE", "fast"), ("CLIENT_CONNECTIONS", "0")]);
    for words in
        ["BALANCER_ALLOW: `10.0.0.0/33`", "BALANCER_RATE: `fast`", "BALANCER_CLIENT_CONNECTIONS: `0`"]
    {
        assert!(said.contains(words), "{words} is missing:\n{said}");
    }
}

#[test]
fn what_is_no_request_counts_as_one() {
    let stage = Stage::with(&[("RATE", "2/h")]);
    for status in [400, 400, 429] {
        let answer = stage.client("no request at all\r\n\r\n").message();
        assert_eq!((answer.status(), answer.closes()), (status, true));
    }
    assert_eq!(stage.client(GET).message().status(), 429);
    assert_eq!(metric(&stage.balancer, "evenkeel_requests_refused_total"), 2);
    assert_eq!(metric(&stage.balancer, "evenkeel_requests_turned_away_total{reason=\"rate\"}"), 2);
}

#[test]
fn a_denied_client_is_told_so_whatever_it_sends() {
    let stage = Stage::with(&[("DENY", "127.0.0.0/8")]);
    for sent in [
        "\x16\x03\x01 no request\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        GET,
    ] {
        let answer = stage.client(sent).message();
        assert_eq!((answer.status(), answer.closes()), (403, true), "{sent:?}");
    }
}

#[test]
fn a_trusted_proxy_is_not_blamed_for_what_its_clients_send() {
    let stage = Stage::with(&[PROXIED, ("RATE", "1/h"), ("ALLOW", "192.0.2.0/24")]);
    for _ in 0..3 {
        assert_eq!(stage.client("no request at all\r\n\r\n").message().status(), 400);
    }
    assert_eq!(stage.forwarded(from("192.0.2.1")).line(), "GET / HTTP/1.1");
}
