//! Drives [`evenkeel_upstream::Control`], the one owner of health: hands on what workers, probes and look-ups found, does
//! what it asks for, and says what changed. One task on the main thread, so that health has one history.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_upstream::{
    Control, EndpointId, EndpointState, Evidence, LookupFailed, News, Probe, ProbeResult,
};
use evenkeel_wire::Resolver;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use crate::probe::probe;
use crate::worker::{Shared, now};

/// Reports waiting for the control task: beyond that they are dropped, and counted.
pub(crate) const EVIDENCE_WAITING: usize = 4096;

/// A question of the admin interface.
pub(crate) enum Ask {
    /// How the endpoints are.
    Endpoints(oneshot::Sender<Vec<EndpointState>>),
}

/// What a task that the control task started has found.
enum Found {
    Probed {
        endpoint: EndpointId,
        result: ProbeResult,
        took: Duration,
    },
    /// All addresses of the name with this index.
    Resolved(usize, Result<Vec<SocketAddr>, LookupFailed>),
}

/// Runs until the process ends.
pub(crate) async fn run(
    mut control: Control,
    shared: Arc<Shared>,
    resolver: Resolver,
    mut evidence: mpsc::Receiver<(EndpointId, Evidence)>,
    mut asks: mpsc::Receiver<Ask>,
) {
    // Bounded by what this task starts: one look-up a name, and the probes in flight.
    let (report, mut found) = mpsc::unbounded_channel();
    let mut lookups: Vec<Option<Instant>> = vec![Some(now()); control.spec().names().len()];
    let mut random = fastrand::Rng::new();
    loop {
        let now = now();
        control.tick(now);
        for (index, due) in lookups.iter_mut().enumerate() {
            if due.take_if(|due| *due <= now).is_some() {
                look_up(index, &control, &resolver, &report);
            }
        }
        for due in control.probes_due(now, &mut || random.u64(..)) {
            begin_probe(due, &shared, &report);
        }
        for change in control.take_changes() {
            match change.news {
                News::Ejected { .. } | News::Suspect(_) | News::Vanished => {
                    warn!(endpoint = %change.address, "{change}");
                }
                _ => info!(endpoint = %change.address, "{change}"),
            }
        }
        let next_lookup = lookups.iter().flatten().min().copied();
        let wake = [control.next_wake(), next_lookup].into_iter().flatten().min().unwrap_or(now);
        tokio::select! {
            Some((endpoint, evidence)) = evidence.recv() => control.evidence(endpoint, evidence, moment()),
            Some(ask) = asks.recv() => answer(&control, ask),
            Some(found) = found.recv() => match found {
                Found::Probed { endpoint, result, took } => control.probed(endpoint, result, took, moment()),
                Found::Resolved(index, addresses) => {
                    control.resolved(index, addresses.as_deref().map_err(|failed| *failed), moment());
                    lookups[index] = Some(moment() + control.resolution_interval());
                }
            },
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

/// The same clock under another name, where `now` is already the moment the loop began.
fn moment() -> Instant {
    now()
}

fn answer(control: &Control, ask: Ask) {
    match ask {
        // Who asked may have gone away.
        Ask::Endpoints(answer) => drop(answer.send(control.describe(now()))),
    }
}

fn look_up(index: usize, control: &Control, resolver: &Resolver, report: &mpsc::UnboundedSender<Found>) {
    let Some(name) = control.spec().names().get(index).cloned() else { return };
    let (resolver, report) = (resolver.clone(), report.clone());
    tokio::task::spawn_local(async move {
        let addresses = match resolver.lookup(&name.host).await {
            Ok(addresses) => Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, name.port)).collect()),
            Err(error) => {
                debug!(name = name.host, %error, "look-up failed; what is known is kept");
                Err(LookupFailed)
            }
        };
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Resolved(index, addresses));
    });
}

fn begin_probe(due: Probe, shared: &Arc<Shared>, report: &mpsc::UnboundedSender<Found>) {
    let (shared, report) = (shared.clone(), report.clone());
    tokio::task::spawn_local(async move {
        let settings = &shared.settings;
        let begun = now();
        let result = probe(&settings.probe, settings.expect, due.address, due.timeout).await;
        let took = now().saturating_duration_since(begun);
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Probed { endpoint: due.endpoint, result, took });
    });
}
