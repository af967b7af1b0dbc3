//! One check for each fuzz target: what must hold for any bytes at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use evenkeel_http1::{Inbound, Outbound, Piece, proxy_protocol as proxy_header};
use evenkeel_message::{
    ContentLength, Form, Framing, Limits, Method, Origin, Refusal, RequestBuilder, RequestHead,
    RequestRewrite, ResponseHead, ResponseRewrite, TransferEncoding, Version, basic as credentials,
    forwarded as forwarded_field, rewrite,
};

/// Small, so that a fuzzer reaches them.
const LIMITS: Limits =
    Limits { request_line: 100, head: 400, fields: 8, chunk_extensions: 16, forward_underscores: false };

const HOW: RequestRewrite<'_> = RequestRewrite {
    origin: Origin::of_client(IpAddr::V4(Ipv4Addr::LOCALHOST), "http"),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
    via: "fuzz",
    request_id: b"1",
    prefix: "",
    upgrade: Some("websocket"),
    runs: false,
    client_cert: b"",
    rules: None,
};

/// The verdict on a head does not depend on how it arrives, and an accepted one is forwarded as exactly one head
/// that reads back the same.
pub fn request_head(data: &[u8]) {
    let mut head = RequestHead::new();
    let whole = Inbound::new().head(data, &mut head, &LIMITS);
    let mut inbound = Inbound::new();
    assert!(agrees(&whole, data, |input| inbound.head(input, &mut RequestHead::new(), &LIMITS)));
    let Ok(Some(len)) = whole else { return };
    assert_eq!(len, head.len());
    let mut out = Vec::new();
    // Half of the addresses are trusted proxies.
    let trusts = |address: IpAddr| address.to_canonical().to_string().ends_with(['1', '3', '5', '7', '9']);
    let origin = Origin::of_proxy(&head, data, IpAddr::V4(Ipv4Addr::LOCALHOST), "http", trusts);
    let Ok(rewritten) = rewrite(&head, data, &RequestRewrite { origin, ..HOW }, &mut out) else { return };
    assert_eq!(out[rewritten.attempt_at], b'1');
    assert_eq!(out[rewritten.request_id], *HOW.request_id);
    let mut again = RequestHead::new();
    assert_eq!(Inbound::new().head(&out, &mut again, &Limits::default()), Ok(Some(out.len())));
    assert_eq!(again.method_bytes(&out), head.method_bytes(data));
    assert_eq!(again.path_and_query(&out), head.path_and_query(data));
    assert_eq!(again.framing(), head.framing());
    assert!(again.keep_alive());
}

/// A request of HTTP/2, its fields separated by 0xff, each name from its value by 0xfe: one that is accepted is forwarded
/// as exactly one head of HTTP/1.1, which reads back the same. Otherwise it would be two to a server.
pub fn request_fields(data: &[u8]) {
    let (mut head, mut storage) = (RequestHead::new(), Vec::new());
    let mut parts = data.split(|&byte| byte == 0xff);
    let form = Form::Http2 { ends: parts.next() == Some(b"ends") };
    let mut builder = RequestBuilder::new(form, &mut head, &mut storage, &LIMITS);
    for part in parts {
        let (name, value) = part.split_at(part.iter().position(|&byte| byte == 0xfe).unwrap_or(part.len()));
        let _ = builder.add(name, value.strip_prefix(b"\xfe").unwrap_or(value));
    }
    let finished = builder.finish();
    assert!(storage.len() <= 2 * LIMITS.head);
    if finished.is_err() {
        return;
    }
    let mut out = Vec::new();
    if rewrite(&head, &storage, &HOW, &mut out).is_err() {
        return;
    }
    let mut again = RequestHead::new();
    assert_eq!(Inbound::new().head(&out, &mut again, &Limits::default()), Ok(Some(out.len())));
    assert_eq!(again.method_bytes(&out), head.method_bytes(&storage));
    assert_eq!(again.path_and_query(&out), head.path_and_query(&storage));
    assert_eq!(again.authority(&out), head.authority(&storage));
    assert_eq!(again.framing(), head.framing());
    assert_eq!(again.field(&out, "cookie"), head.field(&storage, "cookie"));
    assert!(again.keep_alive());
}

/// The same for responses, towards a client of HTTP/1.1 and one of HTTP/1.0.
pub fn response_head(data: &[u8]) {
    let asked = |method| {
        let mut outbound = Outbound::new();
        outbound.begin(method, None);
        outbound
    };
    let mut head = ResponseHead::new();
    let whole = asked(Method::Get).head(data, &mut head, &LIMITS);
    let mut outbound = asked(Method::Get);
    assert!(agrees(&whole, data, |input| outbound.head(input, &mut ResponseHead::new(), &LIMITS)));
    let Ok(Some(_)) = whole else { return };
    for request in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut inbound = Inbound::new();
        inbound.head(request.as_bytes(), &mut RequestHead::new(), &LIMITS).expect("a request without fault");
        let mut out = Vec::new();
        inbound.respond(&head, data, &ResponseRewrite::default(), &mut out);
        let mut again = ResponseHead::new();
        assert_eq!(asked(Method::Get).head(&out, &mut again, &Limits::default()), Ok(Some(out.len())));
        assert_eq!(again.status(), head.status());
        assert_ne!((again.framing(), request.contains("1.0")), (Framing::Chunked, true));
        assert!(out.windows(2).all(|pair| pair[0] != b'\r' || pair[1] == b'\n'));
    }
}

/// What a decoder got out of a body.
#[derive(Debug, PartialEq, Eq, Default)]
struct Decoded {
    data: Vec<u8>,
    trailers: Vec<u8>,
    /// Where the body ends, if it does.
    end: Option<usize>,
}

/// A chunked body reads the same however it arrives, and reads the same when it is written again.
pub fn chunked_body(data: &[u8]) {
    let whole = decode(data, data.len());
    let by_bytes = decode(data, 1);
    assert_eq!(whole.is_err(), by_bytes.is_err());
    let (Ok(whole), Ok(by_bytes)) = (whole, by_bytes) else { return };
    assert_eq!(whole, by_bytes);
    if whole.end.is_none() {
        return;
    }
    let mut out = Vec::new();
    let mut writer = evenkeel_http1::BodyWriter::new(Framing::Chunked);
    for part in whole.data.chunks(7) {
        writer.before_data(part.len(), &mut out);
        out.extend_from_slice(part);
        writer.after_data(&mut out);
    }
    writer.end(&whole.trailers, &mut out);
    let written = Decoded { end: Some(out.len()), ..whole };
    assert_eq!(decode(&out, out.len()), Ok(written));
}

/// The two length fields of a message, one value a line, `:` before those of Transfer-Encoding: the verdict of the
/// framing function is that of the whole head, and two lengths never make a body.
pub fn framing(data: &[u8]) {
    let mut length = ContentLength::default();
    let mut coding = TransferEncoding::default();
    let mut head = b"POST / HTTP/1.1\r\nHost: h\r\n".to_vec();
    for value in data.split(|&byte| byte == b'\n').take(6) {
        if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return;
        }
        let (name, value) = match value {
            [b':', value @ ..] => (b"Transfer-Encoding: ".as_slice(), value.trim_ascii()),
            value => (b"Content-Length: ".as_slice(), value.trim_ascii()),
        };
        if name.starts_with(b"T") {
            coding = coding.and(value);
        } else {
            length = length.and(value);
        }
        head.extend([name, value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    let mut parsed = RequestHead::new();
    let by_head = Inbound::new().head(&head, &mut parsed, &Limits::default()).map(|_| parsed.framing());
    let by_values = Framing::of_request(Version::Http11, coding, length);
    assert_eq!(by_head.map_err(|refusal| refusal.status), by_values.map_err(|refusal| refusal.status));
    let is_both = length != ContentLength::Absent && coding != TransferEncoding::Absent;
    assert!(!is_both || by_values.is_err());
    let response = Framing::of_response(Method::Get, 200, Version::Http11, coding, length);
    assert!(!is_both || response.is_err());
}

/// Credentials are taken apart without loss.
pub fn basic(data: &[u8]) {
    if let Some(encoded) = credentials::encoded(data) {
        assert!(!encoded.is_empty() && encoded.iter().all(u8::is_ascii_graphic));
    }
    if let Some((username, password)) = credentials::split(data) {
        assert!(!username.contains(&b':'));
        assert_eq!([username, b":", password].concat(), data);
    }
}

/// A valid value stays valid with another hop, which adds one node and changes none.
pub fn forwarded(data: &[u8]) {
    let hops = |value| forwarded_field::hops(value).map(Iterator::count);
    assert_eq!(forwarded_field::is_valid(data), hops(data).is_some());
    let Some(count) = hops(data) else { return };
    let more = [data, b", for=_next"].concat();
    assert_eq!(hops(&more), Some(count + 1));
    let last = forwarded_field::hops(&more).and_then(Iterator::last);
    assert_eq!(last.and_then(|hop| hop.node), Some(forwarded_field::Node::Obfuscated(b"_next")));
}

/// A header is waited for until it is complete, and then found whatever follows it.
pub fn proxy_protocol(data: &[u8]) {
    match proxy_header::parse(data) {
        Ok(Some(header)) => {
            assert!(header.len <= data.len().min(proxy_header::MAX_LEN));
            for end in 0..header.len {
                assert_eq!(proxy_header::parse(&data[..end]), Ok(None));
            }
            assert_eq!(proxy_header::parse(&data[..header.len]), Ok(Some(header)));
        }
        Ok(None) => {
            for end in 0..data.len() {
                assert_eq!(proxy_header::parse(&data[..end]), Ok(None));
            }
        }
        Err(malformed) => {
            assert_eq!(proxy_header::parse(&[data, b"more\r\n"].concat()), Err(malformed));
        }
    }
}

/// Whether the verdict on a whole input is that on the same input byte by byte. A fault may show later when bytes
/// drip in, up to the end of its line or of the head, but neither way accepts what the other refuses.
fn agrees<E: PartialEq + std::fmt::Debug>(
    whole: &Result<Option<usize>, E>,
    data: &[u8],
    mut head: impl FnMut(&[u8]) -> Result<Option<usize>, E>,
) -> bool {
    let by_bytes = (0..=data.len()).map(|end| head(&data[..end])).find(|found| *found != Ok(None));
    match by_bytes {
        Some(Ok(found)) => *whole == Ok(found),
        Some(Err(_)) => whole.is_err(),
        None => !matches!(whole, Ok(Some(_))),
    }
}

/// Decodes a chunked request body that arrives in pieces of `step` bytes.
fn decode(data: &[u8], step: usize) -> Result<Decoded, Refusal> {
    let mut inbound = Inbound::new();
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    inbound.head(head, &mut RequestHead::new(), &LIMITS)?;
    let mut decoded = Decoded::default();
    let (mut at, mut end) = (0, 0);
    while end < data.len() {
        end = data.len().min(end + step);
        loop {
            let Piece { consumed, data: range, end: is_end } = inbound.body(&data[at..end], &LIMITS)?;
            assert!(range.end <= consumed && range.start <= range.end && consumed <= end - at);
            decoded.data.extend_from_slice(&data[at..][range]);
            at += consumed;
            if is_end {
                decoded.trailers = inbound.trailers().to_vec();
                decoded.end = Some(at);
                return Ok(decoded);
            }
            if consumed == 0 {
                break;
            }
        }
    }
    Ok(decoded)
}
