//! The admin port: `/livez`, `/readyz`, `/metrics`, and `/faults` to see, set and lift what goes wrong.

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{ALLOW, HeaderValue, ORIGIN},
    },
    middleware::Next,
    web::{self, ServiceConfig},
};
use evenkeel_service::{admin as listener, tracing};
use serde::Serialize;

use crate::{
    faults::{Rules, Shown},
    problem::Problem,
    routes::{livez, read_only, readyz},
    stamp,
    state::State,
};

/// The longest list of faults, in bytes.
const LONGEST: usize = 16 << 10;

/// Adds all routes to the admin application.
pub(crate) fn configure(service: &mut ServiceConfig) {
    service
        .service(read_only("/livez", web::to(livez)))
        .service(read_only("/readyz", web::to(readyz)))
        .service(read_only("/metrics", web::to(metrics)))
        .service(
            web::resource("/faults")
                .route(web::get().to(show))
                .route(web::head().to(show))
                .route(web::put().to(set))
                .route(web::delete().to(lift))
                .default_service(web::to(not_allowed)),
        )
        .default_service(web::to(unknown));
}

/// Signs responses like those of the traffic port; neither faults nor credentials apply here. What a page of another site
/// makes a browser ask gets nothing.
pub(crate) async fn sign(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let method = request.method().clone();
    let response = if listener::is_cross_site(request.headers()) {
        let problem = Problem::new(StatusCode::FORBIDDEN, "a page of another site asked for this");
        request.into_response(problem.error_response())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let (request, response) = response.into_parts();
    Ok(ServiceResponse::new(request, stamp::stamp(&state, &method, response)))
}

#[derive(Serialize)]
struct Standing {
    seed: u64,
    faults: Vec<Shown>,
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    let scraped = state.metrics.scrape(state.is_leaving(), state.journal.as_ref());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(scraped)
}

async fn show(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(Standing { seed: state.faults.seed(), faults: state.faults.shown() })
}

async fn set(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    refuse_browsers(&request)?;
    let body = listener::body(payload, LONGEST)
        .await
        .map_err(|status| Problem::new(status, "the list did not come in time, is too long or broke off"))?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the list of faults is not UTF-8 text"))?;
    let rules = Rules::parse(text.trim()).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, reason))?;
    tracing::warn!(faults = text.trim(), "faults set through the admin port");
    state.faults.replace(rules);
    Ok(show(state).await)
}

async fn lift(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    refuse_browsers(&request)?;
    tracing::warn!("faults lifted through the admin port");
    state.faults.replace(Rules::default());
    Ok(show(state).await)
}

/// A page that someone has open must not be able to break their servers: browsers name the page in Origin.
fn refuse_browsers(request: &HttpRequest) -> Result<(), Problem> {
    if request.headers().contains_key(ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "faults are not set from web pages"));
    }
    Ok(())
}

async fn not_allowed(request: HttpRequest) -> Problem {
    let detail = format!("/faults is not for {}", request.method());
    let allowed = HeaderValue::from_static("GET, HEAD, PUT, DELETE");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, allowed)
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there are /livez /readyz /metrics /faults")
}
