//! P53, P55, P57 and P63 to P72: responses from servers, and what the client gets of them.

use evenkeel_http1::{After, Inbound, Outbound};
use evenkeel_message::{Framing, Limits, Method, RequestHead, ResponseError, ResponseHead, ResponseRewrite};

use crate::proxy::{get_with, receive, relayed, values};

const GET_1_0: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

fn error_of(input: &str) -> ResponseError {
    receive(Method::Get, input.as_bytes(), false).unwrap_err()
}

/// Whether the connection could carry another exchange after this response.
fn is_reusable(method: Method, input: &str) -> bool {
    let received = receive(method, input.as_bytes(), false).unwrap();
    received.outbound.reusable(received.left_over)
}

#[test]
fn p53_duplicate_fields_keep_their_order() {
    let (out, _) = relayed(
        &get_with(""),
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: b\r\nServer: s\r\nSet-Cookie: a\r\nDate: d\r\nContent-Length: 0\r\n\r\n",
        false,
    );
    let expected = "HTTP/1.1 200 Fine\r\nSet-Cookie: b\r\nServer: s\r\nSet-Cookie: a\r\nDate: d\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(out, expected);
}

#[test]
fn p54_a_tunnel_begins_with_the_101_and_not_before() {
    let limits = Limits::default();
    let request = get_with("Connection: upgrade\r\nUpgrade: WebSocket\r\n");
    let response =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n\x81\x00";
    let (mut inbound, mut outbound) = (Inbound::new(), Outbound::new());
    let mut request_head = RequestHead::new();
    inbound.head(&request, &mut request_head, &limits).unwrap().unwrap();
    outbound.begin(Method::Get, Some("websocket"));
    assert!(!outbound.is_tunnel());
    let mut head = ResponseHead::new();
    assert_eq!(outbound.head(response, &mut head, &limits), Ok(Some(response.len() - 2)));
    assert!(outbound.is_tunnel() && !outbound.reusable(0));
    let mut out = Vec::new();
    inbound.respond(&head, response, &ResponseRewrite::default(), &mut out);
    assert_eq!(inbound.after(), After::Tunnel);
    let out = String::from_utf8(out).unwrap();
    assert_eq!(values(&out, "upgrade"), ["websocket"]);
    assert_eq!(values(&out, "connection"), ["upgrade"]);
    assert!(values(&out, "content-length").is_empty());
}

#[test]
fn p54_another_answer_to_an_upgrade_stays_http() {
    let request = get_with("Connection: upgrade\r\nUpgrade: websocket\r\n");
    let response =
        b"HTTP/1.1 400 No\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx";
    let (out, after) = relayed(&request, response, false);
    assert_eq!(out, "HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(after, After::NextRequest);
}

#[test]
fn p54_a_demand_for_an_upgrade_says_to_what() {
    let response = |more: &str| {
        format!(
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.3, IRC/6.9\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    let (out, after) = relayed(&get_with(""), response("Connection: Upgrade\r\n").as_bytes(), false);
    assert_eq!(values(&out, "upgrade"), ["TLS/1.3, IRC/6.9"]);
    assert_eq!((values(&out, "connection"), after), (vec!["upgrade"], After::NextRequest));
    let (out, after) = relayed(&get_with("Connection: close\r\n"), response("").as_bytes(), false);
    assert_eq!((values(&out, "connection"), after), (vec!["close, upgrade"], After::Close));
    let (out, _) = relayed(&get_with(""), response("").replace("426", "200").as_bytes(), false);
    assert!(values(&out, "upgrade").is_empty() && values(&out, "connection").is_empty());
}

#[test]
fn p55_a_101_that_was_not_asked_for_is_an_error() {
    assert_eq!(
        error_of("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ResponseError::Upgrade
    );
    for fields in
        ["Connection: upgrade\r\nUpgrade: h2c\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n"]
    {
        let mut outbound = Outbound::new();
        outbound.begin(Method::Get, Some("websocket"));
        let input = format!("HTTP/1.1 101 X\r\n{fields}\r\n");
        let found = outbound.head(input.as_bytes(), &mut ResponseHead::new(), &Limits::default());
        assert_eq!(found, Err(ResponseError::Upgrade), "{fields}");
    }
}

#[test]
fn p57_interim_responses_come_before_the_final_one() {
    let input = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let received = receive(Method::Get, input.as_bytes(), false).unwrap();
    assert_eq!((received.head.status(), received.body.as_slice()), (200, b"x".as_slice()));
    assert!(received.outbound.reusable(received.left_over));
}

#[test]
fn p57_interim_responses_are_relayed_to_1_1_and_dropped_for_1_0() {
    let limits = Limits::default();
    let input = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    let mut outbound = Outbound::new();
    outbound.begin(Method::Get, None);
    let mut head = ResponseHead::new();
    outbound.head(input, &mut head, &limits).unwrap().unwrap();
    for (request, expected) in
        [(get_with(""), "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), (GET_1_0.to_vec(), "")]
    {
        let mut inbound = Inbound::new();
        inbound.head(&request, &mut RequestHead::new(), &limits).unwrap().unwrap();
        let mut out = Vec::new();
        inbound.respond_informational(&head, input, &ResponseRewrite::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn p57_interim_responses_without_a_final_one_are_an_error() {
    let endless = "HTTP/1.1 102 Processing\r\n\r\n".repeat(65);
    assert_eq!(error_of(&endless), ResponseError::TooManyInterim);
    let input = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(receive(Method::Get, input, true).unwrap_err(), ResponseError::ClosedInHead);
}

#[test]
fn p63_a_response_to_head_has_no_body() {
    let input = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert!(is_reusable(Method::Head, input));
    let request = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    let (out, after) = relayed(request, input.as_bytes(), false);
    assert_eq!(out, input);
    assert_eq!(after, After::NextRequest);
    let (out, after) = relayed(request, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    assert_eq!((out.as_str(), after), ("HTTP/1.1 200 OK\r\n\r\n", After::NextRequest));
}

#[test]
fn p64_204_and_304_have_no_body() {
    let (out, after) = relayed(&get_with(""), b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false);
    assert_eq!((out.as_str(), after), ("HTTP/1.1 204 No Content\r\n\r\n", After::NextRequest));
    let (out, after) = relayed(&get_with(""), b"HTTP/1.1 304 X\r\nContent-Length: 500\r\n\r\n", false);
    assert_eq!((out.as_str(), after), ("HTTP/1.1 304 X\r\nContent-Length: 500\r\n\r\n", After::NextRequest));
    for status in [204, 304] {
        let head = format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(is_reusable(Method::Get, &head), "{status}");
        assert!(!is_reusable(Method::Get, &format!("{head}0\r\n\r\n")), "{status}");
        assert_eq!(relayed(&get_with(""), head.as_bytes(), false).0, format!("HTTP/1.1 {status} X\r\n\r\n"));
    }
}

#[test]
fn p65_a_close_delimited_body_is_chunked_for_1_1() {
    let input = b"HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(receive(Method::Get, input, false).unwrap().head.framing(), Framing::UntilClose);
    let (out, after) = relayed(&get_with(""), input, true);
    assert_eq!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(after, After::NextRequest);
}

#[test]
fn p65_a_close_delimited_body_is_complete_only_at_the_end_of_input() {
    let mut received = receive(Method::Get, b"HTTP/1.1 200 OK\r\n\r\nhello", false).unwrap();
    assert!(!received.ended && !received.outbound.body_ended());
    received.outbound.end_of_input().unwrap();
    assert!(received.outbound.body_ended() && !received.outbound.reusable(0));
}

#[test]
fn p41_an_http_1_0_client_gets_no_chunks_and_a_close() {
    let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for request in [GET_1_0, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        let (out, after) = relayed(request, response, false);
        assert_eq!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
        assert_eq!(after, After::Close);
    }
}

#[test]
fn p41_an_http_1_0_client_keeps_its_connection_if_it_asks() {
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let (out, after) = relayed(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", response, false);
    assert_eq!(out, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx");
    assert_eq!(after, After::NextRequest);
    assert_eq!(relayed(GET_1_0, response, false).1, After::Close);
}

#[test]
fn p66_a_body_cut_short_is_never_complete() {
    for input in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        assert_eq!(receive(Method::Get, input.as_bytes(), true).unwrap_err(), ResponseError::Truncated);
    }
}

#[test]
fn p66_a_response_passed_on_short_closes_the_client_connection() {
    let limits = Limits::default();
    let mut inbound = Inbound::new();
    inbound.head(&get_with(""), &mut RequestHead::new(), &limits).unwrap().unwrap();
    let received = receive(Method::Get, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false).unwrap();
    let mut out = Vec::new();
    inbound.respond(
        &received.head,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        &ResponseRewrite::default(),
        &mut out,
    );
    inbound.before_data(4, &mut out);
    assert_eq!(inbound.after(), After::Close);
}

#[test]
fn p67_bytes_beyond_the_response_make_the_connection_useless() {
    let received =
        receive(Method::Get, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", false).unwrap();
    assert_eq!(received.body, b"x");
    assert_eq!(received.left_over, 8);
    assert!(!received.outbound.reusable(received.left_over));
}

#[test]
fn p68_a_response_whose_length_is_in_doubt_is_an_error() {
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let error = error_of(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        assert!(matches!(error, ResponseError::Framing(_)), "{fields}: {error}");
    }
    let error = error_of("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(matches!(error, ResponseError::Framing(_)));
}

#[test]
fn p68_the_same_content_length_twice_is_collapsed() {
    for fields in ["Content-Length: 1\r\nContent-Length: 01\r\n", "Content-Length: 1, 1\r\n"] {
        let (out, _) = relayed(&get_with(""), format!("HTTP/1.1 200 OK\r\n{fields}\r\nx").as_bytes(), false);
        assert_eq!(out, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    }
}

#[test]
fn p69_a_folded_field_becomes_one_line() {
    let input = b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\nY:\r\n z\r\nContent-Length: 0\r\n\r\n";
    let (out, _) = relayed(&get_with(""), input, false);
    assert_eq!(out, "HTTP/1.1 200 OK\r\nX: a   b  \tc\r\nY:   z\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn p69_garbage_is_an_error() {
    for input in [
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        "HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\n\r\n",
        "HTTP/1.1 200 OK\nX: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n\n",
        "HTTP/1.1 200 OK\r\nX: a\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "<html>",
    ] {
        let error = error_of(input);
        assert!(matches!(error, ResponseError::Head(_)), "{input:?}: {error}");
        assert_eq!(error.proxy_error(), "http_protocol_error");
    }
}

#[test]
fn p69_a_head_over_the_limits_is_an_error() {
    let fields = "a: b\r\n".repeat(101);
    assert_eq!(error_of(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), ResponseError::TooLarge);
    let long = "a".repeat(33 * 1024);
    assert_eq!(error_of(&format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n")), ResponseError::TooLarge);
}

/// The head that the client gets for this response, where it is `date` now.
fn dated(response: &str) -> String {
    let received = receive(Method::Get, response.as_bytes(), false).unwrap();
    let mut inbound = Inbound::new();
    inbound.head(&get_with(""), &mut RequestHead::new(), &Limits::default()).unwrap().unwrap();
    let mut out = Vec::new();
    let how = ResponseRewrite { date: b"now", ..ResponseRewrite::default() };
    inbound.respond(&received.head, response.as_bytes(), &how, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn p79_a_final_response_without_date_gets_one() {
    for status in ["200 OK", "204 No Content", "304 Not Modified", "500 No", "600 Odd"] {
        let head = format!("HTTP/1.1 {status}\r\nServer: s\r\n");
        assert_eq!(values(&dated(&format!("{head}Content-Length: 0\r\n\r\n")), "date"), ["now"], "{status}");
        let with = dated(&format!("{head}dAte: then\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(values(&with, "date"), ["then"], "{status}");
        let named = dated(&format!("{head}Date: then\r\nConnection: date\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(values(&named, "date"), ["then"], "{status}");
    }
}

#[test]
fn p79_no_date_is_added_to_an_interim_response() {
    let input = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    let mut outbound = Outbound::new();
    outbound.begin(Method::Get, None);
    let mut head = ResponseHead::new();
    outbound.head(input, &mut head, &Limits::default()).unwrap().unwrap();
    let mut inbound = Inbound::new();
    inbound.head(&get_with(""), &mut RequestHead::new(), &Limits::default()).unwrap().unwrap();
    let mut out = Vec::new();
    let how = ResponseRewrite { date: b"now", ..ResponseRewrite::default() };
    inbound.respond_informational(&head, input, &how, &mut out);
    assert_eq!(out, input);
}

#[test]
fn p79_statuses_of_three_digits_from_100_are_statuses() {
    for status in [200, 418, 599, 600, 999] {
        let (out, _) = relayed(
            &get_with(""),
            format!("HTTP/1.1 {status} Odd\r\nContent-Length: 1\r\n\r\nx").as_bytes(),
            false,
        );
        assert_eq!(out, format!("HTTP/1.1 {status} Odd\r\nContent-Length: 1\r\n\r\nx"));
    }
    for status in ["000", "099", "20", "2000", "+20", "2x0"] {
        let error = error_of(&format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n"));
        assert!(matches!(error, ResponseError::Head(_)), "{status}: {error}");
    }
}

#[test]
fn p69_a_reason_phrase_is_passed_on_byte_for_byte() {
    let get = get_with("");
    for reason in ["OK", "", "Alles bestens", "Tr\u{e8}s bien", " odd  spaces\t"] {
        for fields in ["", "A: b\r\n"] {
            let response = format!("HTTP/1.1 200 {reason}\r\n{fields}Content-Length: 0\r\n\r\n");
            assert_eq!(relayed(&get, response.as_bytes(), false).0, response);
        }
    }
    let (out, _) = relayed(&get, b"HTTP/1.1 204\r\n\r\n", false);
    assert_eq!(out, "HTTP/1.1 204 \r\n\r\n");
}

#[test]
fn p72_a_server_that_closes_or_speaks_1_0_is_not_reused() {
    assert!(is_reusable(Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(is_reusable(Method::Get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    assert!(!is_reusable(
        Method::Get,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, Close\r\n\r\n"
    ));
    assert!(!is_reusable(
        Method::Get,
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    ));
    assert!(!is_reusable(Method::Get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"));
}

#[test]
fn p73_a_connection_that_ends_before_the_response_says_so() {
    let mut outbound = Outbound::new();
    outbound.begin(Method::Get, None);
    assert_eq!(outbound.end_of_input(), Err(ResponseError::ClosedBeforeHead));
    outbound.begin(Method::Get, None);
    assert_eq!(outbound.head(b"HTT", &mut ResponseHead::new(), &Limits::default()), Ok(None));
    assert_eq!(outbound.end_of_input(), Err(ResponseError::ClosedInHead));
}

#[test]
fn a_later_minor_version_of_a_response_is_treated_as_1_1() {
    assert!(is_reusable(Method::Get, "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn values_outside_ascii_are_passed_on_in_responses() {
    let input = "HTTP/1.1 200 OK\r\nX-Name: Zo\u{eb}\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(relayed(&get_with(""), input.as_bytes(), false).0, input);
}

#[test]
fn trailers_reach_only_a_client_that_takes_them() {
    let response =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\nHost: h\r\n\r\n";
    let (out, _) = relayed(&get_with("TE: trailers\r\nConnection: TE\r\n"), response, false);
    assert!(out.ends_with("1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"), "{out}");
    let (out, _) = relayed(&get_with(""), response, false);
    assert!(out.ends_with("1\r\nx\r\n0\r\n\r\n"), "{out}");
}

#[test]
fn what_is_spelt_otherwise_is_written_anew_wherever_it_stands() {
    for (received, passed_on) in [
        ("HTTP/1.1 200\r\nA: b\r\nContent-Length: 0\r\n", "HTTP/1.1 200 \r\nA: b\r\nContent-Length: 0\r\n"),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n",
        ),
        ("HTTP/1.3 200 OK\r\nContent-Length: 0\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
        (
            "HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 0\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length:0\r\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0 \r\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length:\t0\r\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 00\r\nA:b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA:b\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\nA: b\r\nContent-Length: 0\r\nC: d\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\nC: d\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nA: b\r\nContent-Length: 0\r\nKeep-Alive: 5\r\nC:d\r\nE: f\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\nC:d\r\nE: f\r\n",
        ),
    ] {
        let (out, _) = relayed(&get_with(""), format!("{received}\r\n").as_bytes(), false);
        assert_eq!(out, format!("{passed_on}\r\n"), "{received:?}");
    }
}
