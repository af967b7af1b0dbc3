//! What is sent: requests that lead two recipients to two readings, and responses of the same kind. The numbers are those of
//! the protocol cases.

/// One thing to send.
#[derive(Debug)]
pub(crate) struct Vector {
    /// The protocol case.
    pub(crate) case: &'static str,
    /// In words.
    pub(crate) what: &'static str,
    /// All that the client sends.
    pub(crate) bytes: Vec<u8>,
    /// Whether what is questionable is the server's response.
    pub(crate) is_response: bool,
}

/// Every vector.
pub(crate) fn all() -> Vec<Vector> {
    let mut all = Vec::new();
    let mut add = |case, what, bytes: String| {
        // Characters up to U+00FF stand for bytes.
        let bytes = bytes.chars().map(|character| character as u32 as u8).collect();
        all.push(Vector { case, what, bytes, is_response: false });
    };
    for (case, what, fields) in POSTS {
        add(case, what, post(&format!("Host: h\r\n{fields}\r\n"), SMUGGLED));
    }
    for (case, what, body) in CHUNKED {
        add(case, what, post("Host: h\r\nTransfer-Encoding: chunked\r\n", body));
    }
    for (case, what, request) in REQUESTS {
        add(case, what, (*request).to_owned());
    }
    for (number, (case, what, _)) in RESPONSES.iter().enumerate() {
        let asked = format!("GET {RESPONSE}{number} HTTP/1.1\r\nHost: h\r\n\r\n");
        let bytes = format!("{asked}GET /after HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        all.push(Vector { case, what, bytes, is_response: true });
    }
    all
}

/// The response that belongs to a target of a vector.
pub(crate) fn response_to(target: &str) -> Option<&'static [u8]> {
    let number: usize = target.strip_prefix(RESPONSE)?.parse().ok()?;
    RESPONSES.get(number).map(|(_, _, response)| response.as_bytes())
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\n{fields}\r\n{body}")
}

const RESPONSE: &str = "/response/";

/// For one recipient a whole chunked body and a second request; for another all of it is a body.
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

type Row = (&'static str, &'static str, &'static str);

/// Framing fields, before [`SMUGGLED`].
const POSTS: &[Row] = &[
    ("P1", "Content-Length and Transfer-Encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    ("P1", "Transfer-Encoding and Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    ("P2", "two Content-Length that differ", "Content-Length: 5\r\nContent-Length: 0"),
    ("P3", "two equal Content-Length", "Content-Length: 5\r\nContent-Length: 5"),
    ("P3", "`Content-Length: 5, 5`", "Content-Length: 5, 5"),
    ("P4", "`Content-Length: +5`", "Content-Length: +5"),
    ("P4", "`Content-Length: 0x5`", "Content-Length: 0x5"),
    ("P4", "an empty Content-Length", "Content-Length:"),
    ("P4", "Content-Length 2^64", "Content-Length: 18446744073709551616"),
    ("P5", "`Content-Length: 005`", "Content-Length: 005"),
    ("P6", "`Transfer-Encoding: xchunked`", "Transfer-Encoding: xchunked"),
    ("P6", "`Transfer-Encoding: identity`", "Transfer-Encoding: identity"),
    ("P6", "`chunked, chunked`", "Transfer-Encoding: chunked, chunked"),
    ("P6", "`chunked, identity`", "Transfer-Encoding: chunked, identity"),
    ("P6", "`\"chunked\"`", "Transfer-Encoding: \"chunked\""),
    ("P6", "VT before chunked", "Transfer-Encoding: \x0bchunked"),
    ("P6", "byte 0xA0 after chunked", "Transfer-Encoding: chunked\u{a0}"),
    ("P7", "`gzip, chunked`", "Transfer-Encoding: gzip, chunked"),
    ("P8", "two Transfer-Encoding", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("P8", "identity, then chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ("P9", "`Transfer-Encoding :`", "Transfer-Encoding : chunked"),
    ("P10", "`Transfer_Encoding: chunked`", "Transfer_Encoding: chunked"),
];

/// Chunked bodies.
const CHUNKED: &[Row] = &[
    ("P13", "a chunk size of 17 digits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("P13", "chunk size `0x5`", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("P13", "chunk size `+5`", "+5\r\nhello\r\n0\r\n\r\n"),
    ("P13", "an empty chunk size", "\r\nhello\r\n0\r\n\r\n"),
    ("P14", "a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
    ("P14", "a chunk extension `bad[=x`", "5;bad[=x\r\nhello\r\n0\r\n\r\n"),
    ("P15", "LF ends a chunk extension", "5;a\nhello\r\n0\r\n\r\n"),
    ("P15", "LF ends a size line", "5\nhello\r\n0\r\n\r\n"),
    ("P15", "CR in a chunk extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("P16", "a chunk longer than its size", "5\r\nhelloXX0\r\n\r\n"),
    ("P16", "LF ends a chunk", "5\r\nhello\n0\r\n\r\n"),
    ("P16", "LF ends the trailers", "5\r\nhello\r\n0\r\n\n"),
    ("P17", "Content-Length as a trailer", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
];

/// Whole requests.
const REQUESTS: &[Row] = &[
    (
        "P11",
        "Transfer-Encoding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "P12",
        "an HTTP/1.0 POST without a length",
        "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "P20",
        "GET with a body",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\
         GET /next HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    ("P22", "a folded line", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n 2\r\n\r\n"),
    ("P22", "a space before the first field", "GET / HTTP/1.1\r\n X-A: 1\r\nHost: h\r\n\r\n"),
    ("P23", "LF ends a field", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\nX-B: 2\r\n\r\n"),
    ("P23", "LF ends every line", "GET / HTTP/1.1\nHost: h\n\n"),
    ("P24", "CR in a value", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r2\r\n\r\n"),
    ("P24", "NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x002\r\n\r\n"),
    ("P24", "byte 0x01 in a value", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x012\r\n\r\n"),
    ("P24", "bytes from 0x80 in a value", "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=M\u{c3}\u{bc}ller\r\n\r\n"),
    ("P25", "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("P25", "no Host", "GET / HTTP/1.1\r\nX-A: 1\r\n\r\n"),
    ("P25", "two equal Host", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    ("P25", "two Host that differ", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("P25", "`Host: user@h`", "GET / HTTP/1.1\r\nHost: user@h\r\n\r\n"),
    ("P25", "`Host: a, b`", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("P25", "`Host: a/b`", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("P26", "a target with another host than Host", "GET http://b/p HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("P28", "`GET *`", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P29", "CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
    ("P30", "TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P31", "a fragment", "GET /a#f HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P31", "a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P31", "byte 0xFF in the target", "GET /\u{ff} HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P32", "`//a/../b/%2e%2E`", "GET //a/../b/%2e%2E HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("P33", "HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n"),
    ("P33", "HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
    ("P34", "an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
];

/// Responses of the server to a GET, after which the client asks for `/after`.
const RESPONSES: &[Row] = &[
    (
        "P55",
        "101 that nobody asked for",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ),
    (
        "P64",
        "204 with bytes after it",
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 299 Stray\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "P67",
        "bytes after the body",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 299 Stray\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "P68",
        "Content-Length and Transfer-Encoding",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "P68",
        "two Content-Length that differ",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\nok",
    ),
    (
        "P68",
        "two equal Content-Length",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "P68",
        "`Transfer-Encoding: gzip, chunked`",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "P68",
        "Transfer-Encoding in HTTP/1.0",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "P13",
        "blanks after a chunk size",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0  \r\n\r\n",
    ),
    ("P69", "a folded line", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok"),
    ("P69", "a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ("P69", "a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("P79", "status 600", "HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok"),
    ("P70", "CR in a value", "HTTP/1.1 200 OK\r\nX-A: 1\rSet-Cookie: 2\r\nContent-Length: 2\r\n\r\nok"),
];
