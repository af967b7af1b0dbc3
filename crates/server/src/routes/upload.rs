//! `/upload`: takes a body of any length and says how long it was and what its digest is.

use actix_web::{HttpRequest, HttpResponse, web};
use evenkeel_digest::{Algorithm, Hasher};
use serde::Serialize;

use crate::{problem::Problem, state::State, upload::Upload};

#[derive(Serialize)]
struct Received<'a> {
    server: &'a str,
    length: u64,
    /// As a `Content-Digest` field would say it.
    digest: String,
    /// Whether the request promised a digest, which then was right.
    verified: bool,
}

pub(super) async fn upload(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mut upload = Upload::new(&request, payload, &state.settings)?;
    let mut hasher = Hasher::new(state.settings.digest.unwrap_or(Algorithm::Sha256));
    let mut length = 0;
    while let Some(piece) = upload.piece().await? {
        length += piece.len() as u64;
        hasher.update(&piece);
    }
    Ok(HttpResponse::Ok().json(Received {
        server: &state.settings.name,
        length,
        digest: hasher.finish().field_value(),
        verified: !upload.expected().is_none(),
    }))
}
