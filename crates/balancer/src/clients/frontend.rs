//! What one worker keeps of its clients, beside their connections.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::clients::h1::connection;
use crate::clients::h1::storage::Busy;
use crate::clients::parked::Parked;
use crate::context::Worker;
use crate::context::spare::Spare;
use crate::servers::groups::Groups;

/// One worker's own of the clients.
pub(crate) struct Frontend {
    pub(crate) worker: Rc<Worker>,
    /// Who answers them.
    pub(crate) groups: Rc<Groups>,
    pub(crate) parked: Parked,
    /// Connections beyond the limit that have had their 503 and wait for their client to close.
    pub(crate) refused: Cell<usize>,
    /// Connections of clients that wait for a byte and are not parked yet.
    pub(crate) quiet: Cell<usize>,
    /// What connections need while they are busy.
    pub(crate) spare: Spare<Busy>,
}

impl Frontend {
    /// # Errors
    /// When the process has no descriptor left for it.
    pub(crate) fn new(groups: Rc<Groups>) -> io::Result<Rc<Self>> {
        let worker = groups.worker.clone();
        Ok(Rc::new(Self {
            parked: Parked::new(worker.settings().shortest_idle())?,
            refused: Cell::new(0),
            quiet: Cell::new(0),
            spare: Spare::default(),
            groups,
            worker,
        }))
    }

    /// Watches the parked connections for as long as the worker runs.
    pub(crate) async fn watch_parked(self: Rc<Self>) {
        self.parked
            .watch(
                &self.worker.shared.leaving,
                |idle| _ = tokio::task::spawn_local(connection::resume(self.clone(), idle)),
                |idle| _ = tokio::task::spawn_local(connection::take_leave(idle)),
            )
            .await;
    }
}
