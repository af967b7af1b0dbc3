//! A client's connection: what is kept of it also while it is quiet.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

use evenkeel_http1::Inbound;
use evenkeel_message::Refusal;
use evenkeel_wire::{Alarm, Buffer, Handshake, HandshakeFailure, Stream, TlsServer};

use super::storage::Storage;
use crate::clock::now;
use crate::servers::bound::Bound;
use crate::settings::Settings;

/// A client's connection.
pub(crate) struct Client {
    pub(super) stream: Stream,
    pub(super) machine: Inbound,
    /// Who it is: the other end, or whom the PROXY protocol names.
    pub(crate) peer: SocketAddr,
    /// The address it connected to, where the PROXY protocol names it.
    pub(crate) destination: Option<SocketAddr>,
    /// False while the header of the PROXY protocol is awaited.
    pub(crate) introduced: bool,
    /// Until when the first byte of a request must have come; `None` once it has.
    pub(super) first_byte_by: Option<Instant>,
    pub(super) alarm: Alarm,
    /// The client has closed its sending side and still waits for its answer.
    pub(super) half_closed: bool,
    /// The connection to a server that is this client's alone. Boxed because it is rare.
    pub(super) bound: Option<Box<Bound>>,
}

/// What one read brought.
#[derive(PartialEq, Eq)]
pub(crate) enum Filled {
    Some,
    End,
    Broken,
    /// The alarm rang first.
    Late,
}

impl From<io::Result<usize>> for Filled {
    fn from(filled: io::Result<usize>) -> Self {
        match filled {
            Ok(0) => Self::End,
            Ok(_) => Self::Some,
            Err(_) => Self::Broken,
        }
    }
}

/// What came of waiting for a head.
pub(super) enum Next {
    Head,
    /// There was no byte after all.
    Quiet,
    Gone,
    Refused(Refusal),
}

/// The longest that a client may take to close after the last response. A client that is still sending when its connection is
/// closed would lose the response (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(10);

impl Client {
    pub(super) fn new(stream: Stream, peer: SocketAddr) -> Self {
        Self {
            stream,
            machine: Inbound::new(),
            peer,
            destination: None,
            introduced: true,
            first_byte_by: None,
            alarm: Alarm::new(),
            half_closed: false,
            bound: None,
        }
    }

    /// Speaks TLS from here on, of which `early` has been received already.
    pub(crate) async fn secure(
        &mut self,
        server: &TlsServer,
        early: &[u8],
    ) -> Result<Handshake, HandshakeFailure> {
        self.stream.secure(server, early).await
    }

    /// Whether it says something until then.
    pub(crate) async fn hears_a_byte_until(&mut self, until: Instant) -> bool {
        self.alarm.set(Some(until));
        poll_fn(|cx| match self.stream.poll_disturbed(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => self.alarm.poll(cx).map(|()| false),
        })
        .await
    }

    /// Reads until the head of a request is complete.
    pub(super) async fn next_head(&mut self, settings: &Settings, storage: &mut Storage) -> Next {
        let mut begun: Option<Instant> = None;
        loop {
            let Storage { received, head, .. } = &mut *storage;
            if !received.is_empty() {
                self.first_byte_by = None;
                match self.machine.head(received.filled(), head, &settings.limits) {
                    Ok(Some(_)) => return Next::Head,
                    Ok(None) => {}
                    Err(refusal) => return Next::Refused(refusal),
                }
            }
            if self.half_closed {
                return Next::Gone;
            }
            // A connection is taken for readable until a read has shown that it is not.
            let filled = if received.is_empty() {
                match self.fill_at_once(received).await {
                    Some(filled) => filled,
                    None => return Next::Quiet,
                }
            } else {
                let begun = *begun.get_or_insert_with(now);
                self.alarm.set(Some(begun + settings.head_timeout));
                self.fill(received).await
            };
            match filled {
                Filled::Some => {}
                Filled::Late if self.machine.begun() => {
                    return Next::Refused(Refusal::new(408, "The request's head did not arrive in time."));
                }
                Filled::End | Filled::Broken | Filled::Late => return Next::Gone,
            }
        }
    }

    /// Sets the alarm to when the connection is over unless it says who its client is.
    pub(crate) fn await_introduction(&mut self) {
        self.alarm.set(self.first_byte_by);
    }

    /// Reads once, until the alarm rings.
    pub(crate) async fn fill(&mut self, received: &mut Buffer) -> Filled {
        make_room(received);
        poll_fn(|cx| match self.stream.poll_fill(cx, received) {
            Poll::Pending => self.alarm.poll(cx).map(|()| Filled::Late),
            Poll::Ready(filled) => Poll::Ready(filled.into()),
        })
        .await
    }

    /// Reads what is there; `None` where that is nothing.
    async fn fill_at_once(&mut self, received: &mut Buffer) -> Option<Filled> {
        make_room(received);
        poll_fn(|cx| match self.stream.poll_fill_at_once(cx, received) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(filled) => Poll::Ready(Some(filled.into())),
        })
        .await
    }

    /// Says that nothing more will come, and waits a bounded time, and at most `quiet` for each sign of it, until the client has
    /// taken that in.
    pub(super) async fn linger(&mut self, quiet: Duration) {
        let deadline = now() + LINGER;
        self.alarm.set(Some(deadline));
        // Over TLS there is a word of parting, which a client that takes nothing any more does not take either.
        let is_said = poll_fn(|cx| match self.stream.poll_finish(cx) {
            Poll::Pending => self.alarm.poll(cx).map(|()| false),
            Poll::Ready(said) => Poll::Ready(said.is_ok()),
        });
        if !is_said.await {
            return;
        }
        let mut unread = Buffer::with_capacity(Buffer::ORDINARY);
        loop {
            unread.clear();
            self.alarm.set(Some(deadline.min(now() + quiet)));
            if self.fill(&mut unread).await != Filled::Some || now() >= deadline {
                return;
            }
        }
    }
}

/// For one read.
fn make_room(received: &mut Buffer) {
    received.reserve(if received.len() < Buffer::ORDINARY { Buffer::ORDINARY } else { 2 * received.len() });
}
