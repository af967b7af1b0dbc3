//! P1 to P12 and P20: where a request's body ends, and what is refused because that would be in doubt.

use evenkeel_http1::Inbound;
use evenkeel_message::{Framing, Limits, RequestHead};

use crate::proxy::{forwarded, get_with, parse, read_requests, status_of};

#[test]
fn p1_content_length_with_transfer_encoding_is_refused() {
    assert_eq!(status_of(&get_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")), 400);
    assert_eq!(status_of(&get_with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")), 400);
}

#[test]
fn p2_differing_content_lengths_are_refused() {
    assert_eq!(status_of(&get_with("Content-Length: 5\r\nContent-Length: 6\r\n")), 400);
}

#[test]
fn p3_repeated_content_lengths_are_refused() {
    assert_eq!(status_of(&get_with("Content-Length: 5\r\nContent-Length: 5\r\n")), 400);
    assert_eq!(status_of(&get_with("Content-Length: 5, 5\r\n")), 400);
}

#[test]
fn p4_a_content_length_that_is_no_number_is_refused() {
    for value in ["+5", "-1", "0x5", "5 5", "", "18446744073709551616", "5,", "٥", "5\u{a0}"] {
        assert_eq!(status_of(&get_with(&format!("Content-Length: {value}\r\n"))), 400, "{value}");
    }
}

#[test]
fn p5_a_content_length_with_leading_zeros_is_forwarded_canonically() {
    let input = get_with("Content-Length: 005\r\n");
    assert_eq!(parse(&input).unwrap().framing(), Framing::Length(5));
    assert!(forwarded(&input).contains("\r\nContent-Length: 5\r\n"));
    let largest = get_with("Content-Length: 18446744073709551615\r\n");
    assert_eq!(parse(&largest).unwrap().framing(), Framing::Length(u64::MAX));
}

#[test]
fn p6_unknown_codings_are_not_implemented_and_malformed_ones_refused() {
    for (value, status) in [
        ("xchunked", 501),
        ("identity", 501),
        ("gzip", 501),
        ("gzip;q=1", 501),
        ("chunked, chunked", 400),
        ("chunked, identity", 400),
        ("\"chunked\"", 400),
        ("\x0bchunked", 400),
        ("chunked\x0c", 400),
        ("chunked\0", 400),
        ("chunked,", 400),
        (",chunked", 400),
        ("", 400),
        ("chun ked", 400),
    ] {
        assert_eq!(status_of(&get_with(&format!("Transfer-Encoding: {value}\r\n"))), status, "{value:?}");
    }
    for byte in [0x85, 0xa0] {
        let mut input = get_with("Transfer-Encoding: chunked?\r\n");
        *input.iter_mut().find(|byte| **byte == b'?').unwrap() = byte;
        assert_eq!(status_of(&input), 400, "{byte:#x}");
    }
    assert_eq!(parse(&get_with("Transfer-Encoding: \t Chunked \r\n")).unwrap().framing(), Framing::Chunked);
}

#[test]
fn p7_a_coding_before_chunked_is_not_implemented() {
    assert_eq!(status_of(&get_with("Transfer-Encoding: gzip, chunked\r\n")), 501);
}

#[test]
fn p8_two_transfer_encoding_lines_are_refused() {
    assert_eq!(status_of(&get_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400);
    assert_eq!(status_of(&get_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")), 400);
}

#[test]
fn p9_a_space_before_the_colon_is_refused() {
    assert_eq!(status_of(&get_with("Transfer-Encoding : chunked\r\n")), 400);
    assert_eq!(status_of(&get_with("X\t: y\r\n")), 400);
}

#[test]
fn p10_fields_with_an_underscore_are_dropped_and_mean_nothing() {
    let input = get_with("Transfer_Encoding: chunked\r\nX_a: 1\r\n");
    assert_eq!(parse(&input).unwrap().framing(), Framing::Empty);
    assert!(!forwarded(&input).contains('_'));
    let with_leftover = [input, b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(read_requests(&with_leftover, &Limits::default()).unwrap_err().status, 400);
}

#[test]
fn p10_fields_with_an_underscore_are_kept_on_request() {
    let limits = Limits { forward_underscores: true, ..Limits::default() };
    let input = get_with("Transfer_Encoding: chunked\r\n");
    let mut head = RequestHead::new();
    Inbound::new().head(&input, &mut head, &limits).unwrap().unwrap();
    assert_eq!(head.field(&input, "transfer_encoding"), Some(b"chunked".as_slice()));
    assert_eq!(head.framing(), Framing::Empty);
}

#[test]
fn p11_transfer_encoding_in_http_1_0_is_refused() {
    assert_eq!(status_of(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

#[test]
fn p12_a_request_without_a_length_has_no_body() {
    assert_eq!(parse(b"POST / HTTP/1.0\r\n\r\n").unwrap().framing(), Framing::Empty);
    assert_eq!(parse(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().framing(), Framing::Empty);
}

#[test]
fn p20_a_body_is_read_whatever_the_method() {
    for method in ["GET", "DELETE", "HEAD", "OPTIONS", "FOO"] {
        let input = format!(
            "{method} /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        );
        let requests = read_requests(input.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(requests, [("/1".into(), b"hello".to_vec()), ("/2".into(), Vec::new())], "{method}");
    }
}
