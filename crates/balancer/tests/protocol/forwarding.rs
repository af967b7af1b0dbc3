//! P47 to P53 and P58: what a message loses and gains on its way through.

use crate::harness::{Balancer, OK, OK_CLOSE, Stage};

fn get_with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

#[test]
fn p47_what_concerns_one_connection_is_not_forwarded_to_the_server() {
    let seen = Stage::new().forwarded(get_with(
        "Connection: X-Mine, keep-alive\r\nConnection: x-yours\r\nX-Mine: 1\r\nX-Yours: 2\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nProxy-Authorization: Basic eA==\r\n\
         Client-Cert: :AA==:\r\nclient-cert-chain: :AA==:\r\nX-Kept: 3\r\n",
    ));
    for gone in [
        "Connection",
        "X-Mine",
        "X-Yours",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authorization",
        "Client-Cert",
        "Client-Cert-Chain",
    ] {
        assert_eq!(seen.field(gone), None, "{seen:?}");
    }
    assert_eq!(seen.field("X-Kept"), Some("3"));
}

#[test]
fn p47_trailers_are_the_one_coding_that_may_be_asked_for() {
    let seen = Stage::new().forwarded(get_with("TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n"));
    assert_eq!((seen.field("te"), seen.field("connection")), (Some("trailers"), Some("TE")));
}

#[test]
fn p47_what_concerns_one_connection_is_not_forwarded_to_the_client() {
    let stage = Stage::new();
    let (mut client, _server) = stage.answered(
        "HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\
         Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nX-Kept: 3\r\nContent-Length: 0\r\n\r\n",
    );
    let response = client.message();
    for gone in ["Connection", "X-Mine", "Keep-Alive", "Upgrade", "Proxy-Authenticate", "Proxy-Connection"] {
        assert_eq!(response.field(gone), None, "{response:?}");
    }
    assert_eq!(response.field("X-Kept"), Some("3"));
}

#[test]
fn p48_connection_cannot_take_away_what_every_recipient_needs() {
    let seen = Stage::new().forwarded(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nAuthorization: Basic eA==\r\nCache-Control: no-store\r\n\
         X-Request-Id: kept-1\r\nConnection: Host, Content-Length, Authorization, Cache-Control, Forwarded\r\n\
         Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, X-Request-Id, Via, X-Attempt\r\n\r\nhello",
    );
    assert_eq!(seen.text(), "hello");
    assert_eq!(seen.field("host"), Some("h"));
    assert_eq!(seen.field("authorization"), Some("Basic eA=="));
    assert_eq!(seen.field("cache-control"), Some("no-store"));
    assert_eq!(seen.field("x-request-id"), Some("kept-1"));
    for written in
        ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via"]
    {
        assert!(seen.field(written).is_some(), "{written}: {seen:?}");
    }
    assert_eq!(seen.field("x-attempt"), Some("1"));
}

#[test]
fn p49_via_is_appended_to_both_directions() {
    let stage = Stage::with(&[("NAME", "even-1")]);
    let mut client = stage.client(get_with("Via: 1.0 other\r\n"));
    let mut server = stage.servers.accept();
    assert_eq!(server.message().values("via"), ["1.0 other", "1.1 even-1"]);
    server.send("HTTP/1.1 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.message().values("via"), ["1.1 cache", "1.1 even-1"]);
}

#[test]
fn p49_a_request_that_comes_back_is_a_loop() {
    let stage = Stage::with(&[("NAME", "even-1")]);
    for via in ["1.1 even-1", "1.0 a, HTTP/1.1 EVEN-1 (comment), 1.1 b"] {
        let mut client = stage.client(get_with(&format!("Via: {via}\r\n")));
        let looped = client.message();
        assert_eq!(looped.status(), 502);
        assert_eq!(looped.field("proxy-status"), Some("even-1; error=proxy_loop_detected"));
        stage.assert_untouched(via);
    }
    stage.forwarded(get_with("Via: 1.1 even-10\r\n"));
}

#[test]
fn p49_two_balancers_in_a_row_are_no_loop() {
    let stage = Stage::new();
    let first = Balancer::start(&stage.balancer.traffic().to_string(), &[]);
    let mut client = first.connect();
    client.send(get_with(""));
    let mut server = stage.servers.accept();
    assert_eq!(server.message().values("via").len(), 2);
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p50_what_an_untrusted_client_says_about_itself_is_replaced() {
    let seen = Stage::new().forwarded(get_with(
        "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
         X-Forwarded-Port: 443\r\nX-Real-IP: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n",
    ));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some("h"));
    assert_eq!(seen.field("x-forwarded-port"), None);
    assert_eq!(seen.field("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.field("forwarded"), Some("for=127.0.0.1;host=\"h\";proto=http"));
}

#[test]
fn p50_what_a_trusted_proxy_says_is_added_to() {
    let stage = Stage::with(&[("TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.0/8")]);
    let seen = stage.forwarded(get_with(
        "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front\r\n\
         X-Forwarded-Port: 443\r\nX-Real-IP: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n",
    ));
    assert_eq!(seen.field("x-forwarded-for"), Some("9.9.9.9, 10.0.0.1, 127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-forwarded-host"), Some("front"));
    assert_eq!(seen.field("x-forwarded-port"), Some("443"));
    assert_eq!(seen.field("x-real-ip"), Some("9.9.9.9"));
    assert_eq!(
        seen.field("forwarded"),
        Some("for=9.9.9.9;host=\"front\";proto=https, for=10.0.0.1, for=127.0.0.1;host=\"h\";proto=http")
    );
}

#[test]
fn p80_behind_a_trusted_proxy_all_fields_tell_of_one_client() {
    let stage = Stage::with(&[("TRUSTED_PROXIES", "127.0.0.0/8")]);
    for (lines, client) in [
        ("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\n", "9.9.9.9"),
        ("Forwarded: for=9.9.9.9;proto=https;host=shop\r\n", "9.9.9.9"),
        ("Forwarded: for=\"[2001:db8::1]:4711\";proto=https;host=shop\r\n", "2001:db8::1"),
        (
            "X-Forwarded-For: 9.9.9.9:4711\r\nX-Forwarded-Proto: https, http\r\nX-Forwarded-Host: shop\r\n\
             X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6;proto=http;host=evil\r\n",
            "9.9.9.9",
        ),
        ("X-Real-IP: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\n", "9.9.9.9"),
    ] {
        let seen = stage.forwarded(get_with(lines));
        let first = |name| seen.field(name).unwrap().split(", ").next().unwrap();
        assert!(first("x-forwarded-for").starts_with(client), "{seen:?}");
        assert_eq!(seen.field("x-real-ip"), Some(client));
        assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
        assert_eq!(seen.field("x-forwarded-host"), Some("shop"));
        for part in [client, "proto=https", "shop"] {
            assert!(first("forwarded").contains(part), "{seen:?}");
        }
        assert!(!seen.raw().contains("6.6.6.6") && !seen.raw().contains("evil"), "{seen:?}");
    }
}

#[test]
fn p50_a_client_behind_a_trusted_proxy_is_known_by_its_own_address() {
    let stage = Stage::of(
        4,
        &[("TRUSTED_PROXIES", "127.0.0.1"), ("POLICY", "consistent_hash"), ("HASH_KEY", "client")],
    );
    let server_of = |address: &str| {
        let mut client = stage.client(get_with(&format!("X-Forwarded-For: 6.6.6.6, {address}\r\n")));
        let (index, mut server) = stage.servers.accept_at_any();
        server.message();
        server.send(OK_CLOSE);
        assert_eq!(client.message().status(), 200);
        index
    };
    let addresses: Vec<_> = (1..=16).map(|last| format!("192.0.2.{last}")).collect();
    let servers: Vec<_> = addresses.iter().map(|address| server_of(address)).collect();
    assert!(servers.iter().any(|&index| index != servers[0]), "all clients have one key: {servers:?}");
    let again: Vec<_> = addresses.iter().map(|address| server_of(address)).collect();
    assert_eq!(servers, again);
}

#[test]
fn p50_a_client_outside_the_trusted_networks_is_not_believed() {
    let stage = Stage::with(&[("TRUSTED_PROXIES", "10.0.0.0/8,::1")]);
    let seen = stage.forwarded(get_with("X-Forwarded-For: 9.9.9.9\r\n"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn p51_forwarded_from_a_trusted_proxy_is_appended_to_or_replaced_where_malformed() {
    let stage = Stage::with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let own = "for=127.0.0.1;host=\"h\";proto=http";
    for good in ["for=\"[::1]:1\"", "for=_x", "for=unknown;by=_hidden", "for=1.2.3.4;proto=https, for=_y"] {
        let seen = stage.forwarded(get_with(&format!("Forwarded: {good}\r\n")));
        assert_eq!(seen.field("forwarded"), Some(format!("{good}, {own}").as_str()));
    }
    for bad in ["for=[::1]:1", "for=\"[::1", "garbage", "for=a b", "for=1.2.3.4;for=5.6.7.8", ""] {
        let seen = stage.forwarded(get_with(&format!("Forwarded: {bad}\r\n")));
        assert_eq!(seen.field("forwarded"), Some(own), "{bad:?}");
    }
}

#[test]
fn p52_max_forwards_counts_options_down_and_ends_them_here() {
    let stage = Stage::new();
    let mut client = stage.client("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!(client.message().status(), 204);
    stage.assert_untouched("Max-Forwards: 0");
    let seen = stage.forwarded("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n");
    assert_eq!(seen.field("max-forwards"), Some("2"));
    assert_eq!(stage.forwarded(get_with("Max-Forwards: 0\r\n")).field("max-forwards"), Some("0"));
}

#[test]
fn p53_repeated_fields_stay_apart_and_in_order() {
    let stage = Stage::new();
    let (mut client, _server) = stage.answered(
        "HTTP/1.1 200 OK\r\nSet-Cookie: b=2\r\nX-A: 1\r\nset-cookie: a=1; Path=/, x\r\nX-A: 0\r\n\
         Connection: close\r\nContent-Length: 0\r\n\r\n",
    );
    let response = client.message();
    assert_eq!(response.values("set-cookie"), ["b=2", "a=1; Path=/, x"]);
    assert_eq!(response.values("x-a"), ["1", "0"]);
    let seen = stage.forwarded(get_with("Cookie: b=2\r\nX-A: 1\r\nCookie: a=1\r\nx-a: 0\r\n"));
    assert_eq!(seen.values("cookie"), ["b=2", "a=1"]);
    assert_eq!(seen.values("x-a"), ["1", "0"]);
    assert!(seen.raw().contains("\r\nx-a: 0\r\n"), "names are forwarded as written");
}

#[test]
fn p58_date_and_server_are_the_servers_own() {
    let stage = Stage::new();
    let date = "Tue, 15 Nov 1994 08:12:31 GMT";
    let (mut client, _server) = stage.answered(format!(
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: other/1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = client.message();
    assert_eq!((response.field("date"), response.field("server")), (Some(date), Some("other/1")));
    let seen = stage.forwarded(get_with(""));
    assert_eq!((seen.field("date"), seen.field("server"), seen.field("user-agent")), (None, None, None));
}
