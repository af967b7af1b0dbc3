//! What one worker keeps of its clients, beside their connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::clients::h1::attendants::Attendants;
use crate::clients::h1::connection;
use crate::clients::h1::storage::Busy;
use crate::clients::parked::Parked;
use crate::context::Worker;
use crate::context::edition::Edition;
use crate::context::spare::Spare;
use crate::servers::groups::Groups;

/// One worker's own of the clients.
pub(crate) struct Frontend {
    /// Who answers requests that begin now.
    groups: RefCell<Rc<Groups>>,
    pub(crate) parked: Parked,
    /// Connections beyond the limit that have had their 503 and wait for their client to close.
    pub(crate) refused: Cell<usize>,
    /// Connections of clients that wait for a byte and are not parked yet.
    pub(crate) quiet: Cell<usize>,
    /// What connections need while they are busy.
    pub(crate) spare: Spare<Busy>,
    pub(crate) attendants: Attendants,
}

impl Frontend {
    /// # Errors
    /// When the process has no descriptor left for it.
    pub(crate) fn new(groups: Rc<Groups>) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            parked: Parked::new(groups.worker.settings().shortest_idle())?,
            refused: Cell::new(0),
            quiet: Cell::new(0),
            spare: Spare::default(),
            attendants: Attendants::default(),
            groups: RefCell::new(groups),
        }))
    }

    /// Who answers requests that begin now. Whoever keeps it stays with its edition.
    pub(crate) fn groups(&self) -> Rc<Groups> {
        self.groups.borrow().clone()
    }

    /// What goes for whatever begins now.
    pub(crate) fn worker(&self) -> Rc<Worker> {
        self.groups.borrow().worker.clone()
    }

    /// Frees some of what a connection needs while it is busy: one that was has gone quiet.
    pub(crate) fn release_spare(&self) {
        self.spare.release();
        self.groups.borrow().release_spare();
    }

    /// Takes up each edition as it comes, for as long as the worker runs: what begins from then on begins under it.
    pub(crate) async fn take_up_editions(self: Rc<Self>) {
        let mut editions = self.worker().shared.editions.subscribe();
        loop {
            self.take_up(&editions.borrow_and_update().clone());
            if editions.changed().await.is_err() {
                return;
            }
        }
    }

    fn take_up(&self, edition: &Arc<Edition>) {
        let before = self.groups();
        let is_new = !Arc::ptr_eq(&before.worker.edition, edition);
        let groups = if is_new { before.under(edition.clone()) } else { before };
        groups.watch_idle();
        self.parked.look_for(groups.worker.settings().shortest_idle());
        self.groups.replace(groups);
        edition.is_taken_up();
    }

    /// Watches the parked connections for as long as the worker runs.
    pub(crate) async fn watch_parked(self: Rc<Self>) {
        let shared = self.worker().shared.clone();
        self.parked
            .watch(
                &shared.leaving,
                |idle| connection::resume(&self, idle),
                |idle| _ = tokio::task::spawn_local(connection::take_leave(idle)),
            )
            .await;
    }
}
