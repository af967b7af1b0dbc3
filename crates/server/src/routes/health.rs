//! `/livez` and `/readyz`, on the traffic port and on the admin port, without credentials: is the process alive, and
//! should it get requests?

use actix_web::{HttpResponse, http::StatusCode, web};

use crate::{problem::Problem, state::State};

/// 200 as long as the process can answer at all.
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}

/// 200, and 503 from SIGTERM on.
pub(crate) async fn readyz(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    if state.is_leaving() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this server is leaving"));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}
