//! P57 and P63 to P72: the responses of servers, good and bad.

use crate::harness::{Connection, OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";

/// The client gets 502 for this response, no byte of it, and the server's connection ends.
fn is_bad(stage: &Stage, response: impl AsRef<[u8]>) {
    let response = response.as_ref();
    let shown = String::from_utf8_lossy(&response[..response.len().min(200)]).into_owned();
    let (mut client, mut server) = stage.answered(response);
    let bad = client.message();
    assert_eq!(bad.status(), 502, "{shown:?}");
    assert!(
        bad.field("proxy-status").unwrap().ends_with("; error=http_protocol_error"),
        "{shown:?}: {bad:?}"
    );
    assert!(!bad.text().contains("evil"), "{shown:?}");
    assert_eq!(server.end().0, b"", "{shown:?}");
}

#[test]
fn p57_interim_responses_are_relayed_and_are_never_the_final_one() {
    let stage = Stage::new();
    let (mut client, _server) = stage.answered(format!(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\
         Link: </b>\r\nConnection: X-Mine\r\nX-Mine: 1\r\n\r\n{OK}"
    ));
    let first = client.head();
    assert_eq!((first.status(), first.field("link")), (103, Some("</a>")));
    assert_eq!(client.head().status(), 102);
    let third = client.head();
    assert_eq!((third.status(), third.field("link"), third.field("x-mine")), (103, Some("</b>"), None));
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p57_http_1_0_gets_no_interim_response() {
    let stage = Stage::new();
    let (mut client, _server) =
        stage.asked_and_answered("GET / HTTP/1.0\r\n\r\n", format!("HTTP/1.1 103 Early Hints\r\n\r\n{OK}"));
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p57_an_end_after_an_interim_response_is_a_bad_answer() {
    let stage = Stage::new();
    let (mut client, server) = stage.answered("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.head().status(), 100);
    drop(server);
    assert_eq!(client.message().status(), 502);
}

#[test]
fn p57_interim_responses_without_end_are_a_bad_answer() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered("HTTP/1.1 102 Processing\r\n\r\n".repeat(65));
    let last = std::iter::repeat_with(|| client.head().status()).find(|&status| status != 102);
    assert_eq!(last, Some(502));
    assert_eq!(server.end().0, b"");
}

#[test]
fn p63_head_has_no_body_whatever_its_fields_say() {
    let stage = Stage::new();
    let (mut client, mut server) =
        stage.asked_and_answered(HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("5"));
    client.send(HEAD);
    assert_eq!(server.message().line(), "HEAD / HTTP/1.1");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    client.send(GET);
    assert_eq!(server.message().line(), "GET / HTTP/1.1");
    server.send(OK_CLOSE);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p63_a_large_length_of_head_is_not_waited_for() {
    let stage = Stage::new();
    let (mut client, _server) =
        stage.asked_and_answered(HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("1000000"));
}

#[test]
fn p64_a_status_without_a_body_ends_with_its_head() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    let response = client.head();
    assert_eq!((response.status(), response.field("content-length")), (304, Some("5")));
    for fields in ["Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n"] {
        client.send(GET);
        server.message();
        server.send(format!("HTTP/1.1 204 No Content\r\n{fields}\r\n"));
        let response = client.head();
        assert_eq!(response.status(), 204);
        assert_eq!((response.field("content-length"), response.field("transfer-encoding")), (None, None));
    }
    client.send(GET);
    server.message();
    server.send(OK);
    assert_eq!(client.message().text(), "ok", "the connections were used again");
}

#[test]
fn p64_a_body_where_none_may_be_is_nobodys_response() {
    for head in
        ["204 No Content\r\nContent-Length: 10\r\n", "304 Not Modified\r\nTransfer-Encoding: chunked\r\n"]
    {
        let stage = Stage::new();
        let (mut client, mut server) =
            stage.answered(format!("HTTP/1.1 {head}\r\nHTTP/1.1 200 evil\r\n\r\n"));
        assert!([204, 304].contains(&client.head().status()));
        assert_eq!(server.end().0, b"");
        client.send(GET);
        let mut fresh = stage.servers.accept();
        fresh.message();
        fresh.send(OK);
        assert_eq!(client.message().line(), "HTTP/1.1 200 OK");
    }
}

#[test]
fn p65_a_body_that_ends_with_the_connection_is_chunked_for_the_client() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered("HTTP/1.1 200 OK\r\n\r\nsome ");
    let head = client.head();
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.through(b"some \r\n"), b"5\r\nsome \r\n", "it is relayed as it comes");
    server.send("more").finish();
    assert_eq!(client.chunked().0, b"more");
    client.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(stage.servers.accept().message().line(), "GET /next HTTP/1.1");
}

#[test]
fn p65_a_reset_is_not_the_end_of_a_body() {
    let stage = Stage::new();
    let (mut client, server) = stage.answered("HTTP/1.1 200 OK\r\n\r\nsome");
    client.head();
    assert_eq!(client.through(b"some\r\n"), b"4\r\nsome\r\n");
    server.reset();
    assert_eq!(client.reset_by_peer(), b"");
}

#[test]
fn p66_a_streamed_response_that_ends_short_ends_in_a_reset() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ] {
        for end in [Connection::reset, drop] {
            let stage = Stage::new();
            let (mut client, server) = stage.answered(response);
            client.head();
            client.through(b"short");
            end(server);
            let rest = client.reset_by_peer();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
            stage.balancer.says("a response was cut off");
        }
    }
}

#[test]
fn p66_http_1_0_cannot_take_a_short_response_for_a_whole_one() {
    let stage = Stage::new();
    let (mut client, server) = stage.asked_and_answered(
        "GET / HTTP/1.0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    );
    client.head();
    assert_eq!(client.exactly(5), b"short");
    drop(server);
    assert_eq!(client.reset_by_peer(), b"");
}

#[test]
fn p66_a_held_response_that_ends_short_is_a_bad_answer() {
    for end in [Connection::reset, drop] {
        let stage = Stage::new();
        let (mut client, server) = stage.asked_and_answered(
            "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        );
        end(server);
        let bad = client.message();
        assert_eq!(bad.status(), 502);
        assert!(bad.field("proxy-status").unwrap().ends_with("; error=http_response_incomplete"));
    }
}

#[test]
fn p66_a_held_response_that_stands_still_is_asked_for_elsewhere_or_given_up() {
    const STILL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";
    let stage = Stage::of(2, &[("BODY_TIMEOUT", "100ms"), ("RACE", "off")]);
    let (mut client, _still) =
        stage.asked_and_answered("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", STILL);
    let mut second = stage.servers.accept();
    assert_eq!(second.message().field("x-attempt"), Some("2"));
    second.send(OK_CLOSE);
    assert_eq!(client.message().status(), 200);
    let (mut client, _still) = stage.asked_and_answered("POST / HTTP/1.1\r\nHost: h\r\n\r\n", STILL);
    let late = client.message();
    assert_eq!(late.status(), 504);
    assert!(late.field("proxy-status").unwrap().ends_with("; error=http_response_timeout"));
}

#[test]
fn p66_a_held_response_that_still_comes_when_time_is_over_is_passed_on_as_it_comes() {
    let stage = Stage::of(1, &[("TOTAL_TIMEOUT", "200ms")]);
    let (mut client, mut server) = stage.asked_and_answered(
        "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow ",
    );
    assert_eq!(client.head().field("content-length"), Some("10"));
    assert_eq!(client.exactly(5), b"slow ");
    server.send("bytes");
    assert_eq!(client.exactly(5), b"bytes");
    client.send(GET);
    server.message();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p67_bytes_behind_a_response_are_nobodys() {
    let stage = Stage::new();
    let (mut client, mut server) =
        stage.answered(format!("{OK}HTTP/1.1 200 evil\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(client.message().text(), "ok");
    assert_eq!(server.end().0, b"");
    client.send(GET);
    let mut fresh = stage.servers.accept();
    fresh.message();
    fresh.send(OK);
    assert_eq!(client.message().line(), "HTTP/1.1 200 OK");
}

#[test]
fn p67_bytes_that_come_late_are_nobodys_either() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.answered(OK);
    for _ in 0..20 {
        assert_eq!(client.message().line(), "HTTP/1.1 200 OK");
        server.send("HTTP/1.1 200 evil\r\nContent-Length: 0\r\n\r\n");
        client.send(GET);
        server = stage.servers.accept();
        server.message();
        server.send(OK);
    }
}

#[test]
fn p68_a_response_whose_length_is_in_doubt_is_a_bad_answer() {
    let stage = Stage::new();
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 5",
        "HTTP/1.1 200 OK\r\nContent-Length: +4",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
    ] {
        is_bad(&stage, format!("{head}\r\n\r\n4\r\nevil\r\n0\r\n\r\n"));
    }
}

#[test]
fn p68_a_repeated_length_is_written_once() {
    let stage = Stage::new();
    for fields in ["Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2, 2", "Content-Length: 002"] {
        let (mut client, _server) =
            stage.answered(format!("HTTP/1.1 200 OK\r\n{fields}\r\nConnection: close\r\n\r\nok"));
        let response = client.message();
        assert_eq!((response.field("content-length"), response.text()), (Some("2"), "ok"));
    }
}

#[test]
fn p69_a_folded_line_becomes_one() {
    let stage = Stage::new();
    let (mut client, _server) =
        stage.answered("HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\tSet-Cookie: 3\r\nContent-Length: 0\r\n\r\n");
    let response = client.message();
    let words: Vec<_> = response.field("x-a").unwrap().split_whitespace().collect();
    assert_eq!(words, ["1", "2", "Set-Cookie:", "3"]);
    assert_eq!(response.field("set-cookie"), None);
}

#[test]
fn p69_what_is_no_response_is_a_bad_answer() {
    let stage = Stage::new();
    for response in [
        "evil\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 2000 evil\r\n\r\n",
        "HTTP/1.1 20 evil\r\n\r\n",
        "HTTP/1.1 099 evil\r\n\r\n",
        "HTTP/2.0 200 evil\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A : evil\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nevil\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: evil\r\n\r\n",
        "HTTP/1.1 200 OK\nX-A: evil\r\n\r\n",
    ] {
        is_bad(&stage, response);
    }
    is_bad(&stage, format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "x".repeat(33 * 1024)));
    is_bad(&stage, format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(101)));
}

#[test]
fn p70_no_value_can_end_its_line() {
    let stage = Stage::new();
    for value in ["1\rSet-Cookie: evil", "1\nSet-Cookie: evil", "1\0evil", "1\r\r\nevil: 1"] {
        is_bad(&stage, format!("HTTP/1.1 200 OK\r\nX-A: {value}\r\nContent-Length: 0\r\n\r\n"));
    }
}

#[test]
fn p70_a_request_id_that_is_not_sane_is_replaced_wherever_it_would_be_written() {
    let stage = Stage::new();
    for id in ["a b", "a\"b", "<script>", "{\"a\":1}", &"x".repeat(1000), ""] {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\n\r\n");
        let (mut client, mut server) = stage.asked_and_answered(request, "");
        server.send("no HTTP");
        let bad = client.message();
        let made = bad.field("x-request-id").unwrap();
        assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {made:?}");
        assert!(bad.text().contains(made) && (id.is_empty() || !bad.text().contains(id)), "{bad:?}");
    }
}

#[test]
fn p72_a_connection_that_the_server_will_close_is_not_used_again() {
    let stage = Stage::new();
    for response in [
        OK_CLOSE,
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, CLOSE\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let (mut client, mut server) = stage.answered(response);
        assert_eq!(client.message().text(), "ok", "{response:?}");
        assert_eq!(server.end().0, b"", "{response:?}");
    }
}

#[test]
fn p72_a_close_that_an_interim_response_announces_counts() {
    let stage = Stage::new();
    let (mut client, mut server) =
        stage.answered(format!("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n{OK}"));
    assert_eq!(client.head().status(), 103);
    assert_eq!(client.message().text(), "ok");
    assert_eq!(server.end().0, b"");
}
