//! A socket that the runtime watches only from when something has to be waited for on it.
//!
//! ```text
//! unwatched ──a read or a write that would block──▶ watched
//! ```
//! To have a socket watched and forgotten again costs two system calls and some memory. A connection whose first request is
//! there when it is accepted, and which is over with the answer, needs none of that.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connected socket that does not block.
#[derive(Debug)]
pub(crate) enum Tcp {
    Unwatched(std::net::TcpStream),
    Watched(TcpStream),
    /// The runtime refused to watch it: it is closed.
    Lost,
}

impl Tcp {
    /// Has the runtime watch it, if it does not.
    pub(crate) fn watch(&mut self) -> io::Result<&mut TcpStream> {
        if matches!(self, Self::Unwatched(_)) {
            self.begin_to_watch()?;
        }
        match self {
            Self::Watched(tcp) => Ok(tcp),
            Self::Unwatched(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[inline(never)]
    fn begin_to_watch(&mut self) -> io::Result<()> {
        if let Self::Unwatched(tcp) = std::mem::replace(self, Self::Lost) {
            *self = Self::Watched(TcpStream::from_std(tcp)?);
        }
        Ok(())
    }

    pub(crate) fn is_watched(&self) -> bool {
        matches!(self, Self::Watched(_))
    }

    pub(crate) fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self {
            Self::Unwatched(tcp) => Ok(tcp),
            Self::Watched(tcp) => tcp.into_std(),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Unwatched(tcp) => tcp.peer_addr(),
            Self::Watched(tcp) => tcp.peer_addr(),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Unwatched(tcp) => tcp.local_addr(),
            Self::Watched(tcp) => tcp.local_addr(),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The socket as the kernel knows it.
    pub(crate) fn socket(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Unwatched(tcp) => Ok(tcp.as_fd()),
            Self::Watched(tcp) => Ok(tcp.as_fd()),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Ready when there is something to read, or an end. It has to be watched for that.
    pub(crate) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.watch() {
            Ok(tcp) => tcp.poll_read_ready(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Reads what is there: of a watched one, as far as the runtime knows, which costs no system call where that is nothing.
    pub(crate) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unwatched(tcp) => (&*tcp).read(room),
            Self::Watched(tcp) => tcp.try_read(room),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what is taken at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unwatched(tcp) => (&*tcp).write(bytes),
            Self::Watched(tcp) => tcp.try_write(bytes),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Watched(tcp) => return Pin::new(tcp).poll_read(cx, into),
            Self::Unwatched(tcp) => match tcp.read(into.initialize_unfilled()) {
                Ok(count) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            },
            Self::Lost => {}
        }
        match self.watch() {
            Ok(tcp) => Pin::new(tcp).poll_read(cx, into),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Watched(tcp) => return Pin::new(tcp).poll_write(cx, bytes),
            Self::Unwatched(tcp) => match tcp.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            },
            Self::Lost => {}
        }
        match self.watch() {
            Ok(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Watched(tcp) => return Pin::new(tcp).poll_write_vectored(cx, pieces),
            Self::Unwatched(tcp) => match tcp.write_vectored(pieces) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            },
            Self::Lost => {}
        }
        match self.watch() {
            Ok(tcp) => Pin::new(tcp).poll_write_vectored(cx, pieces),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match &*self {
            Self::Unwatched(tcp) => tcp.shutdown(Shutdown::Write),
            // The socket itself: the runtime's way is a poll that never waits.
            Self::Watched(tcp) => socket2::SockRef::from(tcp).shutdown(Shutdown::Write),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        };
        Poll::Ready(shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::net::TcpListener;

    fn pair() -> (Tcp, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_nonblocking(true).unwrap();
        (Tcp::Unwatched(tcp), peer)
    }

    async fn read(tcp: &mut Tcp) -> Vec<u8> {
        let mut room = [0; 64];
        let mut into = ReadBuf::new(&mut room);
        poll_fn(|cx| Pin::new(&mut *tcp).poll_read(cx, &mut into)).await.unwrap();
        into.filled().to_vec()
    }

    async fn write(tcp: &mut Tcp, bytes: &[u8]) -> usize {
        poll_fn(|cx| Pin::new(&mut *tcp).poll_write(cx, bytes)).await.unwrap()
    }

    #[tokio::test]
    async fn what_can_be_read_and_written_at_once_needs_no_watching() {
        let (mut tcp, mut peer) = pair();
        peer.write_all(b"a question").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        // The bytes may be there before the end, or with it.
        let mut come = Vec::new();
        while !tcp.is_watched() && come != b"a question" {
            come.extend(read(&mut tcp).await);
        }
        assert_eq!(come, b"a question");
        let was_watched = tcp.is_watched();
        assert_eq!(write(&mut tcp, b"an answer").await, 9);
        assert_eq!(tcp.is_watched(), was_watched);
        poll_fn(|cx| Pin::new(&mut tcp).poll_shutdown(cx)).await.unwrap();
        let mut said = String::new();
        peer.read_to_string(&mut said).unwrap();
        assert_eq!(said, "an answer");
    }

    #[tokio::test]
    async fn who_has_to_be_waited_for_is_watched() {
        let (mut tcp, mut peer) = pair();
        let (waits, is_waiting) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            is_waiting.recv().unwrap();
            peer.write_all(b"late").unwrap();
        });
        let mut room = [0; 64];
        let mut into = ReadBuf::new(&mut room);
        let mut waited = false;
        poll_fn(|cx| {
            let read = Pin::new(&mut tcp).poll_read(cx, &mut into);
            if read.is_pending() && !std::mem::replace(&mut waited, true) {
                waits.send(()).unwrap();
            }
            read
        })
        .await
        .unwrap();
        assert!(waited && tcp.is_watched());
        assert_eq!(into.filled(), b"late");
    }

    #[tokio::test]
    async fn who_takes_no_more_is_watched_until_it_does() {
        let (mut tcp, mut peer) = pair();
        let much = vec![b'x'; 1 << 20];
        let mut written = 0;
        while !tcp.is_watched() {
            let now = poll_fn(|cx| Poll::Ready(Pin::new(&mut tcp).poll_write(cx, &much))).await;
            if let Poll::Ready(count) = now {
                written += count.unwrap();
            }
        }
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all.len()
        });
        written += write(&mut tcp, &much).await;
        drop(tcp);
        assert_eq!(reading.join().unwrap(), written);
    }
}
