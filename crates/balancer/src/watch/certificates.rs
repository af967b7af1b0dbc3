//! Keeps the certificates that clients are shown as they are in their directory, while connections go on with those that they
//! began with.
//!
//! ```text
//! every 5 s, if a file has changed ─┐
//! SIGHUP, POST /api/reload ─────────┴▶ read and hold against each other ──▶ shown from the next handshake on
//!                                                └──▶ a problem: the old one stays, the log says why, tried again
//! ```
//! Looking, and not being told by the kernel, because that works in every kind of mount.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_service::vital;
use evenkeel_wire::{Certificate, Reloaded, TlsServer};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// From how long before its end on a certificate is warned of. ACME clients renew those of 90 days 30 days before.
const SOON: Duration = Duration::from_hours(14 * 24);

/// Catches SIGHUP from now on, and keeps the certificates as they are in their directory for as long as the process runs.
///
/// # Errors
/// Where the signal cannot be caught.
pub(crate) fn start(tls: Arc<TlsServer>, begun: &Reloaded) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    for certificate in tls.certificates() {
        let Certificate { name, hosts, .. } = certificate;
        info!(certificate = name, hosts = hosts.join(","), "certificate");
    }
    let told = begun.problems.clone();
    tell_problems(&told);
    actix_web::rt::spawn(vital::task("watch over certificates", watch(tls, hangup, told)));
    Ok(())
}

/// Reads the certificates anew, whether their files have changed or not, and says what came of it.
pub(crate) async fn reload(tls: Arc<TlsServer>) -> Reloaded {
    let reloaded = look(tls, true).await.unwrap_or_default();
    tell_changes(&reloaded);
    tell_problems(&reloaded.problems);
    info!(changed = reloaded.changed.len(), removed = reloaded.removed.len(), "certificates were read again");
    reloaded
}

async fn watch(tls: Arc<TlsServer>, mut hangup: Signal, mut told: Vec<String>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut ending = BTreeSet::new();
    loop {
        tokio::select! {
            _ = hangup.recv() => told = reload(tls.clone()).await.problems,
            _ = ticks.tick() => match look(tls.clone(), false).await {
                Some(reloaded) => {
                    tell_changes(&reloaded);
                    // The same problem every five seconds would hide everything else.
                    if reloaded.problems != told {
                        tell_problems(&reloaded.problems);
                    }
                    told = reloaded.problems;
                }
                None => told.clear(),
            },
        }
        tell_ends(&tls.certificates(), &mut ending);
    }
}

/// Files may be on a disk that does not answer, and this thread has servers to look after.
async fn look(tls: Arc<TlsServer>, anyway: bool) -> Option<Reloaded> {
    tokio::task::spawn_blocking(move || tls.reload(anyway)).await.ok().flatten()
}

fn tell_changes(reloaded: &Reloaded) {
    for name in &reloaded.changed {
        info!(certificate = name, "a new certificate is shown from now on");
    }
    for name in &reloaded.removed {
        info!(certificate = name, "the certificate is gone and shown no more");
    }
}

fn tell_problems(problems: &[String]) {
    for problem in problems {
        warn!("a certificate is not taken up, what was shown before still is: {problem}");
    }
}

/// Warns once of each certificate that ends soon, and again when it has ended.
fn tell_ends(certificates: &[Certificate], told: &mut BTreeSet<(String, bool)>) {
    let now = SystemTime::now();
    let mut ending = BTreeSet::new();
    for certificate in certificates.iter().filter(|certificate| certificate.ends < now + SOON) {
        let name = &certificate.name;
        let has_ended = certificate.ends <= now;
        let of_it = (name.clone(), has_ended);
        if !told.contains(&of_it) {
            if let Ok(left) = certificate.ends.duration_since(now) {
                let hours = left.as_secs() / 3_600;
                warn!(certificate = name, hours, "the certificate ends soon; renew it");
            } else {
                warn!(certificate = name, "the certificate has ended, clients refuse it: renew it now");
            }
        }
        ending.insert(of_it);
    }
    *told = ending;
}
