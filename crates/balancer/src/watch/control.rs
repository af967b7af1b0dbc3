//! Drives [`evenkeel_upstream::Control`], the one owner of health: hands on what workers, probes and look-ups found, does
//! what it asks for, and says what changed. One task on the main thread, so that health has one history.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_service::{More, Rarely, vital};
use evenkeel_upstream::{
    Change, Command, Control, EndpointId, EndpointState, LookupFailed, News, Probe, ProbeResult, Testimony,
    UnknownEndpoint,
};
use evenkeel_wire::{ResolveError, Resolver};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::clock::now;
use crate::context::Shared;
use crate::records::events;
use crate::watch::names::Names;
use crate::watch::orders::Orders;
use crate::watch::probe::probe;

/// Reports waiting for the control task: beyond that they are dropped, and counted.
pub(crate) const EVIDENCE_WAITING: usize = 4096;

/// A question of the admin interface.
pub(crate) enum Ask {
    /// How the endpoints are.
    Endpoints(oneshot::Sender<Vec<EndpointState>>),
    /// What a person tells the endpoint at this address; answered with how it is then.
    Command(SocketAddr, Command, oneshot::Sender<Result<EndpointState, UnknownEndpoint>>),
}

/// What a task that the control task started has found.
enum Found {
    Probed {
        endpoint: EndpointId,
        result: ProbeResult,
        took: Duration,
    },
    /// All addresses of the name with this index.
    Resolved(usize, Result<Vec<SocketAddr>, ResolveError>),
}

/// Runs until the process ends.
pub(crate) async fn run(
    mut control: Control,
    shared: Arc<Shared>,
    resolver: Resolver,
    mut evidence: mpsc::Receiver<(EndpointId, Testimony)>,
    mut asks: mpsc::Receiver<Ask>,
) {
    // Bounded by what this task starts: one look-up a name, and the probes in flight.
    let (report, mut found) = mpsc::unbounded_channel();
    let mut lookups: Vec<Option<Instant>> = vec![Some(now()); control.spec().names().len()];
    let mut names = Names::new(lookups.len());
    let mut random = fastrand::Rng::new();
    let mut orders = Orders::default();
    loop {
        let turn = now();
        control.tick(turn);
        for (index, due) in lookups.iter_mut().enumerate() {
            if due.take_if(|due| *due <= turn).is_some() {
                look_up(index, &control, &resolver, &report);
            }
        }
        for due in control.probes_due(turn, &mut || random.u64(..)) {
            begin_probe(due, &shared, &report);
        }
        publish(&mut control, &orders, &shared);
        let next_lookup = lookups.iter().flatten().min().copied();
        let wake = [control.next_wake(), next_lookup].into_iter().flatten().min().unwrap_or(turn);
        tokio::select! {
            Some((endpoint, testimony)) = evidence.recv() => control.evidence(endpoint, testimony, now()),
            Some(ask) = asks.recv() => answer(&mut control, &mut orders, ask),
            Some(found) = found.recv() => match found {
                Found::Probed { endpoint, result, took } => {
                    shared.control_stats.probed(result);
                    control.probed(endpoint, result, took, now());
                }
                Found::Resolved(index, addresses) => {
                    let stats = &shared.control_stats;
                    if addresses.is_ok() { &stats.lookups } else { &stats.lookups_failed }.add(1);
                    names.looked_up(index, &control.spec().names()[index].host, &addresses);
                    control.resolved(index, addresses.as_deref().map_err(|_| LookupFailed), now());
                    lookups[index] = Some(now() + control.resolution_interval());
                }
            },
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

/// Says what changed, in the log and to whoever watches. An address that is found again is told what it was told before.
fn publish(control: &mut Control, orders: &Orders, shared: &Shared) {
    let mut changes: Vec<Change> = control.take_changes().collect();
    for found in changes.iter().filter(|change| change.news == News::Added) {
        for command in orders.of(found.address) {
            // It was there a moment ago, and nobody else lets it go.
            let _ = control.command(found.endpoint, command, now());
        }
    }
    changes.extend(control.take_changes());
    for change in changes {
        say(&change, now());
        shared.events.publish(&change);
        if let Some(ledger) = &shared.ledger {
            ledger.note(&change);
        }
    }
}

fn say(change: &Change, now: Instant) {
    // Suspected and cleared by the next probe: both come and go by the second where a server is at its limit.
    static SUSPICIONS: Rarely = Rarely::new(8);
    let flutters = matches!(change.news, News::Suspect(_) | News::Cleared);
    let more = if flutters { SUSPICIONS.admit(now) } else { Some(More::NONE) };
    let Some(more) = more else { return };
    if events::is_bad(change.news) {
        warn!(endpoint = %change.address, "{change}{more}");
    } else {
        info!(endpoint = %change.address, "{change}{more}");
    }
}

fn answer(control: &mut Control, orders: &mut Orders, ask: Ask) {
    // Who asked may have gone away.
    match ask {
        Ask::Endpoints(answer) => drop(answer.send(control.describe(now()))),
        Ask::Command(address, command, answer) => {
            let done = control.find(address).ok_or(UnknownEndpoint).and_then(|id| {
                control.command(id, command, now())?;
                orders.remember(address, command);
                let states = control.describe(now());
                states.into_iter().find(|state| state.id == id).ok_or(UnknownEndpoint)
            });
            drop(answer.send(done));
        }
    }
}

fn look_up(index: usize, control: &Control, resolver: &Resolver, report: &mpsc::UnboundedSender<Found>) {
    let Some(name) = control.spec().names().get(index).cloned() else { return };
    let (resolver, report) = (resolver.clone(), report.clone());
    tokio::task::spawn_local(vital::task("look-up", async move {
        let found = resolver.lookup(&name.host).await;
        let addresses =
            found.map(|found| found.into_iter().map(|ip| SocketAddr::new(ip, name.port)).collect());
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Resolved(index, addresses));
    }));
}

fn begin_probe(due: Probe, shared: &Arc<Shared>, report: &mpsc::UnboundedSender<Found>) {
    let (shared, report) = (shared.clone(), report.clone());
    // An endpoint whose probe never ends would never be probed again.
    tokio::task::spawn_local(vital::task("probe", async move {
        let settings = &shared.settings;
        let begun = now();
        let result =
            probe(&settings.probe, settings.probe_host.as_ref(), settings.expect, due.address, due.timeout)
                .await;
        let took = now().saturating_duration_since(begun);
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Probed { endpoint: due.endpoint, result, took });
    }));
}
