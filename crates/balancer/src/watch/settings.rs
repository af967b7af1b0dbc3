//! Keeps the settings as they are in the file that `BALANCER_SETTINGS` names, while requests go on under those that they began with.
//!
//! ```text
//! every 5 s, if the file has changed ─┐ (and is at rest)
//! SIGHUP, POST /api/reload ───────────┴▶ read and judged whole ──▶ a new edition: upstreams adopt, workers take it up
//!                                                └──▶ a problem: nothing changes; log, page and metrics say why
//! ```
//! An upstream that is new is waited for, so that no request finds it without a server that could have had one; one that is no more
//! ends with the last request that began while it was there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use evenkeel_service::vital;
use evenkeel_upstream::EndpointIds;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{info, warn};

use super::certificates::SETTLES;
use super::{control, pages, trust};
use crate::clock::now;
use crate::context::Shared;
use crate::context::edition::Edition;
use crate::context::gate::Gate;
use crate::context::served::{Ask, Served};
use crate::settings::Settings;
use crate::settings::again::{Changed, read_again};
use crate::settings::upstream::UpstreamSettings;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a new upstream is waited for until it has a server that serves.
const FIRST_PROOF: Duration = Duration::from_secs(3);

/// Between two looks whether it has.
const PROOF_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long workers have to take up an edition before it is said to be in force: they do between two requests.
const TAKES_UP: Duration = Duration::from_secs(1);

/// Those who have asked and wait for their answer; more wait for their turn to ask.
const ASKING: usize = 8;

/// Somebody wants the file to be read at once.
pub(crate) struct Reload {
    /// Only to hear what would change.
    pub(crate) is_dry: bool,
    pub(crate) answer: oneshot::Sender<Came>,
}

/// What came of reading the file.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Came {
    pub(crate) file: String,
    /// What is not what it was, or would not be.
    pub(crate) changes: Vec<Changed>,
    /// Why nothing changes.
    pub(crate) problems: Vec<String>,
}

/// Keeps the settings of the process.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    /// Where the endpoints of new upstreams get theirs.
    ids: EndpointIds,
    workers: usize,
    retired: Vec<Retired>,
}

/// An upstream that is no more, and that requests may still be on.
struct Retired {
    key: String,
    served: Weak<Served>,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, ids: EndpointIds, workers: usize) -> Self {
        Self { shared, ids, workers, retired: Vec::new() }
    }

    /// Catches SIGHUP from now on, and keeps the settings as they are in their file for as long as the process runs. `None` where there
    /// is no such file.
    ///
    /// # Errors
    /// Where the signal cannot be caught.
    pub(crate) fn start(self) -> std::io::Result<Option<mpsc::Sender<Reload>>> {
        let edition = self.shared.edition();
        let Some(file) = edition.settings.written.file() else { return Ok(None) };
        let hangup = signal(SignalKind::hangup())?;
        let (ask, asked) = mpsc::channel(ASKING);
        let watching = self.watch(file.to_owned(), hangup, asked);
        actix_web::rt::spawn(vital::task("watch over the settings", watching));
        Ok(Some(ask))
    }

    async fn watch(mut self, file: String, mut hangup: Signal, mut asked: mpsc::Receiver<Reload>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut looks = Looks::default();
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    looks.judged = seen(&file).await;
                    self.reload(&file, true).await;
                }
                Some(Reload { is_dry, answer }) = asked.recv() => {
                    let came = if is_dry {
                        self.judge(&file).await.map_or_else(|came| came, |(_, came)| came)
                    } else {
                        looks.judged = seen(&file).await;
                        self.reload(&file, true).await
                    };
                    // Who asked may have gone away.
                    drop(answer.send(came));
                }
                _ = ticks.tick() => {
                    let seen = seen(&file).await;
                    match looks.due(seen, self.shared.reloads.is_refused()) {
                        Due::No => {}
                        Due::Soon => ticks.reset_after(SETTLES),
                        Due::Now => _ = self.reload(&file, false).await,
                    }
                }
            }
        }
    }

    /// Reads the file, and takes up what it says unless anything is wrong with it.
    async fn reload(&mut self, file: &str, is_asked: bool) -> Came {
        let shared = self.shared.clone();
        match self.judge(file).await {
            Err(came) => {
                if shared.reloads.refused(&came.problems, is_asked) {
                    for problem in &came.problems {
                        warn!("no setting changes: {problem}");
                    }
                    shared.events.note(
                        "settings",
                        format!("The settings stay as they were: {}", came.problems.join("; ")),
                    );
                }
                came
            }
            Ok((_, came)) if came.changes.is_empty() => {
                if shared.reloads.is_in_force() {
                    info!("the file says again what is in force");
                    shared.events.note("settings", "The file says again what is in force".to_owned());
                }
                came
            }
            Ok((settings, came)) => {
                self.take_up(*settings).await;
                shared.reloads.taken_up();
                let changes: Vec<String> = came.changes.iter().map(ToString::to_string).collect();
                info!("settings were taken up: {}", changes.join("; "));
                shared
                    .events
                    .note("settings", format!("Other settings are in force: {}", changes.join("; ")));
                if let Some(ledger) = &shared.ledger {
                    ledger.note_settings(&changes);
                }
                came
            }
        }
    }

    /// What the file says, and what of it is new. Nothing has changed yet.
    async fn judge(&self, file: &str) -> Result<(Box<Settings>, Came), Came> {
        let edition = self.shared.edition();
        let came = |changes, problems| Came { file: file.to_owned(), changes, problems };
        // What it names may be on a disk that does not answer, and this thread has servers to look after.
        let read = tokio::task::spawn_blocking(move || {
            let settings = read_again(&edition.settings)?;
            let changes = edition.settings.written.changed_in(&settings.written);
            Ok::<_, evenkeel_service::Problems>((Box::new(settings), changes))
        });
        match read.await {
            Ok(Ok((settings, changes))) => Ok((settings, came(changes, Vec::new()))),
            Ok(Err(problems)) => Err(came(Vec::new(), problems.iter().map(ToString::to_string).collect())),
            Err(failed) => Err(came(Vec::new(), vec![format!("{file} could not be read: {failed}")])),
        }
    }

    /// Goes on with other settings.
    async fn take_up(&mut self, settings: Settings) {
        let (shared, before) = (self.shared.clone(), self.shared.edition());
        watch_files(&before.settings, &settings);
        let mut upstreams = Vec::new();
        let mut added = Vec::new();
        for upstream in &settings.upstreams.all {
            let known = before.upstreams().find(|(known, _)| known.key() == upstream.key());
            let known = known.map(|(_, served)| served.clone()).or_else(|| self.retired(upstream.key()));
            upstreams.push(known.unwrap_or_else(|| self.add(upstream, &mut added)));
        }
        first_proof(&added).await;
        for (upstream, served) in settings.upstreams.all.iter().zip(&upstreams) {
            if !added.iter().any(|added| Arc::ptr_eq(added, served)) {
                adopt(upstream, served).await;
            }
        }
        shared.story.asks_for_probes(settings.asks_for_probes());
        shared.connections.limit(settings.max_connections, settings.clients.connections);
        let gate = Gate::of(&settings.clients, before.gate.as_deref(), now());
        let edition = Edition::new(settings, upstreams, gate);
        shared.editions.send_replace(edition.clone());
        self.retire(&before, &edition);
        if timeout(TAKES_UP, edition.taken_up_by(self.workers)).await.is_err() {
            warn!("a worker is busy and has yet to take up the settings");
        }
    }

    /// One that comes back while requests from before are on it: it is still all that is known of its servers.
    fn retired(&self, key: &str) -> Option<Arc<Served>> {
        self.retired.iter().find(|retired| retired.key == key)?.served.upgrade()
    }

    fn retire(&mut self, before: &Edition, now: &Edition) {
        let is_in_force = |served: &Arc<Served>| now.upstreams.iter().any(|one| Arc::ptr_eq(one, served));
        self.retired.retain(|retired| retired.served.upgrade().is_some_and(|served| !is_in_force(&served)));
        let gone = before.upstreams().filter(|(_, served)| !is_in_force(served));
        self.retired.extend(gone.map(|(settings, served)| Retired {
            key: settings.key().to_owned(),
            served: Arc::downgrade(served),
        }));
    }

    fn add(&self, upstream: &Arc<UpstreamSettings>, added: &mut Vec<Arc<Served>>) -> Arc<Served> {
        let (served, control, told) = Served::new(upstream, &self.ids);
        control::start(control, upstream.clone(), &self.shared, told);
        added.push(served.clone());
        served
    }
}

async fn adopt(upstream: &Arc<UpstreamSettings>, served: &Served) {
    let (done, adopted) = oneshot::channel();
    if served.asks.send(Ask::Adopt(upstream.clone(), done)).await.is_ok() {
        // It fails where the process ends.
        let _ = adopted.await;
    }
}

/// Waits until a request would find a server of each, or has waited long enough.
async fn first_proof(added: &[Arc<Served>]) {
    let lacks_one = || added.iter().any(|served| !served.upstream.snapshot().can_serve());
    let over = now() + FIRST_PROOF;
    while lacks_one() && now() < over {
        tokio::time::sleep(PROOF_CHECK_INTERVAL).await;
    }
}

/// Keeps an eye on those files that are not looked after already. Nobody looks after those of settings that are gone.
fn watch_files(before: &Settings, settings: &Settings) {
    let is_watched = |tls: &Arc<evenkeel_wire::TlsServers>| {
        let mut known = before.upstreams.all.iter().filter_map(|upstream| upstream.server_tls.as_ref());
        known.any(|known| Arc::ptr_eq(&known.tls, tls))
    };
    let servers = settings.upstreams.all.iter().filter_map(|upstream| upstream.server_tls.as_ref());
    let mut started: Vec<_> = servers
        .filter(|servers| !is_watched(&servers.tls))
        .map(|servers| trust::start(&servers.tls))
        .collect();
    if let Some(own) = &settings.pages
        && before.pages.as_ref().is_none_or(|before| !Arc::ptr_eq(before, own))
    {
        started.push(pages::start(own));
    }
    // Another watch listens for it already, so this hardly happens.
    for error in started.into_iter().filter_map(Result::err) {
        warn!(%error, "a file that is new to the settings is not watched");
    }
}

/// What tells whether the file has changed, through symbolic links: a mounted `ConfigMap` is nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

/// `None` where it is not there.
async fn seen(file: &str) -> Option<Seen> {
    let file = file.to_owned();
    let metadata = tokio::task::spawn_blocking(move || fs::metadata(file)).await.ok()?.ok()?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Some(Seen { inode: metadata.ino(), len: metadata.len(), modified })
}

/// What was seen of the file.
#[derive(Debug, Default)]
struct Looks {
    last: Option<Seen>,
    judged: Option<Seen>,
}

/// Whether it is to be read.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    No,
    /// If it is then as it is now: somebody may be writing it.
    Soon,
    Now,
}

impl Looks {
    /// What is wrong with a file may be elsewhere, in a certificate that it names: so it is read again though it has not changed.
    fn due(&mut self, seen: Option<Seen>, is_refused: bool) -> Due {
        let rests = self.last == seen;
        self.last = seen;
        if self.judged == seen && !is_refused {
            return Due::No;
        }
        if !rests {
            return Due::Soon;
        }
        self.judged = seen;
        Due::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(len: u64) -> Seen {
        Seen { inode: 1, len, modified: (1, 0) }
    }

    #[test]
    fn what_is_being_written_is_read_when_it_rests() {
        let mut looks = Looks::default();
        let due = [1, 2, 3, 3, 3, 3].map(|len| looks.due(Some(seen(len)), false));
        assert_eq!(due, [Due::Soon, Due::Soon, Due::Soon, Due::Now, Due::No, Due::No]);
    }

    #[test]
    fn a_file_that_goes_is_noticed_and_one_that_is_refused_is_tried_again() {
        let mut looks = Looks { last: Some(seen(1)), judged: Some(seen(1)) };
        assert_eq!([None, None].map(|seen| looks.due(seen, false)), [Due::Soon, Due::Now]);
        assert_eq!([None, None].map(|seen| looks.due(seen, true)), [Due::Now, Due::Now]);
        assert_eq!([2, 2, 2].map(|len| looks.due(Some(seen(len)), true)), [Due::Soon, Due::Now, Due::Now]);
    }
}
