//! How far the process is on its way out, for whoever has to know. What is done about it is in `run/leave.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// How far the process is on its way out. Read by all workers.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// What workers read with every response.
    telling: AtomicBool,
    phase: watch::Sender<Phase>,
}

/// One after the other, and none twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Serving,
    Unready,
    Telling,
}

impl Leaving {
    /// Whether new clients should be sent elsewhere.
    pub(crate) fn is_unready(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Whether each client should be told to go.
    pub(crate) fn is_telling(&self) -> bool {
        self.telling.load(Ordering::Relaxed)
    }

    /// Waits until clients should be told to go.
    pub(crate) async fn telling(&self) {
        // It cannot fail: the sender is here.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Telling).await;
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.telling.store(phase == Phase::Telling, Ordering::Relaxed);
        self.phase.send_replace(phase);
    }
}
