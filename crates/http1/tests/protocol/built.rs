//! A head that is built field by field is the head that is parsed: accepted alike, refused alike, forwarded alike.

use evenkeel_http1::{Inbound, Outbound};
use evenkeel_message::{
    Form, Framing, Limits, Method, Refusal, RequestBuilder, RequestHead, RequestRewrite, ResponseBuilder,
    ResponseError, ResponseHead, ResponseRewrite, Version, rewrite,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::proxy::{HOW, PEER};

/// A head as it could have been sent, in parts.
#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    target: String,
    version: &'static str,
    fields: Vec<(String, Vec<u8>)>,
    /// White space before and after each value.
    padding: (&'static str, &'static str),
}

impl Sent {
    fn text(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/{}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.fields {
            let (before, after) = self.padding;
            text.extend(
                [name.as_bytes(), b":", before.as_bytes(), value, after.as_bytes(), b"\r\n"].concat(),
            );
        }
        text.extend(b"\r\n");
        text
    }

    fn form(&self) -> Form {
        if self.version == "1.0" { Form::Http10 } else { Form::Http11 }
    }

    fn built(&self, limits: &Limits) -> Result<(RequestHead, Vec<u8>), Refusal> {
        let pseudo = [(":method", self.method), (":path", &self.target)];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let (before, after) = self.padding;
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), [before.as_bytes(), value, after.as_bytes()].concat()))
            .collect();
        build(self.form(), pseudo.iter().chain(&fields), limits)
    }
}

fn build<'f>(
    form: Form,
    fields: impl Iterator<Item = &'f (String, Vec<u8>)>,
    limits: &Limits,
) -> Result<(RequestHead, Vec<u8>), Refusal> {
    let (mut head, mut storage) = (RequestHead::new(), Vec::new());
    let mut builder = RequestBuilder::new(form, &mut head, &mut storage, limits);
    let mut first = Ok(());
    for (name, value) in fields {
        let added = builder.add(name.as_bytes(), value);
        assert!(first.is_ok() || first == added, "a refusal lasts");
        first = added;
    }
    let finished = builder.finish();
    assert!(first.is_ok() || first == finished, "a refusal lasts");
    assert!(storage.len() <= 2 * limits.head, "the storage is bounded");
    finished.map(|()| (head, storage))
}

fn parsed(text: &[u8], limits: &Limits) -> Result<RequestHead, Refusal> {
    let mut head = RequestHead::new();
    let found = Inbound::new().head(text, &mut head, limits)?;
    assert_eq!(found, Some(text.len()), "{}", String::from_utf8_lossy(text));
    Ok(head)
}

/// Everything that a head tells.
fn told(head: &RequestHead, input: &[u8]) -> impl PartialEq + std::fmt::Debug {
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> = head.fields(input).map(|(name, value)| (owned(name), value.to_vec())).collect();
    (
        (head.method(), owned(head.method_bytes(input)), owned(head.target(input))),
        (owned(&head.path_and_query(input)), owned(head.authority(input)), fields),
        (head.version(), head.framing(), head.keep_alive(), head.expects_continue()),
        (
            head.upgrade(input).map(owned),
            head.max_forwards(),
            head.accepts_trailers(),
            head.binds_connection(),
        ),
        (head.request_id(input).map(owned), head.trace_id(input).copied()),
    )
}

fn rewritten(head: &RequestHead, input: &[u8]) -> Result<Vec<u8>, Refusal> {
    let origin = evenkeel_message::Origin::of_proxy(head, input, PEER, "http", |address| address == PEER);
    let upgrade = head.upgrade(input).map(|_| "websocket");
    let mut out = Vec::new();
    rewrite(head, input, &RequestRewrite { origin, upgrade, ..HOW }, &mut out)?;
    Ok(out)
}

/// Fields that mean something, right and wrong.
const KNOWN: &[(&str, &str)] = &[
    ("Host", "h"),
    ("Host", "other:81"),
    ("host", ""),
    ("Host", "a,b"),
    ("Content-Length", "5"),
    ("content-length", "005"),
    ("Content-Length", "5, 5"),
    ("Content-Length", "0"),
    ("Content-Length", "-1"),
    ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "gzip, chunked"),
    ("Transfer-Encoding", "chunked, gzip"),
    ("Connection", "close"),
    ("Connection", "keep-alive, X-Mine"),
    ("connection", "upgrade"),
    ("Connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7"),
    ("X-Mine", "1"),
    ("Upgrade", "websocket"),
    ("Expect", "100-continue"),
    ("Expect", "something"),
    ("TE", "trailers"),
    ("TE", "gzip;q=0.5, Trailers"),
    ("Max-Forwards", "3"),
    ("Authorization", "NTLM abc"),
    ("Cookie", "a=1"),
    ("cookie", "b=2"),
    ("Transfer_Encoding", "chunked"),
    ("X-Request-Id", "theirs"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("X-Forwarded-For", "9.9.9.9"),
    ("Forwarded", "for=9.9.9.9;proto=https"),
    ("Via", "1.1 evenkeel-abc123"),
    ("Proxy-Connection", "keep-alive"),
    ("Keep-Alive", "timeout=5"),
];

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let known = subsequence(KNOWN, 0..6).prop_map(|fields| {
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>()
    });
    // Bytes from 0x80 are opaque, and a value may have white space within.
    let value = prop::collection::vec(prop_oneof![0x21_u8..0x7f, 0x80_u8..=0xff], 0..12);
    let others = prop::collection::vec(("[A-Za-z!#$%&'*+.^_`|~0-9-]{1,16}", value), 0..4);
    // Mostly with a Host, so that most are accepted.
    let host = select(vec![Some("example.org"), Some("[::1]:80"), None]);
    (known, others, host)
        .prop_map(|(mut fields, others, host)| {
            if let Some(host) = host {
                fields.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
                fields.push(("Host".to_owned(), host.as_bytes().to_vec()));
            }
            fields.extend(others);
            fields
        })
        .prop_shuffle()
}

fn sent() -> impl Strategy<Value = Sent> {
    let methods = vec!["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PURGE", "get", "CONNECT", "TRACE"];
    let targets = vec![
        "/",
        "/a?b=%zz",
        "//x/../y",
        "http://real:81/a",
        "HTTP://b?y",
        "http://b",
        "*",
        "/#x",
        "ftp://b/",
        "http://u@h/",
        "x",
    ];
    let paddings = vec![(" ", ""), ("", ""), (" \t", " \t ")];
    (select(methods), select(targets), select(vec!["1.1", "1.1", "1.0", "1.2"]), fields(), select(paddings))
        .prop_map(|(method, target, version, fields, padding)| Sent {
            method,
            target: target.to_owned(),
            version,
            fields,
            padding,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_built_is_what_is_parsed(sent in sent()) {
        let limits = Limits::default();
        let text = sent.text();
        match (parsed(&text, &limits), sent.built(&limits)) {
            (Ok(parsed), Ok((built, storage))) => {
                prop_assert_eq!(told(&built, &storage), told(&parsed, &text));
                let (built, parsed) = (rewritten(&built, &storage), rewritten(&parsed, &text));
                if sent.padding == (" ", "") {
                    prop_assert_eq!(built, parsed);
                } else {
                    // White space goes on as it came.
                    prop_assert_eq!(built.map(|head| normal(&head)), parsed.map(|head| normal(&head)));
                }
            }
            (Err(parsed), Err(built)) => prop_assert_eq!(parsed, built),
            (parsed, built) => prop_assert!(false, "parsed: {parsed:?}, built: {built:?}"),
        }
    }

    /// The server cannot tell from a request which version its client speaks, but for what Via says.
    #[test]
    fn what_comes_over_http2_is_forwarded_as_what_comes_over_http1(sent in sent(), host in "[a-z]{1,5}(:[0-9]{1,3})?") {
        let limits = Limits { forward_underscores: true, ..Limits::default() };
        let mut fields = vec![("host".to_owned(), host.into_bytes())];
        let about_connection = ["connection", "keep-alive", "proxy-connection", "upgrade", "host"];
        let mut has_cookie = false;
        for (name, value) in &sent.fields {
            let name = name.to_ascii_lowercase();
            // HTTP/1.1 has one Cookie only, and of TE what concerns a proxy that speaks HTTP/2.
            let is_second = name == "cookie" && std::mem::replace(&mut has_cookie, true);
            if !about_connection.contains(&name.as_str()) && !is_second && (name != "te" || value == b"trailers") {
                fields.push((name, value.clone()));
            }
        }
        let sent = Sent { version: "1.1", padding: (" ", ""), fields, ..sent };
        let text = sent.text();
        let Ok(parsed) = parsed(&text, &limits) else { return Ok(()) };
        prop_assume!(sent.target.starts_with(['/', '*']));
        let host = [(":authority".to_owned(), sent.fields[0].1.clone())];
        let pseudo = [(":path", sent.target.as_str()), (":scheme", "http"), (":method", sent.method)];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let rest = sent.fields[1..].iter().filter(|(name, _)| name != "transfer-encoding");
        let form = Form::Http2 { ends: matches!(parsed.framing(), Framing::Empty | Framing::Length(0)) };
        let (built, storage) = build(form, host.iter().chain(&pseudo).chain(rest), &limits).unwrap();
        prop_assert_eq!(built.version(), Version::Http2);
        prop_assert_eq!(built.framing(), parsed.framing());
        prop_assert_eq!(built.expects_continue(), parsed.expects_continue());
        let over_http1 = rewritten(&parsed, &text).map(|head| normal(&head));
        let over_http2 = rewritten(&built, &storage).map(|head| normal(&head));
        prop_assert_eq!(over_http2, over_http1);
    }

    #[test]
    fn limits_bound_what_is_built_as_they_bound_what_is_parsed(
        lens in prop::collection::vec(0_usize..30, 0..12),
        target_len in 0_usize..60,
    ) {
        let limits = Limits { request_line: 60, head: 180, fields: 8, ..Limits::default() };
        let target = format!("/{}", "a".repeat(target_len));
        let fields = [("Host".to_owned(), b"h".to_vec())].into_iter();
        let fields = fields.chain(lens.iter().map(|len| ("X".to_owned(), vec![b'v'; *len]))).collect();
        let sent = Sent { method: "GET", target, version: "1.1", fields, padding: (" ", "") };
        let parsed = Inbound::new().head(&sent.text(), &mut RequestHead::new(), &limits);
        let built = sent.built(&limits);
        // Where several limits are passed, which one is met first depends on how a head arrives.
        prop_assert_eq!(built.is_ok(), parsed.is_ok(), "{:?}", parsed);
        if target_len + "GET / HTTP/1.1".len() > limits.request_line {
            prop_assert_eq!(built.err(), Some(Refusal::LINE_TOO_LONG));
        } else if sent.text().len() > limits.head && lens.len() < limits.fields {
            prop_assert_eq!(built.err(), Some(Refusal::HEAD_TOO_LARGE));
        } else if lens.len() >= limits.fields && sent.text().len() <= limits.head {
            prop_assert_eq!(built.err(), Some(Refusal::TOO_MANY_FIELDS));
        }
    }

    #[test]
    fn a_response_that_is_built_is_the_one_that_is_parsed(
        code in select(vec!["200", "204", "304", "401", "103", "101", "099", "777"]),
        fields in fields(),
        is_10 in any::<bool>(),
        is_head in any::<bool>(),
    ) {
        let limits = Limits::default();
        let method = if is_head { Method::Head } else { Method::Get };
        let (form, version) = if is_10 { (Form::Http10, "1.0") } else { (Form::Http11, "1.1") };
        let mut text = format!("HTTP/{version} {code}\r\n").into_bytes();
        for (name, value) in &fields {
            text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        text.extend(b"\r\n");
        let by_parsing = parsed_response(&text, method, &limits);
        let by_building = built_response(form, method, &[&[(":status".to_owned(), code.into())], &fields[..]].concat(), &limits);
        match (by_parsing, by_building) {
            (Ok(parsed), Ok((built, storage))) => {
                prop_assert_eq!(parsed.framing(), built.framing());
                prop_assert_eq!(parsed.keep_alive(), built.keep_alive());
                prop_assert_eq!(parsed.content_length(), built.content_length());
                prop_assert_eq!(responded(&built, &storage), responded(&parsed, &text));
            }
            (Err(parsed), Err(built)) => prop_assert_eq!(parsed, built),
            (parsed, built) => prop_assert!(false, "parsed: {parsed:?}, built: {built:?}"),
        }
    }
}

/// The lines without regard to white space, to the case of names, and to what version Via says.
fn normal(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines = head.split(|&byte| byte == b'\n');
    lines
        .map(|line| {
            let (name, value) =
                line.split_at(line.iter().position(|&byte| byte == b':').unwrap_or(line.len()));
            let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
            let value = if name == b"Via" {
                value.strip_prefix(b"2.0").map_or(value.to_vec(), |by| [b"1.1", by].concat())
            } else {
                value.to_vec()
            };
            (String::from_utf8_lossy(name).to_ascii_lowercase(), value)
        })
        .collect()
}

fn parsed_response(text: &[u8], method: Method, limits: &Limits) -> Result<ResponseHead, ResponseError> {
    let mut outbound = Outbound::new();
    outbound.begin(method, Some("websocket"));
    let mut head = ResponseHead::new();
    match outbound.head(text, &mut head, limits) {
        // Whether the switch was asked for is the connection's to know, not the head's.
        Err(ResponseError::Upgrade) if head.status() == 101 => Ok(head),
        found => found.map(|_| head),
    }
}

fn built_response(
    form: Form,
    method: Method,
    fields: &[(String, Vec<u8>)],
    limits: &Limits,
) -> Result<(ResponseHead, Vec<u8>), ResponseError> {
    let (mut head, mut storage) = (ResponseHead::new(), Vec::new());
    let mut builder = ResponseBuilder::new(form, method, &mut head, &mut storage, limits);
    let failed = fields.iter().find_map(|(name, value)| builder.add(name.as_bytes(), value).err());
    let finished = builder.finish();
    assert!(failed.is_none() || failed == finished.err(), "an error lasts");
    finished.map(|()| (head, storage))
}

/// The fields with which a response is delivered: after the phrase, which only HTTP/1 has.
fn responded(head: &ResponseHead, input: &[u8]) -> String {
    let mut inbound = Inbound::new();
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    inbound.head(request, &mut RequestHead::new(), &Limits::default()).unwrap();
    let mut out = Vec::new();
    inbound.respond(head, input, &ResponseRewrite { via: "me", ..ResponseRewrite::default() }, &mut out);
    String::from_utf8_lossy(&out).split_once("\r\n").unwrap().1.to_owned()
}
