//! Idle connections to servers, of one worker: the newest is used first, each lives for a short while, and those that have been idle
//! for a moment are watched, because a FIN on an idle connection is the earliest sign that a server is gone. To be watched costs a good
//! part of what a small request does: on a busy worker most are used again before.
//!
//! ```text
//! exchange ends ──put──▶ idle ──take──▶ the next exchange
//!                          ├── disturbed (FIN, RST, bytes nobody asked for) ──▶ dropped, and reported when closed
//!                          ├── older than `lifetime`, or of an older generation of its endpoint ──▶ dropped
//! ```

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use evenkeel_http1::Outbound;
use evenkeel_upstream::{Endpoint, EndpointId};
use evenkeel_wire::{Alarm, Idleness, Stream};
use futures_util::task::AtomicWaker;
use rustc_hash::FxHashMap;

use crate::clock::now;

/// A connection to a server, between two exchanges or in one. Boxed for as long as it lives, because each exchange moves it about.
pub(crate) struct ServerConnection {
    pub(crate) stream: Stream,
    pub(crate) machine: Outbound,
    /// The generation of the endpoint under which it was opened: an ejection makes it stale.
    pub(crate) generation: u32,
    /// A user has authenticated on it, so that it must never carry another client's request.
    pub(crate) bound: bool,
}

impl ServerConnection {
    /// A connection that was just opened.
    pub(crate) fn fresh(stream: Stream, generation: u32) -> Self {
        Self { stream, machine: Outbound::new(), generation, bound: false }
    }
}

/// The most idle connections kept to one endpoint by one worker.
const IDLE_PER_ENDPOINT: usize = 256;

/// All idle connections of one worker.
pub(crate) struct IdleConnections {
    lifetime: Cell<Duration>,
    by_endpoint: RefCell<FxHashMap<EndpointId, Stack>>,
    /// Of the task in [`IdleConnections::watch`].
    watcher: Arc<AtomicWaker>,
    /// Some may not be watched yet, and that task looks for them soon.
    looks_soon: Cell<bool>,
}

impl IdleConnections {
    /// None yet; each will live for `lifetime` at most.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime: Cell::new(lifetime),
            by_endpoint: RefCell::default(),
            watcher: Arc::default(),
            looks_soon: Cell::new(false),
        }
    }

    /// Each lives for `lifetime` at most from now on.
    pub(crate) fn live_for(&self, lifetime: Duration) {
        if self.lifetime.replace(lifetime) != lifetime {
            self.watcher.wake();
        }
    }

    /// The newest connection to `endpoint` that is still good, as far as `idleness` knows.
    pub(crate) fn take(
        &self,
        endpoint: &Endpoint,
        idleness: impl Fn(&mut Stream) -> Idleness,
        now: Instant,
    ) -> Option<Box<ServerConnection>> {
        let mut by_endpoint = self.by_endpoint.borrow_mut();
        let stack = by_endpoint.get_mut(&endpoint.id())?;
        let generation = endpoint.generation();
        while let Some(Idle { mut connection, since }) = stack.pop() {
            let young = now < since + self.lifetime.get();
            if young
                && connection.generation == generation
                && idleness(&mut connection.stream) == Idleness::Quiet
            {
                return Some(connection);
            }
            connection.stream.part();
        }
        None
    }

    /// Keeps a connection to an endpoint of this generation, whose exchange has ended cleanly.
    pub(crate) fn put(
        &self,
        endpoint: EndpointId,
        generation: u32,
        mut connection: Box<ServerConnection>,
        now: Instant,
    ) {
        debug_assert!(!connection.bound, "it belongs to one client");
        if connection.bound
            || connection.generation != generation
            || connection.stream.idleness() != Idleness::Quiet
        {
            connection.stream.part();
            return;
        }
        let mut by_endpoint = self.by_endpoint.borrow_mut();
        let stack = by_endpoint.entry(endpoint).or_insert_with(|| Stack::new(self.watcher.clone()));
        if stack.idle.len() < IDLE_PER_ENDPOINT {
            stack.idle.push(Idle { connection, since: now });
            if !self.looks_soon.replace(true) {
                self.watcher.wake();
            }
        }
    }

    /// Watches all idle connections, for as long as the worker runs: one that is disturbed is dropped, and `closed` is
    /// told the endpoint when the server closed it.
    pub(crate) async fn watch(&self, mut closed: impl FnMut(EndpointId)) {
        let mut sweep = Alarm::new();
        poll_fn(|cx| -> Poll<()> {
            self.watcher.register(cx.waker());
            loop {
                sweep.set(Some(self.look(&mut closed)));
                if sweep.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Drops who is too old or disturbed, watches who has been idle for a moment, and says when to look again: when the
    /// next is too old, or may have been idle for long enough.
    fn look(&self, closed: &mut impl FnMut(EndpointId)) -> Instant {
        let (now, lifetime) = (now(), self.lifetime.get());
        let (mut next, mut looks_soon) = (now + lifetime, false);
        self.by_endpoint.borrow_mut().retain(|endpoint, stack| {
            stack.drop_older(now, lifetime);
            stack.watch(now, || closed(*endpoint));
            looks_soon |= stack.watched < stack.idle.len();
            if let Some(oldest) = stack.idle.first() {
                next = next.min(oldest.since + lifetime);
            }
            !stack.idle.is_empty()
        });
        self.looks_soon.set(looks_soon);
        if looks_soon { next.min(now + UNWATCHED) } else { next }
    }
}

/// The idle connections to one endpoint.
struct Stack {
    /// The one that has been idle for longest first: they are taken from the end and put there.
    idle: Vec<Idle>,
    /// How many of them, from the first on, are watched.
    watched: usize,
    disturbance: Arc<Disturbance>,
}

struct Idle {
    connection: Box<ServerConnection>,
    since: Instant,
}

/// How long a connection is idle before it is watched, at least; twice that at most.
const UNWATCHED: Duration = Duration::from_millis(10);

impl Stack {
    fn new(watcher: Arc<AtomicWaker>) -> Self {
        let disturbance = Disturbance { happened: AtomicBool::new(false), watcher };
        Self { idle: Vec::new(), watched: 0, disturbance: Arc::new(disturbance) }
    }

    fn pop(&mut self) -> Option<Idle> {
        let newest = self.idle.pop();
        self.watched = self.watched.min(self.idle.len());
        newest
    }

    fn drop_older(&mut self, now: Instant, lifetime: Duration) {
        let old = self.idle.iter().take_while(|idle| now >= idle.since + lifetime).count();
        self.watched = self.watched.saturating_sub(old);
        for Idle { mut connection, .. } in self.idle.drain(..old) {
            connection.stream.part();
        }
    }

    /// Watches those that have been idle for a moment, and drops those that are disturbed. Who is watched already is looked
    /// at only if one of them was: there may be hundreds, and this is done every few milliseconds.
    fn watch(&mut self, now: Instant, mut closed: impl FnMut()) {
        let mut at = if self.disturbance.happened.swap(false, Ordering::AcqRel) { 0 } else { self.watched };
        let waker = Waker::from(self.disturbance.clone());
        let mut cx = Context::from_waker(&waker);
        while let Some(idle) = self.idle.get_mut(at)
            && (at < self.watched || now >= idle.since + UNWATCHED)
        {
            match idle.connection.rest(&mut cx) {
                Idleness::Quiet => {
                    at += 1;
                    self.watched = self.watched.max(at);
                    continue;
                }
                Idleness::Closed => closed(),
                Idleness::Unasked => (),
            }
            self.idle.remove(at);
            if at < self.watched {
                self.watched -= 1;
            }
        }
    }
}

impl ServerConnection {
    /// What has become of it while it is idle. Where nothing has, the next disturbance wakes the task.
    fn rest(&mut self, cx: &mut Context<'_>) -> Idleness {
        while self.stream.poll_disturbed(cx).is_ready() {
            // The readiness may be an old one: ask to be told of the next.
            match self.stream.idleness() {
                Idleness::Quiet => (),
                other => return other,
            }
        }
        Idleness::Quiet
    }
}

/// Says that one of an endpoint's idle connections is not quiet any more, before it wakes who watches them.
struct Disturbance {
    happened: AtomicBool,
    watcher: Arc<AtomicWaker>,
}

impl Wake for Disturbance {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.happened.store(true, Ordering::Release);
        self.watcher.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::select;

    use super::*;
    use crate::context::set_up::set_up;

    const LIFETIME: Duration = Duration::from_mins(1);

    /// An endpoint that listens, connections to it that have been idle for `ages` milliseconds, and the server's side of each.
    async fn idle(ages: &[u64]) -> (Arc<Endpoint>, IdleConnections, Vec<std::net::TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint =
            set_up(&[address]).editions.borrow().upstreams[0].upstream.snapshot().endpoints()[0].clone();
        let connections = IdleConnections::new(LIFETIME);
        let mut servers = Vec::new();
        for age in ages {
            let stream = evenkeel_wire::connect(address, LIFETIME).await.unwrap();
            servers.push(listener.accept().unwrap().0);
            let connection = Box::new(ServerConnection::fresh(stream, endpoint.generation()));
            let since = Instant::now().checked_sub(Duration::from_millis(*age)).unwrap();
            connections.put(endpoint.id(), endpoint.generation(), connection, since);
        }
        (endpoint, connections, servers)
    }

    fn counts(connections: &IdleConnections) -> (usize, usize) {
        let by_endpoint = connections.by_endpoint.borrow();
        by_endpoint.values().next().map_or((0, 0), |stack| (stack.watched, stack.idle.len()))
    }

    /// Watches until one is said to be closed.
    async fn closed_one(connections: &IdleConnections) -> EndpointId {
        let told = Cell::new(None);
        select! {
            biased;
            () = connections.watch(|endpoint| told.set(Some(endpoint))) => unreachable!("it never ends"),
            endpoint = poll_fn(|_| told.get().map_or(Poll::Pending, Poll::Ready)) => endpoint,
        }
    }

    #[tokio::test]
    async fn the_end_of_any_that_is_watched_is_told_and_the_others_stay() {
        let (endpoint, connections, mut servers) = idle(&[40, 30, 20, 15]).await;
        connections.look(&mut |_| panic!("none is disturbed"));
        assert_eq!(counts(&connections), (4, 4));
        for left in (0..4).rev() {
            drop(servers.remove(left / 2));
            assert_eq!(closed_one(&connections).await, endpoint.id());
            assert_eq!(counts(&connections), (left, left));
        }
    }

    #[tokio::test]
    async fn one_that_ended_before_it_was_watched_is_told_when_it_is() {
        let (endpoint, connections, mut servers) = idle(&[0, 0]).await;
        drop(servers.remove(1));
        assert_eq!(closed_one(&connections).await, endpoint.id());
        assert_eq!(counts(&connections), (1, 1));
    }

    #[tokio::test]
    async fn one_that_is_used_and_put_back_is_not_watched_at_once() {
        let (endpoint, connections, servers) = idle(&[40, 30, 20]).await;
        connections.look(&mut |_| panic!("none is disturbed"));
        let now = Instant::now();
        let used = connections.take(&endpoint, Stream::idleness, now).unwrap();
        assert_eq!(counts(&connections), (2, 2));
        connections.put(endpoint.id(), endpoint.generation(), used, now);
        assert_eq!(counts(&connections), (2, 3));
        connections
            .by_endpoint
            .borrow_mut()
            .get_mut(&endpoint.id())
            .unwrap()
            .watch(now, || panic!("none is"));
        assert_eq!(counts(&connections), (2, 3), "it has been idle for no time");
        drop(servers);
    }

    #[tokio::test]
    async fn the_oldest_go_when_their_time_is_over() {
        let (_endpoint, connections, servers) = idle(&[60_000, 30_000, 0]).await;
        let next = connections.look(&mut |_| panic!("none was closed by the server"));
        assert_eq!(counts(&connections), (1, 2));
        assert!(next <= Instant::now() + UNWATCHED, "the last is to be watched soon");
        drop(servers);
    }
}
