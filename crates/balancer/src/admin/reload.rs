//! Reading anew what may change while the balancer runs: the certificates.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::Admin;
use super::guard::authorise;
use super::problem::Problem;
use crate::watch::certificates;

/// Reads the certificates anew and says what came of it.
pub(super) async fn reload(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.settings.admin)?;
    let Some(tls) = &admin.shared.tls else {
        let detail = "There is nothing to read anew: no TLS is spoken. BALANCER_TLS_BIND says where it is.";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let reloaded = certificates::reload(tls.clone()).await;
    Ok(HttpResponse::Ok().json(json!({
        "changed": reloaded.changed,
        "removed": reloaded.removed,
        "clients_changed": reloaded.has_other_clients,
        "problems": reloaded.problems,
    })))
}
