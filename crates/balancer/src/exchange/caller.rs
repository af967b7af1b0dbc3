//! The port to whoever asks. An exchange is written against it, whatever version of HTTP its client speaks and whatever its bytes
//! travel over: a version has a caller of its own in the room above, and this room knows none of them.
//!
//! ```text
//!            asked ──▶ head_taken       who asks, and what
//! body_at_hand, poll_body ──▶ upload    the body, as far as there is room for it
//!     interim … respond, data …, end    what it is told: written by the caller as its version has it,
//!     or answer                         …
//!       └──▶ poll_send                  … and sent from here
//!                └──▶ after             what becomes of it then
//! ```
//! It is generic and not `dyn`: an exchange with a client of HTTP/1 is compiled as if there were no other.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_message::{Refusal, RequestHead, ResponseHead, ResponseRewrite};
use evenkeel_wire::{Alarm, Pipe};

use crate::clock::now;
use crate::exchange::pace::Pace;
use crate::servers::bound::Bound;
use crate::servers::upload::Upload;
use crate::settings::pace::Patience;

/// One request's client.
pub(crate) trait Caller {
    /// Who it is: the other end, or whom a proxy in front names at the beginning of the connection.
    fn peer(&self) -> SocketAddr;

    /// The address it connected to.
    fn local(&self) -> SocketAddr;

    /// The scheme of what it asks for: `http` or `https`.
    fn scheme(&self) -> &'static str;

    /// Which certificate it has shown, as lines of fields for servers (RFC 9440); empty where none.
    fn client_cert(&self) -> &[u8];
    /// Whether the host that it asks for is one that its connection is not for (RFC 9110 §15.5.20).
    fn is_misdirected(&self) -> bool;
    /// Whether it came with a certificate for which it would be refused now.
    fn is_disowned(&mut self) -> bool;

    /// The head of the request, and the bytes that it is spans of.
    fn asked(&self) -> (&RequestHead, &[u8]);

    /// The head is not looked at any more.
    fn head_taken(&mut self);

    /// What wakes its task where nothing else does.
    fn alarm(&mut self) -> &mut Alarm;

    /// Takes in of the body what has been received, as far as there is room for it, without reading more.
    ///
    /// # Errors
    /// When the body is malformed.
    fn body_at_hand(&mut self, upload: &mut Upload) -> Result<(), Refusal>;

    /// Takes in what it sends. Ready with `Ok` when the body has made progress; pending also while nothing should be read.
    /// `wanted`: whether the body may be read on. Once that has ended, this notices that the client goes.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        wanted: bool,
    ) -> Poll<Result<(), Trouble>>;

    /// Whether [`Caller::poll_body`] would read anything now. A client that is not read from says only when it is asked that it
    /// has gone.
    fn is_read(&self, upload: &Upload, wanted: bool) -> bool;

    /// Whether it has said that it will send nothing more. It may be gone then, or wait for its answer.
    fn is_half_closed(&self) -> bool;

    /// How soon a client that is not read from is asked again whether it is still there.
    fn is_asked_again_after(&self) -> Duration;

    /// Asks whether it is known to be gone.
    fn is_gone(&mut self) -> bool;

    /// Writes an interim response (1xx).
    fn interim(&mut self, head: &ResponseHead, input: &[u8], how: &ResponseRewrite<'_>);

    /// Writes the head of a server's response. Its body follows as [`Caller::data`] and [`Caller::end`].
    fn respond(&mut self, head: &ResponseHead, input: &[u8], how: &ResponseRewrite<'_>);

    /// Writes a response of the balancer's own, whole.
    fn answer(&mut self, status: u16, fields: &[(&str, &[u8])], body: &[u8]);

    /// Writes a piece of the response's content, or the little that has to stand before it.
    fn data(&mut self, data: &[u8]) -> Placed;

    /// Ends the response's content. `trailers` are lines of fields.
    fn end(&mut self, trailers: &[u8]);

    /// How much has been written and is not sent, bytes. Not 0 either while the end has to be sent by itself.
    fn unsent(&self) -> usize;

    /// Sends what has been written and, after it, `behind`. Adds to `moved` how many bytes have gone. What was written is
    /// forgotten once all of it and of `behind` has gone; until then this is to be called with the same, to which more may have
    /// been added at its end.
    ///
    /// # Errors
    /// When the client takes nothing any more.
    fn poll_send(&mut self, cx: &mut Context<'_>, behind: &[u8], moved: &mut usize) -> Poll<io::Result<()>>;

    /// Whether content may go to it through a pipe: it goes out as it is, and nobody on the way has to see it.
    fn takes_pipes(&self) -> bool;

    /// Sends content that is in a pipe, after all else that was written. Adds to `moved` how many bytes have gone. Ready once the
    /// pipe is empty.
    ///
    /// # Errors
    /// When the client takes nothing any more.
    fn poll_send_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        moved: &mut usize,
    ) -> Poll<io::Result<()>>;

    /// This is the last request that comes this way, where others could follow: its response says so.
    fn close_after_this(&mut self);

    /// Breaks off so that the client cannot take what it has for the whole.
    fn abort(&mut self);

    /// What becomes of it now that its response has been sent.
    fn after(&self) -> After;

    /// The connection to a server that is this client's alone.
    fn bound(&mut self) -> &mut Option<Box<Bound>>;
}

/// Where a piece of content is after [`Caller::data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Placed {
    /// With what has been written.
    Copied,
    /// Still where it was: it goes as [`Caller::poll_send`]'s `behind`, before anything else is written but its end.
    Behind,
}

/// Why nothing more is to be expected from a client.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It reset the connection, or ended it inside its request's body.
    Gone,
    /// Its body is malformed, too large or too slow.
    Refused(Refusal),
}

/// What follows a response on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Another request.
    Next,
    Close,
    /// Close once the client has taken the answer in.
    Linger,
    /// Another protocol.
    Tunnel,
}

/// Sends what has been written and then `behind`, giving up when the client does not take it for longer than it is waited for.
pub(crate) async fn send<C: Caller>(caller: &mut C, behind: &[u8], patience: Patience) -> io::Result<()> {
    let mut moved = 0;
    // The usual response goes out at once, and no clock is read for it.
    let first = poll_fn(|cx| match caller.poll_send(cx, behind, &mut moved) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    });
    if let Some(done) = first.await {
        return done;
    }
    let mut pace = Pace::new(patience);
    pace.waits(now());
    poll_fn(|cx| {
        let mut moved = 0;
        if let Poll::Ready(done) = caller.poll_send(cx, behind, &mut moved) {
            return Poll::Ready(done);
        }
        pace.moved(moved, now());
        caller.alarm().set(pace.until());
        caller.alarm().poll(cx).map(|()| {
            // What the kernel still holds would wait for this client to take it.
            caller.abort();
            Err(io::ErrorKind::TimedOut.into())
        })
    })
    .await
}
