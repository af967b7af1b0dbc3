//! One request through a proxy and its response back, as the balancer drives it.

use evenkeel_http1::{After, Inbound, Outbound};
use evenkeel_message::{Framing, Limits, Method, RequestHead, ResponseHead, ResponseRewrite, rewrite};

use crate::proxy::HOW;

#[test]
fn a_request_and_its_response_pass_through() {
    let limits = Limits::default();
    let input = b"POST /a?b HTTP/1.1\r\nHost: example\r\nContent-Length: 005\r\nConnection: x-mine\r\nX-Mine: 1\r\n\r\nhello";
    let mut inbound = Inbound::new();
    let mut request = RequestHead::new();
    let consumed = inbound.head(input, &mut request, &limits).unwrap().unwrap();
    let mut sent = Vec::new();
    let rewritten = rewrite(&request, input, &HOW, &mut sent).unwrap();
    assert_eq!(rewritten.framing, Framing::Length(5));
    assert_eq!(&sent[rewritten.request_id], b"id-1");
    assert_eq!(sent[rewritten.attempt_at], b'1');
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        "POST /a?b HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\nVia: 1.1 evenkeel-abc123\r\n\
         X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: example\r\n\
         X-Real-IP: 192.0.2.7\r\nForwarded: for=192.0.2.7;host=\"example\";proto=http\r\n\
         X-Request-Id: id-1\r\nX-Attempt: 1\r\n\r\n"
    );
    let piece = inbound.body(&input[consumed..], &limits).unwrap();
    assert_eq!(&input[consumed..][piece.data], b"hello");
    assert!(piece.end);

    let mut outbound = Outbound::new();
    outbound.begin(Method::Post, None);
    let answer = b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\n\r\nok";
    let mut response = ResponseHead::new();
    let consumed = outbound.head(answer, &mut response, &limits).unwrap().unwrap();
    let mut out = Vec::new();
    inbound.respond(&response, answer, &ResponseRewrite::default(), &mut out);
    let piece = outbound.body(&answer[consumed..], &limits).unwrap();
    assert!(piece.end && outbound.reusable(answer.len() - consumed - piece.consumed));
    inbound.before_data(piece.data.len(), &mut out);
    out.extend_from_slice(&answer[consumed..][piece.data]);
    inbound.after_data(&mut out);
    inbound.end_body(outbound.trailers(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\n\r\nok"
    );
    assert_eq!(inbound.after(), After::NextRequest);
}
