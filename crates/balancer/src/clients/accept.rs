//! Accepting clients: one task on the first worker accepts for all and hands connections out in rotation, so that
//! each worker has its even share whatever the kernel's hash would have done.
//!
//! Beyond the connection limit a client is accepted, answered with 503 and closed, so that it knows; when the process
//! is out of descriptors the loop waits for one to come back. The loop lasts as long as the process; where it has to end before
//! (`run::leave`), the queue of connections that the kernel has already completed is emptied before the listener closes,
//! because each of them may carry a request.
//!
//! The kernel keeps a connection back until its first bytes are there ([`HELD_BACK`]), so who is accepted is served at once: the
//! runtime hears of a connection only when there is something to wait for.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use evenkeel_service::Rarely;
use evenkeel_wire::Stream;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::clients::frontend::Frontend;
use crate::clients::h1::connection::{self, TooMany};
use crate::clients::tls;
use crate::clock::now;
use crate::context::permit::Permit;

/// A connection on its way to the worker that will serve it.
pub(crate) struct Arrival {
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    transport: Transport,
}

/// What a listener's clients speak HTTP over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
}

/// The kernel's queue of connections not yet accepted: as long as it lets us (`net.core.somaxconn`).
pub(crate) const BACKLOG: i32 = 65_535;

/// How many bytes the kernel keeps for a client beyond what is on its way to it. Left alone it keeps most of a megabyte, and a
/// thousand clients that do not read exhaust what the machine has for all its connections (`net.ipv4.tcp_mem`).
pub(crate) const UNSENT: u32 = 128 * 1024;

/// How long the kernel keeps a connection back on which nothing has come: the shortest that it knows. A client that is silent for
/// longer is accepted like any other and has [its time](crate::settings::Settings::first_byte_timeout) from then on.
pub(crate) const HELD_BACK: Duration = Duration::from_secs(1);

/// What becomes of those who wait in the queue when no more are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// They would be reset with the listener: they come in.
    Served,
    /// The socket outlives this process: they are the next one's.
    Left,
}

/// How many connections are accepted before those that are open have their turn.
const AT_ONCE: usize = 16;

/// How long to wait for a descriptor to come back before accepting again.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

static CANNOT_ACCEPT: Rarely = Rarely::new(1);

/// Accepts until it is told to close, and what becomes of the queue; then closes the listener.
///
/// # Errors
/// When the runtime cannot watch the listener.
pub(crate) async fn accept(
    frontend: Rc<Frontend>,
    listener: TcpListener,
    transport: Transport,
    others: Vec<mpsc::UnboundedSender<Arrival>>,
    mut close: oneshot::Receiver<Waiting>,
) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor changes; a TcpListener's does not"
    )]
    let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
    let mut turn = 0;
    let mut admit = |(tcp, peer)| admit(&frontend, transport, &others, &mut turn, tcp, peer);
    let waiting = 'open: loop {
        let mut ready = tokio::select! {
            biased;
            waiting = &mut close => break 'open waiting.unwrap_or(Waiting::Served),
            ready = listener.readable() => ready?,
        };
        for _ in 0..AT_ONCE {
            match next(listener.get_ref()) {
                Ok(arrived) => admit(arrived),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue 'open;
                }
                // A client that went away before it was accepted is its own affair.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if let Some(more) = CANNOT_ACCEPT.admit(now()) {
                        warn!(%error, "cannot accept a connection; trying again{more}");
                    }
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                    continue 'open;
                }
            }
        }
        tokio::task::yield_now().await;
    };
    // The kernel is asked directly: the runtime may not have heard yet of what is in the queue.
    while waiting == Waiting::Served
        && let Ok(arrived) = next(listener.get_ref())
    {
        admit(arrived);
    }
    Ok(())
}

/// The next connection of the queue, which does not block.
fn next(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (tcp, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer =
        peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((tcp.into(), peer))
}

fn admit(
    frontend: &Rc<Frontend>,
    transport: Transport,
    others: &[mpsc::UnboundedSender<Arrival>],
    turn: &mut usize,
    tcp: TcpStream,
    peer: SocketAddr,
) {
    let worker = frontend.worker();
    let (connections, settings) = (&worker.shared.connections, worker.settings());
    // Where proxies pass connections on, whose one is will be said on it.
    let counts = settings.clients.connections.is_some()
        && !settings.proxy_protocol
        && !settings.trusted.include(peer.ip());
    if counts && !connections.has_room_for(peer.ip()) {
        worker.stats.limited_connections.add(1);
        turn_away(frontend, transport, tcp, TooMany::OfOne);
        return;
    }
    // Those whose clients may be gone make room first.
    let in_stead = || worker.shared.asks_one_to_go().then(|| connections.admit_in_stead());
    let Some(mut permit) = connections.admit().or_else(in_stead) else {
        worker.stats.refused_connections.add(1);
        tell_of_no_room(settings.max_connections);
        turn_away(frontend, transport, tcp, TooMany::InAll);
        return;
    };
    if counts && !permit.belongs_to(peer.ip()) {
        // There was room a moment ago, and nobody else admits.
        return;
    }
    let share = *turn % (others.len() + 1);
    *turn = turn.wrapping_add(1);
    if share == 0 {
        serve(frontend, transport, tcp, peer, permit);
        return;
    }
    // A worker that is gone has dropped its queue: so is the process.
    let _ = others[share - 1].send(Arrival { tcp, peer, permit, transport });
}

#[cold]
fn tell_of_no_room(limit: usize) {
    static NO_ROOM: Rarely = Rarely::new(1);
    if let Some(more) = NO_ROOM.admit(now()) {
        warn!(
            "a client is turned away: {limit} connections are all that BALANCER_MAX_CONNECTIONS, or without it the limit of \
             descriptors (ulimit -n), allows{more}"
        );
    }
}

/// To say anything over TLS takes a handshake, which is what there is no room for.
fn turn_away(frontend: &Rc<Frontend>, transport: Transport, tcp: TcpStream, why: TooMany) {
    if transport == Transport::Tcp {
        tokio::task::spawn_local(connection::refuse(frontend.clone(), Stream::accepted(tcp), why));
    }
}

fn serve(frontend: &Rc<Frontend>, transport: Transport, tcp: TcpStream, peer: SocketAddr, permit: Permit) {
    let stream = Stream::accepted(tcp);
    match transport {
        Transport::Tcp => connection::serve(frontend, stream, peer, permit),
        Transport::Tls => _ = tokio::task::spawn_local(tls::serve(frontend.clone(), stream, peer, permit)),
    }
}

/// Serves the connections that the first worker hands to this one.
pub(crate) async fn receive(frontend: Rc<Frontend>, mut arrivals: mpsc::UnboundedReceiver<Arrival>) {
    while let Some(Arrival { tcp, peer, permit, transport }) = arrivals.recv().await {
        serve(&frontend, transport, tcp, peer, permit);
    }
}
