//! P21, P38, P40 and P71: what becomes of a client's connection.

use evenkeel_http1::{After, Inbound};
use evenkeel_message::{Limits, Method, RequestHead, ResponseRewrite};

use crate::proxy::{get_with, receive, relayed};

/// A connection that has read this head, and the status that refused it if one did.
fn connection(input: &[u8]) -> (Inbound, Option<u16>) {
    let mut inbound = Inbound::new();
    let refusal = inbound.head(input, &mut RequestHead::new(), &Limits::default()).err();
    (inbound, refusal.map(|refusal| refusal.status))
}

fn answer(inbound: &mut Inbound) -> String {
    let mut out = Vec::new();
    inbound.answer(503, &[("Retry-After", b"1")], b"no", &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn p21_an_answer_before_the_body_was_read_closes_after_a_linger() {
    let (mut inbound, _) = connection(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    assert!(answer(&mut inbound).contains("\r\nConnection: close\r\n"));
    assert_eq!(inbound.after(), After::Linger);
    inbound.body(b"hello", &Limits::default()).unwrap();
    assert_eq!(inbound.after(), After::Close);
}

/// Whether what is written for this request, answered with this head, is the end of what is sent: after the head, and after two
/// bytes of content.
fn ends(request: &[u8], response: &[u8]) -> [bool; 2] {
    let (mut inbound, _) = connection(request);
    let received = receive(Method::Get, response, false).unwrap();
    let mut out = Vec::new();
    inbound.respond_informational(&received.head, response, &ResponseRewrite::default(), &mut out);
    assert!(!inbound.ends_here(), "nothing has been answered yet");
    inbound.respond(&received.head, response, &ResponseRewrite::default(), &mut out);
    let after_head = inbound.ends_here();
    if !received.outbound.body_ended() {
        inbound.before_data(2, &mut out);
    }
    [after_head, inbound.ends_here()]
}

#[test]
fn p38_the_end_of_what_is_sent_is_where_a_last_response_is_whole() {
    let (ok, none) = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 204 None\r\n\r\n");
    let last = get_with("Connection: close\r\n");
    assert_eq!(ends(&last, ok), [false, true]);
    assert_eq!(ends(&last, none), [true, true]);
    assert_eq!(ends(&get_with(""), ok), [false, false], "another request may follow");
    assert_eq!(ends(b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"), [false, false], "more may come");
    let unread = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(ends(unread, ok), [false, false], "the client is to be waited for");
}

#[test]
fn p38_so_is_an_answer_of_the_balancer_s_own_and_not_once_another_request_has_come() {
    let (mut inbound, _) = connection(&get_with(""));
    inbound.close_after_this();
    assert!(!inbound.ends_here());
    answer(&mut inbound);
    assert!(inbound.ends_here());
    inbound.head(&get_with(""), &mut RequestHead::new(), &Limits::default()).unwrap();
    assert!(!inbound.ends_here());
}

#[test]
fn p40_requests_are_read_one_after_the_other_until_the_wrong_one() {
    let limits = Limits::default();
    let input = [get_with(""), get_with("X: 2\r\n"), b"BAD\r\n\r\n".to_vec()].concat();
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    let mut at = 0;
    let mut out = Vec::new();
    for _ in 0..2 {
        at += inbound.head(&input[at..], &mut head, &limits).unwrap().unwrap();
        inbound.answer(200, &[], b"ok", &mut out);
        assert_eq!(inbound.after(), After::NextRequest);
    }
    let refusal = inbound.head(&input[at..], &mut head, &limits).unwrap_err();
    inbound.answer(refusal.status, &[], b"", &mut out);
    assert_eq!(inbound.after(), After::Linger);
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".repeat(2)
        + "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), answers);
}

#[test]
fn p71_an_early_response_says_that_it_is_the_last() {
    let limits = Limits::default();
    let (mut inbound, _) = connection(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    let response = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let received = receive(Method::Post, response, false).unwrap();
    let mut out = Vec::new();
    inbound.respond(&received.head, response, &ResponseRewrite::default(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    inbound.body(b"hel", &limits).unwrap();
    assert_eq!(inbound.after(), After::Linger);
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let (mut inbound, status) = connection(b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(status, Some(400));
    assert!(answer(&mut inbound).ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n"));
}

#[test]
fn nothing_of_the_last_request_is_taken_for_the_next_one_s() {
    let limits = Limits::default();
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    inbound.head(b"HEAD / HTTP/1.0\r\n\r\n", &mut head, &limits).unwrap().unwrap();
    inbound.head(b"\x01", &mut head, &limits).unwrap_err();
    assert!(answer(&mut inbound).ends_with("\r\n\r\nno"));
}

#[test]
fn a_client_that_closes_is_closed() {
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (out, after) = relayed(&get_with("Connection: close\r\n"), response, false);
    assert_eq!(out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(after, After::Close);
}

#[test]
fn a_draining_connection_says_so_with_its_next_response() {
    let (mut inbound, _) = connection(&get_with(""));
    inbound.close_after_this();
    assert!(answer(&mut inbound).contains("\r\nConnection: close\r\n"));
    assert_eq!(inbound.after(), After::Close);
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Inbound>() <= 112, "{}", size_of::<Inbound>());
    assert!(size_of::<evenkeel_http1::Outbound>() <= 112, "{}", size_of::<evenkeel_http1::Outbound>());
}
