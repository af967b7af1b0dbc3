//! P26, P27, P32 and P47 to P58: what of a request goes on to the server, and as what.

use std::net::{IpAddr, Ipv6Addr};

use evenkeel_message::{Origin, RequestRewrite};

use crate::origin::from_proxy;
use crate::proxy::{HOW, forwarded, forwarded_as, get_with, parse, values};

fn request_line(line: &str) -> String {
    let head = forwarded(format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
    head.lines().next().unwrap().to_owned()
}

#[test]
fn p26_the_authority_of_an_absolute_target_replaces_host() {
    let head = forwarded(b"GET http://real:81/a?b HTTP/1.1\r\nHost: other\r\n\r\n");
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\nHost: real:81\r\n"));
    assert_eq!(values(&head, "host"), ["real:81"]);
    assert_eq!(values(&head, "x-forwarded-host"), ["real:81"]);
}

#[test]
fn p27_an_absolute_target_without_path_becomes_a_root_path() {
    assert_eq!(request_line("GET http://b?y HTTP/1.1"), "GET /?y HTTP/1.1");
    assert_eq!(request_line("GET HTTP://b HTTP/1.1"), "GET / HTTP/1.1");
    assert_eq!(request_line("OPTIONS http://b HTTP/1.1"), "OPTIONS * HTTP/1.1");
    assert_eq!(request_line("OPTIONS http://b?y HTTP/1.1"), "OPTIONS /?y HTTP/1.1");
}

#[test]
fn p32_path_and_query_are_not_touched() {
    for target in ["//a/../b/./%41%zz;c?d=/../&e=?", "/{}|\\^`\"<>", "/?", "/%"] {
        assert_eq!(request_line(&format!("GET {target} HTTP/1.1")), format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn p47_what_concerns_the_connection_is_not_forwarded() {
    let head = forwarded(&get_with(
        "Connection: close, X-Mine\r\nConnection: x-yours\r\nX-Mine: 1\r\nX-YOURS: 2\r\nKeep-Alive: 5\r\n\
         Proxy-Connection: close\r\nTE: gzip\r\nUpgrade: h2c\r\nProxy-Authorization: a\r\n\
         Proxy-Authenticate: b\r\nX-Stays: 3\r\n",
    ));
    for name in [
        "connection",
        "x-mine",
        "x-yours",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
    ] {
        assert!(values(&head, name).is_empty(), "{name}");
    }
    assert_eq!(values(&head, "x-stays"), ["3"]);
}

#[test]
fn p47_te_is_forwarded_as_trailers_only() {
    let head = forwarded(&get_with("TE: gzip, Trailers;q=0.5\r\nConnection: TE\r\n"));
    assert_eq!(values(&head, "te"), ["trailers"]);
    assert_eq!(values(&head, "connection"), ["TE"]);
}

#[test]
fn p48_fields_for_everybody_cannot_be_taken_away_by_connection() {
    let names = [
        "Host",
        "Content-Length",
        "Authorization",
        "Cache-Control",
        "Content-Digest",
        "Content-Type",
        "Repr-Digest",
        "X-Forwarded-For",
        "Forwarded",
        "X-Request-Id",
        "Via",
        "X-Real-IP",
    ];
    let head = forwarded(&get_with(&format!(
        "Connection: {}\r\nContent-Length: 1\r\nAuthorization: a\r\nCache-Control: b\r\nContent-Digest: c\r\n\
         Content-Type: d\r\nRepr-Digest: e\r\n",
        names.join(", "),
    )));
    for name in names {
        assert_eq!(values(&head, name).len(), 1, "{name} in {head}");
    }
}

#[test]
fn p49_via_is_appended_with_the_received_version() {
    let head = forwarded(&get_with("Via: 1.0 first\r\nVia: 1.1 second (evenkeel-abc123)\r\n"));
    assert_eq!(values(&head, "via"), ["1.0 first", "1.1 second (evenkeel-abc123)", "1.1 evenkeel-abc123"]);
    assert_eq!(values(&forwarded(b"GET / HTTP/1.0\r\n\r\n"), "via"), ["1.0 evenkeel-abc123"]);
}

#[test]
fn p49_a_request_that_comes_back_is_a_loop() {
    let input = get_with("Via: 1.1 first, 1.1\tEvenkeel-ABC123 (x)\r\n");
    let refusal = forwarded_as(&input, &HOW).unwrap_err();
    assert_eq!((refusal.status, refusal.error), (502, "proxy_loop_detected"));
}

#[test]
fn p50_an_untrusted_client_cannot_say_whom_it_speaks_for() {
    let head = forwarded(&get_with(
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
         X-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n",
    ));
    assert!(!head.contains("1.1.1.1") && !head.contains("evil"));
    assert_eq!(values(&head, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&head, "x-forwarded-host"), ["h"]);
    assert!(values(&head, "x-forwarded-port").is_empty());
    assert_eq!(values(&head, "x-real-ip"), ["192.0.2.7"]);
    assert_eq!(values(&head, "forwarded"), ["for=192.0.2.7;host=\"h\";proto=http"]);
}

#[test]
fn p51_an_ipv6_client_is_quoted_in_forwarded() {
    let how = RequestRewrite { origin: Origin::of_client(IpAddr::V6(Ipv6Addr::LOCALHOST), "http"), ..HOW };
    let head = forwarded_as(&get_with(""), &how).unwrap();
    assert_eq!(values(&head, "forwarded"), ["for=\"[::1]\";host=\"h\";proto=http"]);
    assert_eq!(values(&head, "x-forwarded-for"), ["::1"]);
}

#[test]
fn p51_a_malformed_forwarded_is_replaced_even_from_a_trusted_proxy() {
    for received in ["for=[::1]", "for=\"1.1.1.1", "for=1.1.1.1;for=2.2.2.2", "nonsense", "for=", ",", ""] {
        let head = from_proxy(&format!("Forwarded: {received}\r\n"));
        assert_eq!(values(&head, "forwarded"), ["for=192.0.2.7;host=\"h\";proto=http"], "{received}");
    }
}

#[test]
fn p52_max_forwards_counts_down_for_options_only() {
    let options = |number: &str| {
        format!("OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: {number}\r\n\r\n").into_bytes()
    };
    assert_eq!(parse(&options("0")).unwrap().max_forwards(), Some(0));
    assert_eq!(values(&forwarded(&options("10")), "max-forwards"), ["9"]);
    assert_eq!(values(&forwarded(&options("+1")), "max-forwards"), ["+1"]);
    let get = get_with("Max-Forwards: 0\r\n");
    assert_eq!(parse(&get).unwrap().max_forwards(), None);
    assert_eq!(values(&forwarded(&get), "max-forwards"), ["0"]);
}

#[test]
fn p54_upgrade_is_forwarded_only_for_the_protocol_asked_for() {
    let input = get_with("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(parse(&input).unwrap().upgrade(&input), Some(b"websocket".as_slice()));
    let head = forwarded_as(&input, &RequestRewrite { upgrade: Some("websocket"), ..HOW }).unwrap();
    assert_eq!(values(&head, "upgrade"), ["websocket"]);
    assert_eq!(values(&head, "connection"), ["upgrade"]);
    let head = forwarded(&input);
    assert!(values(&head, "upgrade").is_empty() && values(&head, "connection").is_empty());
}

#[test]
fn p54_upgrade_counts_only_with_connection_and_from_1_1() {
    let without = get_with("Upgrade: websocket\r\n");
    assert_eq!(parse(&without).unwrap().upgrade(&without), None);
    let old = b"GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(parse(old).unwrap().upgrade(old), None);
}

#[test]
fn p58_nothing_else_is_added() {
    let head = forwarded(&get_with(""));
    let names: Vec<_> =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "Host",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Real-IP",
            "Forwarded",
            "X-Request-Id",
            "X-Attempt"
        ]
    );
}

#[test]
fn p59_digest_fields_are_passed_untouched() {
    let lines =
        "Content-Digest: sha-256=:a=:\r\nWant-Content-Digest: sha-512=3\r\nWant-Repr-Digest: sha-256=1\r\n";
    assert!(forwarded(&get_with(lines)).contains(lines));
}

#[test]
fn p70_no_generated_value_can_split_the_head() {
    let how = RequestRewrite {
        request_id: b"a\r\nX-Evil: 1",
        via: "v\r\nX-Evil: 1",
        upgrade: Some("w\r\nX-Evil: 1"),
        ..HOW
    };
    assert!(values(&forwarded_as(&get_with(""), &how).unwrap(), "x-evil").is_empty());
}

#[test]
fn a_client_cannot_choose_its_attempt_or_replace_its_request_id() {
    let head = forwarded(&get_with("X-Attempt: 9\r\nX-Request-Id: theirs\r\nX-Request-Id: again\r\n"));
    assert_eq!(values(&head, "x-attempt"), ["1"]);
    assert_eq!(values(&head, "x-request-id"), ["id-1"]);
}

#[test]
fn an_http_1_0_request_without_host_is_for_the_address_it_came_to() {
    let head = forwarded(b"GET /a HTTP/1.0\r\nX: y\r\n\r\n");
    assert!(head.starts_with("GET /a HTTP/1.1\r\nX: y\r\nHost: 198.51.100.1:8080\r\n"), "{head}");
    assert!(values(&head, "x-forwarded-host").is_empty());
}

#[test]
fn a_trace_is_passed_on_unless_connection_names_it() {
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    assert!(forwarded(&get_with(trace)).contains(trace));
    let named = forwarded(&get_with(&format!("{trace}Connection: TraceParent\r\n")));
    assert!(values(&named, "traceparent").is_empty(), "{named}");
}

#[test]
fn a_client_is_introduced_by_the_certificate_that_it_showed_and_no_other() {
    let theirs = get_with("Client-Cert: :dGhlaXJz:\r\nClient-Cert-Chain: :dGhlaXJz:\r\n");
    let shown = evenkeel_message::client_cert::lines([&b"shown"[..]]).unwrap();
    let head = forwarded_as(&theirs, &RequestRewrite { client_cert: &shown, ..HOW }).unwrap();
    assert_eq!(values(&head, "client-cert"), [":c2hvd24=:"]);
    assert!(values(&head, "client-cert-chain").is_empty());
}
