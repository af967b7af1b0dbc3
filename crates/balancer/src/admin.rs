//! The admin interface, on an address of its own: whether the balancer lives and can serve, its metrics, its endpoints.
//!
//! It reads; nothing here is on the way of a request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use evenkeel_upstream::{EndpointState, Health};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::control::Ask;
use crate::observe::{self, Stats};
use crate::worker::Shared;

/// What the admin interface knows.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stats: Vec<Arc<Stats>>,
    pub(crate) control: mpsc::Sender<Ask>,
}

/// Listens on `bind`; the server runs once it is awaited. Returns also the address, whose port may have been 0.
pub(crate) fn listen(admin: Admin, bind: SocketAddr) -> io::Result<(Server, SocketAddr)> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(admin.clone()))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
            .route("/api/endpoints", web::get().to(endpoints))
    })
    .workers(1)
    .disable_signals()
    .bind(bind)?;
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok((server.run(), address))
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("alive\n")
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let (mut answer, words) = if admin.shared.is_leaving() {
        (HttpResponse::ServiceUnavailable(), "leaving\n")
    } else if admin.shared.upstream.snapshot().can_serve() {
        (HttpResponse::Ok(), "ready\n")
    } else {
        (HttpResponse::ServiceUnavailable(), "no server is usable\n")
    };
    answer.content_type(ContentType::plaintext()).body(words)
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    let endpoints = ask(&admin).await;
    let text = observe::render(&admin.stats, admin.shared.connections.open(), &endpoints);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

async fn endpoints(admin: web::Data<Admin>) -> HttpResponse {
    let endpoints: Vec<Value> = ask(&admin).await.iter().map(describe).collect();
    HttpResponse::Ok()
        .json(json!({ "policy": admin.shared.settings.upstream.policy.name(), "endpoints": endpoints }))
}

/// How the endpoints are now; none when the process is ending.
async fn ask(admin: &Admin) -> Vec<EndpointState> {
    let (answer, answered) = oneshot::channel();
    if admin.control.send(Ask::Endpoints(answer)).await.is_err() {
        return Vec::new();
    }
    answered.await.unwrap_or_default()
}

fn describe(endpoint: &EndpointState) -> Value {
    let state = match endpoint.health {
        Health::Unproven => "unproven",
        Health::Healthy => "healthy",
        Health::Ejected { .. } => "ejected",
        Health::Probation { .. } => "probation",
    };
    let cause = match endpoint.health {
        Health::Ejected { cause, .. } => Value::from(format!("{cause:?}").to_lowercase()),
        _ => Value::Null,
    };
    let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let failures: serde_json::Map<String, Value> =
        endpoint.failures.iter().map(|(class, count)| (class.name().to_owned(), (*count).into())).collect();
    json!({
        "address": endpoint.address.to_string(),
        "name": endpoint.label,
        "state": state,
        "cause": cause,
        "state_for_ms": millis(endpoint.state_for),
        "usable": endpoint.usable,
        "suspect": endpoint.suspect,
        "draining": endpoint.draining,
        "leaving": endpoint.leaving,
        "vanished": endpoint.vanished,
        "backup": endpoint.backup,
        "weight": endpoint.weight.get(),
        "ejections": endpoint.ejections,
        "in_flight": endpoint.in_flight,
        "attempts": endpoint.attempts,
        "successes": endpoint.successes,
        "failures": failures,
        "usual_connect_ms": endpoint.usual.connect.map(millis),
        "usual_head_ms": endpoint.usual.head.map(millis),
        "last_probe": endpoint.last_probe.map(|probe| json!({
            "result": probe.result.to_string(),
            "took_ms": millis(probe.took),
        })),
    })
}
