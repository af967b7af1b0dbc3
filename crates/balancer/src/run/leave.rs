//! How the balancer leaves: the door closes last.
//!
//! ```text
//! Serving ──SIGTERM──▶ Unready ──LEAVE_AFTER──▶ Telling ──────▶ Closing ──▶ exit
//!                      /readyz 503,             each response    no new connection,
//!                      else as before           is the last      the last are answered
//! ```
//! While it tells, whoever connects is still served: a listener that closed first would refuse clients for as long as the
//! last request takes. The door closes when all who were there at the beginning have gone, in the first moment without
//! anybody, or after [`SETTLED`] where clients come one after the other and there is no such moment.
//!
//! Clients who have connected and said nothing are [kept back](super::held_back) by the kernel while the balancer serves. From the
//! beginning nobody is any more, and the door closes when they are in.
//!
//! Closing begins with a filter that drops requests for new connections, which a client's kernel repeats after a second, to
//! whoever listens then; a closed listener would refuse them. A handshake that is under way comes to its end and is served.
//!
//! Where others listen on the same port (`BALANCER_REUSEPORT`) there is no such filter: the kernel would go on to choose this listener for
//! some of the clients, who would wait. It is emptied and closed, and from then on the others have all of them.
//!
//! A socket that was handed over ([`Lifetime::OfHolder`]) stays open without this process: nothing is filtered, nobody has to be let in, and
//! whoever is in the queue is left to the next balancer.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockFilter, SockRef};
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::held_back::HeldBack;
use super::listeners::Lifetime;
use crate::clients::accept::Waiting;
use crate::clock::now;
use crate::context::Shared;
use crate::context::leaving::Phase;
use crate::context::permit::Connections;

/// How often it is looked who is still there.
const GONE_CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// How long a moment without any client is waited for once all who were there at the beginning have gone.
const SETTLED: Duration = Duration::from_millis(500);

/// What is kept of the grace, at most, to answer those who came last.
const LAST: Duration = Duration::from_millis(500);

/// The listener, as whoever closes it sees it.
pub(crate) struct Door {
    /// The same socket that the first worker accepts from.
    pub(crate) listener: TcpListener,
    pub(super) lifetime: Lifetime,
    /// Has that worker close its own.
    pub(crate) close: oneshot::Sender<Waiting>,
    pub(crate) closed: oneshot::Receiver<()>,
}

/// Leaves; returns when nobody is served any more, or the grace is over.
pub(crate) async fn leave(shared: &Shared, doors: Vec<Door>) {
    let Shared { leaving, connections, .. } = shared;
    let edition = shared.edition();
    let settings = &edition.settings;
    leaving.enter(Phase::Unready);
    let mut held_back = HeldBack::let_in(doors.iter().filter_map(Door::would_cut_off), now());
    if !settings.leave_after.is_zero() {
        info!("still serving for {:?}", settings.leave_after);
        tokio::time::sleep(settings.leave_after).await;
    }
    let begun = now();
    let over = begun + settings.grace;
    connections.begin_later();
    leaving.enter(Phase::Telling);
    let mut farewell = Farewell::new(begun, settings.grace);
    while farewell.goes_on(connections, now()) || farewell.waits_for(&mut held_back, now()) {
        tokio::time::sleep(GONE_CHECK_INTERVAL).await;
    }
    let mut left_open = Vec::new();
    for door in doors {
        left_open.extend(door.close().await);
    }
    // Somebody may be on the way from the queue to a worker.
    let mut quiet = 0;
    while quiet < 2 && now() < over {
        tokio::time::sleep(GONE_CHECK_INTERVAL).await;
        let is_quiet = connections.open() == 0 && !left_open.iter().any(somebody_waits);
        quiet = if is_quiet { quiet + 1 } else { 0 };
    }
}

/// Until when clients are told to go while new ones are served.
struct Farewell {
    latest: Instant,
    /// When the last who was there at the beginning had gone.
    alone: Option<Instant>,
}

impl Farewell {
    fn new(begun: Instant, grace: Duration) -> Self {
        let last = LAST.min(grace / 4);
        Self { latest: begun + grace.saturating_sub(last), alone: None }
    }

    fn goes_on(&mut self, connections: &Connections, now: Instant) -> bool {
        if connections.earlier() > 0 {
            return now < self.latest;
        }
        let alone = *self.alone.get_or_insert(now);
        connections.open() > 0 && now < self.latest.min(alone + SETTLED)
    }

    /// Clients that have connected and said nothing yet.
    fn waits_for(&self, held_back: &mut HeldBack, now: Instant) -> bool {
        now < self.latest && held_back.any(now)
    }
}

impl Door {
    /// The listener, where whoever has not been accepted goes down with it.
    fn would_cut_off(&self) -> Option<&TcpListener> {
        (self.lifetime != Lifetime::OfHolder).then_some(&self.listener)
    }

    /// Lets nobody in any more but those who are coming in already. `None` where not even they can.
    async fn close(self) -> Option<Self> {
        if self.lifetime == Lifetime::OfProcess {
            match SockRef::from(&self.listener).attach_filter(&NO_NEW_CONNECTIONS) {
                Ok(()) => return Some(self),
                Err(error) => debug!(%error, "no filter on the listener: it is emptied and closed"),
            }
        }
        drop(self.listener);
        // Fails only when the first worker is gone, and then nothing is accepted any more either.
        let waiting = if self.lifetime == Lifetime::OfHolder { Waiting::Left } else { Waiting::Served };
        let _ = self.close.send(waiting);
        let _ = self.closed.await;
        None
    }
}

/// Drops segments with SYN and without ACK; what the filter sees begins with the TCP header.
const NO_NEW_CONNECTIONS: [SockFilter; 5] = {
    /// `BPF_LD | BPF_B | BPF_ABS`, `BPF_ALU | BPF_AND | BPF_K`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};

/// Whether a connection waits to be accepted.
fn somebody_waits(door: &Door) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&door.listener, PollFlags::IN)], Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(8);

    #[test]
    fn the_door_closes_at_once_where_nobody_is() {
        let begun = now();
        assert!(!Farewell::new(begun, GRACE).goes_on(&Connections::new(9, None), begun));
    }

    #[test]
    fn it_stays_open_for_those_who_were_there_and_then_until_a_moment_without_anybody() {
        let connections = Connections::new(9, None);
        let was_there = connections.admit();
        connections.begin_later();
        let came_later = connections.admit();
        let begun = now();
        let mut farewell = Farewell::new(begun, GRACE);
        assert!(farewell.goes_on(&connections, begun + SETTLED * 4));
        drop(was_there);
        let alone = begun + SETTLED * 5;
        assert!(farewell.goes_on(&connections, alone));
        assert!(farewell.goes_on(&connections, alone + SETTLED / 2));
        drop(came_later);
        assert!(!farewell.goes_on(&connections, alone + SETTLED / 2));
    }

    #[test]
    fn it_closes_though_clients_keep_coming_and_before_the_grace_is_over() {
        let connections = Connections::new(9, None);
        let begun = now();
        connections.begin_later();
        let _came_later = connections.admit();
        let mut farewell = Farewell::new(begun, GRACE);
        assert!(farewell.goes_on(&connections, begun));
        assert!(!farewell.goes_on(&connections, begun + SETTLED));
        let connections = Connections::new(9, None);
        let _does_not_go = connections.admit();
        let mut farewell = Farewell::new(begun, GRACE);
        assert!(farewell.goes_on(&connections, begun + GRACE / 2));
        assert!(!farewell.goes_on(&connections, begun + GRACE.saturating_sub(LAST)));
    }
}
