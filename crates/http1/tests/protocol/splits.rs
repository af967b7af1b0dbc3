//! The property that no splitting of the input changes anything: heads, bodies, verdicts.

use evenkeel_http1::{Inbound, Outbound};
use evenkeel_message::{Framing, Limits, Method, RequestHead, ResponseHead};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::proxy::HOW;

/// Everything there is to see of a stream of requests: what goes to the server, and the status of a refusal.
#[derive(Debug, PartialEq, Eq, Default)]
struct Seen {
    sent: Vec<u8>,
    complete: usize,
    refused: Option<u16>,
}

/// Reads `stream`, arriving in pieces that end at `cuts`, as a connection loop does.
fn read(stream: &[u8], cuts: &[usize]) -> Seen {
    let limits = Limits { head: 600, request_line: 60, fields: 8, ..Limits::default() };
    let mut seen = Seen::default();
    let mut inbound = Inbound::new();
    let mut head = RequestHead::new();
    let mut in_body = false;
    let mut at = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        loop {
            let input = &stream[at..end.max(at)];
            let step = if in_body {
                inbound.body(input, &limits).map(|piece| {
                    seen.sent.extend_from_slice(&input[piece.data]);
                    in_body = !piece.end;
                    seen.complete += usize::from(piece.end);
                    (piece.consumed > 0 || piece.end).then_some(piece.consumed)
                })
            } else {
                inbound.head(input, &mut head, &limits).inspect(|found| {
                    if found.is_some() {
                        evenkeel_message::rewrite(&head, input, &HOW, &mut seen.sent).unwrap();
                        in_body = head.framing() != Framing::Empty;
                        seen.complete += usize::from(!in_body);
                    }
                })
            };
            match step {
                Ok(Some(consumed)) => at += consumed,
                Ok(None) => break,
                Err(refusal) => {
                    seen.refused = Some(refusal.status);
                    return seen;
                }
            }
        }
    }
    seen
}

fn requests() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("GET /a?b=c HTTP/1.1\r\nHost: h\r\n"),
        Just("\r\nPOST / HTTP/1.1\r\nHost: h:80\r\n"),
        Just("PUT http://h?q HTTP/1.2\r\nHost: x\r\n"),
        Just("OPTIONS * HTTP/1.0\r\nMax-Forwards: 5\r\n"),
    ];
    let fields =
        "([A-Za-z-]{1,12}: ?[ -~]{0,20}\r\n|Connection: close, x-a\r\n|TE: trailers\r\n|X-A:\r\n){0,4}";
    let body = prop_oneof![
        Just("\r\n".to_owned()),
        "[a-z\r\n]{1,20}".prop_map(|data| format!("Content-Length: {}\r\n\r\n{data}", data.len())),
        "[a-z\r\n]{1,20}".prop_map(|data| {
            format!("Transfer-Encoding: chunked\r\n\r\n{:x};e\r\n{data}\r\n0\r\nX-T: a\r\n\r\n", data.len())
        }),
    ];
    (line, fields, body).prop_map(|(line, fields, body)| format!("{line}{fields}{body}"))
}

/// A stream of requests, and perhaps a byte in it that is wrong.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let wrong =
        prop::option::of((any::<Index>(), prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' ')]));
    (prop::collection::vec(requests(), 1..4), wrong).prop_map(|(requests, wrong)| {
        let mut stream = requests.concat().into_bytes();
        if let Some((index, byte)) = wrong {
            let at = index.index(stream.len());
            stream[at] = byte;
        }
        stream
    })
}

fn cuts(len: usize, cuts: &[Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_the_same_however_they_arrive(
        stream in streams(),
        at in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let whole = read(&stream, &[]);
        let pieces = read(&stream, &cuts(stream.len(), &at));
        prop_assert_eq!(whole.complete, pieces.complete);
        // A fault may show later in pieces, at the end of its line, but nothing refused is ever complete.
        prop_assert!(whole.refused.is_some() || pieces.refused.is_none());
        // Data may go on before what follows it turns out to be wrong.
        prop_assert!(pieces.sent.starts_with(&whole.sent));
        prop_assert!(whole.refused.is_some() || pieces.sent == whole.sent);
    }

    #[test]
    fn requests_are_the_same_byte_by_byte(stream in streams()) {
        let whole = read(&stream, &[]);
        let bytes = read(&stream, &(0..stream.len()).collect::<Vec<_>>());
        prop_assert_eq!(whole.complete, bytes.complete);
        prop_assert!(whole.refused.is_some() || bytes.refused.is_none());
        prop_assert!(bytes.sent.starts_with(&whole.sent));
        prop_assert!(whole.refused.is_some() || bytes.sent == whole.sent);
    }

    #[test]
    fn what_is_forwarded_reads_back_as_the_same_request(stream in requests()) {
        let limits = Limits::default();
        let mut head = RequestHead::new();
        if let Ok(Some(_)) = Inbound::new().head(stream.as_bytes(), &mut head, &limits) {
            let mut out = Vec::new();
            let rewritten = evenkeel_message::rewrite(&head, stream.as_bytes(), &HOW, &mut out).unwrap();
            let mut again = RequestHead::new();
            let found = Inbound::new().head(&out, &mut again, &limits);
            prop_assert_eq!(found, Ok(Some(out.len())));
            prop_assert_eq!(again.method_bytes(&out), head.method_bytes(stream.as_bytes()));
            prop_assert_eq!(again.framing(), rewritten.framing);
            prop_assert_eq!(again.path_and_query(&out), head.path_and_query(stream.as_bytes()));
            prop_assert_eq!(again.accepts_trailers(), head.accepts_trailers());
            prop_assert!(again.keep_alive());
            let end_to_end = |(name, _): &(&[u8], &[u8])| {
                !["host", "connection", "te", "content-length", "transfer-encoding", "max-forwards", "x-a"]
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            };
            let before: Vec<_> = head.fields(stream.as_bytes()).filter(end_to_end).collect();
            let after: Vec<_> = again.fields(&out).filter(end_to_end).take(before.len()).collect();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn responses_are_the_same_however_they_arrive(
        interim in 0..3_usize,
        fields in "(X-[a-z]{1,5}: [ -~é]{0,12}(\r\n [a-z]{1,4})?\r\n){0,3}",
        body in prop_oneof![
            "[a-z]{0,12}".prop_map(|data| format!("Content-Length: {}\r\n\r\n{data}", data.len())),
            "[a-z]{1,12}".prop_map(|data| format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{data}\r\n0\r\n\r\n", data.len())),
            "[a-z]{0,12}".prop_map(|data| format!("\r\n{data}")),
        ],
        at in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let stream = format!("{}HTTP/1.1 200 OK\r\n{fields}{body}", "HTTP/1.1 103 Hints\r\nA: b\r\n\r\n".repeat(interim));
        let stream = stream.as_bytes();
        let every_byte: Vec<_> = (0..stream.len()).collect();
        let whole = read_response(stream, &[]);
        prop_assert_eq!(&whole, &read_response(stream, &cuts(stream.len(), &at)));
        prop_assert_eq!(&whole, &read_response(stream, &every_byte));
        prop_assert_eq!(whole.statuses.len(), interim + 1);
    }
}

#[derive(Debug, PartialEq, Eq, Default)]
struct SeenResponse {
    statuses: Vec<u16>,
    written: Vec<u8>,
    body: Vec<u8>,
    ended: bool,
    reusable: bool,
}

fn read_response(stream: &[u8], cuts: &[usize]) -> SeenResponse {
    let limits = Limits::default();
    let mut seen = SeenResponse::default();
    let mut outbound = Outbound::new();
    outbound.begin(Method::Get, None);
    let mut head = ResponseHead::new();
    let mut at = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        loop {
            let input = &stream[at..end.max(at)];
            if seen.statuses.last().is_none_or(|status| *status < 200) {
                let Some(consumed) = outbound.head(input, &mut head, &limits).unwrap() else { break };
                seen.statuses.push(head.status());
                Inbound::new().respond(
                    &head,
                    input,
                    &evenkeel_message::ResponseRewrite::default(),
                    &mut seen.written,
                );
                at += consumed;
            } else {
                let piece = outbound.body(input, &limits).unwrap();
                seen.body.extend_from_slice(&input[piece.data]);
                at += piece.consumed;
                if piece.end || piece.consumed == 0 {
                    break;
                }
            }
        }
    }
    seen.ended = outbound.body_ended();
    seen.reusable = outbound.reusable(stream.len() - at);
    outbound.end_of_input().unwrap();
    seen
}
