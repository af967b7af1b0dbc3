//! The process: listeners, workers, the control task and the admin interface; and how it leaves.
//!
//! ```text
//! main thread:  control task · admin interface · signals
//! worker 1:     accepts for all · its connections
//! worker 2…:    its connections
//! ```
//! It leaves as [`leave`] says: the process ends when all clients have gone, or when the grace is over.

mod first_proof;
mod held_back;
mod leave;
mod listeners;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;

use evenkeel_service::{Shutdown, exit, vital};
use evenkeel_upstream::EndpointIds;
use evenkeel_wire::ring_together;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::admin;
use crate::clients::accept::{self, Arrival, Transport};
use crate::clients::frontend::Frontend;
use crate::clock::now;
use crate::context::edition::Edition;
use crate::context::gate::Gate;
use crate::context::leaving::Leaving;
use crate::context::permit::Connections;
use crate::context::served::Served;
use crate::context::{Shared, Worker};

use crate::records::access_log::AccessLog;
use crate::records::events::Events;
use crate::records::ledger::Ledger;
use crate::records::metrics::{ControlStats, Stats};
use crate::records::reloads::Reloads;
use crate::records::roster::Roster;
use crate::records::story::{self, Story};
use crate::servers::groups::Groups;
use crate::settings::Settings;
use crate::watch::settings::Keeper;
use crate::watch::{certificates, control, pages, signals, trust};
use leave::Door;
use listeners::{Listener, Listeners};

/// Runs the balancer until it is told to leave.
pub(crate) fn run(settings: Settings) -> ExitCode {
    match actix_web::rt::System::new().block_on(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::from(exit::UNAVAILABLE)
        }
    }
}

async fn serve(settings: Settings) -> io::Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let Listeners { plain, secured, admin } = Listeners::open(&settings)?;
    let tls = settings.tls.as_ref().map(|tls| tls.server.clone());
    settings.tls.as_ref().map(|tls| certificates::start(tls.server.clone(), &tls.begun)).transpose()?;
    for upstream in &settings.upstreams.all {
        upstream.server_tls.as_ref().map(|servers| trust::start(&servers.tls)).transpose()?;
    }
    settings.pages.as_ref().map(pages::start).transpose()?;
    let has_trust = settings.upstreams.all.iter().any(|upstream| upstream.server_tls.is_some());
    let has_files = settings.written.file().is_some() || settings.pages.is_some();
    signals::start(has_files || has_trust || tls.is_some())?;
    let listening = (Listener::address(plain.as_ref())?, Listener::address(secured.as_ref())?);
    let ids = EndpointIds::default();
    let made: Vec<_> = settings
        .upstreams
        .all
        .iter()
        .map(|upstream| (upstream.clone(), Served::new(upstream, &ids)))
        .collect();
    let workers = settings.workers;
    let access_log =
        settings.access_log.as_ref().map(AccessLog::start).transpose().map_err(|error| cannot_log(&error))?;
    let ledger = settings.ledger.map(|bytes| Arc::new(Ledger::new(bytes)));
    let (story, mishaps) = Story::new(settings.asks_for_probes());
    let connections = Connections::new(settings.max_connections, settings.clients.connections);
    let gate = Gate::of(&settings.clients, None, now());
    let file = settings.written.file().map(str::to_owned);
    let upstreams = made.iter().map(|(_, (served, ..))| served.clone()).collect();
    let shared = Arc::new(Shared {
        editions: watch::Sender::new(Edition::new(settings, upstreams, gate)),
        connections,
        pipes: AtomicUsize::default(),
        leaving: Leaving::default(),
        tls,
        reloads: Reloads::new(file),
        events: Events::new(),
        roster: Roster::default(),
        story: Arc::new(story),
        control_stats: ControlStats::default(),
        access_log,
        ledger,
    });
    let stats: Vec<Arc<Stats>> = (0..workers).map(|_| Arc::default()).collect();
    let keeper = Keeper::new(shared.clone(), ids, workers);
    let (admin, admin_address) = admin::listen(shared.clone(), stats.clone(), keeper.start()?, admin)?;
    for (upstream, (_, control, told)) in made {
        control::start(control, upstream, &shared, told);
    }
    actix_web::rt::spawn(vital::task("story", story::run(shared.story.clone(), mishaps)));
    actix_web::rt::spawn(vital::task("admin interface", serve_admin(admin)));
    first_proof::wait(&shared, &shutdown).await;
    let plain = plain.map(|listener| (listener, Transport::Tcp));
    let secured = secured.map(|listener| (listener, Transport::Tls));
    let doors = start_workers(&shared, &stats, plain.into_iter().chain(secured).collect())?;
    let (traffic, tls) = listening;
    info!("listening traffic={traffic} tls={tls} admin={admin_address}");
    if shared.edition().settings.admin.has_demonstration_token() {
        warn!(
            "BALANCER_ADMIN_TOKEN is that of the demonstration, which everybody knows: whoever reaches the admin port can drain \
             your servers. Set one of your own, of 16 characters or more"
        );
    }

    shutdown.requested().await;
    leave::leave(&shared, doors).await;
    if let Some(log) = &shared.access_log {
        log.finish();
    }
    info!(connections = shared.connections.open(), "left");
    Ok(())
}

/// Without it nobody would see or command the balancer any more, and its readiness would say nothing.
async fn serve_admin(admin: actix_web::dev::Server) {
    if let Err(error) = admin.await {
        error!(%error, "the admin interface has failed");
        vital::lost("admin interface");
    }
}

/// Starts a thread for each worker. Nothing is accepted any more once the doors that it returns are closed.
fn start_workers(
    shared: &Arc<Shared>,
    stats: &[Arc<Stats>],
    listeners: Vec<(Listener, Transport)>,
) -> io::Result<Vec<Door>> {
    let (mut doors, mut entrances) = (Vec::new(), Vec::new());
    for (listener, transport) in listeners {
        let (close, told) = oneshot::channel();
        let (done, closed) = oneshot::channel();
        doors.push(Door {
            listener: listener.socket.try_clone()?,
            lifetime: listener.lifetime,
            close,
            closed,
        });
        entrances.push((listener.socket, transport, told, done));
    }
    let mut others = Vec::new();
    for (index, stats) in stats.iter().enumerate().skip(1) {
        let (handover, arrivals) = mpsc::unbounded_channel::<Arrival>();
        others.push(handover);
        start(index, shared, stats, async |frontend| accept::receive(frontend, arrivals).await)?;
    }
    start(0, shared, &stats[0], async move |frontend| {
        let accepting = entrances.into_iter().map(async |(listener, transport, told, done)| {
            let accepting = accept::accept(frontend.clone(), listener, transport, others.clone(), told);
            if let Err(error) = accepting.await {
                error!(%error, "the listener cannot be used");
            }
            // The main thread waits for it, unless the process is ending anyway.
            let _ = done.send(());
        });
        futures_util::future::join_all(accepting).await;
    })?;
    Ok(doors)
}

fn start<Work>(index: usize, shared: &Arc<Shared>, stats: &Arc<Stats>, work: Work) -> io::Result<()>
where
    Work: AsyncFnOnce(Rc<Frontend>) + Send + 'static,
{
    let (shared, stats) = (shared.clone(), stats.clone());
    thread::Builder::new().name(format!("worker-{}", index + 1)).spawn(move || {
        let ended = vital::thread("worker", || serve_clients(shared, stats, work));
        if let Err(error) = ended {
            error!(%error, "a worker could not start");
            // Its share of the connections would be handed to nobody.
            vital::lost("worker");
        }
    })?;
    Ok(())
}

/// Runs a worker on this thread for as long as the process lives.
fn serve_clients<Work>(shared: Arc<Shared>, stats: Arc<Stats>, work: Work) -> io::Result<()>
where
    Work: AsyncFnOnce(Rc<Frontend>),
{
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        tokio::task::spawn_local(vital::task("alarms", ring_together()?));
        let groups = Groups::new(Worker::new(shared, stats));
        let frontend = Frontend::new(groups)?;
        tokio::task::spawn_local(vital::task("watch over the settings", frontend.clone().take_up_editions()));
        let watches = "watch over idle connections";
        tokio::task::spawn_local(vital::task(watches, frontend.clone().watch_parked()));
        work(frontend).await;
        // Its connections are still served; leaving now would cut them all off.
        std::future::pending().await
    })
}

fn cannot_log(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("BALANCER_ACCESS_LOG_PATH: cannot be written: {error}"))
}
