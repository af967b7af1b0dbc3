//! An HTTP origin that answers as a test says, mistakes included, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which connection it came on, in the order of accepting.
    pub(crate) connection: usize,
    /// Method and target.
    pub(crate) line: String,
    /// The fields, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The first field of this name (lower case).
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// What the origin does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Sends these bytes and waits for the next request.
    Send(Vec<u8>),
    /// Sends these bytes and closes.
    Close(Vec<u8>),
    /// Sends these bytes and nothing more until the client gives up.
    Hang(Vec<u8>),
}

impl Reply {
    /// A whole response with these extra field lines.
    pub(crate) fn whole(status: u16, fields: &str, body: &[u8]) -> Self {
        Self::Send(response(status, fields, body.len(), body))
    }
}

/// A response that announces `length` bytes and has `body`.
pub(crate) fn response(status: u16, fields: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Word\r\nContent-Length: {length}\r\n{fields}\r\n");
    [head.as_bytes(), body].concat()
}

/// A listening origin; it lives until the test's process ends.
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Origin {
    /// Answers every request with what `reply` says.
    pub(crate) fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None::<fn(usize) -> Arc<ServerConfig>>, reply)
    }

    /// The same over TLS, on each connection as `tls` says of its number.
    pub(crate) fn start_secure(
        tls: impl Fn(usize) -> Arc<ServerConfig> + Send + 'static,
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Some(tls), reply)
    }

    fn start_with(
        tls: Option<impl Fn(usize) -> Arc<ServerConfig> + Send + 'static>,
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reply, log) = (Arc::new(reply), Arc::clone(&seen));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
                // A client that goes away ends its own connection only.
                let tls = tls.as_ref().map(|tls| ServerConnection::new(tls(connection)).unwrap());
                thread::spawn(move || match tls {
                    None => serve(connection, &stream.unwrap(), &log, &*reply),
                    Some(tls) => serve(connection, StreamOwned::new(tls, stream.unwrap()), &log, &*reply),
                });
            }
        });
        Self { address, seen }
    }

    /// All requests of runs so far, without those that ask for readiness.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.field("x-evenkeel-run").is_some()).cloned().collect()
    }
}

fn serve(
    connection: usize,
    stream: impl Read + Write,
    log: &Mutex<Vec<Seen>>,
    reply: &dyn Fn(&Seen) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(connection, &mut reader)? {
        log.lock().unwrap().push(request.clone());
        match reply(&request) {
            Reply::Send(bytes) => reader.get_mut().write_all(&bytes)?,
            Reply::Close(bytes) => return reader.get_mut().write_all(&bytes),
            Reply::Hang(bytes) => {
                reader.get_mut().write_all(&bytes)?;
                return reader.read_to_end(&mut Vec::new()).map(|_| ());
            }
        }
    }
    Ok(())
}

fn read(connection: usize, reader: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut fields = Vec::new();
    loop {
        let mut field = String::new();
        reader.read_line(&mut field)?;
        let Some((name, value)) = field.trim_end().split_once(':') else { break };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        connection,
        line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        fields,
        body: Vec::new(),
    };
    let length = seen.field("content-length").map_or(0, |length| length.parse().unwrap());
    seen.body.resize(length, 0);
    reader.read_exact(&mut seen.body)?;
    Ok(Some(seen))
}
