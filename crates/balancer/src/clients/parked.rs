//! Connections of clients that have nothing to say: parked outside the runtime, as a descriptor and a few words each.
//!
//! ```text
//! busy ──quiet for a while──▶ parked ──a byte, or the end──▶ busy
//!                               └──idle for too long──▶ closed without a word; with a FIN first when the balancer leaves
//! ```
//! A task with its registration and its timer costs a kilobyte or more, and most connections of a real site idle most of
//! the time. So an idle one is taken out of the runtime and registered with an epoll instance of the worker's own, which
//! the runtime watches as a single descriptor.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::{Duration, Instant};

use evenkeel_wire::Resting;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock::now;
use crate::context::leaving::Leaving;
use crate::context::permit::Permit;

/// A connection without anything under way, so that its protocol state is that of a new one.
pub(crate) struct Idle {
    pub(crate) stream: Resting,
    pub(crate) peer: SocketAddr,
    /// Boxed because it is rare: only the PROXY protocol names it.
    pub(crate) destination: Option<Box<SocketAddr>>,
    pub(crate) introduced: bool,
    /// Until when the first byte of a request must have come; `None` once it has.
    pub(crate) first_byte_by: Option<Instant>,
    /// When it was last answered; what wakes it need not be a request.
    pub(crate) since: Instant,
    pub(crate) permit: Permit,
}

/// All parked connections of one worker.
pub(crate) struct Parked {
    epoll: AsyncFd<OwnedFd>,
    entries: RefCell<Slab<Entry>>,
    /// Between two looks for those whose time is over; another one goes from the next look on.
    period: Cell<Duration>,
}

struct Entry {
    idle: Idle,
    until: Instant,
}

/// How long a client may be quiet before its connection is closed because the balancer leaves. One that asks again within it
/// is answered and told; one that is quiet for so long hardly begins to ask in the moment in which it is closed.
pub(crate) const QUIET_WHILE_LEAVING: Duration = Duration::from_secs(1);

/// Between two looks for those whose time is over: an eighth of the shortest time that there is, within these.
const OFTENEST: Duration = Duration::from_millis(10);
const RAREST: Duration = Duration::from_secs(1);

/// Between two looks for them.
const SWEEP_WHILE_LEAVING: Duration = Duration::from_millis(10);

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

impl Parked {
    /// None yet. None will be parked for less than `shortest`.
    ///
    /// # Errors
    /// When the process has no descriptor left for it.
    pub(crate) fn new(shortest: Duration) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor changes; an OwnedFd's does not"
        )]
        let epoll = AsyncFd::with_interest(epoll, Interest::READABLE)?;
        let parked = Self { epoll, entries: RefCell::default(), period: Cell::default() };
        parked.look_for(shortest);
        Ok(parked)
    }

    /// From now on none will be parked for less than `shortest`.
    pub(crate) fn look_for(&self, shortest: Duration) {
        self.period.set((shortest / 8).clamp(OFTENEST, RAREST));
    }

    /// Parks a connection, which is closed when nothing has come until then. One that the kernel refuses to watch is closed at
    /// once.
    pub(crate) fn park(&self, idle: Idle, until: Instant) {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.vacant_entry();
        let data = EventData::new_u64(entry.key() as u64);
        if epoll::add(self.epoll.get_ref(), &idle.stream, data, EventFlags::IN | EventFlags::RDHUP).is_ok() {
            entry.insert(Entry { idle, until });
        }
    }

    /// Hands each connection that is no longer quiet to `wake`, and closes those whose time is over; as long
    /// as the worker runs.
    ///
    /// When the balancer leaves, none is waited for longer than [`QUIET_WHILE_LEAVING`]: those go to `take_leave`.
    pub(crate) async fn watch(
        &self,
        leaving: &Leaving,
        mut wake: impl FnMut(Idle),
        mut take_leave: impl FnMut(Idle),
    ) {
        let mut sweep = tokio::time::interval(self.period.get());
        let mut telling = pin!(leaving.telling());
        let mut told = false;
        loop {
            tokio::select! {
                ready = self.epoll.readable() => {
                    // Fails only when the runtime is shutting down.
                    let Ok(mut ready) = ready else { return };
                    if !self.wake_some(&mut wake) {
                        ready.clear_ready();
                    }
                }
                () = &mut telling, if !told => {
                    told = true;
                    let latest = now() + QUIET_WHILE_LEAVING;
                    self.entries.borrow_mut().iter_mut().for_each(|(_, entry)| entry.until = entry.until.min(latest));
                    sweep = tokio::time::interval(SWEEP_WHILE_LEAVING);
                }
                _ = sweep.tick() => {
                    // One that has said something is not idle, however late it is noticed.
                    while told && self.wake_some(&mut wake) {}
                    if !told && sweep.period() != self.period.get() {
                        sweep = tokio::time::interval(self.period.get());
                        // The first comes at once, and is this one.
                        sweep.reset();
                    }
                    for idle in self.take_overdue() {
                        if told {
                            take_leave(idle);
                        } else {
                            idle.stream.close();
                        }
                    }
                }
            }
        }
    }

    /// False when no connection has anything to say.
    fn wake_some(&self, wake: &mut impl FnMut(Idle)) -> bool {
        let mut events = Vec::with_capacity(EVENTS);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if epoll::wait(self.epoll.get_ref(), rustix::buffer::spare_capacity(&mut events), Some(&at_once))
            .is_err()
        {
            return false;
        }
        for event in &events {
            let key = { event.data }.u64() as usize;
            let Some(Entry { idle, .. }) = self.entries.borrow_mut().try_remove(key) else { continue };
            // Its key may be another connection's from now on, so the kernel must forget it first.
            if epoll::delete(self.epoll.get_ref(), &idle.stream).is_ok() {
                wake(idle);
            }
        }
        !events.is_empty()
    }

    fn take_overdue(&self) -> Vec<Idle> {
        let now = now();
        let mut entries = self.entries.borrow_mut();
        let overdue: Vec<usize> =
            entries.iter().filter(|(_, entry)| entry.until <= now).map(|(key, _)| key).collect();
        let taken = overdue.into_iter().filter_map(|key| entries.try_remove(key));
        // A descriptor that is closed is forgotten by itself.
        taken
            .map(|entry| entry.idle)
            .filter(|idle| epoll::delete(self.epoll.get_ref(), &idle.stream).is_ok())
            .collect()
    }
}
