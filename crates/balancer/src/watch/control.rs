//! Drives [`evenkeel_upstream::Control`], the one owner of health: hands on what workers, probes and look-ups found, does
//! what it asks for, and says what changed. One task for each upstream, all on the main thread, so that health has one history.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_service::{More, Rarely, vital};
use evenkeel_upstream::{Change, Control, EndpointId, Evidence, LookupFailed, News, Probe, UnknownEndpoint};
use evenkeel_wire::{ResolveError, Resolver};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::clock::now;
use crate::context::Shared;
use crate::context::served::{Ask, Told};
use crate::records::events;
use crate::records::incidents::Fact;
use crate::records::roster::Server;
use crate::settings::upstream::UpstreamSettings;
use crate::watch::closers::Closers;
use crate::watch::lookups::{Lookup, Lookups};
use crate::watch::names::Names;
use crate::watch::naming::{self, Naming};
use crate::watch::orders::Orders;
use crate::watch::probe::{Finding, probe};
use crate::watch::strangers::Strangers;
use crate::watch::unproven::Unproven;

/// What a task that the control task started has found.
enum Found {
    Probed {
        endpoint: EndpointId,
        finding: Finding,
        took: Duration,
    },
    /// All addresses of a name, and what DNS calls those that are new.
    Resolved(Lookup, Result<Vec<SocketAddr>, ResolveError>, naming::Found),
    /// What DNS calls the server of an endpoint.
    Named(EndpointId, IpAddr, String),
}

/// Drives it as a task of the calling thread.
pub(crate) fn start(control: Control, settings: Arc<UpstreamSettings>, shared: &Arc<Shared>, told: Told) {
    let control = run(control, settings, shared.clone(), Resolver::from_system(), told);
    actix_web::rt::spawn(vital::task("control task", control));
}

/// Runs until nobody can use the upstream any more.
async fn run(
    mut control: Control,
    mut settings: Arc<UpstreamSettings>,
    shared: Arc<Shared>,
    resolver: Resolver,
    told: Told,
) {
    let Told { mut evidence, mut asks } = told;
    // Bounded by what this task starts: one look-up a name, the probes in flight, and a question after each endpoint's name
    // when it begins to serve.
    let (report, mut found) = mpsc::unbounded_channel();
    let mut lookups = Lookups::due(control.spec(), now());
    let mut names = Names::new(settings.variable(), lookups.due.len());
    let mut random = fastrand::Rng::new();
    let mut orders = Orders::default();
    let mut naming = Naming::new(settings.name.clone());
    let mut strangers = Strangers::default();
    let mut unproven = Unproven::default();
    let mut closers = Closers::default();
    loop {
        let turn = now();
        control.tick(turn);
        for which in lookups.begin(turn) {
            look_up(which, &control, &settings, &shared, &resolver, &report);
        }
        for due in control.probes_due(turn, &mut || random.u64(..)) {
            let host = control.host(due.endpoint).unwrap_or_default().to_owned();
            begin_probe(due, host, &settings, &report);
        }
        for change in publish(&mut control, &orders, &naming, &shared) {
            if matches!(change.news, News::Added | News::Returned) {
                unproven.found(change.endpoint);
            }
            if let Some(server) = shared.roster.of(change.endpoint) {
                closers.changed(change.endpoint, &server, change.news);
            }
            if change.news == News::Removed {
                strangers.forget(change.endpoint);
                unproven.forget(change.endpoint);
            }
            if change.news == News::Healthy && !naming.is_given(change.address) {
                ask_for_name(&change, &resolver, &report);
            }
        }
        let next_lookup = lookups.due.iter().flatten().min().copied();
        let wake = [control.next_wake(), next_lookup].into_iter().flatten().min().unwrap_or(turn);
        tokio::select! {
            report = evidence.recv() => {
                let Some((endpoint, testimony)) = report else { break };
                if testimony.evidence == Evidence::IdleClosed {
                    tell(&shared, endpoint, Fact::IdleClosed, now());
                }
                control.evidence(endpoint, testimony, now());
            }
            Some(ask) = asks.recv() => match ask {
                Ask::Adopt(others, done) => {
                    adopt(&mut control, &settings, &others);
                    names.adopt(others.variable(), settings.servers.names(), control.spec());
                    naming.adopt(others.name.clone());
                    lookups = lookups.anew(control.spec(), now());
                    settings = others;
                    // Who asked may have gone away.
                    let _ = done.send(());
                }
                ask => answer(&mut control, &mut orders, ask),
            },
            Some(found) = found.recv() => match found {
                Found::Probed { endpoint, finding: Finding { result, wrong }, took } => {
                    if let Some(server) = shared.roster.of(endpoint) {
                        strangers.probed(endpoint, &server, wrong);
                        unproven.probed(endpoint, &server, result);
                    }
                    shared.control_stats.probed(result);
                    tell(&shared, endpoint, Fact::Probed(result), now());
                    control.probed(endpoint, result, took, now());
                }
                Found::Named(endpoint, address, name) => {
                    naming.called(address, name);
                    enter(&shared, &naming, endpoint);
                }
                // What has been asked under other settings is asked again.
                Found::Resolved(which, ..) if which.round != lookups.round => {}
                Found::Resolved(Lookup { index, .. }, addresses, found) => {
                    naming.resolved(control.spec(), index, addresses.as_deref().unwrap_or_default(), found);
                    let stats = &shared.control_stats;
                    if addresses.is_ok() { &stats.lookups } else { &stats.lookups_failed }.add(1);
                    names.looked_up(index, &control.spec().names()[index].host, &addresses);
                    control.resolved(index, addresses.as_deref().map_err(|_| LookupFailed), now());
                    lookups.due[index] = Some(now() + control.resolution_interval());
                    if lookups.is_first_of_round(index) {
                        // People may call them otherwise now.
                        control.describe(now()).iter().for_each(|state| enter(&shared, &naming, state.id));
                    }
                }
            },
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
    control.retire(now());
    publish(&mut control, &orders, &naming, &shared);
    shared.story.upstream_is_gone(settings.name.as_deref(), now());
}

/// Goes on with `others`.
fn adopt(control: &mut Control, settings: &UpstreamSettings, others: &UpstreamSettings) {
    control.adopt(others.servers.clone(), others.rules.clone(), now());
    let is_same_tls = match (&settings.server_tls, &others.server_tls) {
        (Some(before), Some(now)) => before.is_like(now),
        (before, now) => before.is_none() && now.is_none(),
    };
    if !is_same_tls {
        control.drop_idle_connections();
    }
}

/// Says what changed, in the log and to whoever watches. An address that is found again is told what it was told before.
fn publish(control: &mut Control, orders: &Orders, naming: &Naming, shared: &Shared) -> Vec<Change> {
    let mut changes: Vec<Change> = control.take_changes().collect();
    for found in changes.iter().filter(|change| change.news == News::Added) {
        for command in orders.of(found.address) {
            // It was there a moment ago, and nobody else lets it go.
            let _ = control.command(found.endpoint, command, now());
        }
    }
    changes.extend(control.take_changes());
    // First: its name may be the next one's.
    for change in changes.iter().filter(|change| change.news == News::Vanished) {
        shared.roster.leaves(change.endpoint);
    }
    for change in &changes {
        if matches!(change.news, News::Added | News::Returned) {
            let server = naming.server(change.address, &shared.roster);
            shared.roster.enter(change.endpoint, server);
        }
        let Some(server) = shared.roster.of(change.endpoint) else { continue };
        // It is there under another host.
        let is_replaced = control.find(change.address).is_some_and(|there| there != change.endpoint);
        if is_replaced && matches!(change.news, News::Vanished | News::Removed) {
            continue;
        }
        say(change, &server, now());
        shared.events.publish(change, &server);
        shared.story.happened(&server, Fact::News(change.news), change.at);
        if let Some(ledger) = &shared.ledger {
            ledger.note(change, &server);
        }
    }
    changes
}

/// Tells the story a fact that is no change.
fn tell(shared: &Shared, endpoint: EndpointId, fact: Fact, now: Instant) {
    if let Some(server) = shared.roster.of(endpoint) {
        shared.story.happened(&server, fact, now);
    }
}

/// Takes in what an endpoint that is known is called now.
fn enter(shared: &Shared, naming: &Naming, endpoint: EndpointId) {
    let Some(known) = shared.roster.of(endpoint) else { return };
    // One that has gone in the meantime keeps the name it had.
    if shared.roster.at(known.upstream.as_deref(), known.address).is_none_or(|there| there != known) {
        return;
    }
    let server = naming.server(known.address, &shared.roster);
    if server != *known {
        shared.story.called(&known, &server);
        shared.roster.enter(endpoint, server);
    }
}

fn say(change: &Change, server: &Server, now: Instant) {
    // Suspected and cleared by the next probe, busy and free: they come and go by the second where a server is at its limit.
    static SUSPICIONS: Rarely = Rarely::new(8);
    let flutters = matches!(change.news, News::Suspect(_) | News::Cleared | News::Busy { .. } | News::Free);
    let more = if flutters { SUSPICIONS.admit(now) } else { Some(More::NONE) };
    let Some(more) = more else { return };
    if events::is_bad(change.news) {
        warn!("{server} {}{more}", change.news);
    } else {
        info!("{server} {}{more}", change.news);
    }
}

fn answer(control: &mut Control, orders: &mut Orders, ask: Ask) {
    // Who asked may have gone away.
    match ask {
        Ask::Adopt(..) => {}
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

fn look_up(
    which: Lookup,
    control: &Control,
    settings: &UpstreamSettings,
    shared: &Arc<Shared>,
    resolver: &Resolver,
    report: &mpsc::UnboundedSender<Found>,
) {
    let Some(name) = control.spec().names().get(which.index).cloned() else { return };
    let (shared, resolver, report) = (shared.clone(), resolver.clone(), report.clone());
    let upstream = settings.name.clone();
    tokio::task::spawn_local(vital::task("look-up", async move {
        let found = resolver.lookup(&name.host).await;
        let addresses: Result<Vec<SocketAddr>, _> =
            found.map(|found| found.into_iter().map(|ip| SocketAddr::new(ip, name.port)).collect());
        let is_new = |address: &&SocketAddr| {
            name.called.is_none() && shared.roster.at(upstream.as_deref(), **address).is_none()
        };
        let unknown = addresses.iter().flatten().filter(is_new).map(SocketAddr::ip).collect();
        let names = naming::ask_at_first(&resolver, unknown).await;
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Resolved(which, addresses, names));
    }));
}

fn ask_for_name(change: &Change, resolver: &Resolver, report: &mpsc::UnboundedSender<Found>) {
    let (endpoint, address) = (change.endpoint, change.address.ip());
    let (resolver, report) = (resolver.clone(), report.clone());
    tokio::task::spawn_local(vital::task("question after a name", async move {
        if let Some(name) = naming::ask_later(&resolver, address).await {
            // Nobody listens any more when the process ends.
            let _ = report.send(Found::Named(endpoint, address, name));
        }
    }));
}

fn begin_probe(
    due: Probe,
    host: String,
    settings: &Arc<UpstreamSettings>,
    report: &mpsc::UnboundedSender<Found>,
) {
    let (settings, report) = (settings.clone(), report.clone());
    // An endpoint whose probe never ends would never be probed again.
    tokio::task::spawn_local(vital::task("probe", async move {
        let begun = now();
        let finding = probe(&settings, &host, due.address, due.timeout).await;
        let took = now().saturating_duration_since(begun);
        // Nobody listens any more when the process ends.
        let _ = report.send(Found::Probed { endpoint: due.endpoint, finding, took });
    }));
}
