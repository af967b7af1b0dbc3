//! P13 to P18: the chunked coding of requests. What is wrong in a body comes too late to keep its head from the server;
//! then the server's connection ends, and never with a last chunk that would make the request look whole.

use crate::harness::{Connection, OK, OK_CLOSE, Stage};

const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A client that has sent the head and a first chunk, and the server that has received them.
fn begun(stage: &Stage) -> (Connection, Connection) {
    let client = stage.client(format!("{POST}5\r\nfirst\r\n"));
    let mut server = stage.servers.accept();
    assert_eq!(server.head().field("transfer-encoding"), Some("chunked"));
    assert_eq!(server.through(b"first\r\n"), b"5\r\nfirst\r\n");
    (client, server)
}

/// `rest` of a body that has begun gets `status`, and the server's connection ends short of the end of the request.
fn aborts(stage: &Stage, rest: impl AsRef<[u8]>, status: u16) {
    let shown = String::from_utf8_lossy(&rest.as_ref()[..rest.as_ref().len().min(60)]).into_owned();
    let (mut client, mut server) = begun(stage);
    client.send(rest);
    let refused = client.message();
    assert_eq!(refused.status(), status, "{shown:?}: {}", refused.text());
    assert!(refused.closes(), "{shown:?}");
    assert_eq!(client.closed(), b"", "{shown:?}");
    let (after, _) = server.end();
    let after = String::from_utf8_lossy(&after).into_owned();
    assert!(!after.contains("0\r\n\r\n") && !after.contains("smuggled"), "{shown:?}: {after:?}");
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

const BAD_SIZES: [&str; 10] = [
    "10000000000000005", // 17 digits
    "fffffffffffffffffffff",
    "0x5",
    "-5",
    "+5",
    "5_0",
    " 5",
    "5 ",
    "",
    "g",
];

#[test]
fn p13_chunk_size_overflow_is_refused_and_the_server_sees_nothing() {
    let stage = Stage::new();
    for size in BAD_SIZES {
        stage.refuses(format!("{POST}{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p13_chunk_size_overflow_in_mid_body_ends_the_servers_connection() {
    let stage = Stage::new();
    for size in BAD_SIZES {
        aborts(&stage, format!("{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p14_chunk_extensions_are_dropped() {
    let stage = Stage::new();
    let mut client = stage.client(format!("{POST}5;a=b\r\nhello\r\n0;last=\"1\"\r\n\r\n"));
    let mut server = stage.servers.accept();
    server.head();
    assert_eq!(server.through(b"\r\n0\r\n\r\n"), b"5\r\nhello\r\n0\r\n\r\n");
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p14_an_extension_against_the_grammar_is_refused() {
    let stage = Stage::new();
    for line in ["5;", "5;;a=b", "5;bad[=x", "5;a=", "5;a=\"b", "5;a=\"b\"c", "5;a b"] {
        stage.refuses(format!("{POST}{line}\r\nhello\r\n0\r\n\r\n{SMUGGLED}"), 400);
        aborts(&stage, format!("{line}\r\nhello\r\n0\r\n\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p13_a_server_may_put_blanks_after_a_size() {
    let stage = Stage::new();
    for size in ["5 ", "5   ", "5\t"] {
        let (mut client, _server) = stage.answered(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{size}\r\nhello\r\n0  \r\n\r\n"
        ));
        assert_eq!(client.message().text(), "hello", "{size:?}");
    }
}

#[test]
fn p14_too_many_chunk_extensions_are_refused() {
    let stage = Stage::new();
    aborts(&stage, format!("1;a={}\r\nx\r\n0\r\n\r\n", "b".repeat(17 * 1024)), 400);
    let in_many = format!("1;a={}\r\nx\r\n", "b".repeat(1000)).repeat(17);
    aborts(&stage, format!("{in_many}0\r\n\r\n"), 400);
}

#[test]
fn p15_a_size_line_with_a_bare_line_end_or_a_control_character_is_refused() {
    let stage = Stage::new();
    for line in
        ["5\n", "5;a\n", "5;a=b\nc\r\n", "5\rx", "5;a\rb\r\n", "5;a=\x01\r\n", "5;a=\0\r\n", "5\x0b\r\n"]
    {
        aborts(&stage, format!("{line}hello\r\n0\r\n\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p16_chunk_data_without_its_line_end_is_refused() {
    let stage = Stage::new();
    for after in ["", "x\r\n", "\n", "\rx", "  \r\n"] {
        aborts(&stage, format!("5\r\nhello{after}0\r\n\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p16_a_trailer_section_ended_by_a_bare_line_feed_is_refused_at_once() {
    // With this much time for a body, waiting for the rest of it would end the test first.
    let stage = Stage::with(&[("BODY_TIMEOUT", "10m")]);
    for end in ["0\r\n\n", "0\r\nX-A: 1\n", "0\r\nX-A: 1\r\n\n"] {
        aborts(&stage, end, 400);
    }
}

#[test]
fn p17_trailers_that_belong_into_a_head_are_dropped() {
    let seen = Stage::new().forwarded(format!(
        "{POST}5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\n\
         Authorization: Basic eA==\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
    ));
    assert_eq!(seen.text(), "hello");
    assert_eq!(seen.trailers, "X-Sum: 1\r\n");
    assert_eq!(seen.field("host"), Some("h"));
    assert_eq!(seen.field("authorization"), None);
    assert_eq!(seen.field("content-length"), None);
}

#[test]
fn p17_trailers_of_a_response_go_to_those_who_asked_for_them() {
    let stage = Stage::new();
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n";
    for (te, trailers) in [("TE: trailers\r\nConnection: TE\r\n", "X-Sum: 1\r\n"), ("", "")] {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{te}Connection: close\r\n\r\n");
        let (mut client, _server) = stage.asked_and_answered(request, response);
        let received = client.message();
        assert_eq!((received.text(), received.trailers.as_str()), ("ok", trailers));
        assert_eq!(received.field("set-cookie"), None);
    }
}

#[test]
fn p18_a_trailer_section_has_the_limits_of_a_head() {
    let stage = Stage::new();
    aborts(&stage, format!("0\r\nX-Long: {}\r\n\r\n", "x".repeat(33 * 1024)), 431);
    aborts(&stage, format!("0\r\n{}\r\n", "X-Many: 1\r\n".repeat(101)), 431);
}

#[test]
fn p18_a_malformed_trailer_section_is_refused() {
    let stage = Stage::new();
    for line in
        ["X-No-Colon\r\n", "X-A: 1\n", " X-Folded: 1\r\n", "X-A: \x01\r\n", "X A: 1\r\n", "X-A : 1\r\n"]
    {
        aborts(&stage, format!("0\r\n{line}\r\n{SMUGGLED}"), 400);
    }
}

#[test]
fn p18_the_next_request_after_trailers_gets_its_own_answer() {
    let stage = Stage::new();
    let mut client = stage.client(format!("{POST}0\r\nX-Sum: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"));
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(server.message().line(), "GET /2 HTTP/1.1");
    server.send(OK_CLOSE);
    assert_eq!((client.message().status(), client.message().status()), (200, 200));
}
