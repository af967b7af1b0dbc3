//! What the tests share: one proxy, driven as the balancer drives it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use evenkeel_http1::{Inbound, Outbound};
use evenkeel_message::{
    Framing, Limits, Method, Origin, Refusal, RequestHead, RequestRewrite, ResponseError, ResponseHead,
    ResponseRewrite, rewrite,
};

/// Who asks.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A rewrite for an untrusted client at [`PEER`].
pub(crate) const HOW: RequestRewrite<'_> = RequestRewrite {
    origin: Origin::of_client(PEER, "http"),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 8080),
    via: "evenkeel-abc123",
    request_id: b"id-1",
    prefix: "",
    upgrade: None,
    runs: false,
    client_cert: b"",
    rules: None,
};

/// A `GET /` with Host and these further lines, each with its CR LF.
pub(crate) fn get_with(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes()
}

/// Parses one whole head.
pub(crate) fn parse(input: &[u8]) -> Result<RequestHead, Refusal> {
    let mut head = RequestHead::new();
    let found = Inbound::new().head(input, &mut head, &Limits::default())?;
    assert!(found.is_some(), "incomplete: {}", String::from_utf8_lossy(input));
    Ok(head)
}

/// The status that refuses this head, or 200.
pub(crate) fn status_of(input: &[u8]) -> u16 {
    parse(input).map_or_else(|refusal| refusal.status, |_| 200)
}

/// What is sent to the server for this head.
pub(crate) fn forwarded(input: &[u8]) -> String {
    forwarded_as(input, &HOW).unwrap()
}

/// What is sent to the server for this head, under `how`.
pub(crate) fn forwarded_as(input: &[u8], how: &RequestRewrite<'_>) -> Result<String, Refusal> {
    let head = parse(input)?;
    let mut out = Vec::new();
    rewrite(&head, input, how, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The values of all fields named `name` in a head as text.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// Everything there is in `input`, one request after the other: the targets with their bodies.
pub(crate) fn read_requests(input: &[u8], limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    let mut requests = Vec::new();
    let mut at = 0;
    while let Some(consumed) = inbound.head(&input[at..], &mut head, limits)? {
        let target = String::from_utf8(head.target(&input[at..]).to_vec()).unwrap();
        at += consumed;
        let mut body = Vec::new();
        loop {
            let piece = inbound.body(&input[at..], limits)?;
            body.extend_from_slice(&input[at..][piece.data.clone()]);
            at += piece.consumed;
            if piece.end || piece.consumed == 0 {
                break;
            }
        }
        requests.push((target, body));
    }
    Ok(requests)
}

/// A response as a server sent it, taken apart.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: ResponseHead,
    pub(crate) outbound: Outbound,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) left_over: usize,
}

/// Reads a response to a request with `method`; `closes` when the server ends the connection after it.
pub(crate) fn receive(method: Method, input: &[u8], closes: bool) -> Result<Received, ResponseError> {
    let limits = Limits::default();
    let mut outbound = Outbound::new();
    outbound.begin(method, None);
    let mut head = ResponseHead::new();
    let mut at = 0;
    while let Some(consumed) = outbound.head(&input[at..], &mut head, &limits)? {
        at += consumed;
        if !head.is_informational() {
            break;
        }
    }
    let mut received = Received { head, outbound, body: Vec::new(), ended: false, left_over: 0 };
    while !received.ended {
        let piece = received.outbound.body(&input[at..], &limits)?;
        received.body.extend_from_slice(&input[at..][piece.data.clone()]);
        at += piece.consumed;
        received.ended = piece.end;
        if piece.consumed == 0 {
            break;
        }
    }
    if closes {
        received.outbound.end_of_input()?;
        received.ended = true;
    }
    received.left_over = input.len() - at;
    Ok(received)
}

/// What the client gets for `response` to `request`, and what then becomes of its connection.
pub(crate) fn relayed(request: &[u8], response: &[u8], closes: bool) -> (String, evenkeel_http1::After) {
    let limits = Limits::default();
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    inbound.head(request, &mut head, &limits).unwrap().unwrap();
    if head.framing() != Framing::Empty {
        inbound.body(&request[head.len()..], &limits).unwrap();
    }
    let received = receive(head.method(), response, closes).unwrap();
    let mut out = Vec::new();
    inbound.respond(&received.head, response, &ResponseRewrite::default(), &mut out);
    inbound.before_data(received.body.len(), &mut out);
    out.extend_from_slice(&received.body);
    inbound.after_data(&mut out);
    inbound.end_body(received.outbound.trailers(), &mut out);
    (String::from_utf8(out).unwrap(), inbound.after())
}
