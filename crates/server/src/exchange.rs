//! What surrounds every request on the traffic port: credentials are checked, faults drawn, the answer stamped, the
//! execution recorded. The order is the point. What a request asks for beside its answer (a line in the journal, faults of its
//! own) it gets only with the right credentials, where any are needed. And the journal has its line before the first byte of
//! the response leaves, so that not even `kill -9` separates an answer from its record.

use std::{future, time::Instant};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use tokio::time::sleep;

use crate::{
    authentication,
    faults::{Instead, Mishap, Socket},
    journal::Entry,
    probed,
    problem::Problem,
    routes, stamp,
    state::State,
    upload,
};

/// The middleware of the traffic port.
pub(crate) async fn exchange(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let began = Instant::now();
    let _running = state.metrics.running();
    let method = request.method().clone();
    let socket = request.conn_data::<Socket>().cloned();
    let credentials = check(&state, &request);
    let may_bring = state.settings.faults_by_request && credentials.is_ok();
    let (mishap, refused) = match state.faults.befall(&request, may_bring) {
        Ok(mishap) => (mishap, None),
        Err(problem) => (Mishap::default(), Some(problem)),
    };
    state.metrics.fired(mishap.names());
    let journal = state.journal.as_ref().filter(|_| credentials.is_ok());
    let mut entry = journal.and_then(|journal| Entry::begin(journal, &request, mishap.names()));

    let response = match refused {
        Some(problem) => instead(&state, request, problem.error_response()).await,
        None => answer(&state, request, next, (&mishap, credentials), entry.as_mut()).await?,
    };

    let (request, response) = response.into_parts();
    let response = mishap.spoil(stamp::stamp(&state, &method, response), socket);
    if let Some(entry) = entry {
        entry.finish(response.status());
    }
    state.metrics.answered(response.status(), began.elapsed());
    Ok(ServiceResponse::new(request, response))
}

/// The answer of a route, or what comes instead of it.
async fn answer(
    state: &State,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    (mishap, credentials): (&Mishap, Result<(), Problem>),
    entry: Option<&mut Entry<'_>>,
) -> Result<ServiceResponse, Error> {
    if !mishap.delay.is_zero() {
        sleep(mishap.delay).await;
    }
    if let Err(problem) = admit(&request, mishap, credentials) {
        return Ok(instead(state, request, problem.error_response()).await);
    }
    match mishap.instead {
        Some(Instead::Status(status)) => {
            return Ok(instead(state, request, routes::with_status(status, "a fault, as asked")).await);
        }
        Some(Instead::Nothing) => future::pending().await,
        Some(Instead::Unauthorized) | None => {}
    }
    if let Some(entry) = entry {
        entry.executed();
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// A response that does not need the request's body.
async fn instead(state: &State, mut request: ServiceRequest, response: HttpResponse) -> ServiceResponse {
    upload::discard(request.take_payload(), state.settings.body_timeout).await;
    request.into_response(response)
}

/// Whether the request has the right credentials, where any are needed.
fn check(state: &State, request: &ServiceRequest) -> Result<(), Problem> {
    state.settings.credentials.as_ref().map_or(Ok(()), |credentials| credentials.check(request.headers()))
}

/// Probes need no credentials.
fn admit(request: &ServiceRequest, mishap: &Mishap, credentials: Result<(), Problem>) -> Result<(), Problem> {
    if mishap.instead == Some(Instead::Unauthorized) {
        return Err(authentication::challenge());
    }
    if probed::is_health(request.path()) { Ok(()) } else { credentials }
}
