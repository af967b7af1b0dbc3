//! Heads out of bytes: the [usual] ones in one pass, of all others httparse finds the lines. What they mean is settled in
//! `evenkeel_message`.

mod lines;
pub(crate) mod request;
pub(crate) mod response;
mod usual;

pub(crate) use lines::{BareLineEnd, each_line};

/// A copy of `input` in which a later minor version of HTTP/1, at `version_at`, reads 1.1, as which it is treated
/// (RFC 9110 §2.5): httparse knows none after 1.1. Offsets into the copy are offsets into the input.
fn as_http11(input: &[u8], version_at: usize) -> Option<Vec<u8>> {
    let version = input.get(version_at..version_at + 8)?;
    let is_later = version.starts_with(b"HTTP/1.") && matches!(version[7], b'2'..=b'9');
    is_later.then(|| {
        let mut copy = input.to_vec();
        copy[version_at + 7] = b'1';
        copy
    })
}
