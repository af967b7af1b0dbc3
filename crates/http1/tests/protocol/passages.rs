//! What passes is copied in stretches, between the lines that matter. It is the same as if each line were looked at, as it is
//! where there are rules.

use std::net::IpAddr;

use evenkeel_http1::{Inbound, Outbound};
use evenkeel_message::{
    FieldRules, Limits, Method, Origin, RequestHead, RequestRewrite, ResponseHead, ResponseRewrite, rewrite,
};
use proptest::prelude::*;

const LINES: &[&str] = &[
    "Accept: */*",
    "accept:*/*",
    "X-A:  b \t",
    "Under_Scored: 1",
    "Connection: keep-alive",
    "Connection: close, x-a",
    "Connection: X-B",
    "X-B: 1",
    "Keep-Alive: 5",
    "Content-Length: 0",
    "Content-Length: 00",
    "TE: trailers",
    "Upgrade: websocket",
    "Via: 1.0 other",
    "Date: then",
    "Forwarded: for=_a",
    "X-Forwarded-For: 192.0.2.9",
    "X-Forwarded-Port: 1",
    "X-Request-Id: 7",
    "X-Attempt: 3",
    "X-Evenkeel-Run: 1",
    "Client-Cert: :a:",
    "Max-Forwards: 7",
    "Proxy-Authorization: a",
];

/// A start line, and fields, so many that not all of them are noted one by one.
fn head(lines: &'static [&'static str], field: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(lines);
    let field = prop_oneof![3 => prop::sample::select(LINES), 1 => Just(field), 2 => Just("Y: z")];
    let count = prop_oneof![0..8_usize, 60..70_usize];
    let fields = count.prop_flat_map(move |count| prop::collection::vec(field.clone(), count));
    (start, fields, any::<prop::sample::Index>()).prop_map(|(start, mut fields, at)| {
        if !start.starts_with("HTTP/") {
            fields.insert(at.index(fields.len() + 1), "Host: h");
        }
        format!("{start}\r\n{}\r\n\r\n", fields.join("\r\n")).into_bytes()
    })
}

const REQUESTS: &[&str] =
    &["GET / HTTP/1.1", "OPTIONS http://h/a HTTP/1.1", "GET / HTTP/1.0", "\r\nPUT /a HTTP/1.1"];
const RESPONSES: &[&str] =
    &["HTTP/1.1 200 OK", "HTTP/1.1 204", "HTTP/1.0 200 OK", "HTTP/1.1 426 Upgrade", "HTTP/1.1 103 Early"];

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn a_request_goes_on_as_if_each_line_were_looked_at(input in head(REQUESTS, "x_forwarded_for: 1"), underscores: bool) {
        let limits = Limits { forward_underscores: underscores, ..Limits::default() };
        let mut head = RequestHead::new();
        let read = Inbound::new().head(&input, &mut head, &limits);
        prop_assume!(matches!(read, Ok(Some(_))));
        let none = FieldRules::default();
        let [one, other] = [None, Some(&none)].map(|rules| {
            let how = RequestRewrite {
                origin: Origin::of_client(IpAddr::from([192, 0, 2, 7]), "http"),
                local: ([192, 0, 2, 1], 80).into(),
                via: "evenkeel",
                request_id: b"1",
                prefix: "",
                upgrade: None,
                runs: false,
                client_cert: b"",
                rules,
            };
            let mut out = Vec::new();
            (rewrite(&head, &input, &how, &mut out), out.escape_ascii().to_string())
        });
        prop_assert_eq!(one, other, "{}", input.escape_ascii());
    }

    #[test]
    fn a_response_goes_on_as_if_each_line_were_looked_at(input in head(RESPONSES, "Folded: a\r\n b")) {
        let limits = Limits::default();
        let mut head = ResponseHead::new();
        let mut server = Outbound::new();
        server.begin(Method::Get, None);
        prop_assume!(matches!(server.head(&input, &mut head, &limits), Ok(Some(_))));
        let none = FieldRules::default();
        let [one, other] = [None, Some(&none)].map(|rules| {
            let how = ResponseRewrite { via: "evenkeel", date: b"now", extra: b"", rules };
            let mut client = Inbound::new();
            let asked = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
            assert!(matches!(client.head(asked, &mut RequestHead::new(), &limits), Ok(Some(_))));
            let mut out = Vec::new();
            client.respond(&head, &input, &how, &mut out);
            out.escape_ascii().to_string()
        });
        prop_assert_eq!(one, other, "{}", input.escape_ascii());
    }
}
