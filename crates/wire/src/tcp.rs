//! A socket that the runtime watches only from when something has to be waited for on it.
//!
//! ```text
//! unwatched ──a read or a write that would block──▶ watched
//! ```
//! To have a socket watched and forgotten again costs two system calls and some memory. A connection whose first request is
//! there when it is accepted, and which is over with the answer, needs none of that.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::io::Interest;
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

    /// Reads what is there, once; 0 is the end of input.
    ///
    /// The task yields in time because this counts against its budget, as everything does that the runtime is asked for.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Self::Unwatched(tcp) = self {
            match receive(tcp, room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
        let tcp = self.watch()?;
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            match once(tcp, Interest::READABLE, room.len(), || receive(tcp, room)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Reads what is there: of a watched one, as far as the runtime knows, which costs no system call where that is nothing.
    pub(crate) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unwatched(tcp) => receive(tcp, room),
            Self::Watched(tcp) => once(tcp, Interest::READABLE, room.len(), || receive(tcp, room)),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what is taken, once.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_out(cx, bytes.len(), |socket| send(&socket, bytes))
    }

    /// The same of several pieces, one behind the other.
    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole = pieces.iter().map(|piece| piece.len()).sum();
        self.poll_out(cx, whole, |socket| send_pieces(&socket, pieces))
    }

    /// The same, and the kernel holds the last segment back, where it is not full, until more is written or the end is said, so that both
    /// go in one.
    pub(crate) fn poll_write_held(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole = pieces.iter().map(|piece| piece.len()).sum();
        self.poll_out(cx, whole, |socket| send_held(&socket, pieces))
    }

    /// Writes once, of `whole` bytes.
    #[inline]
    fn poll_out(
        &mut self,
        cx: &mut Context<'_>,
        whole: usize,
        write: impl Fn(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if let Self::Unwatched(tcp) = self {
            match write(tcp.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
        let tcp = &*self.watch()?;
        poll_once_writable(tcp, cx, whole, || write(tcp.as_fd()))
    }

    /// Writes what is taken at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unwatched(tcp) => send(tcp, bytes),
            Self::Watched(tcp) => once(tcp, Interest::WRITABLE, bytes.len(), || send(tcp, bytes)),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Does something with the socket that does not block, and again once it is ready for it. An unwatched one is watched from when
    /// it would have blocked.
    pub(crate) fn poll_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut io: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if let Self::Unwatched(tcp) = self {
            match io(tcp.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
        let tcp = self.watch()?;
        loop {
            let is_ready =
                if interest.is_readable() { tcp.poll_read_ready(cx) } else { tcp.poll_write_ready(cx) };
            ready!(is_ready)?;
            match tcp.try_io(interest, || io(tcp.as_fd())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) -> io::Result<()> {
        match self {
            Self::Unwatched(tcp) => tcp.shutdown(Shutdown::Write),
            // The socket itself: the runtime's way is a poll that never waits.
            Self::Watched(tcp) => SockRef::from(tcp).shutdown(Shutdown::Write),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Reads or writes once, as far as the runtime knows that it can be done. Less than the `whole` shows that no more can be for now: so
/// the runtime is told, which would otherwise have to be shown by one more system call. Its own reading and writing does the same, and
/// looks at more on the way.
fn once(
    tcp: &TcpStream,
    interest: Interest,
    whole: usize,
    io: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut some = None;
    let done = tcp.try_io(interest, || {
        let count = io()?;
        if 0 < count && count < whole {
            some = Some(count);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    some.map_or(done, Ok)
}

/// Nearly always it is writable, and the runtime need not be asked. Who writes also reads, and yields there.
fn poll_once_writable(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    whole: usize,
    write: impl Fn() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        match once(tcp, Interest::WRITABLE, whole, &write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(tcp.poll_write_ready(cx))?,
            done => return Poll::Ready(done),
        }
    }
}

// The kernel itself is asked: the C library would make each call a point where a thread can be cancelled, with two atomic operations.

fn receive(socket: &impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    let (count, _) = retry_on_intr(|| rustix::net::recv(socket, &mut *room, RecvFlags::empty()))?;
    Ok(count)
}

fn send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(socket, bytes, SendFlags::NOSIGNAL))?)
}

fn send_pieces(socket: &impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    send_pieces_with(socket, pieces, SendFlags::NOSIGNAL)
}

fn send_held(socket: &impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
    match pieces {
        [piece] => Ok(retry_on_intr(|| rustix::net::send(socket, piece, flags))?),
        _ => send_pieces_with(socket, pieces, flags),
    }
}

fn send_pieces_with(socket: &impl AsFd, pieces: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
    let nothing_beside = &mut SendAncillaryBuffer::default();
    Ok(retry_on_intr(|| rustix::net::sendmsg(socket, pieces, nothing_beside, flags))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::{Read, Write};
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
        let count = poll_fn(|cx| tcp.poll_read(cx, &mut room)).await.unwrap();
        room[..count].to_vec()
    }

    async fn write(tcp: &mut Tcp, bytes: &[u8]) -> usize {
        poll_fn(|cx| tcp.poll_write(cx, bytes)).await.unwrap()
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
        tcp.finish().unwrap();
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
        let mut waited = false;
        let count = poll_fn(|cx| {
            let read = tcp.poll_read(cx, &mut room);
            if read.is_pending() && !std::mem::replace(&mut waited, true) {
                waits.send(()).unwrap();
            }
            read
        })
        .await
        .unwrap();
        assert!(waited && tcp.is_watched());
        assert_eq!(&room[..count], b"late");
    }

    /// A task that others wait for is not kept by a peer that always has something to say.
    #[tokio::test]
    async fn who_could_read_on_and_on_yields() {
        const MUCH: usize = 10_000;
        let (mut tcp, mut peer) = pair();
        tcp.watch().unwrap();
        peer.write_all(&[b'x'; MUCH]).unwrap();
        let mut all = read(&mut tcp).await.len();
        let mut yielded = 0;
        while all < MUCH {
            let mut byte = [0];
            poll_fn(|cx| match tcp.poll_read(cx, &mut byte) {
                Poll::Pending => {
                    yielded += 1;
                    Poll::Pending
                }
                Poll::Ready(count) => {
                    all += count.unwrap();
                    Poll::Ready(())
                }
            })
            .await;
        }
        assert!(yielded > 10, "{yielded} times");
    }

    #[tokio::test]
    async fn who_takes_no_more_is_watched_until_it_does() {
        let (mut tcp, mut peer) = pair();
        let much = vec![b'x'; 1 << 20];
        let mut written = 0;
        while !tcp.is_watched() {
            let now = poll_fn(|cx| Poll::Ready(tcp.poll_write(cx, &much))).await;
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
