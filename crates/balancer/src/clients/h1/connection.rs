//! A client's connection: one exchange after the other while it is busy, parked while it is not.
//!
//! ```text
//!           first byte                    head complete
//! quiet ───────────────▶ reading a head ────────────────▶ exchange ──▶ the next head, if some of it is here …
//!  ▲ └─ for a while ─▶ parked                                │
//!  └─────────────────────────────────────────────────────────┴──▶ closed: refused, `Connection: close`, leaving
//! ```
//! Buffers, parsed heads and the state of an exchange ([`Busy`]) come from the worker with the first byte of a request
//! and go back with the last byte of its answer. A connection that then stays quiet gives up its task as well: see
//! [`crate::clients::parked`].

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use evenkeel_wire::Stream;

use super::attendants::{Coming, attend};
use super::caller::Asking;
use super::client::{Client, Next};
use super::mistaken;
use super::storage::{Busy, Storage};
use crate::clients::frontend::Frontend;
use crate::clients::introduction;
use crate::clients::parked::{Idle, QUIET_WHILE_LEAVING};
use crate::clock::now;
use crate::context::Worker;
use crate::context::permit::Permit;
use crate::exchange::caller::{self, Caller};
use crate::exchange::then::Then;
use crate::exchange::{self, reply, tunnel};
use crate::settings::pace::Patience;

/// How long a connection keeps its task without a byte, while few do and while many do: what they hold together is
/// bounded by [`QUIET_TASKS`] of them, whatever the number of clients.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_AMONG_MANY: Duration = Duration::from_millis(20);
const QUIET_TASKS: usize = 256;

/// How long a client may be silent between the last response and its own end.
const LINGER_QUIET: Duration = Duration::from_secs(2);

/// The same for a client that is told to go because the balancer leaves, which lasts no longer for its sake.
const LINGER_WHILE_LEAVING: Duration = Duration::from_millis(200);

/// The most refused connections that wait until their client has read its 503: about half of the descriptors in reserve.
const REFUSED_LINGERING: usize = 64;

/// Serves a client that has just connected.
pub(crate) fn serve(frontend: &Rc<Frontend>, stream: Stream, peer: SocketAddr, permit: Permit) {
    frontend.worker().stats.connections.add(1);
    let since = now();
    let client = begin(frontend, stream, peer, since);
    attend(frontend, Coming { client, since, permit });
}

/// A client that has just connected.
pub(crate) fn begin(frontend: &Frontend, stream: Stream, peer: SocketAddr, now: Instant) -> Client {
    let worker = frontend.worker();
    let settings = worker.settings();
    let mut client = Client::new(stream, peer);
    client.introduced = !settings.proxy_protocol;
    client.first_byte_by = Some(now + settings.first_byte_timeout);
    client
}

/// Serves a client that was parked and has something to say.
pub(crate) fn resume(frontend: &Rc<Frontend>, idle: Idle) {
    let Idle { stream, peer, destination, introduced, first_byte_by, since, permit } = idle;
    let mut client = Client::new(Stream::resume(stream), peer);
    client.destination = destination.map(|destination| *destination);
    client.introduced = introduced;
    client.first_byte_by = first_byte_by;
    attend(frontend, Coming { client, since, permit });
}

/// Closes the connection of a client that has been quiet, in order: one that begins to ask in this very moment finds an end of
/// input and not a reset.
pub(crate) async fn take_leave(idle: Idle) {
    let Idle { stream, peer, permit, .. } = idle;
    Client::new(Stream::resume(stream), peer).linger(LINGER_WHILE_LEAVING).await;
    drop(permit);
}

/// Of what there are too many connections already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    InAll,
    /// Of the client's own.
    OfOne,
}

/// Answers a connection beyond a limit, with 503 or 429, and closes it.
pub(crate) async fn refuse(frontend: Rc<Frontend>, stream: Stream, why: TooMany) {
    let peer = SocketAddr::from(([0, 0, 0, 0], 0));
    tell_too_many(&frontend, &mut Client::new(stream, peer), why).await;
}

/// Its connection counts among those that are open no longer.
async fn tell_too_many(frontend: &Frontend, client: &mut Client, why: TooMany) {
    let mut storage = Storage::default();
    let worker = frontend.worker();
    let mut asking = Asking::new(&worker, client, &mut storage);
    asking.close_after_this();
    match why {
        TooMany::InAll => reply::too_many_connections(&worker, &mut asking),
        TooMany::OfOne => reply::too_many_of_one(&worker, &mut asking),
    }
    let lingering = frontend.refused.get();
    if lingering >= REFUSED_LINGERING {
        // The kernel's buffer takes it or it is lost: a flood must not hold the descriptors that others need.
        poll_fn(|cx| {
            let _ = asking.poll_send(cx, b"", &mut 0);
            Poll::Ready(())
        })
        .await;
        return;
    }
    frontend.refused.set(lingering + 1);
    let patience = Patience { quiet: LINGER_QUIET, rate: None };
    if caller::send(&mut asking, b"", patience).await.is_ok() {
        client.linger(LINGER_QUIET).await;
    }
    frontend.refused.set(frontend.refused.get() - 1);
}

/// Answers a client that has taken a port of TLS for another one, in the plain HTTP that it speaks.
#[inline(never)]
pub(crate) async fn tell_to_speak_tls(worker: &Worker, client: &mut Client) {
    let mut storage = Storage::default();
    let mut asking = Asking::new(worker, client, &mut storage);
    asking.close_after_this();
    reply::speaks_tls(worker, &mut asking);
    if caller::send(&mut asking, b"", worker.settings().patience()).await.is_ok() {
        client.linger(lingering(worker)).await;
    }
}

/// Lets a client that TLS has refused hear why, whatever it is still saying.
#[inline(never)]
pub(crate) async fn see_off(worker: &Worker, client: &mut Client) {
    client.linger(lingering(worker)).await;
}

/// Serves a client, who has not asked for anything since then, until its connection is over, or can be parked.
pub(crate) async fn last_since(
    mut since: Instant,
    mut client: Client,
    frontend: &Frontend,
    mut permit: Permit,
) {
    // Who is here now has come with a request, or has just broken a long silence.
    let mut is_heard = client.introduced;
    while is_heard || hears_a_byte(&mut client, frontend, since).await {
        is_heard = false;
        let mut busy = frontend.spare.take();
        let served = serve_some(frontend, &mut client, &mut busy, &mut permit).await;
        frontend.spare.give_back(busy);
        match served {
            Served::Some => since = now(),
            // Bytes that are no request, such as a piece of a record of TLS, renew nothing, however many of them come.
            Served::Nothing if now() < idles_until(&client, frontend, since) => {}
            Served::Nothing | Served::All => {
                if client.stream.is_broken() {
                    frontend.worker().stats.tls_broken.add(1);
                }
                client.stream.part();
                return;
            }
        }
    }
    if client.bound.is_some() {
        // It was waited for as long as a parked connection is.
        return;
    }
    let until = idles_until(&client, frontend, since);
    let Ok(stream) = client.stream.rest() else { return };
    let Client { peer, destination, introduced, first_byte_by, .. } = client;
    let destination = destination.map(Box::new);
    let idle = Idle { stream, peer, destination, introduced, first_byte_by, since, permit };
    let leaving = frontend.worker().shared.is_leaving().then(|| since + QUIET_WHILE_LEAVING);
    frontend.release_spare();
    frontend.parked.park(idle, leaving.map_or(until, |leaving| leaving.min(until)));
}

/// Until when a client may say nothing that is a request.
fn idles_until(client: &Client, frontend: &Frontend, since: Instant) -> Instant {
    client.first_byte_by.unwrap_or_else(|| since + frontend.worker().settings().idle_timeout)
}

/// Waits for a while from `since`. False when nothing has come.
async fn hears_a_byte(client: &mut Client, frontend: &Frontend, since: Instant) -> bool {
    let quiet = frontend.quiet.get();
    frontend.quiet.set(quiet + 1);
    let while_few = QUIET.min(frontend.worker().settings().shortest_idle());
    let mut until = since + if quiet < QUIET_TASKS { while_few } else { QUIET_AMONG_MANY };
    let mut heard = client.hears_a_byte_until(until).await;
    // What belongs to it cannot be parked.
    let latest = || since + frontend.worker().settings().idle_timeout;
    let is_leaving = || frontend.worker().shared.is_leaving();
    while !heard && client.bound.is_some() && until < latest() && !is_leaving() {
        until = latest().min(until + QUIET);
        heard = client.hears_a_byte_until(until).await;
    }
    frontend.quiet.set(frontend.quiet.get() - 1);
    heard
}

/// What was served at a time.
enum Served {
    /// All that the client had asked for until now.
    Some,
    /// It had asked for nothing.
    Nothing,
    /// All there will be: the connection is over.
    All,
}

/// Serves requests for as long as some of the next one is here.
async fn serve_some(
    frontend: &Frontend,
    client: &mut Client,
    busy: &mut Busy,
    permit: &mut Permit,
) -> Served {
    let Busy { storage, scratch } = busy;
    if !client.introduced {
        let worker = &frontend.worker();
        if !introduction::receive(worker, client, &mut storage.received).await {
            return Served::All;
        }
        if !introduction::has_room(worker, client, permit) {
            permit.give_back();
            tell_too_many(frontend, client, TooMany::OfOne).await;
            return Served::All;
        }
    }
    loop {
        let next = client.next_head(frontend.worker().settings(), storage).await;
        // The request has begun: it ends under what goes now.
        let groups = frontend.groups();
        let worker = &groups.worker;
        let mut asking = Asking::new(worker, client, storage);
        let then = match next {
            Next::Head => exchange::run(&groups, &mut asking, scratch).await,
            Next::Quiet => return Served::Nothing,
            Next::Gone => return Served::All,
            Next::Refused(refusal) => {
                mistaken::tell(asking.client.peer, &refusal);
                exchange::refuse_unread(worker, &mut asking, scratch, &refusal).await
            }
        };
        match then {
            Then::Next if storage.received.is_empty() && !client.half_closed => return Served::Some,
            Then::Next => {}
            Then::Close => return Served::All,
            Then::Linger => {
                client.linger(lingering(worker)).await;
                return Served::All;
            }
            Then::Tunnel(server) => {
                let Client { stream, alarm, .. } = client;
                let tunnel = tunnel::run(stream, alarm, &mut storage.received, server);
                Box::pin(tunnel).await;
                return Served::All;
            }
        }
    }
}

fn lingering(worker: &Worker) -> Duration {
    if worker.shared.is_leaving() { LINGER_WHILE_LEAVING } else { LINGER_QUIET }
}
