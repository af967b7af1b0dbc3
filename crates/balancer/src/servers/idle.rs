//! Idle connections to servers, of one worker: the newest is used first, each lives for a short while, and those that have been idle
//! for a moment are watched, because a FIN on an idle connection is the earliest sign that a server is gone. To be watched costs a good
//! part of what a small request does: on a busy worker most are used again before.
//! A server that closes them of its own accord is remembered for that: what must not be sent twice goes on none that may be next.
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

    /// The newest connection to `endpoint` that is still good, for a request that may be sent again if it is not, or `once` only.
    pub(crate) fn take(
        &self,
        endpoint: &Endpoint,
        once: bool,
        now: Instant,
    ) -> Option<Box<ServerConnection>> {
        let mut by_endpoint = self.by_endpoint.borrow_mut();
        let stack = by_endpoint.get_mut(&endpoint.id())?;
        let generation = endpoint.generation();
        if once && stack.may_be_closed_just_now(generation, now) {
            return None;
        }
        // What the runtime does not know yet, only the kernel can say: that is one call more.
        let idleness = if once { Stream::idleness_now } else { Stream::idleness };
        loop {
            let was_watched = stack.watched == stack.idle.len();
            let Idle { mut connection, since } = stack.pop()?;
            let young = now < since + self.lifetime.get();
            if young && connection.generation == generation {
                match idleness(&mut connection.stream) {
                    Idleness::Quiet => return Some(connection),
                    Idleness::Closed => {
                        let idle_for =
                            if was_watched { now.saturating_duration_since(since) } else { Duration::ZERO };
                        stack.note_closed(idle_for, generation, now);
                    }
                    Idleness::Unasked => {}
                }
            }
            connection.stream.part();
        }
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
        if connection.bound || connection.generation != generation {
            connection.stream.part();
            return;
        }
        let mut by_endpoint = self.by_endpoint.borrow_mut();
        let stack = by_endpoint.entry(endpoint).or_insert_with(|| Stack::new(self.watcher.clone()));
        let idleness = connection.stream.idleness();
        if idleness != Idleness::Quiet {
            if idleness == Idleness::Closed {
                stack.note_closed(Duration::ZERO, generation, now);
            }
            connection.stream.part();
            return;
        }
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
            !stack.idle.is_empty() || stack.closes.as_ref().is_some_and(|closes| closes.is_known(now))
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
    /// What is known of when the server closes them.
    closes: Option<Closes>,
}

/// When a server has closed idle connections of its own accord.
struct Closes {
    /// The shortest time that one had been idle for, or less.
    after: Duration,
    /// The last time.
    at: Instant,
    generation: u32,
}

/// For so long it is expected to go on as it did.
const CLOSES_AGAIN_FOR: Duration = Duration::from_mins(1);

impl Closes {
    fn is_known(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < CLOSES_AGAIN_FOR
    }
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
        Self { idle: Vec::new(), watched: 0, disturbance: Arc::new(disturbance), closes: None }
    }

    fn pop(&mut self) -> Option<Idle> {
        let newest = self.idle.pop();
        self.watched = self.watched.min(self.idle.len());
        newest
    }

    fn note_closed(&mut self, idle_for: Duration, generation: u32, now: Instant) {
        let known =
            self.closes.as_ref().filter(|closes| closes.generation == generation && closes.is_known(now));
        let after = known.map_or(idle_for, |closes| closes.after.min(idle_for));
        self.closes = Some(Closes { after, at: now, generation });
    }

    /// Whether the newest may be closed by its server in the moment in which a request is sent on it: it has been idle for more than
    /// half the time after which this server has closed one lately.
    fn may_be_closed_just_now(&self, generation: u32, now: Instant) -> bool {
        let closes =
            self.closes.as_ref().filter(|closes| closes.generation == generation && closes.is_known(now));
        let (Some(closes), Some(newest)) = (closes, self.idle.last()) else { return false };
        now.saturating_duration_since(newest.since) * 2 >= closes.after
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
            let idleness = idle.connection.rest(&mut cx);
            if idleness == Idleness::Quiet {
                at += 1;
                self.watched = self.watched.max(at);
                continue;
            }
            let Idle { connection, since } = self.idle.remove(at);
            if idleness == Idleness::Closed {
                let idle_for =
                    if at < self.watched { now.saturating_duration_since(since) } else { Duration::ZERO };
                self.note_closed(idle_for, connection.generation, now);
                closed();
            }
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
        let used = connections.take(&endpoint, false, now).unwrap();
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
    async fn what_is_sent_once_only_goes_on_none_that_its_server_may_be_closing() {
        let (endpoint, connections, mut servers) = idle(&[1_000, 20]).await;
        connections.look(&mut |_| panic!("none is disturbed"));
        drop(servers.remove(0));
        closed_one(&connections).await;
        let later = Instant::now() + Duration::from_millis(600);
        assert!(
            connections.take(&endpoint, true, later).is_none(),
            "half a second is half of what it closed one after"
        );
        let soon = Instant::now();
        let taken = connections.take(&endpoint, true, soon).expect("it has just been used");
        connections.put(endpoint.id(), endpoint.generation(), taken, soon);
        assert!(connections.take(&endpoint, false, later).is_some(), "what may be sent again goes on any");
    }

    #[tokio::test]
    async fn to_a_server_that_closes_at_once_it_goes_on_a_connection_of_its_own() {
        let (endpoint, connections, mut servers) = idle(&[0, 0]).await;
        drop(servers.remove(0));
        closed_one(&connections).await;
        let now = Instant::now();
        assert!(connections.take(&endpoint, true, now).is_none());
        let much_later = now + CLOSES_AGAIN_FOR;
        let taken = connections.take(&endpoint, false, now).expect("the other one is open");
        connections.put(endpoint.id(), endpoint.generation(), taken, much_later);
        assert!(connections.take(&endpoint, true, much_later).is_some(), "it has not done so for a minute");
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
