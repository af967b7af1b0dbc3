//! The admin port, where one is wanted: whether the client lives, and its metrics, as long as it runs.
//!
//! It is served by a thread of its own: whoever asks here holds up no request whose time is measured.

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, Resource, web};
use evenkeel_service::admin as listener;
use prometheus::Registry;

use crate::observe;

/// Listens on `bind`; the server runs once it is awaited. Returns also the address, whose port may have been 0.
pub(crate) fn listen(registry: Registry, bind: SocketAddr) -> io::Result<(Server, SocketAddr)> {
    let registry = web::Data::new(registry);
    listener::listen(bind, move || {
        App::new()
            .app_data(registry.clone())
            .service(read_only("/livez", livez))
            .service(read_only("/metrics", metrics))
            .default_service(web::to(unknown))
    })
}

fn read_only<F, A>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<A, Output = HttpResponse> + Clone,
    A: actix_web::FromRequest + 'static,
{
    web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler))
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("alive\n")
}

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(observe::scrape(&registry))
}

async fn unknown() -> HttpResponse {
    HttpResponse::NotFound().content_type(ContentType::plaintext()).body("there are /livez and /metrics\n")
}
