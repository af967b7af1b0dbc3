//! One connection's TLS, between its socket and whoever reads and writes it.
//!
//! ```text
//! socket ──records──▶ decrypted, `waiting` for poll_fill
//! socket ◀──records── encrypted, `held` until they are out ◀── poll_send
//! ```
//! Decrypted bytes wait in here where no event of the socket tells of them, so whoever asks whether there is something to
//! read asks this first. Bytes that have been encrypted cannot be taken back: they count as sent only when their records
//! are with the kernel, and whoever sends calls again with the same bytes until then.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use evenkeel_message::client_cert;
use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, ServerConnection};

use super::certificates;
use super::clients::ClientRefusal;
use super::server::Terms;
use super::sockets::Socket;
use super::{TlsClient, TlsFailure, TlsName, TlsServer};
use crate::tcp::Tcp;
use crate::{Buffer, Idleness};

/// The most bytes that are encrypted before the socket has taken them: four records of the largest size.
const MOST_HELD: usize = 64 * 1024;

/// How often an idle connection is read from when it is asked for, at most: a server that has so much to say about TLS alone
/// (a read takes in 4 KiB or more) has something else in mind.
const MOST_IDLE_READS: usize = 16;

/// The most bytes of a client's handshake that are taken in. A hello of today has less than 2 KiB, and the longest chain of certificates
/// that servers could be told of (`client_cert::LARGEST`) 12 KiB; rustls alone would hold 64 KiB for a message of each connection.
const MOST_IN_HANDSHAKE: usize = 32 * 1024;

/// How a handshake came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// TLS 1.3, and not 1.2.
    pub is_tls13: bool,
    /// Whether it went on from an earlier one.
    pub is_resumed: bool,
}

/// Why there was no handshake.
#[derive(Debug)]
pub enum HandshakeFailure {
    /// The client went away before it was complete.
    Gone,
    /// What the client sent is no handshake, or none that both understand.
    Refused(String),
    /// Its certificate is not what is asked for.
    Client(ClientRefusal),
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the client went away"),
            Self::Refused(why) => f.write_str(why),
            Self::Client(why) => write!(f, "{why}"),
        }
    }
}

/// The state of TLS on one connection.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    /// What was received before it was known to be TLS.
    early: Vec<u8>,
    /// How many bytes more the handshake may have.
    room: usize,
    /// Decrypted bytes that nobody has read yet.
    waiting: usize,
    /// Bytes that are encrypted and not yet all with the kernel.
    held: usize,
    /// Bytes of records that the kernel took since somebody was told.
    taken: usize,
    /// How the other side's input ended, once it has.
    ended: Option<Ended>,
    is_parted: bool,
    /// Whether what came was not in order.
    is_broken: bool,
    /// What servers are told of the client's certificate: lines of fields.
    client_cert: Vec<u8>,
    /// The version of the terms by which the client was verified.
    verified: u64,
    /// The names of the certificate that the client asked for by one of them.
    names: Option<Arc<[String]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It said so (RFC 8446 §6.1).
    InOrder,
    /// Its socket ended, or somebody ended it.
    CutOff,
}

/// What ended a session that should have gone on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// What the socket said.
    Socket(io::Error),
    /// What TLS said.
    Tls(rustls::Error),
    /// It has begun with more than is taken in.
    TooLong,
}

impl Broken {
    const TOO_LONG: &str = "the handshake is too long";
}

impl From<Broken> for HandshakeFailure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Socket(_) => Self::Gone,
            Broken::Tls(error) => match ClientRefusal::of(&error) {
                Some(refusal) => Self::Client(refusal),
                None => Self::Refused(error.to_string()),
            },
            Broken::TooLong => Self::Refused(Broken::TOO_LONG.to_owned()),
        }
    }
}

impl From<Broken> for TlsFailure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Socket(_) => Self::CutOff,
            Broken::Tls(error) => error.into(),
            Broken::TooLong => Self::Refused(Broken::TOO_LONG.to_owned()),
        }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Socket(error) => error,
            broken => Self::new(io::ErrorKind::InvalidData, TlsFailure::from(broken)),
        }
    }
}

impl Session {
    /// With a client; `early` is what was received of it already.
    pub(crate) fn accepting(terms: &Terms, early: &[u8]) -> Result<Self, Broken> {
        let connection = ServerConnection::new(terms.configuration.clone()).map_err(Broken::Tls)?;
        Ok(Self::over(connection.into(), early.to_vec(), MOST_IN_HANDSHAKE))
    }

    /// With a server that has to be who is called so.
    pub(crate) fn connecting(client: &TlsClient, name: &TlsName) -> Result<Self, Broken> {
        let connection = client.connection(name).map_err(Broken::Tls)?;
        Ok(Self::over(connection.into(), Vec::new(), usize::MAX))
    }

    fn over(mut connection: Connection, early: Vec<u8>, room: usize) -> Self {
        connection.set_buffer_limit(Some(MOST_HELD));
        Self {
            connection,
            early,
            room,
            waiting: 0,
            held: 0,
            taken: 0,
            ended: None,
            is_parted: false,
            is_broken: false,
            client_cert: Vec::new(),
            verified: 0,
            names: None,
        }
    }

    pub(crate) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        tcp: &mut Tcp,
    ) -> Poll<Result<Handshake, Broken>> {
        loop {
            ready!(self.poll_flush(cx, tcp)).map_err(Broken::Socket)?;
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(Handshake {
                    is_tls13: self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3),
                    is_resumed: self.connection.handshake_kind() == Some(HandshakeKind::Resumed),
                }));
            }
            let count = ready!(self.poll_receive(cx, tcp))?;
            self.room = self.room.saturating_sub(count);
            if self.room == 0 && self.connection.is_handshaking() {
                return Poll::Ready(Err(Broken::TooLong));
            }
            if self.ended.is_some() && self.connection.is_handshaking() {
                return Poll::Ready(Err(Broken::Socket(io::ErrorKind::UnexpectedEof.into())));
            }
        }
    }

    /// Takes in whom the client has asked for, and which certificate it has shown, in a handshake on `terms`.
    pub(crate) fn identify(
        &mut self,
        server: &TlsServer,
        terms: &Arc<Terms>,
        handshake: Handshake,
    ) -> Result<(), HandshakeFailure> {
        if let Connection::Server(connection) = &self.connection {
            self.names = connection.server_name().and_then(|host| server.names_beside(host));
        }
        let Some(chain) = self.connection.peer_certificates() else { return Ok(()) };
        if handshake.is_resumed {
            server.check_resumed(terms, chain).map_err(HandshakeFailure::Client)?;
        }
        let lines = client_cert::lines(chain.iter().map(AsRef::as_ref));
        // No server would take a head with it, and without it none would know who it is.
        self.client_cert = lines.ok_or(HandshakeFailure::Client(ClientRefusal::Invalid))?;
        self.verified = terms.version;
        Ok(())
    }

    /// Whether the certificate that the client has asked for by a name is for this host as well. True where it has named none, or one
    /// that there is no certificate for: it knows then whom it speaks to, or does not care.
    pub(crate) fn covers(&self, host: &[u8]) -> bool {
        self.names.as_ref().is_none_or(|names| certificates::is_for(names, host))
    }

    /// Whether a client that has shown a certificate would be refused for it now.
    pub(crate) fn is_disowned(&mut self, server: &TlsServer) -> bool {
        if self.client_cert.is_empty() {
            return false;
        }
        let chain = self.connection.peer_certificates().unwrap_or_default();
        match server.check_again(self.verified, chain) {
            Ok(version) => {
                self.verified = version;
                false
            }
            Err(_) => true,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(crate) fn client_cert(&self) -> &[u8] {
        &self.client_cert
    }

    /// The certificate that the other side has shown, now or in the handshake that this one goes on from.
    pub(crate) fn shown(&self) -> Option<&CertificateDer<'static>> {
        self.connection.peer_certificates()?.first()
    }

    /// What has become of an idle connection to a server, whose `socket` is read from without waiting. What TLS says for itself
    /// (tickets, new keys) is taken in and answered here.
    pub(crate) fn idleness(&mut self, mut socket: impl Read + Write) -> Idleness {
        for _ in 0..MOST_IDLE_READS {
            if self.waiting > 0 {
                return Idleness::Unasked;
            }
            if self.ended.is_some() || self.is_parted {
                return Idleness::Closed;
            }
            let read = self.connection.read_tls(&mut socket);
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Idleness::Quiet,
                Err(_) => {
                    self.ended = Some(Ended::CutOff);
                    return Idleness::Closed;
                }
                Ok(count) => {
                    let taken_in = self.take_in(count);
                    self.flush_now(&mut socket);
                    if taken_in.is_err() {
                        return Idleness::Closed;
                    }
                }
            }
        }
        Idleness::Unasked
    }

    #[inline(never)]
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        tcp: &mut Tcp,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.waiting > 0 {
                let count = self.connection.reader().read(buffer.free_mut())?;
                self.waiting = self.waiting.saturating_sub(count);
                buffer.advance(count);
                return Poll::Ready(Ok(count));
            }
            match self.ended {
                Some(Ended::InOrder) => return Poll::Ready(Ok(0)),
                Some(Ended::CutOff) if self.is_broken => {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Some(Ended::CutOff) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                None => {}
            }
            // A change of keys that the client wants is answered though nothing else is to be said. It need not be out to go on.
            // Nor need it be possible: who takes nothing any more may have answered before.
            let _ = self.poll_flush(cx, tcp);
            ready!(self.poll_receive(cx, tcp))?;
        }
    }

    #[inline(never)]
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        tcp: &mut Tcp,
        head: &[u8],
        body: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        let total = head.len() + body.len();
        if self.held == 0 {
            // The kernel has taken what TLS had to say for itself, and nothing of this.
            self.taken = 0;
        }
        loop {
            let from = *sent + self.held;
            if from < total {
                let mut writer = self.connection.writer();
                // Head and body go into one record where they fit.
                self.held += match from.checked_sub(head.len()) {
                    Some(from) => writer.write(&body[from..])?,
                    None => writer.write_vectored(&[IoSlice::new(&head[from..]), IoSlice::new(body)])?,
                };
            }
            let flushed = self.poll_flush(cx, tcp);
            let taken = std::mem::take(&mut self.taken);
            match flushed {
                Poll::Ready(Ok(())) => {
                    *sent = total.min(*sent + std::mem::take(&mut self.held));
                    if *sent == total {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => {
                    // Whoever asks whether the other side may have got something is told that it may.
                    *sent += taken.min(self.held);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    // Progress is told as it is made. The last byte is out when all of its record is, and its record is longer.
                    let out = taken.min(self.held.saturating_sub(1));
                    self.held -= out;
                    *sent += out;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Says that nothing more will be sent (RFC 8446 §6.1).
    pub(crate) fn poll_part(&mut self, cx: &mut Context<'_>, tcp: &mut Tcp) -> Poll<io::Result<()>> {
        self.say_so();
        self.poll_flush(cx, tcp)
    }

    /// The same, as far as the socket takes it at once.
    pub(crate) fn part_now(&mut self, mut socket: impl Write) {
        self.say_so();
        self.flush_now(&mut socket);
    }

    fn flush_now(&mut self, socket: &mut impl Write) {
        while self.connection.wants_write() && self.connection.write_tls(socket).is_ok_and(|count| count > 0)
        {
        }
    }

    fn say_so(&mut self) {
        if !self.is_parted {
            self.is_parted = true;
            self.connection.send_close_notify();
        }
    }

    /// From now on nothing is said any more: what was sent must not look whole.
    pub(crate) fn break_off(&mut self) {
        self.is_parted = true;
    }

    /// Ready when all that is encrypted is with the kernel.
    fn poll_flush(&mut self, cx: &mut Context<'_>, tcp: &mut Tcp) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket { cx, tcp }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in what has come, at most once from the socket. How many bytes that were.
    fn poll_receive(&mut self, cx: &mut Context<'_>, tcp: &mut Tcp) -> Poll<Result<usize, Broken>> {
        let read = if self.early.is_empty() {
            self.connection.read_tls(&mut Socket { cx, tcp })
        } else {
            let mut early = &self.early[..];
            let read = self.connection.read_tls(&mut early);
            let left = early.len();
            self.early.drain(..self.early.len() - left);
            if self.early.is_empty() {
                self.early = Vec::new();
            }
            read
        };
        match read {
            Ok(count) => {
                let taken_in = self.take_in(count);
                if taken_in.is_err() {
                    // Why, as an alert.
                    let _ = self.poll_flush(cx, tcp);
                }
                Poll::Ready(taken_in.map(|()| count).map_err(Broken::Tls))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(Broken::Socket(error))),
        }
    }

    /// Understands what has been read, of which there were so many bytes.
    fn take_in(&mut self, count: usize) -> Result<(), rustls::Error> {
        if count == 0 {
            self.ended = Some(Ended::CutOff);
        }
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.waiting = state.plaintext_bytes_to_read();
                if state.peer_has_closed() {
                    self.ended = Some(Ended::InOrder);
                }
                Ok(())
            }
            Err(error) => {
                self.is_parted = true;
                self.is_broken = true;
                // Whoever reads next must not wait for more where this was said to somebody who only asked for the state.
                self.ended = Some(Ended::CutOff);
                Err(error)
            }
        }
    }
}
