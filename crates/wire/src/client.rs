//! A whole client connection: one exchange after the other, each phase a call of its own so that the caller can
//! time it, each kind of failure told apart, and a truncated body never taken for a complete one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_http1::Outbound;
use evenkeel_message::{Limits, Method, ResponseError, ResponseHead};

use crate::tls::TlsFailure;
use crate::{Buffer, ConnectError, Idleness, Stream, connect};

/// A connection to a server, for one exchange at a time.
#[derive(Debug)]
pub struct ClientConnection {
    stream: Stream,
    received: Buffer,
    machine: Outbound,
    head: ResponseHead,
    /// The bytes of the head last received: its fields are looked up while the body comes in.
    head_bytes: Vec<u8>,
    /// How many bytes of `received` the piece handed out last takes: consumed with the next call.
    handed_out: usize,
    limits: Limits,
    ended: bool,
}

/// Why no complete response came.
#[derive(Debug)]
pub enum ResponseFailure {
    /// The connection ended before the first byte of a response: a kept connection may have been closed while idle.
    Closed,
    /// The connection was reset, or failed otherwise.
    Reset(io::Error),
    /// The body ended before its length, its last chunk or in a reset.
    Truncated,
    /// What came is not an HTTP/1.1 response.
    Malformed(ResponseError),
    /// The server refused to go on over TLS.
    Tls(TlsFailure),
}

impl std::fmt::Display for ResponseFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed before a response"),
            Self::Reset(error) => write!(f, "connection lost: {error}"),
            Self::Truncated => f.write_str("truncated"),
            Self::Malformed(error) => write!(f, "malformed response: {error}"),
            Self::Tls(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for ResponseFailure {}

impl ClientConnection {
    /// Connects to `address` within `timeout`.
    pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<Self, ConnectError> {
        Ok(Self::new(connect(address, timeout).await?))
    }

    /// Takes over a stream that is connected.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            received: Buffer::default(),
            machine: Outbound::new(),
            head: ResponseHead::new(),
            head_bytes: Vec::new(),
            handed_out: 0,
            limits: Limits::default(),
            ended: true,
        }
    }

    /// Sends a whole request: `head` as it goes on the wire, the empty line included, then `body`, framed as the head says.
    pub async fn send(&mut self, method: Method, head: &[u8], body: &[u8]) -> io::Result<()> {
        self.machine.begin(method, None);
        self.ended = false;
        let mut sent = 0;
        poll_fn(|cx| self.stream.poll_send(cx, head, body, &mut sent)).await
    }

    /// Sends more of a request's body, framed by the caller.
    pub async fn send_more(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        poll_fn(|cx| self.stream.poll_send(cx, bytes, &[], &mut sent)).await
    }

    /// Waits for the head of the final response; interim ones (1xx) are passed over.
    pub async fn response(&mut self) -> Result<&ResponseHead, ResponseFailure> {
        loop {
            let head = self.machine.head(self.received.filled(), &mut self.head, &self.limits);
            if let Some(length) = head.map_err(ResponseFailure::Malformed)? {
                self.head_bytes.clear();
                self.head_bytes.extend_from_slice(&self.received.filled()[..length]);
                self.received.consume(length);
                if !self.head.is_informational() {
                    return Ok(&self.head);
                }
            } else {
                match self.fill().await {
                    Ok(0) => return Err(self.ended_early()),
                    Ok(_) => {}
                    // Without a word of parting, which TLS has (RFC 8446 §6.1): between messages that is an end like any other.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(self.ended_early());
                    }
                    Err(error) => {
                        let refused = TlsFailure::of(&error).cloned();
                        return Err(refused.map_or(ResponseFailure::Reset(error), ResponseFailure::Tls));
                    }
                }
            }
        }
    }

    fn ended_early(&self) -> ResponseFailure {
        if self.received.is_empty() { ResponseFailure::Closed } else { ResponseFailure::Truncated }
    }

    /// The first field of the response's head with this name (lower case).
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.head.field(&self.head_bytes, name)
    }

    /// The response's head as it was received.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }

    /// Waits for the next piece of the response's body; `None` when it is complete.
    pub async fn piece(&mut self) -> Result<Option<&[u8]>, ResponseFailure> {
        self.received.consume(std::mem::take(&mut self.handed_out));
        loop {
            if self.ended {
                return Ok(None);
            }
            let piece = self
                .machine
                .body(self.received.filled(), &self.limits)
                .map_err(ResponseFailure::Malformed)?;
            self.ended = piece.end;
            if !piece.data.is_empty() {
                self.handed_out = piece.consumed;
                return Ok(Some(&self.received.filled()[piece.data]));
            }
            self.received.consume(piece.consumed);
            if piece.end || piece.consumed > 0 {
                continue;
            }
            match self.fill().await {
                Ok(0) => {
                    self.machine.end_of_input().map_err(|_| ResponseFailure::Truncated)?;
                    self.ended = true;
                }
                Ok(_) => {}
                Err(_) => return Err(ResponseFailure::Truncated),
            }
        }
    }

    /// Waits for the rest of the body, of at most `limit` bytes, and appends it to `body`.
    pub async fn rest(&mut self, body: &mut Vec<u8>, limit: usize) -> Result<(), ResponseFailure> {
        while let Some(piece) = self.piece().await? {
            let room = limit.saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok(())
    }

    /// The trailer lines of a complete chunked response.
    pub fn trailers(&self) -> &[u8] {
        self.machine.trailers()
    }

    /// Whether another exchange may follow on this connection. Ask after the body is complete.
    pub fn reusable(&mut self) -> bool {
        self.ended
            && self.machine.reusable(self.received.len() - self.handed_out)
            && self.stream.idleness() == Idleness::Quiet
    }

    /// The stream and what was received beyond the last message, for a protocol that takes over (RFC 9110 §7.8).
    pub fn into_parts(self) -> (Stream, Buffer) {
        (self.stream, self.received)
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.received.reserve((self.received.len() * 2).max(Buffer::ORDINARY));
        poll_fn(|cx| self.stream.poll_fill(cx, &mut self.received)).await
    }
}
