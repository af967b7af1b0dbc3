//! What every task is handed: what the process is and, of one worker, what rooms above each other have in common.
//!
//! A worker is one thread with a single-threaded runtime and its own connections of clients and to servers. What it shares with
//! the others is in [`Shared`], and nothing of that is locked between a request's head and its endpoint. What belongs to one room
//! is kept there: [`Frontend`](crate::clients::frontend::Frontend) of the clients, [`Group`](crate::servers::group::Group) of the servers.

pub(crate) mod date;
pub(crate) mod edition;
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
use std::sync::atomic::AtomicUsize;

use evenkeel_upstream::EndpointId;
use evenkeel_wire::TlsServer;
use tokio::sync::watch;

use crate::records::access_log::{AccessLog, WorkerLog};
use crate::records::events::Events;
use crate::records::ledger::{Ledger, Pen};
use crate::records::metrics::{ControlStats, EndpointStats, Met, Stats};
use crate::records::reloads::Reloads;
use crate::records::roster::Roster;
use crate::records::story::Story;
use crate::settings::Settings;
use date::Date;
use edition::Edition;
use leaving::Leaving;
use permit::Connections;

/// What all workers see of the process.
pub(crate) struct Shared {
    /// What is in force; see [`Shared::edition`].
    pub(crate) editions: watch::Sender<Arc<Edition>>,
    /// `None` where no TLS is spoken.
    pub(crate) tls: Option<Arc<TlsServer>>,
    pub(crate) connections: Arc<Connections>,
    /// How many pipes for long responses there are.
    pub(crate) pipes: AtomicUsize,
    /// How far it is on its way out: from some moment on each response tells its client to go.
    pub(crate) leaving: Leaving,
    /// How the settings came to be in force.
    pub(crate) reloads: Reloads,
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
    /// What is in force now. A request asks its [`Worker`] instead, which stays with the edition that the request began under.
    pub(crate) fn edition(&self) -> Arc<Edition> {
        self.editions.borrow().clone()
    }

    /// Whether a request would find a server, at least of one upstream.
    pub(crate) fn can_serve(&self) -> bool {
        self.edition().upstreams.iter().any(|served| served.upstream.snapshot().can_serve())
    }

    /// Asks one whose client may be gone to make room for another, of whatever upstream. False when there is none.
    pub(crate) fn asks_one_to_go(&self) -> bool {
        self.edition().upstreams.iter().any(|served| served.upstream.queue().ask_one())
    }

    /// Whether each client should be told to go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_telling()
    }
}

/// One worker's own, as far as it belongs to no room, and the edition that its requests begin under: there is another of these for the
/// next one.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) edition: Arc<Edition>,
    pub(crate) random: Rc<RefCell<fastrand::Rng>>,
    pub(crate) date: Rc<Date>,
    pub(crate) stats: Arc<Stats>,
    met: Rc<Met>,
    pub(crate) access_log: Option<Rc<WorkerLog>>,
    pub(crate) pen: Option<Rc<Pen>>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, stats: Arc<Stats>) -> Rc<Self> {
        Rc::new(Self {
            edition: shared.edition(),
            random: Rc::default(),
            date: Rc::default(),
            stats,
            met: Rc::default(),
            access_log: shared.access_log.as_ref().map(|log| Rc::new(log.worker())),
            pen: shared.ledger.as_ref().map(|ledger| Rc::new(ledger.pen())),
            shared,
        })
    }

    /// The same, for requests that begin under this edition.
    pub(crate) fn under(&self, edition: Arc<Edition>) -> Rc<Self> {
        Rc::new(Self { edition, ..self.clone() })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.edition.settings
    }

    /// Counts something of an endpoint.
    pub(crate) fn count(&self, id: EndpointId, count: impl FnOnce(&EndpointStats)) {
        let is_known = |known| self.shared.roster.of(known).is_some();
        self.met.count(id, &self.stats.by_endpoint, is_known, count);
    }
}
