//! From start to exit.
//!
//! `serving ──SIGTERM──▶ leaving ──LEAVE_AFTER──▶ finishing ──all answered, or FINISH_WITHIN──▶ exit 0`
//!
//! Leaving: `/readyz` says 503 and every response closes its connection, but the listener stays open, since whoever sends
//! requests here has to learn of it first. Finishing: the listener and idle connections are closed; what runs may end.

mod secured;

use std::{
    any::Any,
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, Server, ServerHandle},
    middleware::from_fn,
    rt::{self, System, net::TcpStream},
    web,
};
use evenkeel_service::{Shutdown, admin as listener, descriptors, exit, tracing, vital};
use tokio::time::{sleep, timeout};

use crate::{
    admin, exchange::exchange, faults::Socket, journal::Journal, routes, settings::Settings, state::State,
};

/// Serves until a signal, then leaves in order.
pub(crate) fn run(settings: Settings) -> ExitCode {
    let descriptors = descriptors::raise();
    tracing::debug!(descriptors, "limit on open descriptors");
    match System::new().block_on(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit::UNAVAILABLE)
        }
    }
}

async fn serve(settings: Settings) -> io::Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let journal = settings.journal.as_deref().map(|directory| {
        Journal::begin(directory, &settings.name, settings.journal_limit).map_err(|error| {
            said(&error, &format!("SERVER_JOURNAL: {} cannot be written", directory.display()))
        })
    });
    let state = web::Data::new(State::new(settings, journal.transpose()?, shutdown.clone()));
    let (traffic, traffic_address) = traffic(&state)?;
    let (admin, admin_address) = admin(&state)?;
    let handles = (traffic.handle(), admin.handle());
    rt::spawn(vital::task("traffic", serve_until_stopped("traffic", traffic)));
    rt::spawn(vital::task("admin interface", serve_until_stopped("admin interface", admin)));
    // The form of this line is relied on: it is how a test finds a port that the system chose.
    tracing::info!(traffic = %traffic_address, admin = %admin_address, name = state.settings.name, "listening");
    if let Some(tls) = &state.settings.tls {
        tracing::info!(client_certificates = tls.asks_for_certificates, "traffic is TLS");
    }
    if let Some(journal) = &state.journal {
        let (directory, limit) = (journal.directory().display(), state.settings.journal_limit);
        tracing::info!(%directory, %limit, "requests of runs are written down; the oldest go first");
    }
    shutdown.requested().await;
    leave(&state.settings, &handles.0, &handles.1).await;
    Ok(())
}

async fn serve_until_stopped(part: &'static str, server: Server) {
    if let Err(error) = server.await {
        tracing::error!(part, %error, "cannot be served any more");
        vital::lost(part);
    }
}

async fn leave(settings: &Settings, traffic: &ServerHandle, admin: &ServerHandle) {
    sleep(settings.leave_after).await;
    tracing::info!("closing the listener");
    if timeout(settings.finish_within, traffic.stop(true)).await.is_err() {
        tracing::warn!("some requests were still running when the time to finish ended");
    }
    admin.stop(false).await;
    tracing::info!("gone");
}

fn traffic(state: &web::Data<State>) -> io::Result<(Server, SocketAddr)> {
    let settings = &state.settings;
    let unable = |error| said(&error, &format!("SERVER_BIND: cannot listen on {}", settings.bind));
    if let Some(tls) = &settings.tls {
        let listener = TcpListener::bind(settings.bind).map_err(unable)?;
        let address = listener.local_addr()?;
        return Ok((secured::listen(state, tls, listener)?, address));
    }
    let shared = state.clone();
    let mut server = HttpServer::new(move || {
        App::new().app_data(shared.clone()).wrap(from_fn(exchange)).configure(routes::configure)
    })
    .on_connect(|connection: &dyn Any, data| {
        if let Some(connection) = connection.downcast_ref::<TcpStream>() {
            remember(connection, data);
        }
    })
    .h1_allow_half_closed(!settings.abort_on_close)
    .keep_alive(settings.keep_alive)
    .client_request_timeout(settings.head_timeout)
    .max_connections(settings.max_connections.get())
    // In whole seconds; `leave` keeps the exact time.
    .shutdown_timeout(settings.finish_within.as_secs() + 1)
    .disable_signals();
    if let Some(workers) = settings.workers {
        server = server.workers(workers.get());
    }
    let server = server.bind(settings.bind).map_err(unable)?;
    let address = server.addrs().first().copied().unwrap_or(settings.bind);
    Ok((server.run(), address))
}

fn admin(state: &web::Data<State>) -> io::Result<(Server, SocketAddr)> {
    let bind = state.settings.admin_bind;
    let shared = state.clone();
    listener::listen(bind, move || {
        App::new().app_data(shared.clone()).wrap(from_fn(admin::sign)).configure(admin::configure)
    })
    .map_err(|error| said(&error, &format!("SERVER_ADMIN_BIND: cannot listen on {bind}")))
}

/// Keeps with each connection what its requests may need of it.
fn remember(connection: &TcpStream, data: &mut Extensions) {
    if let Some(socket) = Socket::of(connection) {
        data.insert(socket);
    }
    if let Ok(address) = connection.local_addr() {
        data.insert(routes::Address(address));
    }
}

fn said(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
