//! P1 to P12 and P20: where a request's body ends. The oracle: a server hears nothing, or exactly one request whose
//! framing is beyond doubt.

use crate::harness::{OK, OK_CLOSE, Stage};

/// A request with these field lines and, behind it, what a smuggler would like to have taken for a second one.
fn post_with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn p1_content_length_with_transfer_encoding_is_refused() {
    let stage = Stage::new();
    stage.refuses(post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
    stage.refuses(post_with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400);
}

#[test]
fn p2_differing_content_lengths_are_refused() {
    let stage = Stage::new();
    stage.refuses(post_with("Content-Length: 0\r\nContent-Length: 5\r\n"), 400);
    stage.refuses(post_with("Content-Length: 0, 5\r\n"), 400);
}

#[test]
fn p3_repeated_content_lengths_are_refused() {
    let stage = Stage::new();
    stage.refuses(post_with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
    stage.refuses(post_with("Content-Length: 5, 5\r\n"), 400);
}

#[test]
fn p4_a_content_length_that_is_no_number_is_refused() {
    let stage = Stage::new();
    for value in ["+5", "-1", "0x5", "5 5", "", "18446744073709551616", "5,", "5;", "\u{665}"] {
        stage.refuses(post_with(&format!("Content-Length: {value}\r\n")), 400);
    }
}

#[test]
fn p5_a_content_length_with_leading_zeros_is_forwarded_canonically() {
    let seen = Stage::new().forwarded("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\nhello");
    assert_eq!(seen.field("content-length"), Some("5"));
    assert_eq!(seen.text(), "hello");
}

#[test]
fn p6_unknown_codings_are_not_implemented_and_malformed_ones_refused() {
    let stage = Stage::new();
    for value in ["xchunked", "identity", "gzip", "gzip;q=1"] {
        stage.refuses(post_with(&format!("Transfer-Encoding: {value}\r\n")), 501);
    }
    for value in [
        "chunked, chunked",
        "chunked, identity",
        "\"chunked\"",
        "\x0bchunked",
        "chunked\x0c",
        "chunked\0",
        "",
    ] {
        stage.refuses(post_with(&format!("Transfer-Encoding: {value}\r\n")), 400);
    }
    for byte in [0x85, 0xa0] {
        let mut request = post_with("Transfer-Encoding: chunked?\r\n").into_bytes();
        *request.iter_mut().find(|at| **at == b'?').unwrap() = byte;
        stage.refuses(request, 400);
    }
}

#[test]
fn p7_a_coding_before_chunked_is_not_implemented() {
    Stage::new().refuses(post_with("Transfer-Encoding: gzip, chunked\r\n"), 501);
}

#[test]
fn p8_two_transfer_encoding_lines_are_refused() {
    let stage = Stage::new();
    stage.refuses(post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
    stage.refuses(post_with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), 400);
}

#[test]
fn p9_a_space_before_the_colon_is_refused() {
    let stage = Stage::new();
    stage.refuses(post_with("Transfer-Encoding : chunked\r\n"), 400);
    stage.refuses(post_with("Content-Length\t: 5\r\n"), 400);
}

#[test]
fn p10_a_field_with_an_underscore_is_dropped_and_its_body_is_the_next_request() {
    let stage = Stage::new();
    let mut client = stage.client(post_with("Transfer_Encoding: chunked\r\nX_Other: 1\r\n"));
    let mut server = stage.servers.accept();
    let seen = server.message();
    assert!(!seen.raw().contains('_'), "{seen:?}");
    assert_eq!(seen.field("transfer-encoding"), None);
    server.send(OK);
    assert_eq!(client.message().status(), 200);
    let refused = client.message();
    assert_eq!(refused.status(), 400);
    assert!(refused.closes());
    assert_eq!(client.closed(), b"");
}

#[test]
fn p10_a_field_with_an_underscore_is_forwarded_where_that_is_set() {
    let stage = Stage::with(&[("FORWARD_UNDERSCORES", "on")]);
    let seen = stage.forwarded("GET / HTTP/1.1\r\nHost: h\r\nX_Other: 1\r\n\r\n");
    assert_eq!(seen.field("X_Other"), Some("1"));
    // Servers that read both alike would believe these.
    let disguised = "Client_Cert: :AAAA:\r\nX_Forwarded_For: 192.0.2.1\r\nX-Real_IP: 192.0.2.1\r\nX_Forwarded-Prefix: /\r\n";
    let seen = stage.forwarded(format!("GET / HTTP/1.1\r\nHost: h\r\n{disguised}\r\n"));
    assert!(!seen.raw().contains('_'), "{seen:?}");
}

#[test]
fn p11_transfer_encoding_in_http_1_0_is_refused() {
    let request =
        "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
    Stage::new().refuses(format!("{request}0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

#[test]
fn p12_an_http_1_0_body_without_a_length_is_empty() {
    let stage = Stage::new();
    let mut client = stage
        .client("POST / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = stage.servers.accept();
    let seen = server.message();
    assert_eq!((seen.line(), seen.field("transfer-encoding")), ("POST / HTTP/1.1", None));
    server.send(OK);
    assert_eq!(client.message().status(), 200);
    assert_eq!(server.message().line(), "GET /next HTTP/1.1");
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p20_a_body_is_forwarded_whole_whatever_the_method() {
    for method in ["GET", "DELETE", "HEAD", "OPTIONS"] {
        let stage = Stage::new();
        let mut client = stage.client(format!(
            "{method} /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\
             GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        let mut server = stage.servers.accept();
        let first = server.message();
        assert_eq!(first.line(), format!("{method} /1 HTTP/1.1"));
        assert_eq!(first.text(), "GET /smuggled HTTP/1.1\r\n\r\n");
        server.send(if method == "HEAD" { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" } else { OK });
        assert_eq!(client.head().status(), 200);
        if method != "HEAD" {
            assert_eq!(client.exactly(2), b"ok");
        }
        assert_eq!(server.message().line(), "GET /2 HTTP/1.1");
        server.send(OK_CLOSE);
        assert_eq!(client.message().text(), "ok");
    }
}
