//! Keeps the certificates that clients are shown as they are in their directory, while connections go on with those that they
//! began with.
//!
//! ```text
//! every 5 s, if a file has changed ─┐ (and is at rest)
//! SIGHUP, POST /api/reload ─────────┴▶ read and hold against each other ──▶ shown from the next handshake on
//!                                                └──▶ a problem: the old one stays, the log says why, tried again
//! ```
//! Looking, and not being told by the kernel, because that works in every kind of mount.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_service::vital;
use evenkeel_wire::{Certificate, ClientsEnd, Reloaded, TlsServer};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How soon it is looked at again when something has changed: what is being written is taken up when it is whole.
pub(super) const SETTLES: Duration = Duration::from_secs(1);

/// From how long before its end on a certificate is warned of. ACME clients renew those of 90 days 30 days before.
pub(super) const SOON: Duration = Duration::from_hours(14 * 24);

/// The same of a list of revoked certificates, of which many are made anew each day.
const SOON_FOR_LISTS: Duration = Duration::from_hours(2);

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
    let told = Told::default().tell(begun);
    actix_web::rt::spawn(vital::task("watch over certificates", watch(tls, hangup, told)));
    Ok(())
}

/// Reads the certificates anew, whether their files have changed or not, and says what came of it.
pub(crate) async fn reload(tls: Arc<TlsServer>) -> Reloaded {
    let reloaded = look(tls, true).await.unwrap_or_default();
    tell_changes(&reloaded);
    Told::default().tell(&reloaded);
    info!(changed = reloaded.changed.len(), removed = reloaded.removed.len(), "certificates were read again");
    reloaded
}

/// What the log has said of the last look: the same every five seconds would hide everything else.
#[derive(Default)]
struct Told {
    problems: Vec<String>,
    ignored: Vec<String>,
}

impl Told {
    /// Says what is new in this.
    fn tell(self, reloaded: &Reloaded) -> Self {
        let Reloaded { problems, ignored, .. } = reloaded;
        if *problems != self.problems {
            for problem in problems {
                warn!("not taken up, what was there before still holds: {problem}");
            }
        }
        for name in ignored.iter().filter(|name| !self.ignored.contains(name)) {
            info!(certificate = name, "an authority without a key is left alone");
        }
        Self { problems: problems.clone(), ignored: ignored.clone() }
    }
}

async fn watch(tls: Arc<TlsServer>, mut hangup: Signal, mut told: Told) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let (mut ending, mut early) = (BTreeSet::new(), BTreeSet::new());
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                let Reloaded { problems, ignored, .. } = reload(tls.clone()).await;
                told = Told { problems, ignored };
            }
            _ = ticks.tick() => match look(tls.clone(), false).await {
                Some(reloaded) => {
                    tell_changes(&reloaded);
                    told = told.tell(&reloaded);
                }
                None => told.problems.clear(),
            },
        }
        if tls.is_settling() {
            ticks.reset_after(SETTLES);
        }
        tell_ends(&tls, &mut ending);
        tell_early(&tls, &mut early);
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
    if reloaded.has_other_clients {
        info!("clients are verified by new authorities or lists from now on; no session goes on from before");
    }
}

/// Something that does not hold for ever.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Ending {
    Certificate(String),
    /// Of those that sign clients' certificates.
    Authority,
    /// A list of clients' certificates that were revoked.
    Revoked,
}

impl Ending {
    /// From how long before its end on it is warned of.
    fn soon(&self) -> Duration {
        match self {
            Self::Certificate(_) | Self::Authority => SOON,
            Self::Revoked => SOON_FOR_LISTS,
        }
    }
}

/// Warns once of each that ends soon, and again when it has ended.
fn tell_ends(tls: &TlsServer, told: &mut BTreeSet<(Ending, bool)>) {
    let certificates = tls.certificates().into_iter().map(|one| (Ending::Certificate(one.name), one.ends));
    let clients = tls.clients_end().into_iter().flat_map(|ClientsEnd { authority, revoked }| {
        [(Ending::Authority, authority)].into_iter().chain(revoked.map(|ends| (Ending::Revoked, ends)))
    });
    let now = SystemTime::now();
    let mut ending = BTreeSet::new();
    for (what, ends) in certificates.chain(clients).filter(|(what, ends)| *ends < now + what.soon()) {
        let left = ends.duration_since(now).ok().filter(|left| !left.is_zero());
        let of_it = (what.clone(), left.is_none());
        if !told.contains(&of_it) {
            warn_of(&what, left);
        }
        ending.insert(of_it);
    }
    *told = ending;
}

/// Warns once of each certificate whose time has not come. The clock that is wrong may be that of this machine.
fn tell_early(tls: &TlsServer, told: &mut BTreeSet<String>) {
    let now = SystemTime::now();
    let early = tls.certificates().into_iter().filter(|one| one.begins > now);
    let early: BTreeSet<String> = early.map(|one| one.name).collect();
    for name in early.difference(told) {
        warn!(
            certificate = name,
            "the certificate is not valid yet, clients refuse it until then: look at it, and at the clock of this machine"
        );
    }
    *told = early;
}

fn warn_of(what: &Ending, left: Option<Duration>) {
    let hours = left.map(|left| left.as_secs() / 3_600);
    match (what, hours) {
        (Ending::Certificate(name), Some(hours)) => {
            warn!(certificate = name, hours, "the certificate ends soon; renew it");
        }
        (Ending::Certificate(name), None) => {
            warn!(certificate = name, "the certificate has ended, clients refuse it: renew it now");
        }
        (Ending::Authority, Some(hours)) => {
            warn!(hours, "an authority of BALANCER_TLS_CLIENT_CA ends soon; put its successor beside it");
        }
        (Ending::Authority, None) => {
            warn!(
                "an authority of BALANCER_TLS_CLIENT_CA has ended, it vouches for nobody any more: replace it"
            );
        }
        (Ending::Revoked, Some(hours)) => {
            warn!(
                hours,
                "a list of BALANCER_TLS_CLIENT_CRL ends soon, and its issuer's clients are refused then; renew it"
            );
        }
        (Ending::Revoked, None) => {
            warn!(
                "a list of BALANCER_TLS_CLIENT_CRL has ended, its issuer's clients are refused: renew it now"
            );
        }
    }
}
