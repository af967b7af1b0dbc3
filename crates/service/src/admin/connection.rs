//! One connection with its deadlines. They hold in every state, because it is the socket that keeps them: every read and
//! every write that has to wait waits for the deadline as well.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{BODY_WITHIN, HEAD_WITHIN};

/// Until the first byte of the answer: a head, a body, and a moment for the answer itself.
pub(super) const ASKED_WITHIN: Duration =
    HEAD_WITHIN.saturating_add(BODY_WITHIN).saturating_add(Duration::from_secs(2));

/// How long an answer may take that has an end.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// How long an answer may stand still because it is not read.
pub(super) const STILL: Duration = Duration::from_secs(10);

/// Bytes of a request that are taken in at once. More would let one client have the heads of hundreds of requests parsed and kept,
/// of which the first alone is answered.
const AT_ONCE: usize = 2 * 1024;

/// Reads of what nobody wants before somebody else has a turn.
const DISCARDS: usize = 16;

/// A connection as its requests know it: `request.conn_data::<Connection>()`.
#[derive(Clone, Debug)]
pub struct Connection(Rc<State>);

#[derive(Debug)]
struct State {
    stage: Cell<Stage>,
    deadline: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    Answering { since: Instant },
    Streaming,
    Closed,
}

impl Connection {
    fn new(now: Instant) -> Self {
        Self(Rc::new(State {
            stage: Cell::new(Stage::Asking),
            deadline: Cell::new(now + ASKED_WITHIN),
            waker: RefCell::default(),
        }))
    }

    /// What is answered here has no end: it may go on for as long as it is read.
    pub fn streams(&self) {
        if self.is_open() {
            self.0.stage.set(Stage::Streaming);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.stage.get() != Stage::Closed
    }

    /// Whether no byte of an answer has been sent.
    pub(super) fn is_asking(&self) -> bool {
        self.0.stage.get() == Stage::Asking
    }

    /// Whether it is sending an answer that has an end.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.0.stage.get(), Stage::Answering { .. })
    }

    /// Ends it at the next occasion, which is now.
    pub(super) fn close(&self) {
        self.0.stage.set(Stage::Closed);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Bytes of an answer were taken.
    fn progressed(&self, now: Instant) {
        let stage = match self.0.stage.get() {
            Stage::Asking => Stage::Answering { since: now },
            stage => stage,
        };
        self.0.stage.set(stage);
        self.0.deadline.set(match stage {
            Stage::Answering { since } => (now + STILL).min(since + ANSWERED_WITHIN),
            _ => now + STILL,
        });
    }
}

/// A stream that fails when the deadline of its connection is over.
pub(super) struct Bounded<T> {
    stream: T,
    connection: Connection,
    alarm: Pin<Box<Sleep>>,
}

impl<T> Bounded<T> {
    pub(super) fn new(stream: T) -> Self {
        let connection = Connection::new(Instant::now());
        let alarm = Box::pin(sleep_until(connection.0.deadline.get()));
        Self { stream, connection, alarm }
    }

    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Fails when it is over; otherwise has the task woken when it will be.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let state = &self.connection.0;
        if state.stage.get() == Stage::Closed {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if self.alarm.deadline() != state.deadline.get() {
            self.alarm.as_mut().reset(state.deadline.get());
        }
        if self.alarm.as_mut().poll(cx).is_ready() {
            return Err(ErrorKind::TimedOut.into());
        }
        state.waker.replace(Some(cx.waker().clone()));
        Ok(())
    }
}

impl<T> Drop for Bounded<T> {
    fn drop(&mut self) {
        self.connection.0.stage.set(Stage::Closed);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Bounded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        if !self.connection.is_asking() {
            return self.poll_discard(cx);
        }
        let mut some = [0; AT_ONCE];
        let mut some = ReadBuf::new(&mut some[..AT_ONCE.min(buffer.remaining())]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut some))?;
        buffer.put_slice(some.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> Bounded<T> {
    /// Reads what comes after the request that is being answered, which nobody will answer. Ready at its end.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut unwanted = [0; AT_ONCE];
        for _ in 0..DISCARDS {
            let mut unwanted = ReadBuf::new(&mut unwanted);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unwanted))?;
            if unwanted.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Bounded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.connection.progressed(Instant::now());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn pair() -> (Bounded<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(64);
        (Bounded::new(near), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_drips_in_is_over_at_its_deadline() {
        let (mut near, mut far) = pair();
        let begun = Instant::now();
        tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let error = near.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::TimedOut, ASKED_WITHIN));
    }

    #[tokio::test]
    async fn what_comes_behind_a_request_that_is_being_answered_is_not_taken_in() {
        let (near, far) = duplex(16 * AT_ONCE);
        let (mut near, mut far) = (Bounded::new(near), far);
        far.write_all(&[1; 2 * AT_ONCE]).await.unwrap();
        let mut taken = [0; 8 * AT_ONCE];
        assert_eq!(near.read(&mut taken).await.unwrap(), AT_ONCE);
        near.write_all(b"answer").await.unwrap();
        far.write_all(&[2; 4 * AT_ONCE]).await.unwrap();
        drop(far);
        assert_eq!(near.read(&mut taken).await.unwrap(), 0, "its end is all that is told");
        assert_eq!(taken[..AT_ONCE], [1; AT_ONCE]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_over_when_it_has_stood_still() {
        let (mut near, _far) = pair();
        let begun = Instant::now();
        let error = near.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::TimedOut, STILL));
    }

    /// Reads a byte a second until it is no use, and says how long that took.
    async fn read_slowly(mut near: Bounded<DuplexStream>, mut far: DuplexStream, most: Duration) -> Duration {
        let begun = Instant::now();
        tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let _ = tokio::time::timeout(most, near.write_all(&[0; 1000])).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_read_byte_by_byte_is_over_in_the_end_unless_it_is_a_stream() {
        let hour = Duration::from_hours(1);
        let (near, far) = pair();
        assert_eq!(read_slowly(near, far, hour).await, ANSWERED_WITHIN);
        let (near, far) = pair();
        near.connection().streams();
        assert_eq!(read_slowly(near, far, 2 * ANSWERED_WITHIN).await, 2 * ANSWERED_WITHIN);
    }
}
