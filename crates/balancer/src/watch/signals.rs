//! Signals that other servers are given to read their files anew or to open their logs. Left alone, each would end the process at
//! once, with all that runs in it.

use std::io;

use evenkeel_service::vital;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Catches them from now on, for as long as the process runs. `reads_anew`: somebody else does what SIGHUP asks for.
///
/// # Errors
/// Where they cannot be caught.
pub(crate) fn start(reads_anew: bool) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    actix_web::rt::spawn(vital::task("signals without an effect", async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => if !reads_anew {
                    info!("SIGHUP changes nothing: there is no BALANCER_SETTINGS, no certificate and no error page to read anew");
                },
                _ = first.recv() => {
                    info!("SIGUSR1 changes nothing: an access log that was moved away is begun anew without it");
                }
                _ = second.recv() => info!("SIGUSR2 changes nothing"),
            }
        }
    }));
    Ok(())
}
