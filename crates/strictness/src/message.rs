//! The oracle: reads a message more strictly than any recipient has to (RFC 9110, RFC 9112). What it takes, everybody takes
//! alike; for anything else it says what recipients could disagree about.
//!
//! ```text
//! bytes ──▶ head, cut at the first empty line ──▶ lines ──▶ fields ──▶ framing ──▶ body ──▶ Whole
//!             └─ not there yet ─▶ Unfinished        └──────────┴──────────┴─────────┴────▶ Ambiguous
//! ```

/// Who wrote the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A client, or what stands before the server in its place.
    Request,
    /// A server, or what stands before the client.
    Response,
}

/// What the bytes begin with.
#[derive(Debug)]
pub(crate) enum Reading<'a> {
    /// A message that everybody frames alike.
    Whole(Message<'a>),
    /// The beginning of one.
    Unfinished,
    /// Something that two recipients could take for two things, and why.
    Ambiguous(&'static str),
}

/// A whole message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The request line or the status line.
    pub(crate) line: &'a str,
    /// Its data, the framing taken off.
    pub(crate) body: Vec<u8>,
    /// How many bytes it has.
    pub(crate) length: usize,
}

impl Message<'_> {
    /// The target of a request.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.target().parse().unwrap_or_default()
    }
}

/// Why something is ambiguous.
type Doubt = &'static str;

/// Reads the first message.
pub(crate) fn read(bytes: &[u8], side: Side) -> Reading<'_> {
    match message(bytes, side) {
        Ok(Some(message)) => Reading::Whole(message),
        Ok(None) => Reading::Unfinished,
        Err(doubt) => Reading::Ambiguous(doubt),
    }
}

fn message(bytes: &[u8], side: Side) -> Result<Option<Message<'_>>, Doubt> {
    let Some(end) = head_end(bytes) else { return Ok(None) };
    let lines = lines(&bytes[..end])?;
    let (line, fields) = lines.split_first().ok_or("an empty head")?;
    match side {
        Side::Request => request_line(line)?,
        Side::Response => status_line(line)?,
    }
    let fields = fields.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    if side == Side::Request {
        host(line, &fields)?;
    }
    let has_no_body =
        side == Side::Response && matches!(line.as_bytes().get(9..12), Some([b'1', ..] | b"204" | b"304"));
    let framing = framing(line, &fields)?;
    let body = match framing {
        _ if has_no_body => Some((Vec::new(), 0)),
        Framing::Length(length) => bytes.get(end..end + length).map(|body| (body.to_vec(), length)),
        Framing::Chunked => chunked(&bytes[end..])?,
    };
    Ok(body.map(|(body, length)| Message { line, body, length: end + length }))
}

/// Where the head ends for the laxest of all recipients.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\r\n\r\n", b"\n\n", b"\n\r\n"];
    ends.iter().filter_map(|end| position(bytes, end).map(|at| at + end.len())).min()
}

fn lines(head: &[u8]) -> Result<Vec<&str>, Doubt> {
    let text = std::str::from_utf8(head).map_err(|_| "bytes that are no UTF-8")?;
    let lines: Vec<&str> = text.trim_end_matches("\r\n").split("\r\n").collect();
    if lines.iter().any(|line| line.contains('\n')) || !text.ends_with("\r\n\r\n") {
        return Err("a bare line feed");
    }
    if lines.iter().any(|line| line.contains('\r')) {
        return Err("a bare carriage return");
    }
    if lines.iter().any(|line| line.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control())) {
        return Err("a control character");
    }
    Ok(lines)
}

fn request_line(line: &str) -> Result<(), Doubt> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = parts[..] else { return Err("a request line without three parts") };
    if !is_token(method) {
        return Err("a method that is none");
    }
    if !target.is_ascii() {
        return Err("bytes from 0x80 in the target");
    }
    if target.is_empty() || target.contains(['#', '\t']) {
        return Err("a target that is none");
    }
    if target == "*" && method != "OPTIONS" {
        return Err("an asterisk that is not for OPTIONS");
    }
    if matches!(version, "HTTP/1.1" | "HTTP/1.0") { Ok(()) } else { Err("another version") }
}

fn status_line(line: &str) -> Result<(), Doubt> {
    let status = line.get(9..12).unwrap_or_default();
    let is_one = (line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))
        && status.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(line.as_bytes().get(12), None | Some(b' '));
    if is_one { Ok(()) } else { Err("a status line that is none") }
}

fn field(line: &str) -> Result<(String, &str), Doubt> {
    if line.starts_with([' ', '\t']) {
        return Err("a folded line");
    }
    let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
    if !is_token(name) {
        return Err("a field name that is none");
    }
    let name = name.to_ascii_lowercase();
    // Gateways to CGI and its heirs take the one for the other.
    let looks_like = name.replace('_', "-");
    if looks_like != name && is_framing(&looks_like) {
        return Err("a framing field with an underscore");
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

fn is_framing(name: &str) -> bool {
    matches!(name, "transfer-encoding" | "content-length" | "host")
}

fn is_token(text: &str) -> bool {
    let is_in_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_in_one)
}

fn values<'a>(fields: &'a [(String, &str)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(field, _)| field == name).map(|(_, value)| *value).collect()
}

fn host(line: &str, fields: &[(String, &str)]) -> Result<(), Doubt> {
    let host = match values(fields, "host")[..] {
        [host] => host,
        [] if line.ends_with("/1.0") => return Ok(()),
        [] => return Err("no Host"),
        _ => return Err("more than one Host"),
    };
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte)) {
        return Err("a Host that is none");
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if is_token(scheme) => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            if authority == host { Ok(()) } else { Err("a target that names another host than Host") }
        }
        _ => Ok(()),
    }
}

/// How long the body is. A response without either field is taken for empty: no vector leads to one.
enum Framing {
    Length(usize),
    Chunked,
}

fn framing(line: &str, fields: &[(String, &str)]) -> Result<Framing, Doubt> {
    let is_1_0 = line.ends_with("/1.0") || line.starts_with("HTTP/1.0");
    match (&values(fields, "content-length")[..], &values(fields, "transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => {
            let number: usize = length.parse().map_err(|_| "a Content-Length that is none")?;
            if number.to_string() == *length {
                Ok(Framing::Length(number))
            } else {
                Err("a Content-Length that is not written as all write it")
            }
        }
        ([], [_]) if is_1_0 => Err("Transfer-Encoding in HTTP/1.0"),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], [_]) => Err("a Transfer-Encoding that is not chunked"),
        (_, []) => Err("more than one Content-Length"),
        ([], _) => Err("more than one Transfer-Encoding"),
        _ => Err("Content-Length and Transfer-Encoding"),
    }
}

/// The data of a chunked body and how many bytes it takes; `None` as long as it has no end.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Doubt> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let Some((line, next)) = chunk_line(bytes, at)? else { return Ok(None) };
        let digits = line.split(';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 15 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a chunk size that is none");
        }
        let size = usize::from_str_radix(digits, 16).map_err(|_| "a chunk size that is none")?;
        at = next;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let (chunk, end) = chunk.split_at(size);
        if end != b"\r\n" {
            return Err("a chunk longer than its size");
        }
        data.extend_from_slice(chunk);
        at += size + 2;
    }
    loop {
        let Some((line, next)) = chunk_line(bytes, at)? else { return Ok(None) };
        at = next;
        if line.is_empty() {
            return Ok(Some((data, at)));
        }
        if is_framing(&field(line)?.0) {
            return Err("a framing field in the trailers");
        }
    }
}

/// The line at `at` and where the next one begins.
fn chunk_line(bytes: &[u8], at: usize) -> Result<Option<(&str, usize)>, Doubt> {
    let Some(feed) = position(&bytes[at..], b"\n") else { return Ok(None) };
    let line = std::str::from_utf8(&bytes[at..at + feed]).map_err(|_| "bytes from 0x80")?;
    let line = line.strip_suffix('\r').ok_or("a bare line feed in a chunked body")?;
    if line.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err("a control character in a chunked body");
    }
    Ok(Some((line, at + feed + 1)))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(bytes: &str) -> &'static str {
        match read(bytes.as_bytes(), Side::Request) {
            Reading::Ambiguous(doubt) => doubt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_request_and_a_chunked_one_are_whole() {
        let both = "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=\u{fc}\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2;x\r\nok\r\n0\r\nX: 1\r\n\r\n";
        let Reading::Whole(first) = read(both.as_bytes(), Side::Request) else { panic!("the first") };
        let Reading::Whole(second) = read(&both.as_bytes()[first.length..], Side::Request) else {
            panic!("the second")
        };
        assert_eq!((first.target(), second.target(), &second.body[..]), ("/", "/2", &b"ok"[..]));
        assert_eq!(first.length + second.length, both.len());
    }

    #[test]
    fn half_a_message_is_unfinished() {
        for half in
            ["GET / HTTP/1.1\r\nHost: h\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1"]
        {
            assert!(matches!(read(half.as_bytes(), Side::Request), Reading::Unfinished));
        }
    }

    #[test]
    fn what_recipients_frame_differently_is_ambiguous() {
        let post = |fields: &str, body: &str| {
            doubt(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n{body}"))
        };
        let chunked = "Transfer-Encoding: chunked";
        assert_eq!(
            post("Content-Length: 1\r\nTransfer-Encoding: chunked", ""),
            "Content-Length and Transfer-Encoding"
        );
        assert_eq!(post("Content-Length: 1\r\nContent-Length: 1", "1"), "more than one Content-Length");
        assert_eq!(post("Content-Length: +1", "1"), "a Content-Length that is not written as all write it");
        assert_eq!(post("Transfer-Encoding: xchunked", ""), "a Transfer-Encoding that is not chunked");
        assert_eq!(post("Transfer_Encoding: chunked", ""), "a framing field with an underscore");
        assert_eq!(post("X-\u{fc}: 1", ""), "a field name that is none");
        assert_eq!(doubt("GET /\u{fc} HTTP/1.1\r\nHost: h\r\n\r\n"), "bytes from 0x80 in the target");
        assert_eq!(post("X: 1\nY: 2", ""), "a bare line feed");
        assert_eq!(post("X: 1\rY: 2", ""), "a bare carriage return");
        assert_eq!(post("X: 1\r\n 2", ""), "a folded line");
        assert_eq!(post("X : 1", ""), "a field name that is none");
        assert_eq!(post("Host: h", ""), "more than one Host");
        assert_eq!(post(chunked, "0x1\r\n1\r\n0\r\n\r\n"), "a chunk size that is none");
        assert_eq!(post(chunked, "1\n1\r\n0\r\n\r\n"), "a bare line feed in a chunked body");
        assert_eq!(post(chunked, "1\r\n12\r\n0\r\n\r\n"), "a chunk longer than its size");
        assert_eq!(post(chunked, "0\r\nContent-Length: 5\r\n\r\n"), "a framing field in the trailers");
    }
}
