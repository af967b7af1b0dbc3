//! What the tests share: requests as text, and a proxy that forwards them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use evenkeel_message::{Form, Limits, Origin, Refusal, RequestBuilder, RequestHead, RequestRewrite, rewrite};

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

/// The head that is this text, each value in it after one space.
pub(crate) fn parse(input: &[u8]) -> Result<RequestHead, Refusal> {
    let text = std::str::from_utf8(input).unwrap();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let words: Vec<_> = lines.next().unwrap().split(' ').collect();
    let form = if words[2] == "HTTP/1.0" { Form::Http10 } else { Form::Http11 };
    let (mut head, mut storage, limits) = (RequestHead::new(), Vec::new(), Limits::default());
    let mut builder = RequestBuilder::new(form, &mut head, &mut storage, &limits);
    builder.add(b":method", words[0].as_bytes())?;
    builder.add(b":path", words[1].as_bytes())?;
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder.add(name.as_bytes(), value.as_bytes())?;
    }
    builder.finish()?;
    // So that the text can stand for the storage.
    assert_eq!(String::from_utf8(storage).unwrap(), text);
    Ok(head)
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
