//! SIGTERM, SIGINT and SIGQUIT: the first asks to leave in order, the second ends the process at once.
//!
//! `running ──first signal──▶ leaving ──second signal──▶ exit with 128 + its number`

use std::{io, process, time::Duration};

use crate::{outlet, vital};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How long the last lines of the log may keep a process that is to end at once.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Tells every part of a process that it should leave. Cheap to clone; works across runtimes and threads.
#[derive(Clone, Debug)]
pub struct Shutdown {
    leaving: watch::Receiver<bool>,
}

/// Asks for a shutdown from inside the process; see [`Shutdown::by_hand`].
#[derive(Debug)]
pub struct Trigger {
    leaving: watch::Sender<bool>,
}

impl Shutdown {
    /// Catches SIGTERM, SIGINT and SIGQUIT from now on, on the current tokio runtime, which must live as long as the process.
    pub fn on_signal() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // What images of nginx are stopped with, and what they take for the gentler way.
        let mut quit = signal(SignalKind::quit())?;
        let (trigger, shutdown) = Self::by_hand();
        tokio::spawn(vital::task("signals", async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => SignalKind::terminate(),
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = quit.recv() => SignalKind::quit(),
                }
            };
            let first = next().await;
            trigger.leave();
            tracing::info!(signal = first.as_raw_value(), "leaving; a second signal ends at once");
            let second = next().await;
            tracing::warn!(signal = second.as_raw_value(), "ended by a second signal");
            outlet::finish(AT_ONCE);
            process::exit(128 + second.as_raw_value());
        }));
        Ok(shutdown)
    }

    /// A shutdown that the process asks for itself, for tests and for a job that ends when its work is done.
    pub fn by_hand() -> (Trigger, Self) {
        let (sender, leaving) = watch::channel(false);
        (Trigger { leaving: sender }, Self { leaving })
    }

    /// Whether the process is leaving.
    pub fn is_requested(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Waits until the process should leave; never ends where nobody can ask any more.
    pub async fn requested(&self) {
        let mut leaving = self.leaving.clone();
        if leaving.wait_for(|leaving| *leaving).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Trigger {
    /// Asks the process to leave. Asking again changes nothing.
    pub fn leave(&self) {
        self.leaving.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_is_told_and_late_comers_too() {
        let (trigger, shutdown) = Shutdown::by_hand();
        let waits = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        trigger.leave();
        waits.await.unwrap();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
