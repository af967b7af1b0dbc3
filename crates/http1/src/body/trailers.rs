//! Which trailer fields go further (RFC 9110 §6.5.1).
//!
//! A trailer is read after the message has been acted upon, so it must not change what the message was: its
//! framing, its route, who sent it, how it is to be handled. Such fields are dropped; they are never merged
//! into the head.

use crate::Limits;
use crate::error::BodyError;
use crate::head::fields::{BareLineEnd, Fields, Strictness};
use crate::head::name::Name;
use crate::limits::MAX_FIELDS;

/// Names that matter to a head only, besides those that [`Name`] knows and [`forwardable`] does not let pass.
const HEAD_ONLY: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "age",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "expires",
    "idempotency-key",
    "location",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "set-cookie",
    "traceparent",
    "tracestate",
    "trailer",
    "user-agent",
    "vary",
    "www-authenticate",
];

/// The lines of a trailer section (with its empty line) that may be passed on, each ended by CR LF.
pub(crate) fn forwardable(section: &[u8], limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let room = &mut headers[..limits.field_lines()];
    let (end, headers) = match httparse::parse_headers(section, room) {
        Ok(httparse::Status::Complete(found)) => found,
        Err(httparse::Error::TooManyHeaders) => return Err(BodyError::TrailersTooLarge),
        _ => return Err(BodyError::Chunk("the trailer section is malformed")),
    };
    let mut fields = Fields::default();
    fields
        .fill(section, headers, end, Strictness::Request { underscores: false })
        .map_err(|BareLineEnd| BodyError::Chunk("a trailer line is not ended by CR LF"))?;
    let mut lines = Vec::new();
    for field in fields.lines() {
        let may_pass = match field.known {
            // Often known only at the end: that is what trailers are for (RFC 9530 §1).
            Name::ContentDigest | Name::ReprDigest => true,
            Name::Other => !is_head_only(field.name.in_bytes(section)),
            _ => false,
        };
        if may_pass {
            lines.extend_from_slice(&section[field.name.start as usize..field.line_end as usize]);
        }
    }
    Ok(lines)
}

fn is_head_only(name: &[u8]) -> bool {
    name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"if-"))
        || HEAD_ONLY.iter().any(|head_only| name.eq_ignore_ascii_case(head_only.as_bytes()))
}
