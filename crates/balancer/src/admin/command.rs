//! What a person tells an endpoint. It holds when the name is looked up again, and until the process ends: it is not
//! written anywhere, and the answer says so.

use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use evenkeel_service::admin as listener;
use evenkeel_upstream::{Command, EndpointState, Weight};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::Admin;
use super::guard::authorise;
use super::problem::Problem;
use super::state::EndpointView;
use crate::context::served::Ask;

/// The body of a request for another weight.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    weight: u16,
}

/// What became of a command.
#[derive(Serialize)]
struct Done {
    endpoint: EndpointView,
    /// The same server in other upstreams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<EndpointView>,
    /// How long it holds.
    holds: &'static str,
}

/// The largest body, bytes.
const LARGEST: usize = 4096;

const HOLDS: &str = "until the balancer restarts; set BALANCER_UPSTREAM for longer";

/// Whether a token is the one that changes need. Changes nothing itself, so that whoever enters a wrong one hears it then,
/// and not when a server has to be drained at once.
pub(super) async fn token(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.edition().settings.admin)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives the endpoint no new requests.
pub(super) async fn drain(
    admin: web::Data<Admin>,
    request: HttpRequest,
    address: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.edition().settings.admin)?;
    command(&admin, &request, &address, Command::Drain).await
}

/// Uses the endpoint again.
pub(super) async fn activate(
    admin: web::Data<Admin>,
    request: HttpRequest,
    address: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.edition().settings.admin)?;
    command(&admin, &request, &address, Command::Activate).await
}

/// Gives the endpoint another weight.
pub(super) async fn weight(
    admin: web::Data<Admin>,
    request: HttpRequest,
    address: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.edition().settings.admin)?;
    // Only now: whoever has no token is not waited for.
    let body = listener::body(payload, LARGEST).await.map_err(Problem::of_body)?;
    let wanted: Option<Wanted> = serde_json::from_slice(&body).ok();
    let Some(weight) = wanted.and_then(|wanted| Weight::new(wanted.weight)) else {
        let detail = format!("Write the weight as {{\"weight\": 2}}, from 1 to {}.", Weight::MAX);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    };
    command(&admin, &request, &address, Command::Weight(weight)).await
}

/// Which of several upstreams is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    upstream: Option<String>,
}

/// Tells the endpoint at this address, in each upstream that has it or in the one that is named.
async fn command(
    admin: &Admin,
    request: &HttpRequest,
    address: &str,
    command: Command,
) -> Result<HttpResponse, Problem> {
    let Ok(address) = address.parse::<SocketAddr>() else {
        let detail =
            format!("{address:?} is no address; write it as in /api/endpoints, such as 172.18.0.3:8080.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    };
    let Ok(web::Query(Which { upstream: wanted })) = web::Query::<Which>::from_query(request.query_string())
    else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "The query is not understood; write ?upstream=api or nothing.",
        ));
    };
    if let Some(wanted) = wanted.as_deref().filter(|wanted| !is_upstream(admin, wanted)) {
        return Err(no_upstream(admin, wanted));
    }
    let roster = &admin.shared.roster;
    let mut told = Vec::new();
    let edition = admin.shared.edition();
    for (settings, served) in edition.upstreams() {
        let name = settings.name.as_deref();
        if wanted.as_deref().is_some_and(|wanted| name != Some(wanted)) {
            continue;
        }
        let Some(server) = roster.at(name, address) else { continue };
        info!(peer = ?request.peer_addr(), %server, ?command, "told through the admin interface");
        let state = ask(&served.asks, address, command).await?;
        told.push(EndpointView::of(&state, &admin.shared, crate::clock::now()));
    }
    let mut told = told.into_iter();
    let Some(endpoint) = told.next() else { return Err(unknown(address)) };
    Ok(HttpResponse::Ok().json(Done { endpoint, others: told.collect(), holds: HOLDS }))
}

async fn ask(
    control: &mpsc::Sender<Ask>,
    address: SocketAddr,
    command: Command,
) -> Result<EndpointState, Problem> {
    let leaving = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The balancer is leaving.");
    let (answer, answered) = oneshot::channel();
    control.send(Ask::Command(address, command, answer)).await.map_err(|_| leaving())?;
    answered.await.map_err(|_| leaving())?.map_err(|_| unknown(address))
}

fn is_upstream(admin: &Admin, wanted: &str) -> bool {
    admin.shared.edition().upstreams().any(|(settings, _)| settings.name.as_deref() == Some(wanted))
}

fn no_upstream(admin: &Admin, wanted: &str) -> Problem {
    let edition = admin.shared.edition();
    let names: Vec<&str> = edition.upstreams().filter_map(|(settings, _)| settings.name.as_deref()).collect();
    let detail = if names.is_empty() {
        format!(
            "There is no upstream {wanted:?}: there is only one, which has no name; leave ?upstream= out."
        )
    } else {
        format!("There is no upstream {wanted:?}; there are {}.", names.join(", "))
    };
    Problem::new(StatusCode::NOT_FOUND, detail)
}

fn unknown(address: SocketAddr) -> Problem {
    let detail = format!("There is no endpoint {address}; /api/endpoints lists those there are.");
    Problem::new(StatusCode::NOT_FOUND, detail)
}
