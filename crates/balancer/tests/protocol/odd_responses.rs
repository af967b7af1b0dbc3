//! P53, P57, P64, P65, P68, P69: what servers send that looks odd and is right. `docs/strictness.md` lists it.

use crate::harness::Stage;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// All that the client gets before the connection ends in order, without what the balancer adds to every response.
fn got(stage: &Stage, request: &str, response: &[u8]) -> Vec<u8> {
    let (mut client, mut server) = stage.asked_and_answered(request, response);
    server.finish();
    let received = client.closed();
    let added = |line: &&[u8]| {
        !line.starts_with(b"Via: 1.1 ")
            && !line.starts_with(b"Via: 1.0 ")
            && !line.starts_with(b"Date: ")
            && *line != b"Connection: close\r\n"
    };
    received.split_inclusive(|&byte| byte == b'\n').filter(added).flatten().copied().collect()
}

fn becomes(stage: &Stage, request: &str, response: &[u8], expected: &[u8]) {
    let found = got(stage, request, response);
    assert!(found == expected, "{}\nbecame\n{}", response.escape_ascii(), found.escape_ascii());
}

#[test]
fn p69_what_is_odd_and_legal_in_a_head_passes_untouched() {
    let stage = Stage::new();
    for line in [
        "HTTP/1.1 200 Tr\u{e8}s bien",
        "HTTP/1.1 200 O\tK",
        "HTTP/1.1 200 ",
        "HTTP/1.1 299 Odd",
        "HTTP/1.1 600 Odd",
        "HTTP/1.1 205 Reset Content",
        "HTTP/1.1 200 OK\r\nX-A:",
        "HTTP/1.1 200 OK\r\nX-A: \t ",
        "HTTP/1.1 200 OK\r\nX-A:b\r\nX-B:\t c \t",
        "HTTP/1.1 200 OK\r\nX_A: 1\r\n3: 1\r\nX!#$%&'*+-.^_`|~: 1",
        "HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"\u{e4}.txt\"",
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Bearer",
        "HTTP/1.1 303 See Other\r\nLocation: /\u{e4}",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/4",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1",
    ] {
        let response = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        becomes(&stage, GET, response.as_bytes(), response.as_bytes());
    }
    becomes(
        &stage,
        GET,
        b"HTTP/1.1 200 OK\r\nX-A: M\xfcller\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-A: M\xfcller\r\nContent-Length: 2\r\n\r\nok",
    );
}

#[test]
fn p68_a_body_whose_end_is_beyond_doubt_passes_in_canonical_framing() {
    let stage = Stage::new();
    for (length, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0002", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nContent-Length:2\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200\r\nContent-Length: \t2 ", "HTTP/1.1 200 "),
        ("HTTP/1.2 200 OK\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        (
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2",
            "HTTP/1.1 200 OK",
        ),
        ("HTTP/1.1 200 OK\r\nConnection:\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 2", "HTTP/1.1 200 OK"),
        (
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nContent-Length: 2",
            "HTTP/1.1 200 OK",
        ),
        ("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 2", "HTTP/1.1 407 No"),
    ] {
        let expected = format!("{expected}\r\nContent-Length: 2\r\n\r\nok");
        becomes(&stage, GET, format!("{length}\r\n\r\nok").as_bytes(), expected.as_bytes());
    }
}

#[test]
fn p65_what_is_chunked_or_ends_with_the_connection_is_chunked_anew() {
    let stage = Stage::new();
    let expected = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
    for coded in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:  Chunked \r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000000a\r\n0123456789\r\n0000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na   \r\n0123456789\r\n0 \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na;x=\"y\"\r\n0123456789\r\n0;z\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\n\r\n0123456789",
    ] {
        becomes(&stage, GET, coded.as_bytes(), expected);
    }
}

#[test]
fn p64_what_has_no_body_says_only_of_the_length_what_is_true() {
    let stage = Stage::new();
    for (request, response, expected) in [
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            GET,
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
        ),
        (
            HEAD,
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ),
        (HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        (HEAD, "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"),
    ] {
        becomes(&stage, request, response.as_bytes(), expected.as_bytes());
    }
}

#[test]
fn p69_what_two_readers_could_read_differently_is_a_bad_answer() {
    let stage = Stage::new();
    for response in [
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2,\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-\u{e4}: 1\r\nContent-Length: 2\r\n\r\nok",
        "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "ICY 200 OK\r\n\r\nok",
        "<html>ok</html>",
    ] {
        let found = got(&stage, GET, response.as_bytes());
        assert!(found.starts_with(b"HTTP/1.1 502 "), "{response:?}: {}", found.escape_ascii());
    }
}
