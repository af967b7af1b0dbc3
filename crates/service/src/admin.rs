//! The listener of an admin interface: whoever reaches it, with a token or without, can hold neither a descriptor nor a
//! place for long.
//!
//! ```text
//! accepted ──▶ asking ──▶ answering ──▶ closed        each with its deadline; no further head is waited for
//!                             └──▶ streaming          as long as it is read
//! ```
//! The limit is on connections, and a flood of them must not shut out the probe that comes after it: from `CROWDED` on
//! the oldest that has not finished asking gives way to each that arrives.

mod connection;
mod crowd;

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::http::{KeepAlive, StatusCode, header::HeaderMap};
use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use connection::Bounded;
pub use connection::Connection;
use crowd::Crowd;

/// The most connections at once; more wait in the listener's queue, which costs this process nothing.
pub const CONNECTIONS: usize = 64;

/// Connections that wait to be accepted; more are not heard, and knock again.
const BACKLOG: i32 = 1024;

/// So many connections are a crowd.
const CROWDED: usize = 48;

/// How long a request's head may take; then 408.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a request's body may take as a whole; then 408.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection that is closed waits for the other side to take in the answer.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// Listens on `bind`; the server runs once it is awaited, on one thread. Returns also the address, whose port may have
/// been 0.
pub fn listen<F, I, S, B>(bind: SocketAddr, app: F) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    serve(TcpListener::bind(bind)?, app)
}

/// The same on a socket that is open.
pub fn serve<F, I, S, B>(listener: TcpListener, app: F) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    rustix::net::listen(&listener, BACKLOG)?;
    let address = listener.local_addr()?;
    let server = Server::build()
        .workers(1)
        .max_concurrent_connections(CONNECTIONS)
        .disable_signals()
        .listen("admin", listener, move || {
            let crowd = Crowd::default();
            let app = app().into_factory().map_err(|error| error.into().error_response());
            let http = HttpService::build()
                // A second head would have no deadline.
                .keep_alive(KeepAlive::Disabled)
                .client_request_timeout(HEAD_WITHIN)
                .client_disconnect_timeout(CLOSED_WITHIN)
                .on_connect_ext(|stream: &Bounded<TcpStream>, data| _ = data.insert(stream.connection()))
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |stream: TcpStream| {
                let peer = stream.peer_addr().ok();
                ready(Ok::<_, DispatchError>((crowd.admit(stream), peer)))
            })
            .and_then(http)
        })?
        .run();
    Ok((server, address))
}

/// Reads the body of a request that has proved its right to send one, up to `most` bytes. Otherwise: the status it gets.
pub async fn body(mut payload: Payload, most: usize) -> Result<Bytes, StatusCode> {
    let whole = async {
        let mut body = Vec::new();
        while let Some(piece) = payload.next().await {
            body.extend_from_slice(&piece.map_err(|_| StatusCode::BAD_REQUEST)?);
            if body.len() > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
        }
        Ok(body.into())
    };
    timeout(BODY_WITHIN, whole).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

/// Whether a browser says that a page of another site made it ask (Fetch Metadata, `Sec-Fetch-Site`). It says so of
/// requests that carry no Origin as well, such as those of images and links.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"))
}
