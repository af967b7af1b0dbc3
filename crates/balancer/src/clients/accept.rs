//! Accepting clients: one task on the first worker accepts for all and hands connections out in rotation, so that
//! each worker has its even share whatever the kernel's hash would have done.
//!
//! Beyond the connection limit a client is accepted, answered with 503 and closed, so that it knows; when the process
//! is out of descriptors the loop waits for one to come back. The loop lasts as long as the process; where it has to end before
//! ([`crate::leaving`]), the queue of connections that the kernel has already completed is emptied before the listener closes,
//! because each of them may carry a request.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_service::Rarely;
use evenkeel_wire::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use crate::clients::h1::connection;
use crate::clock::now;
use crate::context::Worker;

/// A connection on its way to the worker that will serve it.
pub(crate) struct Arrival {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    permit: Permit,
}

/// The connections of clients that are open, over all workers, and how many may be.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Those that came before the balancer began to leave, and those that came later.
    open: [AtomicUsize; 2],
    later: AtomicBool,
    most: usize,
}

/// The right of one connection to be open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    connections: Arc<Connections>,
    later: bool,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: Default::default(), later: AtomicBool::new(false), most })
    }

    /// How many are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.iter().map(|open| open.load(Ordering::Acquire)).sum()
    }

    /// How many of those that came before [`Connections::begin_later`] are open now.
    pub(crate) fn earlier(&self) -> usize {
        self.open[0].load(Ordering::Acquire)
    }

    /// Those that are admitted from now on came later.
    pub(crate) fn begin_later(&self) {
        self.later.store(true, Ordering::Release);
    }

    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        // One thread admits, and all others only give back.
        (self.open() < self.most).then(|| self.count())
    }

    /// For a client in whose stead another has been asked to go: until that has gone, there is one more than there may be.
    fn admit_in_stead(self: &Arc<Self>) -> Permit {
        self.count()
    }

    fn count(self: &Arc<Self>) -> Permit {
        let later = self.later.load(Ordering::Acquire);
        self.open[usize::from(later)].fetch_add(1, Ordering::AcqRel);
        Permit { connections: self.clone(), later }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.open[usize::from(self.later)].fetch_sub(1, Ordering::AcqRel);
    }
}

/// The kernel's queue of connections not yet accepted: as long as it lets us (`net.core.somaxconn`).
pub(crate) const BACKLOG: i32 = 65_535;

/// How many bytes the kernel keeps for a client beyond what is on its way to it. Left alone it keeps most of a megabyte, and a
/// thousand clients that do not read exhaust what the machine has for all its connections (`net.ipv4.tcp_mem`).
pub(crate) const UNSENT: u32 = 128 * 1024;

/// How long to wait for a descriptor to come back before accepting again.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

static CANNOT_ACCEPT: Rarely = Rarely::new(1);
static CANNOT_TAKE_OVER: Rarely = Rarely::new(1);

/// Accepts until it is told to close; then empties the queue and closes the listener.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    others: Vec<mpsc::UnboundedSender<Arrival>>,
    mut close: oneshot::Receiver<()>,
) {
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut close => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => admit(&worker, &others, &mut turn, tcp, peer),
            Err(error) => {
                // A client that went away before it was accepted is its own affair.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    if let Some(more) = CANNOT_ACCEPT.admit(now()) {
                        warn!(%error, "cannot accept a connection; trying again{more}");
                    }
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            }
        }
    }
    // The kernel is asked directly: the runtime may not have heard yet of what is in the queue.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((tcp, peer)) = listener.accept() {
        match tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp)) {
            Ok(tcp) => admit(&worker, &others, &mut turn, tcp, peer),
            Err(error) => debug!(%error, "a connection was lost while leaving"),
        }
    }
}

fn admit(
    worker: &Rc<Worker>,
    others: &[mpsc::UnboundedSender<Arrival>],
    turn: &mut usize,
    tcp: TcpStream,
    peer: SocketAddr,
) {
    let connections = &worker.shared.connections;
    // Those whose clients may be gone make room first.
    let in_stead = || worker.shared.upstream.queue().ask_one().then(|| connections.admit_in_stead());
    let Some(permit) = connections.admit().or_else(in_stead) else {
        worker.stats.refused_connections.add(1);
        tokio::task::spawn_local(connection::refuse(worker.clone(), Stream::accepted(tcp)));
        return;
    };
    let share = *turn % (others.len() + 1);
    *turn = turn.wrapping_add(1);
    if share == 0 {
        tokio::task::spawn_local(connection::serve(worker.clone(), Stream::accepted(tcp), peer, permit));
        return;
    }
    match tcp.into_std() {
        // A worker that is gone has dropped its queue: so is the process.
        Ok(stream) => drop(others[share - 1].send(Arrival { stream, peer, permit })),
        Err(error) => debug!(%error, "a connection was lost on its way to a worker"),
    }
}

/// Serves the connections that the first worker hands to this one.
pub(crate) async fn receive(worker: Rc<Worker>, mut arrivals: mpsc::UnboundedReceiver<Arrival>) {
    while let Some(Arrival { stream, peer, permit }) = arrivals.recv().await {
        match TcpStream::from_std(stream) {
            Ok(tcp) => {
                tokio::task::spawn_local(connection::serve(
                    worker.clone(),
                    Stream::accepted(tcp),
                    peer,
                    permit,
                ));
            }
            Err(error) => {
                if let Some(more) = CANNOT_TAKE_OVER.admit(now()) {
                    warn!(%error, "a connection could not be taken over{more}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_does_not_count() {
        let connections = Connections::new(1);
        let first = connections.admit();
        assert!(first.is_some());
        assert!(connections.admit().is_none());
        assert_eq!(connections.open(), 1);
        drop(first);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn those_that_came_before_are_told_from_those_that_came_later() {
        let connections = Connections::new(2);
        let early = connections.admit();
        connections.begin_later();
        let late = connections.admit();
        assert_eq!((connections.open(), connections.earlier()), (2, 1));
        assert!(connections.admit().is_none());
        drop(early);
        assert_eq!((connections.open(), connections.earlier()), (1, 0));
        drop(late);
        assert_eq!(connections.open(), 0);
    }
}
