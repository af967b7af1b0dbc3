//! A TCP connection with the few operations that an HTTP/1.1 connection needs, in `poll` form so that one task can
//! wait for several of them at once.

use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;

use crate::tcp::Tcp;
use crate::tls::{
    AtOnce, AtOnceAsOfNow, Handshake, HandshakeFailure, Session, Socket, TlsClient, TlsFailure, TlsName,
    TlsServer, still_holds,
};
use crate::{Buffer, Pipe};

/// A connected TCP stream with Nagle's algorithm off, with or without TLS on it.
#[derive(Debug)]
pub struct Stream {
    tcp: Tcp,
    /// Boxed, because it is large and most streams have none.
    tls: Option<Box<Session>>,
}

/// A stream that is kept outside the runtime while nothing happens on it.
#[derive(Debug)]
pub struct Resting {
    tcp: std::net::TcpStream,
    tls: Option<Box<Session>>,
}

impl AsFd for Resting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

impl Resting {
    /// Closes it, in order as far as that takes no waiting.
    pub fn close(self) {
        if let Some(mut session) = self.tls {
            session.part_now(&self.tcp);
        }
    }
}

/// What an idle connection has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idleness {
    /// Nothing: it may be used.
    Quiet,
    /// The other side has closed or reset it.
    Closed,
    /// Bytes came that nobody asked for: whatever they are, they answer no request of ours (RFC 9112 §9.2).
    Unasked,
}

impl Stream {
    /// A connection that was just opened, without TLS.
    pub(crate) fn opened(tcp: tokio::net::TcpStream) -> Self {
        Self { tcp: Tcp::Watched(tcp), tls: None }
    }

    /// Takes over a stream that does not block, from a listener that has Nagle's algorithm off, which it inherits. The runtime
    /// hears of it when it first has to be waited for.
    pub fn accepted(tcp: std::net::TcpStream) -> Self {
        Self { tcp: Tcp::Unwatched(tcp), tls: None }
    }

    /// The socket itself, of a stream without TLS.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.tls {
            None => self.tcp.into_std(),
            Some(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Puts it outside the runtime. What has been received, or is on its way out, must have been dealt with.
    pub fn rest(self) -> io::Result<Resting> {
        Ok(Resting { tcp: self.tcp.into_std()?, tls: self.tls })
    }

    /// Takes it up again.
    pub fn resume(resting: Resting) -> Self {
        Self { tcp: Tcp::Unwatched(resting.tcp), tls: resting.tls }
    }

    /// Whether the runtime watches it: where it does not, nobody is told what comes.
    pub fn is_watched(&self) -> bool {
        self.tcp.is_watched()
    }

    /// Has the runtime watch it.
    ///
    /// # Errors
    /// When the process has no memory or no descriptor left for that: the stream is closed then.
    pub fn watch(&mut self) -> io::Result<()> {
        self.tcp.watch().map(|_| ())
    }

    /// Speaks TLS from here on; `early` are the first bytes of it that have been read already.
    ///
    /// Takes as long as the client does: who calls this bounds it.
    pub async fn secure(&mut self, server: &TlsServer, early: &[u8]) -> Result<Handshake, HandshakeFailure> {
        let terms = server.terms();
        let mut session = Box::new(Session::accepting(&terms, early)?);
        let handshake = std::future::poll_fn(|cx| session.poll_handshake(cx, &mut self.tcp)).await?;
        session.identify(server, &terms, handshake)?;
        self.tls = Some(session);
        Ok(handshake)
    }

    /// Speaks TLS from here on with a server, which has to be who is called `name`.
    ///
    /// Takes as long as the server does: who calls this bounds it.
    pub async fn secure_to(&mut self, client: &TlsClient, name: &TlsName) -> Result<Handshake, TlsFailure> {
        let mut session = Box::new(Session::connecting(client, name)?);
        let handshake = std::future::poll_fn(|cx| session.poll_handshake(cx, &mut self.tcp)).await?;
        if handshake.is_resumed {
            session.shown().map_or(Ok(()), still_holds)?;
        }
        self.tls = Some(session);
        Ok(handshake)
    }

    /// Whether it speaks TLS.
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether TLS has ended it, for what the other side has sent since the handshake.
    pub fn is_broken(&self) -> bool {
        self.tls.as_ref().is_some_and(|session| session.is_broken())
    }

    /// Which certificate the other side has shown, as lines of fields for servers (RFC 9440); empty where none.
    pub fn client_cert(&self) -> &[u8] {
        self.tls.as_ref().map_or(b"", |session| session.client_cert())
    }

    /// Whether this host may be asked for on it: over TLS, where the client has asked for a certificate by a name that it is for, one
    /// that the same certificate is for (RFC 9110 §7.4). `host` without a port.
    pub fn covers(&self, host: &[u8]) -> bool {
        self.tls.as_ref().is_none_or(|session| session.covers(host))
    }

    /// Whether the client has shown a certificate for which it would be refused now: authorities or lists have changed since.
    pub fn is_disowned(&mut self, server: &TlsServer) -> bool {
        self.tls.as_mut().is_some_and(|session| session.is_disowned(server))
    }

    /// The address of the other side, if it is still known.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }

    /// This side's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Reads what is there, once, into the free part of `buffer`; 0 is the end of input.
    ///
    /// A read that fills less than the free part costs one system call: the readiness is known to be used up.
    ///
    /// # Panics
    /// When `buffer` has no free part: reserve first, or every read would look like the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        assert!(buffer.free() > 0, "no room to read into");
        if let Some(session) = &mut self.tls {
            return session.poll_fill(cx, &mut self.tcp, buffer);
        }
        let count = ready!(self.tcp.poll_read(cx, buffer.free_mut()))?;
        buffer.advance(count);
        Poll::Ready(Ok(count))
    }

    /// The same for who waits for nothing: plain bytes are read as far as the runtime knows of some, without asking it to wake anybody.
    ///
    /// It counts against no budget: who has not been woken between two of these has to yield elsewhere.
    ///
    /// # Panics
    /// As [`Stream::poll_fill`].
    pub fn poll_fill_at_once(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        assert!(buffer.free() > 0, "no room to read into");
        if self.tls.is_some() {
            return self.poll_fill(cx, buffer);
        }
        match self.tcp.try_read(buffer.free_mut()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => {
                let count = done?;
                buffer.advance(count);
                Poll::Ready(Ok(count))
            }
        }
    }

    /// Writes `head` and then `body`, of which the first `sent` bytes together are already out, in one vectored call where it can.
    /// Ready when everything is out; `sent` tells how far it came otherwise, and what follows there must be the same when this is
    /// called again: over TLS some of it may be encrypted already.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        if let Some(session) = &mut self.tls {
            return session.poll_send(cx, &mut self.tcp, head, body, sent);
        }
        let total = head.len() + body.len();
        while *sent < total {
            let written = if *sent >= head.len() {
                ready!(self.tcp.poll_write(cx, &body[*sent - head.len()..]))?
            } else if body.is_empty() {
                ready!(self.tcp.poll_write(cx, &head[*sent..]))?
            } else {
                let slices = [IoSlice::new(&head[*sent..]), IoSlice::new(body)];
                ready!(self.tcp.poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += written;
        }
        Poll::Ready(Ok(()))
    }

    /// The same for the last that is sent on this stream. Without TLS the end (FIN) goes with it, in the same segment: that saves
    /// one, which costs both sides about as much as a short response. With TLS the end is still to be said.
    pub fn poll_send_last(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        if self.is_secured() {
            return self.poll_send(cx, head, body, sent);
        }
        while *sent < head.len() + body.len() {
            let written = if *sent >= head.len() {
                self.tcp.poll_write_held(cx, &[IoSlice::new(&body[*sent - head.len()..])])
            } else if body.is_empty() {
                self.tcp.poll_write_held(cx, &[IoSlice::new(&head[*sent..])])
            } else {
                self.tcp.poll_write_held(cx, &[IoSlice::new(&head[*sent..]), IoSlice::new(body)])
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *sent += written,
            }
        }
        // Closing alone would send the end as well, but instead of what is held back where the client has sent what nobody has read.
        // This fails where the client has gone, which is no news.
        let _ = self.tcp.finish();
        Poll::Ready(Ok(()))
    }

    /// Puts what has been received into an empty pipe, up to `most` bytes; 0 is the end of input. Of a stream without TLS.
    pub fn poll_fill_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        self.tcp.poll_io(cx, Interest::READABLE, |socket| pipe.take_from(socket, most))
    }

    /// Sends all that is in the pipe. Ready when everything is out; `sent` grows by what has gone. Of a stream without TLS.
    pub fn poll_send_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        debug_assert!(!self.is_secured(), "what is not encrypted must not go out");
        while !pipe.is_empty() {
            match ready!(self.tcp.poll_io(cx, Interest::WRITABLE, |socket| pipe.give_to(socket)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *sent += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when an idle connection is no longer idle: closed, reset, or bytes that nobody asked for. What TLS says for itself
    /// (tickets, new keys) is taken in, and disturbs nobody.
    pub fn poll_disturbed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.tls {
            None => self.tcp.poll_read_ready(cx).map(|_| ()),
            Some(session) => match session.idleness(Socket { cx, tcp: &mut self.tcp }) {
                Idleness::Quiet => Poll::Pending,
                Idleness::Closed | Idleness::Unasked => Poll::Ready(()),
            },
        }
    }

    /// What has become of an idle connection, as far as the runtime knows: that costs no system call where nothing has
    /// happened, and what happened since it last looked shows itself in the next exchange.
    pub fn idleness(&mut self) -> Idleness {
        if let Some(session) = &mut self.tls {
            return session.idleness(AtOnce(&self.tcp));
        }
        let mut byte = [0_u8; 1];
        match self.tcp.try_read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Idleness::Quiet,
            Ok(0) | Err(_) => Idleness::Closed,
            Ok(_) => Idleness::Unasked,
        }
    }

    /// The same as the kernel knows it at this moment, for a system call: for what cannot be sent a second time.
    pub fn idleness_now(&mut self) -> Idleness {
        if let Some(session) = &mut self.tls {
            return session.idleness(AtOnceAsOfNow(&self.tcp));
        }
        let mut byte = [MaybeUninit::<u8>::uninit()];
        match self.tcp.socket().and_then(|socket| SockRef::from(&socket).peek(&mut byte)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Idleness::Quiet,
            Ok(0) | Err(_) => Idleness::Closed,
            Ok(_) => Idleness::Unasked,
        }
    }

    /// Says that nothing more will be sent (FIN, and over TLS `close_notify` before it), while the other side may go on.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(session) = &mut self.tls {
            ready!(session.poll_part(cx, &mut self.tcp))?;
        }
        Poll::Ready(self.tcp.finish())
    }

    /// What TLS has to say before a stream is closed that nobody waits for any longer (`close_notify`), as far as that takes no
    /// waiting: without it a response that ends with its connection looks cut off.
    pub fn part(&mut self) {
        if let Some(session) = &mut self.tls {
            session.part_now(AtOnce(&self.tcp));
        }
    }

    /// Makes the end of this connection a reset (RST), which no reader can take for a regular end.
    pub fn reset_on_drop(&mut self) {
        if let Some(session) = &mut self.tls {
            session.break_off();
        }
        let _ = self.tcp.socket().and_then(|socket| SockRef::from(&socket).set_linger(Some(Duration::ZERO)));
    }

    /// Whether the connection has been reset, as the kernel knows it: also after this side has read its end of input.
    pub fn is_reset(&self) -> bool {
        !matches!(self.tcp.socket().and_then(|socket| SockRef::from(&socket).take_error()), Ok(None))
    }
}

#[cfg(test)]
mod last;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Instant;

    use crate::connect;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What the kernel comes to know of a stream whose other end did this, while the runtime looks at nothing.
    async fn after(what: impl FnOnce(std::net::TcpStream)) -> Idleness {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = connect(listener.local_addr().unwrap(), PATIENCE).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        assert_eq!(stream.idleness_now(), Idleness::Quiet);
        what(peer);
        let begun = Instant::now();
        while stream.idleness_now() == Idleness::Quiet {
            assert!(begun.elapsed() < PATIENCE, "it stays quiet");
        }
        assert_eq!(stream.idleness(), Idleness::Quiet, "as far as the runtime knows");
        stream.idleness_now()
    }

    #[tokio::test]
    async fn an_end_is_seen_before_the_runtime_hears_of_it() {
        assert_eq!(after(drop).await, Idleness::Closed);
    }

    #[tokio::test]
    async fn so_is_what_nobody_asked_for() {
        let kept = std::cell::OnceCell::new();
        let found = after(|mut peer| {
            peer.write_all(b"HTTP/1.1 408 Request Timeout").unwrap();
            kept.set(peer).unwrap();
        });
        assert_eq!(found.await, Idleness::Unasked);
    }
}
