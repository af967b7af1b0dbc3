//! A small, strict, blocking HTTP/1.1 client: it accepts only what is whole.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use evenkeel_digest::{self as digest, Expected};

use crate::stream::{PATIENCE, Stream, Tls};

/// A keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Stream>,
    address: SocketAddr,
}

/// A final response. Its body is here unless it was written elsewhere.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    fields: Vec<(String, String)>,
    /// The content, decoded.
    pub body: Vec<u8>,
}

/// Content to send, without holding it.
#[derive(Debug)]
pub struct Upload<R> {
    /// How many bytes there are.
    pub length: u64,
    /// Where they come from.
    pub from: R,
}

/// The value of an `Authorization` field (RFC 7617).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

impl Connection {
    /// Opens a connection.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_within(address, PATIENCE)
    }

    /// Opens a connection if that takes no longer than `patience`.
    pub fn open_within(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        Self::open_over(address, patience, None)
    }

    /// The same, over TLS where there is somebody to believe.
    pub fn open_over(address: SocketAddr, patience: Duration, tls: Option<&Tls>) -> io::Result<Self> {
        let stream = Stream::open(address, patience, tls)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends a GET and waits for its answer.
    pub fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> io::Result<Answer> {
        self.request("GET", path, fields, &[])
    }

    /// Sends a request and waits for its answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut content = Vec::new();
        let upload = Upload { length: body.len() as u64, from: body };
        let answer = self.transfer(method, path, fields, upload, &mut content)?;
        Ok(Answer { body: content, ..answer })
    }

    /// Sends a request with a body of any length and writes the answer's body to `into`.
    pub fn transfer(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        mut upload: Upload<impl Read>,
        into: &mut impl Write,
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in fields {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        if upload.length > 0 || !matches!(method, "GET" | "HEAD") {
            head.extend(["Content-Length: ", &upload.length.to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        let sent = io::copy(&mut upload.from, stream)?;
        stream.flush()?;
        assert_eq!(sent, upload.length, "an upload is as long as it says");
        self.answer(method, into)
    }

    fn answer(&mut self, method: &str, into: &mut impl Write) -> io::Result<Answer> {
        let answer = loop {
            let answer = self.head()?;
            if answer.status >= 200 {
                break answer;
            }
        };
        let none = method == "HEAD" || matches!(answer.status, 204 | 304);
        if none {
            return Ok(answer);
        }
        if answer.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.chunks(into)?;
        } else {
            let length = answer.field("content-length").ok_or_else(|| bad("neither length nor chunks"))?;
            let length: u64 = length.parse().map_err(|_| bad("a length that is no number"))?;
            self.exactly(length, into)?;
        }
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| bad(&format!("no status line: {status_line:?}")))?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Answer { status, fields, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&format!("no field: {line:?}")))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn chunks(&mut self, into: &mut impl Write) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| bad(&format!("no chunk size: {line:?}")))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.exactly(size, into)?;
            if !self.line()?.is_empty() {
                return Err(bad("a chunk longer than it says"));
            }
        }
    }

    fn exactly(&mut self, length: u64, into: &mut impl Write) -> io::Result<()> {
        let copied = io::copy(&mut self.stream.by_ref().take(length), into)?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.by_ref().take(64 << 10).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(whole) => Ok(whole.to_owned()),
            None if line.is_empty() => Err(io::ErrorKind::ConnectionAborted.into()),
            None => Err(bad(&format!("a line without end: {line:?}"))),
        }
    }
}

impl Answer {
    /// The first field of this name, in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The name of the server that answered.
    pub fn server(&self) -> &str {
        self.field("x-server").unwrap_or("(nobody)")
    }

    /// Whether the body is the one that `Content-Digest` promises; a missing promise is an error as well.
    pub fn verify(&self) -> Result<(), String> {
        let field = self.field(digest::CONTENT_DIGEST).ok_or("no Content-Digest")?;
        let expected =
            Expected::parse([field.as_bytes()]).map_err(|_| format!("Content-Digest is {field:?}"))?;
        if expected.is_none() {
            return Err(format!("Content-Digest promises nothing: {field:?}"));
        }
        expected.verify(&self.body).map_err(|mismatch| format!("wrong digest: {mismatch:?}"))
    }

    /// Whether no other request may be sent on the connection.
    pub fn is_last(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
