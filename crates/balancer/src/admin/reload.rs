//! Reading anew what may change while the balancer runs: the settings in their file, what TLS is spoken with, and error pages.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use evenkeel_wire::Reloaded;
use serde_json::json;
use tokio::sync::oneshot;

use super::Admin;
use super::guard::authorise;
use super::problem::Problem;
use crate::context::edition::Edition;
use crate::watch::settings::{Came, Reload};
use crate::watch::{certificates, pages, trust};

/// Asked without anything being changed.
const DRY_RUN: &str = "dry_run";

/// Reads the settings anew, then the certificates, those that clients are shown and what servers are trusted by, and the error pages, and
/// says what came of it. Where anything is wrong with the settings nothing changes. With `?dry_run` it only says what of the settings
/// would.
pub(super) async fn reload(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    authorise(&request, &admin.shared.edition().settings.admin)?;
    let is_dry = match request.query_string() {
        "" => false,
        DRY_RUN => true,
        _ => {
            let detail = "The query is not understood; write ?dry_run or nothing.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let settings = settings(&admin, is_dry).await?;
    let edition = admin.shared.edition();
    if is_dry && settings.is_none() || !has_files(&admin, &edition) && settings.is_none() {
        return Err(Problem::new(StatusCode::CONFLICT, if is_dry { NO_FILE } else { NOTHING }));
    }
    let is_refused = settings.as_ref().is_some_and(|came| !came.problems.is_empty());
    let status = if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    if is_dry || is_refused {
        return Ok(HttpResponse::build(status).json(json!({ "dry_run": is_dry, "settings": settings })));
    }
    let (all, has_other_clients) = files(&admin, &edition).await;
    Ok(HttpResponse::Ok().json(json!({
        "dry_run": false,
        "settings": settings,
        "changed": all.changed,
        "removed": all.removed,
        "clients_changed": has_other_clients,
        "problems": all.problems,
    })))
}

const NO_FILE: &str = "There are no settings to read anew: BALANCER_SETTINGS names no file.";

const NOTHING: &str = "There is nothing to read anew: BALANCER_SETTINGS names no file, no TLS is spoken, as BALANCER_TLS_BIND and \
                       BALANCER_UPSTREAM_TLS would say, and BALANCER_ERROR_PAGES is not set.";

/// `None` where no file has any.
async fn settings(admin: &Admin, is_dry: bool) -> Result<Option<Came>, Problem> {
    let Some(keeper) = &admin.settings else { return Ok(None) };
    let leaving = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The balancer is leaving.");
    let (answer, answered) = oneshot::channel();
    keeper.send(Reload { is_dry, answer }).await.map_err(|_| leaving())?;
    answered.await.map(Some).map_err(|_| leaving())
}

fn has_files(admin: &Admin, edition: &Edition) -> bool {
    admin.shared.tls.is_some()
        || edition.settings.pages.is_some()
        || edition.upstreams().any(|(settings, _)| settings.server_tls.is_some())
}

/// What came of those that settings name, and whether other clients may come.
async fn files(admin: &Admin, edition: &Edition) -> (Reloaded, bool) {
    let (mut all, mut has_other_clients) = (Reloaded::default(), false);
    if let Some(tls) = &admin.shared.tls {
        let reloaded = certificates::reload(tls.clone()).await;
        has_other_clients = reloaded.has_other_clients;
        take_in(&mut all, reloaded);
    }
    for servers in edition.upstreams().filter_map(|(settings, _)| settings.server_tls.as_ref()) {
        take_in(&mut all, trust::reload(servers.tls.clone()).await);
    }
    if let Some(own) = &edition.settings.pages {
        all.problems.extend(pages::reload(own).await.err());
    }
    (all, has_other_clients)
}

fn take_in(all: &mut Reloaded, reloaded: Reloaded) {
    all.changed.extend(reloaded.changed);
    all.removed.extend(reloaded.removed);
    all.problems.extend(reloaded.problems);
}
