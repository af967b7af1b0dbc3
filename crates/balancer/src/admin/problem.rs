//! Errors of the admin interface as problem details (RFC 9457), each saying what to do.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// A body that was not read to its end, for what this status says.
    pub(super) fn of_body(status: StatusCode) -> Self {
        Self::new(status, "The body did not come in time, is too long or broke off.")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        response.content_type("application/problem+json").json(json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        }))
    }
}

/// There is nothing under this path.
pub(super) async fn unknown() -> HttpResponse {
    let detail = "There are / /livez /readyz /metrics /ledger and what /api/openapi.json describes.";
    Problem::new(StatusCode::NOT_FOUND, detail).error_response()
}

/// There is something under this path, for another method.
pub(super) fn not_allowed(method: &'static str) -> HttpResponse {
    let (allowed, detail) = match method {
        "post" => ("POST", "This is for POST."),
        _ => ("GET, HEAD", "This is for GET and HEAD."),
    };
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).error_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
