//! What every task is handed: what the process is and, of one worker, what rooms above each other have in common.
//!
//! A worker is one thread with a single-threaded runtime and its own connections of clients and to servers. What it shares with
//! the others is in [`Shared`], and nothing of that is locked between a request's head and its endpoint. What belongs to one room
//! is kept there: [`Frontend`](crate::clients::frontend::Frontend) of the clients, [`Group`](crate::servers::group::Group) of the servers.

pub(crate) mod date;
pub(crate) mod gate;
pub(crate) mod leaving;
pub(crate) mod permit;
pub(crate) mod served;
#[cfg(test)]
pub(crate) mod set_up;
pub(crate) mod spare;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use evenkeel_upstream::EndpointId;
use evenkeel_wire::TlsServer;

use crate::records::access_log::{AccessLog, WorkerLog};
use crate::records::events::Events;
use crate::records::ledger::{Ledger, Pen};
use crate::records::metrics::{ControlStats, EndpointStats, Stats};
use crate::records::roster::Roster;
use crate::records::story::Story;
use crate::settings::Settings;
use date::Date;
use gate::Gate;
use leaving::Leaving;
use permit::Connections;
use served::Served;

/// What all workers see of the process.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// In the order of the settings; at least one.
    pub(crate) upstreams: Vec<Arc<Served>>,
    /// `None` where no TLS is spoken.
    pub(crate) tls: Option<Arc<TlsServer>>,
    pub(crate) connections: Arc<Connections>,
    /// `None` where any client may ask as often as it likes.
    pub(crate) gate: Option<Box<Gate>>,
    /// How far it is on its way out: from some moment on each response tells its client to go.
    pub(crate) leaving: Leaving,
    /// What happened to the endpoints, for whoever watches.
    pub(crate) events: Events,
    /// Who the endpoints are.
    pub(crate) roster: Roster,
    /// What befell them.
    pub(crate) story: Arc<Story>,
    /// Written by the control task alone.
    pub(crate) control_stats: ControlStats,
    /// `None` where none is wanted.
    pub(crate) access_log: Option<AccessLog>,
    /// `None` where none is kept.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

impl Shared {
    /// Whether a request would find a server, at least of one upstream.
    pub(crate) fn can_serve(&self) -> bool {
        self.upstreams.iter().any(|served| served.upstream.snapshot().can_serve())
    }

    /// Asks one whose client may be gone to make room for another, of whatever upstream. False when there is none.
    pub(crate) fn asks_one_to_go(&self) -> bool {
        self.upstreams.iter().any(|served| served.upstream.queue().ask_one())
    }

    /// Whether each client should be told to go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_telling()
    }
}

/// One worker's own, as far as it belongs to no room.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) random: RefCell<fastrand::Rng>,
    pub(crate) date: Date,
    pub(crate) stats: Arc<Stats>,
    pub(crate) access_log: Option<WorkerLog>,
    pub(crate) pen: Option<Pen>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, stats: Arc<Stats>) -> Rc<Self> {
        Rc::new(Self {
            random: RefCell::new(fastrand::Rng::new()),
            date: Date::default(),
            stats,
            access_log: shared.access_log.as_ref().map(AccessLog::worker),
            pen: shared.ledger.as_ref().map(Ledger::pen),
            shared,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Counts something of an endpoint.
    pub(crate) fn count(&self, id: EndpointId, count: impl FnOnce(&EndpointStats)) {
        let is_known = |known| self.shared.roster.of(known).is_some();
        self.stats.by_endpoint.count(id, is_known, count);
    }
}
