//! Clients that are sent to https, and told to stay there.

use crate::harness::Stage;
use crate::{GET, Secured};

const HSTS: &str = "strict-transport-security";
const REDIRECTED: &str = "evenkeel_requests_redirected_total{reason=\"https\"}";

#[test]
fn a_plain_request_is_sent_to_https_and_a_challenge_is_served() {
    let secured = Secured::with(&[("HTTPS_REDIRECT", "443"), ("HSTS", "1y")]);
    let mut client = secured.stage.balancer.connect();
    // Its connection lasts.
    for _ in 0..2 {
        client.send("GET /a?b HTTP/1.1\r\nHost: SHOP.example:8080\r\n\r\n");
        let answer = client.message();
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.field("location"), Some("https://shop.example/a?b"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field(HSTS), None, "it is not said over plain HTTP");
    }
    assert_eq!(secured.count(REDIRECTED), 2);
    let challenge = "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let seen = secured.stage.forwarded(challenge);
    assert_eq!(seen.line(), "GET /.well-known/acme-challenge/token HTTP/1.1");
    assert_eq!(secured.count(REDIRECTED), 2);
}

#[test]
fn what_is_no_request_or_names_no_host_is_refused_as_ever() {
    let secured = Secured::with(&[("HTTPS_REDIRECT", "8443")]);
    for wrong in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://a/@/b#c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    ] {
        assert_eq!(secured.stage.client(wrong).message().status(), 400, "{wrong:?}");
    }
    let mut client =
        secured.stage.client("GET http://Other.example/x HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(client.message().field("location"), Some("https://other.example:8443/x"));
}

#[test]
fn the_redirection_gains_what_is_set_and_keeps_what_it_says() {
    let set = "X-Frame-Options: DENY\nCache-Control: public\nLocation: /elsewhere";
    let secured = Secured::with(&[("HTTPS_REDIRECT", "443"), ("RESPONSE_SET", set)]);
    let answer = secured.stage.client(GET).message();
    assert_eq!((answer.status(), answer.values("x-frame-options")), (308, vec!["DENY"]));
    assert_eq!(answer.values("cache-control"), ["no-store"]);
    assert_eq!(answer.values("location"), ["https://shop.example/"]);
}

#[test]
fn a_request_with_a_body_is_sent_there_without_it() {
    let secured = Secured::with(&[("HTTPS_REDIRECT", "443")]);
    let head = "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\n";
    let mut client = secured.stage.client(format!("{head}not all of it"));
    let answer = client.message();
    assert_eq!((answer.status(), answer.closes()), (308, true));
}

#[test]
fn what_a_trusted_proxy_had_over_https_is_served() {
    let behind = "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    let secured = Secured::with(&[("HTTPS_REDIRECT", "443"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(secured.stage.forwarded(behind).field("x-forwarded-proto"), Some("https"));
    let stranger = Secured::with(&[("HTTPS_REDIRECT", "443")]);
    assert_eq!(stranger.stage.client(behind).message().status(), 308);
}

#[test]
fn every_answer_over_tls_says_it_once_and_no_other_does() {
    let secured = Secured::with(&[("HSTS", "1y")]);
    let mut client = secured.connect();
    let mut says = |request: &str, answer: Option<&str>| {
        client.send(request);
        if let Some(answer) = answer {
            let mut server = secured.stage.servers.accept();
            server.message();
            server.send(answer).finish();
        }
        let head = client.through("\r\n\r\n").to_ascii_lowercase();
        let lines = head.lines().filter(|line| line.starts_with(HSTS)).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let ours = [format!("{HSTS}: max-age=31536000")];
    let close = "Content-Length: 0\r\nConnection: close\r\n";
    assert_eq!(says(GET, Some(&format!("HTTP/1.1 200 OK\r\n{close}\r\n"))), ours);
    let theirs = format!("HTTP/1.1 200 OK\r\n{close}Strict-Transport-Security: max-age=0\r\n\r\n");
    assert_eq!(says(GET, Some(&theirs)), [format!("{HSTS}: max-age=0")]);
    let here = "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\n\r\n";
    assert_eq!(says(here, None), ours);
    assert_eq!(says("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", None), ours);
    let (_server, mut plain) = both(&secured.stage, &format!("HTTP/1.1 200 OK\r\n{close}\r\n"));
    assert_eq!(plain.message().field(HSTS), None);
}

#[test]
fn what_a_rule_takes_from_a_servers_answer_is_said_in_its_place() {
    let secured = Secured::with(&[("HSTS", "1y"), ("RESPONSE_REMOVE", "strict-transport-SECURITY,Server")]);
    let mut client = secured.connect();
    client.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nStrict-Transport-Security: max-age=0\r\nServer: s\r\n\r\n",
    );
    let head = client.through("\r\n\r\n").to_ascii_lowercase();
    let said: Vec<&str> = head.lines().filter(|line| line.starts_with(HSTS)).collect();
    assert_eq!(said, [format!("{HSTS}: max-age=31536000")]);
}

fn both(stage: &Stage, answer: &str) -> (crate::harness::Connection, crate::harness::Connection) {
    let client = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    server.send(answer);
    (server, client)
}
