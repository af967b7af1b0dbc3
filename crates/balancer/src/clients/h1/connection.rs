//! A client's connection: one exchange after the other while it is busy, parked while it is not.
//!
//! ```text
//!           first byte                    head complete
//! quiet ───────────────▶ reading a head ────────────────▶ exchange ──▶ the next head, if some of it is here …
//!  ▲ └─ for a while ─▶ parked                                │
//!  └─────────────────────────────────────────────────────────┴──▶ closed: refused, `Connection: close`, leaving
//! ```
//! Buffers, parsed heads and the state of an exchange ([`Scratch`]) come from the worker with the first byte of a request
//! and go back with the last byte of its answer. A connection that then stays quiet gives up its task as well: see
//! [`crate::clients::parked`].

#[cfg(test)]
mod allocations;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use evenkeel_http1::{After, Inbound};
use evenkeel_message::{Framing, Refusal, RequestHead};
use evenkeel_upstream::attempt::MAX_ATTEMPTS;
use evenkeel_wire::{Alarm, Buffer, Stream};

use crate::clients::accept::Permit;
use crate::clients::introduction;
use crate::clients::parked::{Idle, QUIET_WHILE_LEAVING};
use crate::clock::{self, now};
use crate::context::Worker;
use crate::exchange::pace::Pace;
use crate::exchange::reply;
use crate::exchange::tunnel;
use crate::exchange::{self, Then};
use crate::records::account::{self, Account};
use crate::servers::attempt::AttemptIo;
use crate::servers::bound::Bound;
use crate::servers::upload::Upload;
use crate::settings::pace::Patience;

/// A client's connection.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) machine: Inbound,
    /// Who it is: the other end, or whom the PROXY protocol names.
    pub(crate) peer: SocketAddr,
    /// The address it connected to, where the PROXY protocol names it.
    pub(crate) destination: Option<SocketAddr>,
    /// False while the header of the PROXY protocol is awaited.
    pub(crate) introduced: bool,
    /// Until when the first byte of a request must have come; `None` once it has.
    first_byte_by: Option<Instant>,
    pub(crate) alarm: Alarm,
    /// The client has closed its sending side and still waits for its answer.
    pub(crate) half_closed: bool,
    /// The connection to a server that is this client's alone. Boxed because it is rare.
    pub(crate) bound: Option<Box<Bound>>,
}

/// What a connection needs while it is busy, reused from one connection to the next.
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
    pub(crate) account: Account,
    /// Lines that a server's response gains: the trail of attempts, the cookie of a sticky session.
    pub(crate) extra: Vec<u8>,
    /// What the attempts did, where the client is to be told.
    pub(crate) trail: String,
    /// The attempts in progress. Here and not in the task, which is smaller for it.
    pub(crate) live: ArrayVec<AttemptIo, MAX_ATTEMPTS>,
}

/// A vector that grew beyond this is freed rather than kept.
const KEPT: usize = 16 * 1024;

impl Scratch {
    /// Keeps what a head that goes no further asked for, for the access log.
    pub(crate) fn keep_what_was_asked(&mut self) {
        let input = self.received.filled();
        self.request.clear();
        self.request.extend_from_slice(self.head.method_bytes(input));
        self.request.push(b' ');
        self.request.extend_from_slice(&self.head.path_and_query(input));
        self.request.extend_from_slice(b" \r\n");
        self.upload.begin(self.request.len(), Framing::Empty, 0);
    }

    /// Empties it. False when it has grown too large to be worth keeping.
    pub(crate) fn forget(&mut self) -> bool {
        self.received.clear();
        self.request.clear();
        self.reply.clear();
        self.extra.clear();
        self.trail.clear();
        self.upload.forget()
            && self.received.capacity() <= 2 * Buffer::ORDINARY
            && self.request.capacity() <= KEPT
            && self.reply.capacity() <= KEPT
    }
}

/// How long a connection keeps its task without a byte, while few do and while many do: what they hold together is
/// bounded by [`FEW`] of them, whatever the number of clients.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_AMONG_MANY: Duration = Duration::from_millis(20);
const FEW: usize = 256;

/// How often a client that is not read from is asked whether it is still there.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// How long a client may take to close after the last response, and how long it may be silent meanwhile. A client that
/// is still sending when its connection is closed would lose the response (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(10);
const LINGER_QUIET: Duration = Duration::from_secs(2);

/// The same for a client that is told to go because the balancer leaves, which lasts no longer for its sake.
const LINGER_WHILE_LEAVING: Duration = Duration::from_millis(200);

/// The most refused connections that wait until their client has read its 503: about half of the descriptors in reserve.
const REFUSED_LINGERING: usize = 64;

/// Serves a client that has just connected.
pub(crate) fn serve(
    worker: Rc<Worker>,
    stream: Stream,
    peer: SocketAddr,
    permit: Permit,
) -> impl Future<Output = ()> {
    worker.stats.connections.add(1);
    let mut client = Client::new(stream, peer);
    client.introduced = !worker.settings().proxy_protocol;
    client.first_byte_by = Some(now() + worker.settings().first_byte_timeout);
    clock::still(Box::pin(client.serve(worker, permit)))
}

/// Serves a client that was parked and has something to say.
pub(crate) async fn resume(worker: Rc<Worker>, idle: Idle) {
    let Idle { stream, peer, destination, introduced, first_byte_by, permit } = idle;
    let Ok(stream) = Stream::from_std(stream) else { return };
    let mut client = Client::new(stream, peer);
    client.destination = destination.map(|destination| *destination);
    client.introduced = introduced;
    client.first_byte_by = first_byte_by;
    clock::still(Box::pin(client.serve(worker, permit))).await;
}

/// Closes the connection of a client that has been quiet, in order: one that begins to ask in this very moment finds an end of
/// input and not a reset.
pub(crate) async fn take_leave(idle: Idle) {
    let Idle { stream, peer, permit, .. } = idle;
    let Ok(stream) = Stream::from_std(stream) else { return };
    Client::new(stream, peer).linger(LINGER_WHILE_LEAVING).await;
    drop(permit);
}

/// Answers a connection beyond the limit with 503 and closes it.
pub(crate) async fn refuse(worker: Rc<Worker>, stream: Stream) {
    let peer = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut client = Client::new(stream, peer);
    client.machine.close_after_this();
    let mut out = Vec::new();
    reply::too_many_connections(&worker, &mut client.machine, &mut out);
    let lingering = worker.refused.get();
    if lingering >= REFUSED_LINGERING {
        // The kernel's buffer takes it or it is lost: a flood must not hold the descriptors that others need.
        let mut sent = 0;
        poll_fn(|cx| {
            let _ = client.stream.poll_send(cx, &out, b"", &mut sent);
            Poll::Ready(())
        })
        .await;
        return;
    }
    worker.refused.set(lingering + 1);
    if client.send(&out, b"", Patience { quiet: LINGER_QUIET, rate: None }).await.is_ok() {
        client.linger(LINGER_QUIET).await;
    }
    worker.refused.set(worker.refused.get() - 1);
}

/// Serves requests for as long as some of the next one is here. False when the connection is over.
async fn serve_some(worker: &Rc<Worker>, client: &mut Client, scratch: &mut Scratch) -> bool {
    if !client.introduced && !introduction::receive(worker, client, &mut scratch.received).await {
        return false;
    }
    loop {
        match client.next_head(worker, scratch).await {
            Next::Head => {}
            Next::Quiet => return true,
            Next::Gone => return false,
            Next::Refused(refusal) => {
                scratch.account.open();
                scratch.request.clear();
                worker.stats.refused.add(1);
                scratch.reply.clear();
                reply::refused(worker, &mut client.machine, &refusal, None, &mut scratch.reply);
                if client.send(&scratch.reply, b"", worker.settings().patience()).await.is_ok() {
                    client.linger(lingering(worker)).await;
                }
                scratch.account.refused(&refusal);
                account::settle(worker, client, scratch);
                return false;
            }
        }
        match exchange::run(worker, client, scratch).await {
            Then::Next if scratch.received.is_empty() && !client.half_closed => return true,
            Then::Next => {}
            Then::Close => return false,
            Then::Linger => {
                client.linger(lingering(worker)).await;
                return false;
            }
            Then::Tunnel(server) => {
                Box::pin(tunnel::run(worker, client, &mut scratch.received, server)).await;
                return false;
            }
        }
    }
}

fn lingering(worker: &Worker) -> Duration {
    if worker.shared.is_leaving() { LINGER_WHILE_LEAVING } else { LINGER_QUIET }
}

enum Next {
    Head,
    /// There was no byte after all.
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
            first_byte_by: None,
            alarm: Alarm::new(),
            half_closed: false,
            bound: None,
        }
    }

    async fn serve(mut self, worker: Rc<Worker>, permit: Permit) {
        let mut since = now();
        while self.hears_a_byte(&worker, since).await {
            let mut scratch = worker.take_scratch();
            let lasts = serve_some(&worker, &mut self, &mut scratch).await;
            worker.give_back_scratch(scratch);
            if !lasts {
                return;
            }
            since = now();
        }
        if self.bound.is_some() {
            // It was waited for as long as a parked connection is.
            return;
        }
        let Ok(stream) = self.stream.into_std() else { return };
        let Self { peer, destination, introduced, first_byte_by, .. } = self;
        let destination = destination.map(Box::new);
        let idle = Idle { stream, peer, destination, introduced, first_byte_by, permit };
        let until = first_byte_by.unwrap_or(since + worker.settings().idle_timeout);
        let leaving = worker.shared.is_leaving().then(|| since + QUIET_WHILE_LEAVING);
        worker.parked.park(idle, leaving.map_or(until, |leaving| leaving.min(until)));
    }

    /// Waits for a while from `since`. False when nothing has come.
    async fn hears_a_byte(&mut self, worker: &Worker, since: Instant) -> bool {
        let quiet = worker.quiet.get();
        worker.quiet.set(quiet + 1);
        let while_few = QUIET.min(worker.settings().shortest_idle());
        let mut until = since + if quiet < FEW { while_few } else { QUIET_AMONG_MANY };
        let mut heard = self.hears_a_byte_until(until).await;
        // What belongs to it cannot be parked.
        let latest = since + worker.settings().idle_timeout;
        while !heard && self.bound.is_some() && until < latest && !worker.shared.is_leaving() {
            until = latest.min(until + QUIET);
            heard = self.hears_a_byte_until(until).await;
        }
        worker.quiet.set(worker.quiet.get() - 1);
        heard
    }

    async fn hears_a_byte_until(&mut self, until: Instant) -> bool {
        self.alarm.set(Some(until));
        poll_fn(|cx| match self.stream.poll_disturbed(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => self.alarm.poll(cx).map(|()| false),
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
            let begun = *begun.get_or_insert_with(now);
            // A connection is taken for readable until a read has shown that it is not.
            let is_quiet = received.is_empty();
            self.alarm.set(Some(if is_quiet { begun } else { begun + settings.head_timeout }));
            match self.fill(received).await {
                Filled::Some => {}
                Filled::Late if self.machine.begun() => {
                    return Next::Refused(Refusal::new(408, "The request's head did not arrive in time."));
                }
                Filled::Late if is_quiet => return Next::Quiet,
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

    /// Sends `head` and `body`, giving up when the client does not take them for longer than it is waited for.
    pub(crate) async fn send(&mut self, head: &[u8], body: &[u8], patience: Patience) -> io::Result<()> {
        let mut sent = 0;
        // The usual response goes out at once, and no clock is read for it.
        let first = poll_fn(|cx| match self.stream.poll_send(cx, head, body, &mut sent) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(done) = first.await {
            return done;
        }
        let mut pace = Pace::new(patience);
        pace.waits(now());
        poll_fn(|cx| self.poll_send_patiently(cx, head, body, &mut sent, &mut pace)).await
    }

    fn poll_send_patiently(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
        sent: &mut usize,
        pace: &mut Pace,
    ) -> Poll<io::Result<()>> {
        let before = *sent;
        if let Poll::Ready(done) = self.stream.poll_send(cx, head, body, sent) {
            return Poll::Ready(done);
        }
        pace.moved(*sent - before, now());
        self.alarm.set(pace.until());
        self.alarm.poll(cx).map(|()| {
            // What the kernel still holds would wait for this client to take it.
            self.stream.reset_on_drop();
            Err(io::ErrorKind::TimedOut.into())
        })
    }

    /// Says that nothing more will come, and waits a bounded time, and at most so long for each sign of it, until the client has
    /// taken that in.
    async fn linger(&mut self, quiet: Duration) {
        let deadline = now() + LINGER;
        self.alarm.set(Some(deadline));
        if poll_fn(|cx| self.stream.poll_finish(cx)).await.is_err() {
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
