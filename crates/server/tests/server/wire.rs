//! Plain HTTP/1.1 over a socket, so that a test sees what is really sent.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use evenkeel_digest::Expected;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// Long enough to tell silence from an answer.
const SILENCE: Duration = Duration::from_millis(300);

pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Why the body ended before its end.
    pub(crate) broken: Option<io::ErrorKind>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn ask(&mut self, request: &str) -> Response {
        self.send(request);
        self.receive(request.starts_with("HEAD "))
    }

    /// A second handle, to send while something is received.
    pub(crate) fn sender(&self) -> TcpStream {
        self.reader.get_ref().try_clone().unwrap()
    }

    pub(crate) fn receive(&mut self, is_head: bool) -> Response {
        let (status, fields) = self.head();
        let mut response = Response { status, fields, body: Vec::new(), broken: None };
        if is_head || status == 204 || status == 304 {
            return response;
        }
        let read = match response.field("content-length") {
            Some(length) => self.exactly(length.parse().unwrap(), &mut response.body),
            None => self.chunked(&mut response.body),
        };
        response.broken = read.err().map(|error| error.kind());
        response
    }

    pub(crate) fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = self.line();
        let code = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status line: {status:?}"));
        let code = code[..3].parse().unwrap();
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return (code, fields);
            }
            let (name, value) = line.split_once(": ").unwrap();
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// What comes until the connection ends, and how it ends.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether nothing comes, not even an end, for as long as any answer takes and a good deal longer.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.reader.get_ref().set_read_timeout(Some(SILENCE)).unwrap();
        let read = self.reader.fill_buf().map(<[u8]>::len);
        matches!(read.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock))
    }

    pub(crate) fn exactly(&mut self, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let read = self.reader.by_ref().take(length).read_to_end(into)? as u64;
        if read < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn chunked(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let mut size = String::new();
            if self.reader.read_line(&mut size)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let size = u64::from_str_radix(size.trim_end(), 16).unwrap();
            self.exactly(size, into)?;
            let mut end = Vec::new();
            self.exactly(2, &mut end)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether there is a `Content-Digest` and the body is what it says.
    pub(crate) fn is_intact(&self) -> bool {
        let Some(field) = self.field("content-digest") else { return false };
        let expected = Expected::parse([field.as_bytes()]).unwrap();
        !expected.is_none() && expected.verify(&self.body).is_ok()
    }
}
