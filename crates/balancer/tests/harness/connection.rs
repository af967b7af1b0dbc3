//! One TCP connection in the hands of a test, at the client's end or at a server's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;

use super::PATIENCE;
use super::message::{Head, Message};
use super::transport::{Parting, Transport};

/// A connection whose every read and write ends within [`PATIENCE`].
pub(crate) struct Connection {
    stream: Transport,
    unread: Vec<u8>,
}

/// How the other side ended the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order (FIN).
    Closed,
    /// By force (RST).
    Reset,
}

impl Connection {
    /// Connects.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect_timeout(&address, PATIENCE).unwrap())
    }

    /// Takes over a stream.
    pub(crate) fn of(stream: TcpStream) -> Self {
        bound(&stream);
        Self { stream: Transport::Plain(stream), unread: Vec::new() }
    }

    /// Takes over a stream that a server has accepted, and shakes hands on it.
    pub(crate) fn secured(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        bound(&stream);
        Ok(Self { stream: Transport::secured(stream, config)?, unread: Vec::new() })
    }

    /// What TLS knows of it, at a server's end.
    pub(crate) fn tls(&mut self) -> &mut ServerConnection {
        self.stream.tls()
    }

    /// Sends what TLS has to say for itself.
    pub(crate) fn flush(&mut self) -> &mut Self {
        self.stream.flush().unwrap();
        self
    }

    /// Says that nothing more will be sent with TLS alone (`close_notify`), or with TCP alone (FIN).
    pub(crate) fn part(&mut self, how: Parting) -> &mut Self {
        self.stream.part(how);
        self
    }

    /// This end's address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.tcp().local_addr().unwrap()
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
        self
    }

    /// Sends until all is out, or the other side takes no more within its deadline: says whether all went out.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends as much of it as is taken at once, and says how much that is; `None` when the connection has ended.
    pub(crate) fn send_some(&mut self, bytes: &[u8]) -> Option<usize> {
        self.stream.tcp().set_nonblocking(true).unwrap();
        let sent = match self.stream.write(bytes) {
            Ok(sent) => Some(sent),
            Err(error) => (error.kind() == ErrorKind::WouldBlock).then_some(0),
        };
        self.stream.tcp().set_nonblocking(false).unwrap();
        sent
    }

    /// Whether one of them takes more bytes, or ends, within `time`.
    pub(crate) fn one_takes_more<'a>(them: impl Iterator<Item = &'a Self>, time: Duration) -> bool {
        let mut them: Vec<_> =
            them.map(|connection| PollFd::new(connection.stream.tcp(), PollFlags::OUT)).collect();
        !them.is_empty() && poll(&mut them, Some(&time.try_into().unwrap())).unwrap() > 0
    }

    /// Says that nothing more will be sent (FIN).
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.stream.finish();
        self
    }

    /// Ends the connection by force (RST).
    pub(crate) fn reset(self) {
        SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Makes the kernel take in little of what this end does not read.
    pub(crate) fn narrow(self) -> Self {
        SockRef::from(self.stream.tcp()).set_recv_buffer_size(4096).unwrap();
        self
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> Head {
        Head::new(&self.through(b"\r\n\r\n"))
    }

    /// The next head with its body, as the head frames it. What has neither length nor coding is empty, or, in a response
    /// that may have a body, goes on to the end.
    pub(crate) fn message(&mut self) -> Message {
        let head = self.head();
        let (mut body, mut trailers) = (Vec::new(), String::new());
        let is_response = head.line().starts_with("HTTP/");
        if is_response && matches!(head.status(), 100..=199 | 204 | 304) {
        } else if head.field("transfer-encoding").is_some() {
            (body, trailers) = self.chunked();
        } else if let Some(length) = head.field("content-length") {
            body = self.exactly(length.parse().unwrap());
        } else if is_response {
            body = self.closed();
        }
        Message { head, body, trailers }
    }

    /// The next so many bytes.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            self.read_or_fail();
        }
        self.unread.drain(..count).collect()
    }

    /// Takes up to so many bytes and forgets them. False when the other side has ended the connection by force.
    pub(crate) fn take(&mut self, count: usize) -> bool {
        match self.stream.read(&mut vec![0; count]) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing could be taken: {error}; {self:?}"),
        }
    }

    /// Bytes up to and including `end`.
    pub(crate) fn through(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.unread.windows(end.len()).position(|window| window == end);
            match found {
                Some(at) => return self.unread.drain(..at + end.len()).collect(),
                None => self.read_or_fail(),
            }
        }
    }

    /// A chunked body to its end: the data, and the trailer lines.
    pub(crate) fn chunked(&mut self) -> (Vec<u8>, String) {
        let mut data = Vec::new();
        loop {
            let line = String::from_utf8(self.through(b"\r\n")).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            if size == 0 {
                break;
            }
            data.extend(self.exactly(size));
            assert_eq!(self.exactly(2), b"\r\n");
        }
        let mut trailers = String::new();
        loop {
            match String::from_utf8(self.through(b"\r\n")).unwrap() {
                line if line == "\r\n" => return (data, trailers),
                line => trailers.push_str(&line),
            }
        }
    }

    /// What comes until the other side ends the connection, and how it does.
    pub(crate) fn end(&mut self) -> (Vec<u8>, End) {
        loop {
            match self.read() {
                Ok(0) => return (std::mem::take(&mut self.unread), End::Closed),
                Ok(_) => {}
                Err(ErrorKind::ConnectionReset) => return (std::mem::take(&mut self.unread), End::Reset),
                Err(kind) => panic!("the connection did not end: {kind}; {self:?}"),
            }
        }
    }

    /// What comes until the other side closes in order.
    pub(crate) fn closed(&mut self) -> Vec<u8> {
        let (rest, end) = self.end();
        assert_eq!(end, End::Closed, "after {:?}", String::from_utf8_lossy(&rest));
        rest
    }

    /// What comes until the other side ends the connection by force.
    pub(crate) fn reset_by_peer(&mut self) -> Vec<u8> {
        let (rest, end) = self.end();
        assert_eq!(end, End::Reset, "after {:?}", String::from_utf8_lossy(&rest));
        rest
    }

    /// Whether the other side has nothing to say and has ended, or waits for nothing but the end: of a probe.
    pub(crate) fn is_over(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.read(), Ok(0) | Err(ErrorKind::ConnectionReset))
    }

    /// Whether nothing comes for `time`, and the connection stays open.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_timeout(time);
        let read = self.read();
        self.stream.set_timeout(PATIENCE);
        self.unread.is_empty() && matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn read_or_fail(&mut self) {
        match self.read() {
            Ok(count) if count > 0 => {}
            result => panic!("the rest did not come: {result:?}; {self:?}"),
        }
    }

    fn read(&mut self) -> Result<usize, ErrorKind> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece).map_err(|error| error.kind())?;
        self.unread.extend_from_slice(&piece[..count]);
        Ok(count)
    }
}

fn bound(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} unread", String::from_utf8_lossy(&self.unread))
    }
}
