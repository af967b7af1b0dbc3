//! One request on its way, as the shell keeps it.

use std::net::SocketAddr;
use std::time::Instant;

use evenkeel_upstream::attempt::{Attempts, Failure, Plan, Repeat, TryNo};
use evenkeel_upstream::{Author, Lease, Place, Tried};

/// A request and its tries.
pub(crate) struct Exchange {
    /// Rises with each arrival.
    pub(crate) number: u64,
    pub(crate) worker: usize,
    pub(crate) plan: Plan,
    pub(crate) client: Author,
    pub(crate) key: u64,
    pub(crate) session: Option<u64>,
    /// Where its session was when it arrived.
    pub(crate) pinned: Option<SocketAddr>,
    pub(crate) arrived: Instant,
    pub(crate) attempts: Attempts,
    pub(crate) tried: Tried,
    pub(crate) tries: Vec<Running>,
    /// While all endpoints are busy.
    pub(crate) waiting: Option<(Place, TryNo)>,
    /// When it means to look again.
    pub(crate) looks_at: Option<Instant>,
    /// When the shell will wake it.
    pub(crate) wakes_at: Option<Instant>,
    pub(crate) ending: Option<Ending>,
}

/// What the shell has in hand for a try.
pub(crate) struct Running {
    pub(crate) number: TryNo,
    /// `None` when the try is over.
    pub(crate) lease: Option<Lease>,
    pub(crate) server: usize,
    pub(crate) incarnation: u32,
    /// Rises when what is on its way for this try no longer concerns it.
    pub(crate) epoch: u32,
    pub(crate) connected: bool,
    pub(crate) began: Instant,
    /// When its request was written.
    pub(crate) sent: Option<Instant>,
    pub(crate) status: Option<u16>,
    pub(crate) head_at: Option<Instant>,
    pub(crate) held: bool,
    pub(crate) whole: bool,
}

/// What the client got.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// A whole response with this status.
    Response(u16),
    /// The beginning of a response.
    Truncated,
    /// An answer of the balancer's own.
    Failure(Failure),
    /// Nothing: it went away.
    Nothing,
}

impl Exchange {
    pub(crate) fn is_idempotent(&self) -> bool {
        self.plan.repeat != Repeat::Never
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.plan.repeat == Repeat::Freely
    }

    /// On how many tries the request is on its way without an answer.
    pub(crate) fn unanswered(&self) -> usize {
        let unanswered = |running: &&Running| running.sent.is_some() && running.status.is_none();
        self.tries.iter().filter(|running| running.lease.is_some()).filter(unanswered).count()
    }
}
