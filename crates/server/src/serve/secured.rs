//! The traffic port over TLS: HTTP/1.1 in TLS 1.2 or 1.3, with client certificates where an authority for them is set.
//!
//! `accepted ──handshake, within HEAD_TIMEOUT──▶ HTTP/1.1 │ failed: closed, and a line at level debug`
//!
//! The framework's own way would offer HTTP/2 as well; so its parts are put together here.

use std::io;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{App, dev::AppConfig, middleware::from_fn, rt::net::TcpStream, web};
use evenkeel_service::tracing;

use super::remember;
use crate::{exchange::exchange, routes, state::State, tls::Tls};

/// The traffic port over TLS, otherwise as without.
pub(super) fn listen(
    state: &web::Data<State>,
    tls: &Tls,
    listener: std::net::TcpListener,
) -> io::Result<Server> {
    let settings = &state.settings;
    let address = listener.local_addr()?;
    let mut server = Server::build()
        .max_concurrent_connections(settings.max_connections.get())
        .shutdown_timeout(settings.finish_within.as_secs() + 1)
        .disable_signals();
    if let Some(workers) = settings.workers {
        server = server.workers(workers.get());
    }
    let ending = server.graceful_shutdown_signal();
    let (config, shared) = (tls.config.clone(), state.clone());
    let factory = move || {
        let settings = &shared.settings;
        let ending = ending.clone();
        let app = App::new().app_data(shared.clone()).wrap(from_fn(exchange)).configure(routes::configure);
        let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .secure()
            .local_addr(address)
            .keep_alive(settings.keep_alive)
            .client_request_timeout(settings.head_timeout)
            .h1_allow_half_closed(!settings.abort_on_close)
            .on_connect_ext(|stream: &TlsStream<TcpStream>, data: &mut _| remember(stream.get_ref().0, data))
            .h1(map_config(app, |()| AppConfig::default()));
        let mut acceptor = Acceptor::new(config.clone());
        acceptor.set_handshake_timeout(settings.head_timeout);
        acceptor
            .map_init_err(|()| unreachable!("an acceptor has nothing that could fail"))
            .map_err(|error| {
                tracing::debug!(?error, "a TLS handshake failed");
                TlsError::into_service_error(error)
            })
            .map(|stream: TlsStream<TcpStream>| {
                let peer = stream.get_ref().0.peer_addr().ok();
                (stream, peer)
            })
            .and_then(http.map_err(TlsError::Service))
    };
    Ok(server.listen("traffic", listener, factory)?.run())
}
