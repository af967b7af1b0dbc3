//! Keeps the error pages as they are in their directory: looked at like [certificates](super::certificates), every five seconds, at
//! SIGHUP and when somebody asks for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use evenkeel_service::vital;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::settings::pages::ErrorPages;

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Catches SIGHUP from now on, and keeps the pages as they are for as long as anybody has them.
///
/// # Errors
/// Where the signal cannot be caught.
pub(crate) fn start(pages: &Arc<ErrorPages>) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    actix_web::rt::spawn(vital::task("watch over error pages", watch(Arc::downgrade(pages), hangup)));
    Ok(())
}

/// Reads the pages anew, whether their files have changed or not, and says what came of it.
///
/// # Errors
/// Where one cannot be read: then all stay as they were.
pub(crate) async fn reload(pages: &Arc<ErrorPages>) -> Result<(), String> {
    let came = look(pages, true).await.unwrap_or(Ok(()));
    tell(pages, &came);
    came
}

async fn watch(pages: Weak<ErrorPages>, mut hangup: Signal) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut told = None;
    loop {
        let is_asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = ticks.tick() => false,
        };
        let Some(pages) = pages.upgrade() else { return };
        let came = look(&pages, is_asked).await;
        // The same every five seconds would hide everything else.
        if let Some(came) = came.filter(|came| came.is_ok() || told.as_ref() != Some(came)) {
            tell(&pages, &came);
            told = Some(came);
        }
    }
}

/// Files may be on a disk that does not answer, and this thread has servers to look after.
async fn look(pages: &Arc<ErrorPages>, anyway: bool) -> Option<Result<(), String>> {
    let pages = pages.clone();
    tokio::task::spawn_blocking(move || pages.reload(anyway)).await.ok().flatten()
}

fn tell(pages: &ErrorPages, came: &Result<(), String>) {
    match came {
        Ok(()) => info!(statuses = ?pages.statuses(), "error pages were read again"),
        Err(problem) => warn!("not taken up, the error pages stay as they were: {problem}"),
    }
}
