//! What is compared with what: requests of one method to one part of a site are of one kind.
//!
//! The kind decides what counts as slow ([`evenkeel_upstream::Kind`]). A part of a site is the beginning of a path, in
//! which what looks like a number or an id stands for all of its like: `/users/7/mail` and `/users/8/mail` are one
//! page, and `/export` is another than `/`.

use std::hash::Hasher;

use evenkeel_upstream::Kind;
use rustc_hash::FxHasher;

/// How many segments of a path count.
const SEGMENTS: usize = 3;

/// A longer segment is taken for an id.
const NAME: usize = 32;

/// The kind of a request with this method and this target, whose query does not count.
pub(crate) fn of(method: &[u8], target: &[u8]) -> Kind {
    let mut hasher = FxHasher::default();
    hasher.write_u64(method.iter().fold(0, |word: u64, &byte| word.rotate_left(8) ^ u64::from(byte)));
    let mut rest = target;
    for _ in 0..SEGMENTS {
        let [b'/', text @ ..] = rest else { break };
        (hasher, rest) = segment(hasher, text);
    }
    Kind::new(hasher.finish())
}

/// Takes in the segment with which `text` begins, in one pass. Says what is behind it.
fn segment(mut hasher: FxHasher, text: &[u8]) -> (FxHasher, &[u8]) {
    const END: u64 = b'/' as u64;
    let before = hasher.clone();
    let mut has_digit = false;
    let (mut len, mut word) = (0, 0);
    // No byte of a target is 0.
    while let Some(&byte) = text.get(len).filter(|byte| !matches!(byte, b'/' | b'?')) {
        has_digit |= byte.is_ascii_digit();
        word = word << 8 | u64::from(byte);
        len += 1;
        if word >> 48 != 0 {
            hasher.write_u64(word);
            word = 0;
        }
    }
    if has_digit || len > NAME {
        hasher = before;
        word = u64::from(b'0');
    }
    hasher.write_u64(word << 8 | END);
    (hasher, &text[len..])
}

/// Whether an answer of this status shows how long requests of its kind take. A refusal does not: it is quick where the work
/// that was refused is slow.
pub(crate) fn teaches(status: u16) -> bool {
    matches!(status, 200..400 | 404)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Kind {
        of(b"GET", target.as_bytes())
    }

    #[test]
    fn a_page_is_of_one_kind_whatever_it_shows() {
        assert_eq!(get("/users/7/mail"), get("/users/12345/mail?unread=yes"));
        assert_eq!(get("/f/3f2504e0-4f89"), get("/f/aa11"));
        assert_eq!(get("/a/b/c/d"), get("/a/b/c/e"));
    }

    #[test]
    fn other_pages_and_other_methods_are_of_other_kinds() {
        let kinds = [
            get("*"),
            get("/"),
            get("//"),
            get("/a/"),
            get("/a"),
            get("/export"),
            get("/exports"),
            get("/exportsexports"),
            get("/users/7"),
            get("/users/7/mail"),
            of(b"PUT", b"/export"),
        ];
        for (index, kind) in kinds.iter().enumerate() {
            assert!(!kinds[..index].contains(kind), "{index}");
        }
    }
}
