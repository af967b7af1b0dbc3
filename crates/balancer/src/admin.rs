//! The admin interface, on an address of its own: whether the balancer lives and can serve, its metrics, the live page and
//! the API behind it.
//!
//! ```text
//! stats, control task ──once a second──▶ pulse ──▶ /api/state, and whoever reads /api/events
//! events, story ──as they happen──▶ feed ──────▶ whoever reads /api/events
//! story ───────────────────────────────────────▶ /api/incidents, /api/requests
//! /api/endpoints/…/drain ──▶ guard ──▶ control task ──▶ events
//! ```
//! Nothing here is on the way of a request. Reading is free for whoever reaches the address by a name of its own ([`guard`]);
//! what changes something needs the token as well.

mod certificates;
mod command;
mod feed;
mod guard;
mod ledger;
mod page;
mod problem;
mod pulse;
mod reload;
mod state;
mod story;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, middleware};
use evenkeel_service::{admin as listener, vital};
use evenkeel_upstream::EndpointState;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::context::Shared;
use crate::context::served::{Ask, Served};
use crate::records::access_log::AccessLog;
use crate::records::metrics::{self, Scrape, Stats};
use crate::settings::upstream::UpstreamSettings;
use crate::watch::settings::Reload;
use feed::Feed;
use pulse::Pulse;
use state::EndpointView;

/// What the admin interface knows.
#[derive(Clone)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
    stats: Vec<Arc<Stats>>,
    /// Who reads the settings again; `None` where no file has any.
    settings: Option<mpsc::Sender<Reload>>,
    pulse: watch::Receiver<Arc<Pulse>>,
    feed: Arc<Feed>,
    /// Readers of `/api/events` that are connected.
    readers: Arc<AtomicUsize>,
    /// Answers of `/ledger` that are being sent.
    ledger_readers: Arc<Semaphore>,
    started: SystemTime,
}

/// Serves at `at`; the server runs once it is awaited. Returns also the address. The pulse
/// beats as a task of the calling thread.
pub(crate) fn listen(
    shared: Arc<Shared>,
    stats: Vec<Arc<Stats>>,
    settings: Option<mpsc::Sender<Reload>>,
    at: TcpListener,
) -> io::Result<(Server, SocketAddr)> {
    let (beat, pulse) = watch::channel(Arc::default());
    let (readers, ledger_readers) = (Arc::default(), Arc::new(Semaphore::new(ledger::READERS)));
    let (started, feed) = (SystemTime::now(), Arc::new(Feed::new()));
    let admin = Admin { shared, stats, settings, pulse, feed, readers, ledger_readers, started };
    let shown = admin.clone();
    let listening = listener::serve(at, move || {
        App::new()
            .app_data(web::Data::new(shown.clone()))
            .wrap(middleware::from_fn(guard::guard))
            .configure(configure)
    })?;
    let feeding = feed::run(admin.shared.clone(), admin.feed.clone());
    actix_web::rt::spawn(vital::task("feed of the admin interface", feeding));
    actix_web::rt::spawn(vital::task("pulse of the admin interface", pulse::run(admin, beat)));
    Ok(listening)
}

macro_rules! routes {
    ($($method:ident $path:literal => $handler:path;)*) => {
        /// Every path but those of the page's own files, with its method.
        #[cfg(test)]
        const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path),)*];

        fn configure(service: &mut ServiceConfig) {
            $(service.service(
                routes!(@ $method web::resource($path), $handler)
                    .default_service(web::to(async || problem::not_allowed(stringify!($method)))),
            );)*
            service.service(web::resource("/page/{file}").get(page::file));
            service.default_service(web::to(problem::unknown));
        }
    };
    (@ get $resource:expr, $handler:path) => {
        $resource.route(web::get().to($handler)).route(web::head().to($handler))
    };
    (@ post $resource:expr, $handler:path) => { $resource.route(web::post().to($handler)) };
}

routes! {
    get "/" => page::index;
    get "/livez" => livez;
    get "/readyz" => readyz;
    get "/metrics" => metrics;
    get "/ledger" => ledger::ledger;
    get "/api/openapi.json" => page::openapi;
    get "/api/state" => state::state;
    get "/api/endpoints" => endpoints;
    get "/api/events" => stream::events;
    get "/api/incidents" => story::incidents;
    get "/api/requests" => story::requests;
    post "/api/token" => command::token;
    post "/api/reload" => reload::reload;
    post "/api/endpoints/{address}/drain" => command::drain;
    post "/api/endpoints/{address}/activate" => command::activate;
    post "/api/endpoints/{address}/weight" => command::weight;
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("alive\n")
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let (mut answer, words) = if admin.shared.leaving.is_unready() {
        (HttpResponse::ServiceUnavailable(), "leaving\n")
    } else if admin.shared.can_serve() {
        (HttpResponse::Ok(), "ready\n")
    } else {
        (HttpResponse::ServiceUnavailable(), "no server is usable\n")
    };
    answer.content_type(ContentType::plaintext()).body(words)
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    let endpoints = admin.endpoints().await;
    let (shared, edition) = (&admin.shared, admin.shared.edition());
    let text = metrics::render(&Scrape {
        workers: &admin.stats,
        control: &shared.control_stats,
        endpoints: &endpoints,
        roster: &shared.roster,
        changes: shared.events.counts(),
        connections: shared.connections.open(),
        most_connections: edition.settings.max_connections,
        upstreams: edition.upstreams().map(|(settings, served)| of_upstream(settings, served)).collect(),
        lost_lines: shared.access_log.as_ref().map_or(0, AccessLog::lost),
        lost_entries: shared.ledger.as_ref().map_or(0, |ledger| ledger.lost()),
        tls: shared.tls.as_deref(),
        server_tls: edition
            .upstreams()
            .filter_map(|(settings, _)| Some(&*settings.server_tls.as_ref()?.tls))
            .collect(),
        settled: shared.reloads.settled(),
        started: admin.started,
    });
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

fn of_upstream<'a>(settings: &'a UpstreamSettings, served: &Served) -> metrics::OfUpstream<'a> {
    let budgets = served.upstream.budgets();
    metrics::OfUpstream {
        name: settings.name.as_deref(),
        waiting: served.upstream.queue().len(),
        retries_left: budgets.retries_left(),
        hedges_left: budgets.hedges_left(),
    }
}

/// How the endpoints are at this moment, without rates: cheaper than the state, and never a second old.
async fn endpoints(admin: web::Data<Admin>) -> HttpResponse {
    let endpoints = admin.endpoints().await;
    let now = crate::clock::now();
    let endpoints: Vec<_> =
        endpoints.iter().map(|endpoint| EndpointView::of(endpoint, &admin.shared, now)).collect();
    let policy = admin.shared.edition().settings.upstreams.all[0].rules.policy.name();
    HttpResponse::Ok().json(json!({ "policy": policy, "endpoints": endpoints }))
}

impl Admin {
    /// How the endpoints are now; none when the process is ending.
    async fn endpoints(&self) -> Vec<EndpointState> {
        let mut endpoints = Vec::new();
        for served in &self.shared.edition().upstreams {
            let (answer, answered) = oneshot::channel();
            if served.asks.send(Ask::Endpoints(answer)).await.is_ok() {
                endpoints.extend(answered.await.unwrap_or_default());
            }
        }
        endpoints
    }
}
