//! `GET /ledger`: what became of the requests of a run, a JSON object a line, sent piece by piece as the reader takes it.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use futures_util::stream::iter;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::problem::Problem;

/// The most answers that are sent at once. Each keeps what it tells from being freed, though the ring has forgotten it.
pub(super) const READERS: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    run: Option<String>,
    #[serde(default)]
    after: u64,
}

/// `GET /ledger`
pub(super) async fn ledger(request: HttpRequest, admin: web::Data<Admin>) -> Result<HttpResponse, Problem> {
    let Some(ledger) = &admin.shared.ledger else {
        let variable = if admin.shared.edition().settings.runs { "BALANCER_LEDGER" } else { "BALANCER_RUNS" };
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("No ledger is kept: {variable} is off.")));
    };
    let Query { run, after } = web::Query::<Query>::from_query(request.query_string())
        .map_err(|error| {
            let detail = format!("{error}; ask for /ledger?run=<name>&after=<number>, or leave either out.");
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?
        .into_inner();
    let Ok(place) = admin.ledger_readers.clone().try_acquire_owned() else {
        let detail = format!("{READERS} others are reading the ledger; try again.");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let excerpt = ledger.read(after);
    let heading = json!({
        "ledger": 1,
        "balancer": admin.shared.edition().settings.name,
        "oldest": excerpt.oldest,
        "next": excerpt.next,
    });
    let entries = excerpt.into_lines(run).inspect(move |_| {
        // Held for as long as there are entries.
        let _ = &place;
    });
    let lines = std::iter::once(format!("{heading}\n").into_bytes()).chain(entries);
    // An empty piece would end the answer: that is how the chunked coding says it.
    let pieces = lines.filter(|lines| !lines.is_empty()).map(|lines| Ok::<_, Error>(Bytes::from(lines)));
    Ok(HttpResponse::Ok().content_type("application/jsonl").streaming(iter(pieces)))
}
