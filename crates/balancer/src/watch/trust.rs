//! Keeps whom servers have to be signed by, and what they are shown, as it is in the files, while connections go on that have been
//! opened before. A server that is not trusted any more fails its next probes, which verify everything anew, and is ejected.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use evenkeel_service::vital;
use evenkeel_wire::{Reloaded, TlsServers};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::certificates::{SETTLES, SOON};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Catches SIGHUP from now on, and keeps up with the files for as long as anybody goes by them.
///
/// # Errors
/// Where the signal cannot be caught.
pub(crate) fn start(tls: &Arc<TlsServers>) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    actix_web::rt::spawn(vital::task(
        "watch over whom servers are signed by",
        watch(Arc::downgrade(tls), hangup),
    ));
    Ok(())
}

/// Reads the files anew, whether they have changed or not, and says what came of it.
pub(crate) async fn reload(tls: Arc<TlsServers>) -> Reloaded {
    let reloaded = look(tls, true).await.unwrap_or_default();
    tell(&reloaded, &[]);
    reloaded
}

async fn watch(tls: Weak<TlsServers>, mut hangup: Signal) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let (mut told, mut told_ends) = (Vec::new(), Vec::new());
    loop {
        let is_asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = ticks.tick() => false,
        };
        let Some(tls) = tls.upgrade() else { return };
        let reloaded = look(tls.clone(), is_asked).await.unwrap_or_default();
        tell(&reloaded, &told);
        told = reloaded.problems;
        told_ends = tell_ends(&tls, &told_ends);
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

/// Warns once of each that ends soon, and again when it has ended; says which it has warned of.
fn tell_ends(tls: &TlsServers, told: &[(Of, bool)]) -> Vec<(Of, bool)> {
    let (ends, now) = (tls.ends(), SystemTime::now());
    let of_each = [(Of::Authority, Some(ends.authority)), (Of::Own, ends.own)];
    let soon =
        of_each.into_iter().filter_map(|(of, ends)| Some((of, ends?))).filter(|&(_, ends)| ends < now + SOON);
    let mut warned = Vec::new();
    for (of, ends) in soon {
        let hours = ends.duration_since(now).map_or(0, |left| left.as_secs() / 3_600);
        let of_it = (of, ends <= now);
        if !told.contains(&of_it) {
            warn_of(of_it, hours);
        }
        warned.push(of_it);
    }
    warned
}

/// Whose certificate it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of an authority.
    Authority,
    /// Of this balancer.
    Own,
}

fn warn_of((of, has_ended): (Of, bool), hours: u64) {
    match (of, has_ended) {
        (Of::Authority, false) => {
            warn!(hours, "an authority of BALANCER_UPSTREAM_TLS_CA ends soon; put its successor beside it");
        }
        (Of::Authority, true) => {
            warn!(
                "an authority of BALANCER_UPSTREAM_TLS_CA has ended, it vouches for no server any more: replace it"
            );
        }
        (Of::Own, false) => warn!(hours, "BALANCER_UPSTREAM_TLS_CERTIFICATE ends soon; renew it"),
        (Of::Own, true) => {
            warn!("BALANCER_UPSTREAM_TLS_CERTIFICATE has ended, servers refuse it: renew it now");
        }
    }
}
