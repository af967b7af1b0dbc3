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
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use evenkeel_http1::Outbound;
use evenkeel_upstream::{Endpoint, EndpointId};
use evenkeel_wire::{Alarm, Idleness, Stream};
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
    by_endpoint: RefCell<FxHashMap<EndpointId, Vec<Idle>>>,
    /// Of the task in [`IdleConnections::watch`]: each connection that is watched wakes it.
    watcher: RefCell<Waker>,
    /// Some may not be watched yet, and that task looks for them soon.
    looks_soon: Cell<bool>,
}

struct Idle {
    connection: Box<ServerConnection>,
    since: Instant,
    watched: bool,
}

/// How long a connection is idle before it is watched, at least; twice that at most.
const UNWATCHED: Duration = Duration::from_millis(10);

impl IdleConnections {
    /// None yet; each will live for `lifetime` at most.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime: Cell::new(lifetime),
            by_endpoint: RefCell::default(),
            watcher: RefCell::new(Waker::noop().clone()),
            looks_soon: Cell::new(false),
        }
    }

    /// Each lives for `lifetime` at most from now on.
    pub(crate) fn live_for(&self, lifetime: Duration) {
        if self.lifetime.replace(lifetime) != lifetime {
            self.watcher.borrow().wake_by_ref();
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
        let idle = by_endpoint.get_mut(&endpoint.id())?;
        let generation = endpoint.generation();
        while let Some(Idle { mut connection, since, .. }) = idle.pop() {
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
        let idle = by_endpoint.entry(endpoint).or_default();
        if idle.len() < IDLE_PER_ENDPOINT {
            idle.push(Idle { connection, since: now, watched: false });
            if !self.looks_soon.replace(true) {
                self.watcher.borrow().wake_by_ref();
            }
        }
    }

    /// Watches all idle connections, for as long as the worker runs: one that is disturbed is dropped, and `closed` is
    /// told the endpoint when the server closed it.
    pub(crate) async fn watch(&self, mut closed: impl FnMut(EndpointId)) {
        let mut sweep = Alarm::new();
        poll_fn(|cx| -> Poll<()> {
            if !self.watcher.borrow().will_wake(cx.waker()) {
                self.watcher.borrow_mut().clone_from(cx.waker());
            }
            loop {
                self.drop_disturbed(cx, &mut closed);
                sweep.set(Some(self.next_look()));
                if sweep.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// When one is too old, or some may have been idle for long enough to be watched.
    fn next_look(&self) -> Instant {
        let lifetime = self.lifetime.get();
        let by_endpoint = self.by_endpoint.borrow();
        let all = || by_endpoint.values().flatten();
        let first = all().map(|idle| idle.since + lifetime).min();
        let looks_soon = all().any(|idle| !idle.watched);
        self.looks_soon.set(looks_soon);
        let next = now() + if looks_soon { UNWATCHED } else { lifetime };
        first.map_or(next, |first| first.min(next))
    }

    fn drop_disturbed(&self, cx: &mut Context<'_>, closed: &mut impl FnMut(EndpointId)) {
        let (now, lifetime) = (now(), self.lifetime.get());
        self.by_endpoint.borrow_mut().retain(|endpoint, idle| {
            idle.retain_mut(|Idle { connection, since, watched }| {
                let age = now.saturating_duration_since(*since);
                if age >= lifetime {
                    connection.stream.part();
                    return false;
                }
                *watched |= age >= UNWATCHED;
                if !*watched || connection.stream.poll_disturbed(cx).is_pending() {
                    return true;
                }
                match connection.stream.idleness() {
                    // The readiness was an old one: ask to be told of the next.
                    Idleness::Quiet => connection.stream.poll_disturbed(cx).is_pending(),
                    Idleness::Closed => {
                        closed(*endpoint);
                        false
                    }
                    Idleness::Unasked => false,
                }
            });
            !idle.is_empty()
        });
    }
}
