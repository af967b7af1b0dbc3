//! P59 to P61: the digest fields of RFC 9530, and content that is never changed.

use std::fs;

use crate::harness::{OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
/// Of `hello`, by `printf hello | openssl dgst -sha256 -binary | base64`.
const RIGHT: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
const WRONG: &str = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";

/// The status a client gets when a server answers `request` with these lines and then `body`.
fn status(request: &str, head: &str, body: &str) -> u16 {
    let stage = Stage::new();
    let (mut client, mut server) =
        stage.asked_and_answered(request, format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}"));
    server.finish();
    let response = client.head();
    if response.status() != 502 && response.field("content-length").is_some() && !body.is_empty() {
        assert_eq!(client.exactly(body.len()), body.as_bytes());
    }
    response.status()
}

#[test]
fn p59_digest_fields_and_content_pass_untouched() {
    let stage = Stage::new();
    let content = b"\x1f\x8bnot even gzip";
    let mut client = stage.client("GET / HTTP/1.1\r\nHost: h\r\nWant-Content-Digest: sha-512=3\r\nWant-Repr-Digest: sha-256=1\r\nAccept-Encoding: br\r\n\r\n");
    let mut server = stage.servers.accept();
    let seen = server.message();
    assert_eq!(seen.field("want-content-digest"), Some("sha-512=3"));
    assert_eq!(seen.field("want-repr-digest"), Some("sha-256=1"));
    assert_eq!(seen.field("accept-encoding"), Some("br"));
    server.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Digest: unixsum=1\r\nRepr-Digest: md5=:AAAA:\r\nContent-Length: 15\r\n\r\n");
    server.send(content);
    let response = client.message();
    assert_eq!(response.body, content);
    assert_eq!(response.field("content-encoding"), Some("gzip"));
    assert_eq!(response.field("content-digest"), Some("unixsum=1"));
    assert_eq!(response.field("repr-digest"), Some("md5=:AAAA:"));
}

#[test]
fn p59_a_byte_that_was_flipped_on_the_way_reaches_no_client() {
    let head = format!("200 OK\r\nContent-Length: 5\r\nContent-Digest: {RIGHT}");
    assert_eq!(status(GET, &head, "hello"), 200);
    assert_eq!(status(GET, &head, "hellp"), 502);
    let repr = format!("200 OK\r\nContent-Length: 5\r\nRepr-Digest: {RIGHT}");
    assert_eq!(status(GET, &repr, "hello"), 200);
    assert_eq!(status(GET, &repr, "hellp"), 502);
}

#[test]
fn p59_the_last_piece_of_a_stream_is_withheld_when_its_digest_is_wrong() {
    let stage = Stage::new();
    for (end, is_right) in [("lo", true), ("lp", false)] {
        let (mut client, mut server) = stage.answered(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nContent-Digest: {RIGHT}\r\n\r\n3\r\nhel\r\n"
        ));
        client.head();
        assert_eq!(client.through(b"hel\r\n"), b"3\r\nhel\r\n");
        server.send(format!("2\r\n{end}\r\n0\r\n\r\n"));
        if is_right {
            assert_eq!(client.chunked().0, b"lo");
        } else {
            assert!(!client.reset_by_peer().ends_with(b"0\r\n\r\n"));
        }
    }
}

/// A stream of `hello` that announces its digest, up to the last chunk.
const ANNOUNCED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Digest\r\nConnection: close\r\n\r\n5\r\nhello\r\n";

#[test]
fn p59_a_digest_that_is_announced_for_the_trailer_is_verified() {
    let stage = Stage::new();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    for (digest, is_right) in [(RIGHT, true), (WRONG, false)] {
        let (mut client, mut server) = stage.asked_and_answered(request, ANNOUNCED);
        assert_eq!(client.head().field("trailer"), Some("Content-Digest"));
        assert_eq!(client.through(b"hello\r\n"), b"5\r\nhello\r\n");
        server.send(format!("0\r\nContent-Digest: {digest}\r\n\r\n"));
        if is_right {
            assert_eq!(client.chunked(), (Vec::new(), format!("Content-Digest: {RIGHT}\r\n")));
        } else {
            assert_eq!(client.reset_by_peer(), b"");
        }
    }
}

#[test]
fn p59_a_digest_that_was_announced_and_does_not_come_speaks_against_its_server_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("access.log");
    let settings =
        [("ACCESS_LOG", "text"), ("ACCESS_LOG_SAMPLE", "0"), ("ACCESS_LOG_PATH", log.to_str().unwrap())];
    let trusted = [("TRUSTED_PROXIES", "127.0.0.0/8")];
    let stage = Stage::of(2, &[&settings[..], &trusted].concat());
    let mut missing = 0;
    // Enough of them in a short time eject it, though each answer is passed on. One client would not be enough.
    while !stage.balancer.admin("/api/endpoints").text().contains("\"state\":\"ejected\"") {
        assert!(missing < 100, "it is not ejected");
        let asked_by = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.{missing}\r\n\r\n");
        let mut client = stage.client(asked_by);
        let (index, mut server) = stage.servers.accept_at_any();
        server.message();
        if index == 0 {
            missing += 1;
            server.send(ANNOUNCED).send("0\r\n\r\n");
            assert_eq!(client.message().text(), "hello");
        } else {
            server.send(OK_CLOSE);
            assert_eq!(client.message().text(), "ok");
        }
    }
    stage.balancer.says("misbehaves (digest missing); ejected");
    let metrics = stage.balancer.admin("/metrics");
    let seen = |line: &str| metrics.text().lines().any(|found| found == line);
    let endpoint = stage.servers.upstream().split(',').next().unwrap().to_owned();
    let class = format!("{{endpoint=\"{endpoint}\",server=\"{endpoint}\",class=\"missing_digest\"}}");
    assert!(seen(&format!("evenkeel_digests_missing_total {missing}")), "{}", metrics.text());
    assert!(seen(&format!("evenkeel_endpoint_failures_total{class} {missing}")), "{}", metrics.text());
    assert!(seen("evenkeel_digest_failures_total 0"), "{}", metrics.text());
    stage.balancer.wait_until(|_| {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        lines.matches(" status=200 end=complete error=missing_digest ").count() == missing
    });
}

#[test]
fn p59_a_missing_digest_is_only_counted_where_digests_are_observed() {
    let stage = Stage::with(&[("VERIFY", "observe")]);
    let (mut client, mut server) = stage.answered(ANNOUNCED);
    server.send("0\r\n\r\n");
    assert_eq!(client.message().text(), "hello");
    stage.balancer.wait_until(|balancer| {
        balancer.admin("/metrics").text().contains("\nevenkeel_digests_missing_total 1\n")
    });
    assert!(!stage.balancer.admin("/metrics").text().contains("class=\"missing_digest\"} 1"));
}

#[test]
fn p60_digests_of_what_does_not_follow_are_not_verified() {
    let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    let fields = format!("Content-Length: 5\r\nContent-Digest: {WRONG}\r\nRepr-Digest: {WRONG}");
    assert_eq!(status(head, &format!("200 OK\r\n{fields}"), ""), 200);
    assert_eq!(status(GET, &format!("304 Not Modified\r\n{fields}"), ""), 304);
    assert_eq!(status(GET, &format!("204 No Content\r\nContent-Digest: {WRONG}"), ""), 204);
}

#[test]
fn p60_a_part_is_held_against_the_digest_of_the_part() {
    let part = "206 Partial Content\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5";
    let of = |content, repr| format!("{part}\r\nContent-Digest: {content}\r\nRepr-Digest: {repr}");
    assert_eq!(status(GET, &of(RIGHT, WRONG), "hello"), 206);
    assert_eq!(status(GET, &of(WRONG, RIGHT), "hello"), 502);
}

#[test]
fn p61_of_two_members_with_one_key_the_last_counts() {
    let with = |digest: &str| format!("200 OK\r\nContent-Length: 5\r\nContent-Digest: {digest}");
    assert_eq!(status(GET, &with(&format!("{WRONG}, {RIGHT}")), "hello"), 200);
    assert_eq!(status(GET, &with(&format!("{RIGHT}, {WRONG}")), "hello"), 502);
    assert_eq!(status(GET, &with(&format!("{WRONG}\r\nContent-Digest: {RIGHT}")), "hello"), 200);
    assert_eq!(status(GET, &with(&format!("{RIGHT}\r\nContent-Digest: {WRONG}")), "hello"), 502);
}

#[test]
fn p61_a_field_that_cannot_be_read_is_ignored_as_a_whole() {
    let with = |digest: &str| format!("200 OK\r\nContent-Length: 5\r\nContent-Digest: {digest}");
    for broken in ["sha-256=:###:", "sha-256=:AAAA", "sha-256", "{}", "a=b c"] {
        assert_eq!(status(GET, &with(&format!("{WRONG}, {broken}")), "hello"), 200, "{broken}");
    }
    let many: Vec<_> = (0..2000).map(|key| format!("a{key}")).collect();
    assert_eq!(status(GET, &with(&format!("{WRONG}, {}", many.join(","))), "hello"), 200);
}
