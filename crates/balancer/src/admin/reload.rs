//! Reading anew what may change while the balancer runs: what TLS is spoken with, and error pages.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use evenkeel_wire::Reloaded;
use serde_json::json;

use super::Admin;
use super::guard::authorise;
use super::problem::Problem;
use crate::watch::{certificates, pages, trust};

/// Reads the certificates anew, those that clients are shown and what servers are trusted by, and the error pages, and says what came
/// of it.
pub(super) async fn reload(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let edition = admin.shared.edition();
    authorise(&request, &edition.settings.admin)?;
    let clients = &admin.shared.tls;
    let servers: Vec<_> =
        edition.upstreams().filter_map(|(settings, _)| settings.server_tls.as_ref()).collect();
    let own = &edition.settings.pages;
    if clients.is_none() && servers.is_empty() && own.is_none() {
        let detail = "There is nothing to read anew: no TLS is spoken, as BALANCER_TLS_BIND and BALANCER_UPSTREAM_TLS would say, and BALANCER_ERROR_PAGES is not set.";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let (mut all, mut has_other_clients) = (Reloaded::default(), false);
    if let Some(tls) = clients {
        let reloaded = certificates::reload(tls.clone()).await;
        has_other_clients = reloaded.has_other_clients;
        take_in(&mut all, reloaded);
    }
    for servers in servers {
        take_in(&mut all, trust::reload(servers.tls.clone()).await);
    }
    if let Some(own) = own {
        all.problems.extend(pages::reload(own).await.err());
    }
    Ok(HttpResponse::Ok().json(json!({
        "changed": all.changed,
        "removed": all.removed,
        "clients_changed": has_other_clients,
        "problems": all.problems,
    })))
}

fn take_in(all: &mut Reloaded, reloaded: Reloaded) {
    all.changed.extend(reloaded.changed);
    all.removed.extend(reloaded.removed);
    all.problems.extend(reloaded.problems);
}
