//! `BALANCER_REQUEST_SET`, `BALANCER_REQUEST_REMOVE`, `BALANCER_RESPONSE_SET` and `BALANCER_RESPONSE_REMOVE`.

use crate::harness::{Balancer, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// How often the head has this field, and with what.
fn values<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>, name: &str) -> Vec<String> {
    fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn requests_get_what_is_set_once_and_lose_what_is_removed() {
    let stage = Stage::with(&[
        ("REQUEST_SET", "X-Zone: north\nAuthorization: Basic aTpqOms=\n"),
        ("REQUEST_REMOVE", "X-Debug, cookie"),
    ]);
    let seen = stage.forwarded(
        "GET / HTTP/1.1\r\nHost: h\r\nX-Zone: a\r\nx-ZONE: b\r\nX-Debug: 1\r\nCookie: c=d\r\nauthorization: Basic eDp5\r\nX-Debugger: 2\r\n\r\n",
    );
    assert_eq!(values(seen.fields(), "x-zone"), ["north"]);
    assert_eq!(values(seen.fields(), "authorization"), ["Basic aTpqOms="]);
    assert_eq!(values(seen.fields(), "x-debug"), [""; 0]);
    assert_eq!(values(seen.fields(), "cookie"), [""; 0]);
    assert_eq!(values(seen.fields(), "x-debugger"), ["2"]);
    assert_eq!(values(seen.fields(), "host"), ["h"]);
}

#[test]
fn responses_get_what_is_set_once_and_lose_what_is_removed() {
    let stage = Stage::with(&[
        ("RESPONSE_SET", "X-Frame-Options: DENY\\nContent-Security-Policy: default-src 'self'; img-src *"),
        ("RESPONSE_REMOVE", "Server,X-Powered-By"),
    ]);
    let (mut client, _server) = stage.answered(
        "HTTP/1.1 200 OK\r\nServer: s\r\nx-powered-by: p\r\nX-FRAME-OPTIONS: ALLOW\r\nx-frame-options: SAMEORIGIN\r\nContent-Length: 2\r\n\r\nok",
    );
    let response = client.message();
    assert_eq!((response.status(), response.text()), (200, "ok"));
    assert_eq!(values(response.fields(), "x-frame-options"), ["DENY"]);
    assert_eq!(values(response.fields(), "content-security-policy"), ["default-src 'self'; img-src *"]);
    assert_eq!(values(response.fields(), "server"), [""; 0]);
    assert_eq!(values(response.fields(), "x-powered-by"), [""; 0]);
    assert_eq!(values(response.fields(), "content-length"), ["2"]);
}

#[test]
fn trailers_and_underscores_are_no_way_around_a_rule() {
    let stage = Stage::with(&[
        ("REQUEST_REMOVE", "X-Internal-User"),
        ("RESPONSE_SET", "X-Frame-Options: DENY"),
        ("FORWARD_UNDERSCORES", "on"),
    ]);
    let mut client = stage.client(
        "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nX_Internal-User: root\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Internal-User: root\r\nX-Sum: 1\r\n\r\n",
    );
    let mut server = stage.servers.accept();
    let seen = server.head();
    assert_eq!(seen.fields().filter(|(name, _)| name.to_lowercase().contains("internal")).count(), 0);
    let body = server.through(b"\r\n\r\n");
    assert!(body.ends_with(b"\r\n0\r\nX-Sum: 1\r\n\r\n"), "{}", String::from_utf8_lossy(&body));
    server.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Frame-Options: ALLOWALL\r\nX-Sum: 2\r\n\r\n",
    );
    assert_eq!(client.head().field("x-frame-options"), Some("DENY"));
    let body = client.through(b"\r\n\r\n");
    assert!(body.ends_with(b"\r\n0\r\nX-Sum: 2\r\n\r\n"), "{}", String::from_utf8_lossy(&body));
}

#[test]
fn a_relayed_response_is_changed_alike_and_an_interim_one_not_at_all() {
    let stage = Stage::with(&[("RESPONSE_SET", "X-A: 1"), ("HOLD", "0")]);
    let (mut client, _server) = stage.answered(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let hints = client.head();
    assert_eq!((hints.status(), hints.field("x-a")), (103, None));
    let response = client.message();
    assert_eq!(values(response.fields(), "x-a"), ["1"]);
    assert_eq!(response.text(), "ok");
}

#[test]
fn the_balancers_own_answers_gain_what_is_set_and_keep_what_they_say() {
    let stage = Stage::with(&[
        ("RESPONSE_SET", "X-Frame-Options: DENY\nCache-Control: public, max-age=60"),
        ("DENY", "127.0.0.1"),
    ]);
    let response = stage.client(GET).message();
    assert_eq!((response.status(), response.field("x-frame-options")), (403, Some("DENY")));
    assert_eq!(values(response.fields(), "cache-control"), ["no-store"], "an error is kept by nobody");
}

#[test]
fn what_is_not_to_be_touched_is_refused_with_the_reason() {
    let said = Balancer::refused(&[
        ("REQUEST_SET", "Host: a"),
        ("REQUEST_REMOVE", "X-Forwarded-For"),
        ("RESPONSE_SET", "Content-Length: 5"),
        ("RESPONSE_REMOVE", "Content-Digest"),
    ]);
    for words in [
        "BALANCER_REQUEST_SET: `Host` cannot be set or removed: servers choose the site by it",
        "BALANCER_REQUEST_REMOVE: `X-Forwarded-For` cannot be set or removed: it says who the client is",
        "BALANCER_RESPONSE_SET: `Content-Length` cannot be set or removed: it says where the message ends",
        "BALANCER_RESPONSE_REMOVE: `Content-Digest` cannot be set or removed: it says what the bytes are",
    ] {
        assert!(said.contains(words), "{words} is missing:\n{said}");
    }
    let twice = Balancer::refused(&[("REQUEST_SET", "X-A: 1\nx-a: 2")]);
    assert!(twice.contains("sets `x-a` twice"), "{twice}");
    let both = Balancer::refused(&[("REQUEST_SET", "X-A: 1"), ("REQUEST_REMOVE", "X-A")]);
    assert!(both.contains("removes `X-A`, which BALANCER_REQUEST_SET sets"), "{both}");
}
