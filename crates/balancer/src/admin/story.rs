//! What went wrong: `GET /api/incidents` and `GET /api/requests`.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Admin;

/// `GET /api/incidents`
pub(super) async fn incidents(admin: web::Data<Admin>) -> HttpResponse {
    let (incidents, newest) = admin.shared.story.incidents();
    HttpResponse::Ok().json(json!({ "incidents": incidents, "newest": newest }))
}

/// `GET /api/requests`
pub(super) async fn requests(admin: web::Data<Admin>) -> HttpResponse {
    let requests = admin.shared.story.tap(|requests| {
        let requests: Vec<_> = requests.map(|(_, request)| request).collect();
        json!({ "requests": requests })
    });
    HttpResponse::Ok().json(requests)
}
