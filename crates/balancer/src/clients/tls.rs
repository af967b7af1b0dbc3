//! Clients that speak TLS: the handshake, and then HTTP like anybody's.
//!
//! ```text
//! accepted ──(PROXY header)──▶ handshake ──▶ a client's connection
//!                                 └──▶ closed: not in time, no handshake, gone; plain HTTP is told so (400)
//! ```
//! A handshake is made on the worker whose connection it is, and takes a place among the clients' connections from its
//! beginning: there are never more under way than those may be, and each is over within `BALANCER_HEAD_TIMEOUT`.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use evenkeel_service::Rarely;
use evenkeel_wire::{Alarm, Buffer, ClientRefusal, Handshake, HandshakeFailure, Stream};
use tracing::{debug, info};

use crate::clients::frontend::Frontend;
use crate::clients::h1::client::Client;
use crate::clients::h1::connection;
use crate::clients::introduction;
use crate::clock::{self, now};
use crate::context::Worker;
use crate::context::permit::Permit;
use crate::records::metrics::{Counter, Stats};

/// Clients that are turned away for their certificate, a second, that the log tells of.
static TURNED_AWAY: Rarely = Rarely::new(1);

/// Serves a client that has just connected and will speak TLS.
pub(crate) fn serve(
    frontend: Rc<Frontend>,
    stream: Stream,
    peer: SocketAddr,
    mut permit: Permit,
) -> impl Future<Output = ()> {
    frontend.worker().stats.connections.add(1);
    clock::still(Box::pin(async move {
        let mut client = connection::begin(&frontend, stream, peer, now());
        if shake_hands(&frontend.worker(), &mut client, &mut permit).await {
            connection::last_since(now(), client, &frontend, permit).await;
        }
    }))
}

/// False when the connection is over.
async fn shake_hands(worker: &Worker, client: &mut Client, permit: &mut Permit) -> bool {
    let Some(server) = &worker.shared.tls else { return false };
    let mut received = Buffer::default();
    if !client.introduced {
        let is_introduced = introduction::receive(worker, client, &mut received).await;
        if !is_introduced || !introduction::has_room(worker, client, permit) {
            return false;
        }
    }
    let until = now() + worker.settings().head_timeout;
    if received.is_empty() && client.hears_a_byte_until(until).await {
        client.fill(&mut received).await;
    }
    if is_plain_http(received.filled()) {
        worker.stats.tls_plain.add(1);
        connection::tell_to_speak_tls(worker, client).await;
        return false;
    }
    let mut alarm = Alarm::new();
    alarm.set(Some(until));
    let peer = client.peer;
    // A handshake may wait for long: not with a buffer of which these few bytes fill a small part.
    let early = received.filled().to_vec();
    drop(received);
    let done = {
        let mut handshake = pin!(client.secure(server, &early));
        poll_fn(|cx| match handshake.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => alarm.poll(cx).map(|()| None),
        })
        .await
    };
    let stats = &worker.stats;
    match done {
        Some(Ok(handshake)) => {
            count(stats, handshake);
            return true;
        }
        Some(Err(HandshakeFailure::Gone)) => stats.tls_gone.add(1),
        Some(Err(HandshakeFailure::Refused(why))) => {
            stats.tls_refused.add(1);
            debug!(%peer, "no handshake: {why}");
        }
        Some(Err(HandshakeFailure::Client(why))) => {
            turned_away(stats, why).add(1);
            if let Some(more) = TURNED_AWAY.admit(now()) {
                info!(%peer, "no handshake: {why}{more}");
            }
            // In TLS 1.3 its request may be under way already: closed over that, the alert would be lost to a reset.
            connection::see_off(worker, client).await;
        }
        None => stats.tls_late.add(1),
    }
    false
}

/// Whether these first bytes are those of a request in plain HTTP: a record of TLS begins with no letter (RFC 8446 §5.1).
fn is_plain_http(first: &[u8]) -> bool {
    first.first().is_some_and(u8::is_ascii_alphabetic)
}

fn turned_away(stats: &Stats, why: ClientRefusal) -> &Counter {
    match why {
        ClientRefusal::Missing => &stats.tls_client_missing,
        ClientRefusal::Unknown => &stats.tls_client_unknown,
        ClientRefusal::Expired => &stats.tls_client_expired,
        ClientRefusal::Revoked => &stats.tls_client_revoked,
        ClientRefusal::Unchecked => &stats.tls_client_unchecked,
        ClientRefusal::Invalid => &stats.tls_client_invalid,
    }
}

fn count(stats: &Stats, handshake: Handshake) {
    let counter = match (handshake.is_tls13, handshake.is_resumed) {
        (true, false) => &stats.tls13_full,
        (true, true) => &stats.tls13_resumed,
        (false, false) => &stats.tls12_full,
        (false, true) => &stats.tls12_resumed,
    };
    counter.add(1);
}
