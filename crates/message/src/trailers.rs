//! Which trailer fields go further (RFC 9110 §6.5.1).
//!
//! A trailer is read after the message has been acted upon, so it must not change what the message was: its
//! framing, its route, who sent it, how it is to be handled. Such fields are dropped; they are never merged
//! into the head.

use crate::head::name::Name;

/// Names that matter to a head only, besides those that [`Name`] knows and [`may_pass`] does not let pass.
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

/// Whether a trailer field with this name may be passed on.
///
/// ```
/// use evenkeel_message::trailers::may_pass;
///
/// assert!(may_pass(b"Content-Digest") && may_pass(b"X-Checksum"));
/// assert!(!may_pass(b"Content-Length") && !may_pass(b"X_Checksum"));
/// ```
pub fn may_pass(name: &[u8]) -> bool {
    match Name::of(name) {
        // Often known only at the end: that is what trailers are for (RFC 9530 §1).
        Name::ContentDigest | Name::ReprDigest => true,
        // Many servers read an underscore as a hyphen, as in heads.
        Name::Other => !name.contains(&b'_') && !is_head_only(name),
        _ => false,
    }
}

fn is_head_only(name: &[u8]) -> bool {
    name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"if-"))
        || HEAD_ONLY.iter().any(|head_only| name.eq_ignore_ascii_case(head_only.as_bytes()))
}
