//! P22 to P39, and P53: request line, fields, Host, limits, Expect.

use evenkeel_http1::Inbound;
use evenkeel_message::{Limits, Method, RequestHead, Version};

use crate::proxy::{forwarded, get_with, parse, read_requests, status_of};

/// What becomes of a request line with a Host after it.
fn status_of_line(line: &str) -> u16 {
    status_of(format!("{line}\r\nHost: h\r\n\r\n").as_bytes())
}

/// The first refusal when `input` arrives byte by byte: its status, and after how many bytes.
fn refused_after(input: &[u8], limits: &Limits) -> (u16, usize) {
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    for end in 1..=input.len() {
        match inbound.head(&input[..end], &mut head, limits) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("accepted"),
            Err(refusal) => return (refusal.status, end),
        }
    }
    panic!("neither refused nor complete");
}

#[test]
fn p22_folded_lines_and_white_space_before_the_first_field_are_refused() {
    assert_eq!(status_of(&get_with("X: a\r\n b\r\n")), 400);
    assert_eq!(status_of(&get_with("X: a\r\n\tb\r\n")), 400);
    assert_eq!(status_of(b"GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400);
    assert_eq!(status_of(b"GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n"), 400);
}

#[test]
fn p23_a_bare_line_feed_is_refused_wherever_it_stands() {
    for input in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX:\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        assert_eq!(status_of(input.as_bytes()), 400, "{input:?}");
        assert_eq!(refused_after(input.as_bytes(), &Limits::default()).0, 400, "{input:?}");
    }
}

#[test]
fn p24_control_characters_are_refused() {
    for byte in (0..0x20_u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
        for input in
            [get_with("X: a?b\r\n"), get_with("X?: a\r\n"), b"GET /? HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()]
        {
            let mut input = input;
            *input.iter_mut().find(|byte| **byte == b'?').unwrap() = byte;
            assert_eq!(status_of(&input), 400, "{}", String::from_utf8_lossy(&input).escape_debug());
        }
    }
    assert_eq!(status_of(b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

#[test]
fn p24_bytes_from_0x80_are_refused_but_in_values() {
    for byte in 0x80..=0xff {
        for (line, status) in [
            ("GET / HTTP/1.1\r\nHost: h\r\nX: a?b\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: h\r\nX?: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h?\r\n\r\n", 400),
            ("GET /? HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0?\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked?\r\n\r\n", 400),
        ] {
            let mut input = line.as_bytes().to_vec();
            *input.iter_mut().find(|byte| **byte == b'?').unwrap() = byte;
            assert_eq!(status_of(&input), status, "{byte:x} in {line:?}");
        }
    }
}

#[test]
fn p25_a_missing_duplicate_or_invalid_host_is_refused() {
    assert_eq!(status_of(b"GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status_of(&get_with("Host: h\r\n")), 400);
    for host in [
        "a/b@c d", "u@h", "u:p@h", "a,b", "a, b", "h:port", "h:65536", "[::1", "[::1]x", "[v1.a]", "%zz",
        "a b", ":80", "[]",
    ] {
        assert_eq!(status_of(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()), 400, "{host}");
    }
    assert_eq!(status_of(b"GET http://a/ HTTP/1.1\r\nHost: \r\n\r\n"), 400);
    assert_eq!(status_of(b"GET http://a/ HTTP/1.1\r\n\r\n"), 400);
    for host in ["h", "h:80", "h:", "192.0.2.1:8080", "[2001:db8::1]:80", "a-b_c.example", "%41"] {
        assert_eq!(status_of(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()), 200, "{host}");
    }
    assert_eq!(status_of(b"GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
    assert_eq!(status_of(b"OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n"), 400);
    assert_eq!(status_of(b"GET / HTTP/1.0\r\nHost:\r\n\r\n"), 200);
}

#[test]
fn p25_an_absolute_target_without_a_valid_authority_is_refused() {
    for target in ["http:///a", "http://u@h/", "http://", "http:/a", "ftp://h/", "h/a", "h:80", "http://h:x/"]
    {
        assert_eq!(status_of_line(&format!("GET {target} HTTP/1.1")), 400, "{target}");
    }
}

#[test]
fn p28_the_asterisk_is_for_options_only() {
    assert_eq!(status_of_line("OPTIONS * HTTP/1.1"), 200);
    assert_eq!(status_of_line("GET * HTTP/1.1"), 400);
    assert_eq!(status_of_line("OPTIONS ** HTTP/1.1"), 400);
}

#[test]
fn p29_connect_is_refused_before_its_fields_arrive() {
    let line = b"CONNECT h:80 HTTP/1.1\r\n";
    assert_eq!(refused_after(line, &Limits::default()).0, 501);
}

#[test]
fn p30_trace_is_not_implemented() {
    assert_eq!(status_of_line("TRACE / HTTP/1.1"), 501);
}

#[test]
fn p31_a_target_with_a_fragment_or_other_bytes_is_refused() {
    for target in ["/a#b", "/ä", "/a b", "/a\tb", "/\u{7f}", "http://h/#", ""] {
        assert_eq!(status_of_line(&format!("GET {target} HTTP/1.1")), 400, "{target}");
    }
}

#[test]
fn p33_a_later_minor_version_is_treated_as_1_1() {
    let input = b"GET / HTTP/1.9\r\nHost: h\r\nX: y\r\n\r\n";
    let head = parse(input).unwrap();
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.field(input, "x"), Some(b"y".as_slice()));
    assert!(forwarded(input).starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(status_of_line("GET /\u{e9} HTTP/1.2"), 400);
}

#[test]
fn p33_another_major_version_is_not_supported() {
    assert_eq!(status_of_line("GET / HTTP/2.0"), 505);
    assert_eq!(status_of_line("GET / HTTP/0.9"), 505);
    assert_eq!(refused_after(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &Limits::default()).0, 505);
    assert_eq!(status_of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}

#[test]
fn what_is_no_request_line_is_refused() {
    for line in [
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET /",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET",
        "/ HTTP/1.1",
    ] {
        assert_eq!(status_of_line(line), 400, "{line}");
    }
}

#[test]
fn p34_empty_lines_before_the_request_line_are_skipped() {
    let input = b"\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = parse(input).unwrap();
    assert_eq!(head.len(), input.len());
    assert_eq!(head.target(input), b"/a");
    assert_eq!(status_of("\r\n".repeat(17).as_bytes()), 400);
}

#[test]
fn p34_only_empty_lines_are_no_head_begun() {
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    assert_eq!(inbound.head(b"\r\n\r", &mut head, &Limits::default()), Ok(None));
    assert!(!inbound.begun());
    assert_eq!(inbound.head(b"\r\n\r\nG", &mut head, &Limits::default()), Ok(None));
    assert!(inbound.begun());
}

#[test]
fn p35_a_request_line_over_the_limit_is_refused_with_414() {
    let limits = Limits { request_line: 30, ..Limits::default() };
    let line =
        |len: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(len - "GET / HTTP/1.1".len()));
    assert!(read_requests(line(30).as_bytes(), &limits).is_ok());
    assert_eq!(read_requests(line(31).as_bytes(), &limits).unwrap_err().status, 414);
    assert_eq!(refused_after(line(100).as_bytes(), &limits).0, 414);
    assert!(refused_after(line(100).as_bytes(), &limits).1 <= 32);
    assert_eq!(refused_after(line(31).as_bytes(), &limits).0, 414);
}

#[test]
fn p35_a_head_over_the_limit_is_refused_with_431() {
    let limits = Limits { head: 100, ..Limits::default() };
    let head = |len: usize| get_with(&format!("X: {}\r\n", "a".repeat(len - get_with("X: \r\n").len())));
    assert!(read_requests(&head(100), &limits).is_ok());
    assert_eq!(read_requests(&head(101), &limits).unwrap_err().status, 431);
    assert_eq!(refused_after(&head(101), &limits), (431, 100));
}

#[test]
fn p35_more_fields_than_the_limit_are_refused_with_431() {
    let fields = |count: usize| get_with(&"a: b\r\n".repeat(count - 1));
    assert_eq!(status_of(&fields(100)), 200);
    assert_eq!(status_of(&fields(101)), 431);
    let limits = Limits { fields: 1000, ..Limits::default() };
    assert!(read_requests(&fields(256), &limits).is_ok());
    assert_eq!(read_requests(&fields(257), &limits).unwrap_err().status, 431);
}

#[test]
fn p36_a_name_of_70_000_bytes_is_refused_with_431() {
    assert_eq!(status_of(&get_with(&format!("{}: x\r\n", "a".repeat(70_000)))), 431);
}

#[test]
fn p37_methods_are_case_sensitive_and_unknown_ones_are_forwarded() {
    assert_eq!(parse(&get_with("")).unwrap().method(), Method::Get);
    let input = b"get / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(parse(input).unwrap().method(), Method::Other);
    assert!(forwarded(input).starts_with("get / HTTP/1.1\r\n"));
    assert!(!Method::Other.is_idempotent());
    for method in ["QUERY", "PROPFIND", "REPORT", "SEARCH"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(parse(input.as_bytes()).unwrap().method().is_safe(), "{method}");
        assert!(forwarded(input.as_bytes()).starts_with(&format!("{method} / HTTP/1.1\r\n")));
    }
    assert_eq!(status_of_line("G@T / HTTP/1.1"), 400);
}

#[test]
fn p38_expect_is_forwarded_from_1_1_and_ignored_from_1_0() {
    let input = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";
    assert!(parse(input).unwrap().expects_continue());
    assert!(forwarded(input).contains("\r\nExpect: 100-Continue\r\n"));
    let input = b"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(!parse(input).unwrap().expects_continue());
    assert!(!forwarded(input).contains("Expect"));
    let without_body = get_with("Expect: 100-continue\r\n");
    assert!(!parse(&without_body).unwrap().expects_continue());
}

#[test]
fn p39_an_unknown_expectation_fails() {
    assert_eq!(status_of(&get_with("Expect: something\r\n")), 417);
    assert_eq!(status_of(b"GET / HTTP/1.0\r\nExpect: something\r\n\r\n"), 200);
}

#[test]
fn what_is_no_http_at_all_is_refused_at_once() {
    assert_eq!(refused_after(b"\x16\x03\x01\x02\x00\x01", &Limits::default()), (400, 1));
}

#[test]
fn more_connection_options_than_the_limit_are_refused() {
    assert_eq!(status_of(&get_with(&format!("Connection: {}\r\n", "a,".repeat(32)))), 200);
    assert_eq!(status_of(&get_with(&format!("Connection: {}\r\n", "a,".repeat(33)))), 400);
}

#[test]
fn a_trace_that_is_none_is_left_out() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let trace_id = |parent: &str| {
        let input = get_with(&format!("TraceParent: {parent}\r\n"));
        parse(&input).unwrap().trace_id(&input).map(|id| String::from_utf8_lossy(id).into_owned())
    };
    assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
    for parent in [
        "",
        "00-x",
        "00-4bf92f3577b34da6a3ce929d0e0e47zz-00f067aa0ba902b7-01",
        &format!("00 {id}-0"),
        &format!("00-{id}"),
    ] {
        assert_eq!(trace_id(parent), None, "{parent}");
    }
}

#[test]
fn p53_fields_keep_their_order_and_spelling() {
    let head = forwarded(&get_with("b: 1\r\nA:2\r\nB:  3 \r\nCookie: x\r\nb: 4\r\nX-Empty:\r\n"));
    let expected =
        "GET / HTTP/1.1\r\nHost: h\r\nb: 1\r\nA:2\r\nB:  3 \r\nCookie: x\r\nb: 4\r\nX-Empty:\r\nVia:";
    assert!(head.starts_with(expected), "{head}");
}

#[test]
fn what_is_spelt_otherwise_is_written_anew_wherever_it_stands() {
    for (received, passed_on) in [
        ("GET /a HTTP/1.1\r\nA: b\r\nhost: h\r\nC: d\r\n", "GET /a HTTP/1.1\r\nA: b\r\nHost: h\r\nC: d\r\n"),
        ("GET /a HTTP/1.1\r\nHost:h\r\nC:d\r\n", "GET /a HTTP/1.1\r\nHost: h\r\nC:d\r\n"),
        ("GET /a HTTP/1.1\r\nHost: h \r\nC: d\r\n", "GET /a HTTP/1.1\r\nHost: h\r\nC: d\r\n"),
        ("GET /a HTTP/1.1\r\nHost:\th\r\nC: d\r\n", "GET /a HTTP/1.1\r\nHost: h\r\nC: d\r\n"),
        ("GET http://h/a HTTP/1.1\r\nA: b\r\nHost: x\r\n", "GET /a HTTP/1.1\r\nA: b\r\nHost: h\r\n"),
        ("GET /a HTTP/1.7\r\nA: b\r\nHost: h\r\n", "GET /a HTTP/1.1\r\nA: b\r\nHost: h\r\n"),
        (
            "POST /a HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\nKeep-Alive: 5\r\nA_b: c\r\nC: d\r\nE: f\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\nC: d\r\nE: f\r\n",
        ),
    ] {
        let out = forwarded(format!("{received}\r\n").as_bytes());
        let (before_via, _) = out.split_once("Via: ").unwrap();
        assert_eq!(before_via, passed_on, "{received:?}");
    }
    // No version of HTTP/1 before 1.1 goes on as it is, and nothing that was skipped before the request does.
    let out = forwarded(b"\r\nGET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert!(out.starts_with("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 "), "{out}");
}
