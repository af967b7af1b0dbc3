//! A client's connection: small while it idles, and one exchange after the other while it is active.
//!
//! ```text
//!            first byte                       head complete
//! idle ────────────────▶ active: reading a head ─────────▶ exchange ──▶ the next head …
//!  ▲                        │ nothing for a moment                          │
//!  └────────────────────────┘                                  close ◀──────┘ refused, `Connection: close`, leaving
//! ```
//! An idle connection holds its socket, its protocol state and one timer: about a kilobyte. Buffers and parsed heads
//! ([`Scratch`]) come from the worker when the first byte arrives and go back when the connection falls quiet.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_http1::{After, Inbound, Refusal, RequestHead};
use evenkeel_wire::{Alarm, Buffer, Stream};

use crate::accept::Permit;
use crate::exchange::{self, Then};
use crate::introduction;
use crate::reply;
use crate::tunnel;
use crate::upload::Upload;
use crate::worker::{Worker, now};

/// A client's connection, as it is kept while idle.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) machine: Inbound,
    /// Who it is: the other end, or whom the PROXY protocol names.
    pub(crate) peer: SocketAddr,
    /// The address it connected to, where the PROXY protocol names it.
    pub(crate) destination: Option<SocketAddr>,
    /// False while the header of the PROXY protocol is awaited.
    pub(crate) introduced: bool,
    pub(crate) alarm: Alarm,
    /// The client has closed its sending side and still waits for its answer.
    pub(crate) half_closed: bool,
}

/// What a connection needs while it is active, reused from one connection to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    /// What the client has sent and nobody has taken yet.
    pub(crate) received: Buffer,
    pub(crate) head: RequestHead,
    /// The head of the request as it goes to the servers.
    pub(crate) request: Vec<u8>,
    pub(crate) upload: Upload,
    /// What goes to the client: heads, chunk sizes, small bodies.
    pub(crate) reply: Vec<u8>,
}

/// A vector that grew beyond this is freed rather than kept.
const KEPT: usize = 16 * 1024;

impl Scratch {
    /// Empties it. False when it has grown too large to be worth keeping.
    pub(crate) fn forget(&mut self) -> bool {
        self.received.clear();
        self.request.clear();
        self.reply.clear();
        self.upload.forget()
            && self.received.capacity() <= 2 * Buffer::ORDINARY
            && self.request.capacity() <= KEPT
            && self.reply.capacity() <= KEPT
    }
}

/// How long a connection stays active without a byte before it gives its buffers back.
const QUIET: Duration = Duration::from_secs(1);

/// How long a client may take to close after the last response, and how long it may be silent meanwhile. A client that
/// is still sending when its connection is closed would lose the response (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(10);
const LINGER_QUIET: Duration = Duration::from_secs(2);

/// Serves a client for as long as its connection lasts.
pub(crate) async fn serve(worker: Rc<Worker>, stream: Stream, peer: SocketAddr, permit: Permit) {
    worker.stats.connections.add(1);
    let mut client = Client::new(stream, peer);
    client.introduced = !worker.settings().proxy_protocol;
    while client.wait_for_a_byte(worker.settings().idle_timeout).await {
        // Boxed, so that the task of an idle connection stays small.
        if Box::pin(active(&worker, &mut client)).await == Active::Over {
            break;
        }
    }
    drop(permit);
}

/// Answers a connection beyond the limit with 503 and closes it.
pub(crate) async fn refuse(worker: Rc<Worker>, stream: Stream) {
    let peer = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut client = Client::new(stream, peer);
    client.machine.close_after_this();
    let mut out = Vec::new();
    reply::too_many_connections(&worker, &mut client.machine, &mut out);
    if client.send(&out, b"", LINGER_QUIET).await.is_ok() {
        client.linger().await;
    }
}

#[derive(PartialEq, Eq)]
enum Active {
    /// Nothing has come for a while.
    Quiet,
    Over,
}

async fn active(worker: &Rc<Worker>, client: &mut Client) -> Active {
    let mut scratch = worker.take_scratch();
    if !client.introduced && !introduction::receive(worker, client, &mut scratch.received).await {
        worker.give_back_scratch(scratch);
        return Active::Over;
    }
    let outcome = loop {
        match client.next_head(worker, &mut scratch).await {
            Next::Head => {}
            Next::Quiet => break Active::Quiet,
            Next::Gone => break Active::Over,
            Next::Refused(refusal) => {
                worker.stats.refused.add(1);
                scratch.reply.clear();
                reply::refused(worker, &mut client.machine, &refusal, None, &mut scratch.reply);
                if client.send(&scratch.reply, b"", worker.settings().body_timeout).await.is_ok() {
                    client.linger().await;
                }
                break Active::Over;
            }
        }
        match exchange::run(worker, client, &mut scratch).await {
            Then::Next => {}
            Then::Close => break Active::Over,
            Then::Linger => {
                client.linger().await;
                break Active::Over;
            }
            Then::Tunnel(server) => {
                tunnel::run(worker, client, &mut scratch.received, server).await;
                break Active::Over;
            }
        }
    };
    worker.give_back_scratch(scratch);
    outcome
}

enum Next {
    Head,
    Quiet,
    Gone,
    Refused(Refusal),
}

impl Client {
    fn new(stream: Stream, peer: SocketAddr) -> Self {
        Self {
            stream,
            machine: Inbound::new(),
            peer,
            destination: None,
            introduced: true,
            alarm: Alarm::new(),
            half_closed: false,
        }
    }

    /// Waits while nothing happens. False when the connection has been idle for too long: it is closed without a word,
    /// since a 408 could cross a request that is just being sent.
    async fn wait_for_a_byte(&mut self, timeout: Duration) -> bool {
        self.alarm.set(Some(now() + timeout));
        poll_fn(|cx| match (self.stream.poll_disturbed(cx), self.alarm.poll(cx)) {
            (Poll::Ready(()), _) => Poll::Ready(true),
            (Poll::Pending, Poll::Ready(())) => Poll::Ready(false),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        })
        .await
    }

    /// Reads until the head of a request is complete.
    async fn next_head(&mut self, worker: &Worker, scratch: &mut Scratch) -> Next {
        let settings = worker.settings();
        let mut begun: Option<Instant> = None;
        loop {
            let Scratch { received, head, .. } = &mut *scratch;
            if !received.is_empty() {
                match self.machine.head(received.filled(), head, &settings.limits) {
                    Ok(Some(_)) => return Next::Head,
                    Ok(None) => {}
                    Err(refusal) => return Next::Refused(refusal),
                }
            }
            if self.half_closed {
                return Next::Gone;
            }
            let begun = match begun {
                None if self.machine.begun() => *begun.insert(now()),
                None => now(),
                Some(begun) => begun,
            };
            let patience = if self.machine.begun() { settings.head_timeout } else { QUIET };
            self.alarm.set(Some(begun + patience));
            match self.fill(received).await {
                Filled::Some => {}
                Filled::End | Filled::Broken => return Next::Gone,
                Filled::Late if self.machine.begun() => {
                    return Next::Refused(Refusal::new(408, "The request's head did not arrive in time."));
                }
                Filled::Late => return Next::Quiet,
            }
        }
    }

    /// Reads once, until the alarm rings.
    pub(crate) async fn fill(&mut self, received: &mut Buffer) -> Filled {
        received.reserve(if received.len() < Buffer::ORDINARY {
            Buffer::ORDINARY
        } else {
            2 * received.len()
        });
        poll_fn(|cx| match self.stream.poll_fill(cx, received) {
            Poll::Ready(Ok(0)) => Poll::Ready(Filled::End),
            Poll::Ready(Ok(_)) => Poll::Ready(Filled::Some),
            Poll::Ready(Err(_)) => Poll::Ready(Filled::Broken),
            Poll::Pending => self.alarm.poll(cx).map(|()| Filled::Late),
        })
        .await
    }

    /// Sends `head` and `body`, giving up when the client takes nothing for `patience`.
    pub(crate) async fn send(&mut self, head: &[u8], body: &[u8], patience: Duration) -> io::Result<()> {
        let mut sent = 0;
        // The usual response goes out at once, and no clock is read for it.
        let first = poll_fn(|cx| match self.stream.poll_send(cx, head, body, &mut sent) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(done) = first.await {
            return done;
        }
        self.alarm.set(Some(now() + patience));
        poll_fn(|cx| self.poll_send_patiently(cx, head, body, &mut sent, patience)).await
    }

    fn poll_send_patiently(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
        sent: &mut usize,
        patience: Duration,
    ) -> Poll<io::Result<()>> {
        let before = *sent;
        if let Poll::Ready(done) = self.stream.poll_send(cx, head, body, sent) {
            return Poll::Ready(done);
        }
        if *sent > before {
            self.alarm.set(Some(now() + patience));
        }
        self.alarm.poll(cx).map(|()| {
            // What the kernel still holds would wait for this client to take it.
            self.stream.reset_on_drop();
            Err(io::ErrorKind::TimedOut.into())
        })
    }

    /// Says that nothing more will come, and waits a bounded time until the client has taken that in.
    async fn linger(&mut self) {
        let deadline = now() + LINGER;
        self.alarm.set(Some(deadline));
        if poll_fn(|cx| self.stream.poll_finish(cx)).await.is_err() {
            return;
        }
        let mut unread = Buffer::with_capacity(Buffer::ORDINARY);
        loop {
            unread.clear();
            self.alarm.set(Some(deadline.min(now() + LINGER_QUIET)));
            if self.fill(&mut unread).await != Filled::Some || now() >= deadline {
                return;
            }
        }
    }

    /// While the balancer leaves, each response tells its client to go.
    pub(crate) fn note_leaving(&mut self, worker: &Worker) {
        if worker.shared.is_leaving() {
            self.machine.close_after_this();
        }
    }

    /// What follows from the protocol's own verdict on the connection after a response.
    pub(crate) fn after(&self, worker: &Worker) -> Then {
        match self.machine.after() {
            // Also after the client has closed its sending side: what it sent before is still answered.
            After::NextRequest => Then::Next,
            After::Linger => Then::Linger,
            // While leaving, the client did not expect the end: its next request may be on the way.
            After::Close if worker.shared.is_leaving() => Then::Linger,
            // A tunnel is begun where the 101 is sent; here it would be one without a server.
            After::Close | After::Tunnel => Then::Close,
        }
    }
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
