//! `/status/{code}` and `/delay/{duration}`: an answer of a given kind, at a given time.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::StatusCode, web};
use evenkeel_service::Setting as _;
use tokio::time::sleep;

use crate::{authentication, problem::Problem, state::State, upload::Upload};

pub(super) async fn status(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
    code: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Upload::new(&request, payload, &state.settings)?.verify().await?;
    let status = code.parse().ok().filter(|status: &StatusCode| (200..600).contains(&status.as_u16()));
    let status = status.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, format!("`{code}` is not a status from 200 to 599"))
    })?;
    Ok(with_status(status, "as asked"))
}

pub(super) async fn delay(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
    duration: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Upload::new(&request, payload, &state.settings)?.verify().await?;
    let bad = |reason| Problem::new(StatusCode::BAD_REQUEST, reason);
    let (duration, longest) = (Duration::parse(&duration).map_err(bad)?, state.settings.max_delay);
    if duration > longest {
        return Err(bad(format!("{duration:?} is longer than {longest:?}")));
    }
    sleep(duration).await;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!("waited {duration:?}\n")))
}

/// A response with this status and what such a response needs.
pub(crate) fn with_status(status: StatusCode, detail: &'static str) -> HttpResponse {
    match status {
        StatusCode::UNAUTHORIZED => authentication::challenge().error_response(),
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
            HttpResponse::new(status)
        }
        status if status.is_client_error() || status.is_server_error() => {
            Problem::new(status, detail).error_response()
        }
        status => {
            HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(format!("{status}\n"))
        }
    }
}
