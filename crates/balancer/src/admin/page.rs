//! The live page and the description of the API, embedded: no file is read and nothing comes from elsewhere.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};

use super::problem;

const INDEX: &str = include_str!("page/index.html");
const OPENAPI: &str = include_str!("openapi.json");

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The files that the page loads, under `/page/`.
pub(super) const FILES: [(&str, &str, &str); 22] = [
    ("palette.css", CSS, include_str!("page/palette.css")),
    ("page.css", CSS, include_str!("page/page.css")),
    ("parts.css", CSS, include_str!("page/parts.css")),
    ("main.js", JS, include_str!("page/main.js")),
    ("source.js", JS, include_str!("page/source.js")),
    ("hub.js", JS, include_str!("page/hub.js")),
    ("stream.js", JS, include_str!("page/stream.js")),
    ("words.js", JS, include_str!("page/words.js")),
    ("standing.js", JS, include_str!("page/standing.js")),
    ("story.js", JS, include_str!("page/story.js")),
    ("certificates.js", JS, include_str!("page/certificates.js")),
    ("settings.js", JS, include_str!("page/settings.js")),
    ("figures.js", JS, include_str!("page/figures.js")),
    ("set.js", JS, include_str!("page/set.js")),
    ("drawing.js", JS, include_str!("page/drawing.js")),
    ("servers.js", JS, include_str!("page/servers.js")),
    ("row.js", JS, include_str!("page/row.js")),
    ("charts.js", JS, include_str!("page/charts.js")),
    ("tap.js", JS, include_str!("page/tap.js")),
    ("timeline.js", JS, include_str!("page/timeline.js")),
    ("control.js", JS, include_str!("page/control.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// `GET /`
pub(super) async fn index() -> HttpResponse {
    answer("text/html; charset=utf-8", INDEX)
}

/// `GET /page/{file}`
pub(super) async fn file(name: web::Path<String>) -> HttpResponse {
    match FILES.iter().find(|(file, ..)| *file == name.as_str()) {
        Some((_, kind, text)) => answer(kind, text),
        None => problem::unknown().await,
    }
}

/// `GET /api/openapi.json`
pub(super) async fn openapi() -> HttpResponse {
    answer("application/json", OPENAPI)
}

fn answer(kind: &'static str, text: &'static str) -> HttpResponse {
    // Asked for anew each time: after an update the old page would not fit the new API.
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(text)
}
