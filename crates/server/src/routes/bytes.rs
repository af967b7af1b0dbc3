//! `/bytes/{n}`: so many pseudo-random bytes, the same on every server for the same `?seed=`. Long ones are made while they
//! are sent; their digest is computed before, once, and only for who is sent them.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{EntityTag, HeaderValue},
    },
    web,
};
use evenkeel_service::{Setting as _, Size};
use serde::Deserialize;

use crate::{
    pattern::Pattern,
    problem::Problem,
    select::{Selection, begin, select},
    stamp,
    state::State,
};

/// The most that is asked for at once.
const LONGEST: Size = Size(1 << 30);

/// Up to this length, in bytes, a body is made as a whole.
const AT_ONCE: u64 = 64 << 10;

/// Up to this length, in bytes, a digest is computed also where little or nothing of what it is over is sent: with a part, with
/// 304, and for HEAD. Nobody gets seconds of work for a line.
const COMPUTED_ANYWAY: u64 = 1 << 20;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    seed: String,
}

pub(super) async fn bytes(
    state: web::Data<State>,
    request: HttpRequest,
    length: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let length = length_of(&length)?;
    let pattern = Pattern { seed: seed_of(&asked.seed)? };
    let tag = EntityTag::new_strong(format!("{:x}-{length:x}", pattern.seed));
    let selection = select(&request, &tag, length);
    let octets = HeaderValue::from_static("application/octet-stream");
    let response = begin(selection, &tag, length, &octets)?;
    let sent = match selection {
        Selection::Part { start, end } => start..end,
        Selection::NotModified => 0..0,
        Selection::Whole | Selection::Failed | Selection::Unsatisfiable => 0..length,
    };
    let is_head = request.method() == Method::HEAD;
    respond(&state, response, pattern, sent, 0..length, is_head).await
}

/// The response with `sent` as its content, which is part of `whole`; for HEAD without it.
async fn respond(
    state: &State,
    mut response: HttpResponseBuilder,
    pattern: Pattern,
    sent: Range<u64>,
    whole: Range<u64>,
    is_head: bool,
) -> Result<HttpResponse, Problem> {
    let short = sent.end - sent.start <= AT_ONCE;
    let mut response = if short {
        response.body(pattern.bytes(sent.clone()))
    } else {
        response.body(pattern.body(sent.clone()))
    };
    let Some(digests) = &state.digests else { return Ok(response) };
    // A short content gets its digest from the stamp, as every other; so does a short representation sent whole.
    if !short && !is_head {
        let content = digests.of(pattern, sent.clone()).await.map_err(|_| overloaded())?.field_value();
        stamp::set_content_digest(response.headers_mut(), &content);
    }
    if !short || sent != whole {
        let is_sent = sent == whole && !is_head;
        let representation = if is_sent || whole.end <= COMPUTED_ANYWAY {
            Some(digests.of(pattern, whole).await.map_err(|_| overloaded())?)
        } else {
            digests.known(pattern, whole)
        };
        if let Some(representation) = representation {
            stamp::set_repr_digest(response.headers_mut(), &representation.field_value());
        }
    }
    Ok(response)
}

fn length_of(text: &str) -> Result<u64, Problem> {
    let length = Size::parse(text).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, reason))?;
    if length > LONGEST {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("{length} is more than {LONGEST}")));
    }
    Ok(length.0)
}

fn seed_of(text: &str) -> Result<u64, Problem> {
    if text.is_empty() {
        return Ok(0);
    }
    u64::parse(text).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, format!("seed: {reason}")))
}

/// The thread pool takes no more work, which happens only while the process ends.
fn overloaded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the digest could not be computed")
}
