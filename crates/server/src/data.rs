//! What `/` answers: fixed bytes with their type and tag, made once at the start.

use actix_web::{
    http::header::{EntityTag, HeaderValue},
    web::Bytes,
};
use evenkeel_digest::{Algorithm, Digest};

/// A representation that is at hand as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: HeaderValue,
    pub(crate) tag: EntityTag,
    /// The value of its digest field, unless digests are off.
    pub(crate) digest: Option<String>,
}

impl Data {
    /// Keeps these bytes; without a type they are JSON, UTF-8 text or plain bytes, whichever they are first.
    pub(crate) fn new(bytes: Vec<u8>, content_type: Option<HeaderValue>, digest: Option<Algorithm>) -> Self {
        let content_type = content_type.unwrap_or_else(|| HeaderValue::from_static(guess(&bytes)));
        let tag = tag(&bytes);
        let digest = digest.map(|algorithm| Digest::of(algorithm, &bytes).field_value());
        Self { bytes: bytes.into(), content_type, tag, digest }
    }
}

fn guess(bytes: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        "application/json"
    } else if std::str::from_utf8(bytes).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

/// A strong tag: the same bytes have the same one on every server.
fn tag(bytes: &[u8]) -> EntityTag {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let half = digest.as_bytes().iter().take(16).fold(0_u128, |half, byte| half << 8 | u128::from(*byte));
    EntityTag::new_strong(format!("{half:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_guessed_from_the_bytes() {
        let guessed = |bytes: &[u8]| Data::new(bytes.to_vec(), None, None).content_type;
        assert_eq!(guessed(b"{\"a\": 1}"), "application/json");
        assert_eq!(guessed("Grüße".as_bytes()), "text/plain; charset=utf-8");
        assert_eq!(guessed(b"\xff\x00"), "application/octet-stream");
    }

    #[test]
    fn a_given_type_wins() {
        let html = HeaderValue::from_static("text/html");
        assert_eq!(Data::new(b"{}".to_vec(), Some(html.clone()), None).content_type, html);
    }

    #[test]
    fn tags_differ_where_bytes_differ() {
        let tag = |bytes: &[u8]| Data::new(bytes.to_vec(), None, None).tag;
        assert_eq!(tag(b"abc").tag(), "ba7816bf8f01cfea414140de5dae2223");
        assert_ne!(tag(b"abc"), tag(b"abd"));
    }
}
