//! Keeps whom servers have to be signed by, and what they are shown, as it is in the files, while connections go on that have been
//! opened before. A server that is not trusted any more fails its next probes, which verify everything anew, and is ejected.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_service::vital;
use evenkeel_wire::{Reloaded, TlsServers};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::certificates::SETTLES;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Catches SIGHUP from now on, and keeps up with the files for as long as the process runs.
///
/// # Errors
/// Where the signal cannot be caught.
pub(crate) fn start(tls: Arc<TlsServers>) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    actix_web::rt::spawn(vital::task("watch over whom servers are signed by", watch(tls, hangup)));
    Ok(())
}

/// Reads the files anew, whether they have changed or not, and says what came of it.
pub(crate) async fn reload(tls: Arc<TlsServers>) -> Reloaded {
    let reloaded = look(tls, true).await.unwrap_or_default();
    tell(&reloaded, &[]);
    reloaded
}

async fn watch(tls: Arc<TlsServers>, mut hangup: Signal) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut told = Vec::new();
    loop {
        let looked = tokio::select! {
            _ = hangup.recv() => look(tls.clone(), true).await,
            _ = ticks.tick() => look(tls.clone(), false).await,
        };
        let reloaded = looked.unwrap_or_default();
        tell(&reloaded, &told);
        told = reloaded.problems;
        if tls.is_settling() {
            ticks.reset_after(SETTLES);
        }
    }
}

/// Files may be on a disk that does not answer, and this thread has servers to look after.
async fn look(tls: Arc<TlsServers>, anyway: bool) -> Option<Reloaded> {
    tokio::task::spawn_blocking(move || tls.reload(anyway)).await.ok().flatten()
}

/// The same problem every five seconds would hide everything else.
fn tell(reloaded: &Reloaded, told: &[String]) {
    for file in &reloaded.changed {
        info!(file, "TLS to servers goes by the new file from the next handshake on");
    }
    if reloaded.problems != told {
        for problem in &reloaded.problems {
            warn!("TLS to servers stays as it was, a file cannot be taken up: {problem}");
        }
    }
}
