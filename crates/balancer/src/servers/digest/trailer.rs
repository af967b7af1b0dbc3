//! Digests that come behind the content, in a trailer: a server that makes its content up as it sends it knows them no
//! sooner.
//!
//! They are verified where `Trailer` announces them (RFC 9110 §6.6.2), since the content has to be hashed on its way. What was
//! announced and does not come is a broken promise, but no reason to cut off a response that may well be right.

use evenkeel_digest::{Algorithm, CONTENT_DIGEST, Digest, Expected, Hasher, REPR_DIGEST};
use evenkeel_message::{Framing, ResponseHead};

use super::Finding;

/// The digest fields that a response announces for its trailer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Announced {
    content: bool,
    representation: bool,
}

impl Announced {
    /// What a response's head announces. Only the chunked coding has trailers.
    pub(super) fn by(head: &ResponseHead, input: &[u8]) -> Self {
        let mut announced = Self::default();
        if head.framing() == Framing::Chunked {
            for item in
                values(head.fields(input), "trailer").flat_map(|list| list.split(|&byte| byte == b','))
            {
                announced.content |= is_name(item.trim_ascii(), CONTENT_DIGEST);
                announced.representation |= is_name(item.trim_ascii(), REPR_DIGEST);
            }
        }
        announced
    }

    /// Without those that are not waited for.
    pub(super) fn only(self, content: bool, representation: bool) -> Self {
        Self { content: self.content && content, representation: self.representation && representation }
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let content = self.content.then_some(CONTENT_DIGEST);
        content.into_iter().chain(self.representation.then_some(REPR_DIGEST))
    }
}

/// A body that passes while its digests are awaited, under every algorithm that they may turn out to have.
pub(super) struct Trailing {
    announced: Announced,
    hashers: [Hasher; Algorithm::ALL.len()],
}

impl Trailing {
    /// Begins with no bytes; `None` where nothing is announced.
    pub(super) fn of(announced: Announced) -> Option<Self> {
        let begin = || Self { announced, hashers: Algorithm::ALL.map(Hasher::new) };
        announced.names().next().map(|_| begin())
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(piece));
    }

    /// The body is complete; `trailers` are the lines behind it.
    pub(super) fn finish(self, trailers: &[u8]) -> Finding {
        let digests = self.hashers.map(Hasher::finish);
        let mut finding = Finding::Right;
        for name in self.announced.names() {
            let mut lines = values(fields(trailers), name).peekable();
            if lines.peek().is_none() {
                finding = Finding::MissingDigest;
            }
            let promised = Expected::parse(lines).unwrap_or_default();
            let kept =
                |digest: &Digest| promised.get(digest.algorithm()).is_none_or(|other| other == *digest);
            if !digests.iter().all(kept) {
                return Finding::WrongDigest;
            }
        }
        finding
    }
}

/// The values of the fields with this name.
fn values<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    fields.filter(move |(field, _)| is_name(field, name)).map(|(_, value)| value)
}

fn is_name(field: &[u8], name: &str) -> bool {
    field.eq_ignore_ascii_case(name.as_bytes())
}

/// Names and values of lines that are known to be well formed.
fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::digest::tests::promised;
    use evenkeel_message::Method;

    /// What comes of `hello` after this head and before these trailers.
    fn finding(status: &str, fields: &str, trailers: &str) -> Option<Finding> {
        let head = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n{fields}\r\n");
        let mut verification = promised(Method::Get, &head).0.verifier()?;
        verification.update(b"hel");
        verification.update(b"lo");
        Some(verification.finish(trailers.as_bytes()))
    }

    fn digest(algorithm: Algorithm, of: &[u8]) -> String {
        Digest::of(algorithm, of).field_value()
    }

    #[test]
    fn an_announced_digest_is_verified_whatever_its_algorithm() {
        let announced = "Trailer: X-Sum, content-digest\r\n";
        for algorithm in Algorithm::ALL {
            let of = |content| format!("X-Sum: 1\r\nContent-Digest: {}\r\n", digest(algorithm, content));
            assert_eq!(finding("200 OK", announced, &of(b"hello")), Some(Finding::Right));
            assert_eq!(finding("200 OK", announced, &of(b"hellp")), Some(Finding::WrongDigest));
        }
    }

    #[test]
    fn every_digest_of_the_trailer_must_match_and_one_that_is_unknown_is_none() {
        let announced = "Trailer: Content-Digest\r\nTrailer: Repr-Digest\r\n";
        let (right, wrong) = (digest(Algorithm::Sha512, b"hello"), digest(Algorithm::Sha256, b"hellp"));
        let both = format!("Content-Digest: {right}\r\nRepr-Digest: {wrong}\r\n");
        assert_eq!(finding("200 OK", announced, &both), Some(Finding::WrongDigest));
        let unknown = format!("Content-Digest: md5=:AAAA:\r\nRepr-Digest: {right}\r\n");
        assert_eq!(finding("200 OK", announced, &unknown), Some(Finding::Right));
    }

    #[test]
    fn what_was_announced_and_does_not_come_is_missing() {
        let announced = "Trailer: Content-Digest\r\n";
        for trailers in ["", "X-Sum: 1\r\n", "Content-Digest-Of: sha-256=::\r\n"] {
            assert_eq!(finding("200 OK", announced, trailers), Some(Finding::MissingDigest), "{trailers:?}");
        }
        let repr = format!("Repr-Digest: {}\r\n", digest(Algorithm::Sha256, b"hellp"));
        let both = "Trailer: Content-Digest, Repr-Digest\r\n";
        assert_eq!(finding("200 OK", both, &repr), Some(Finding::WrongDigest), "wrong is worse than missing");
    }

    #[test]
    fn nothing_is_missing_that_came_in_the_head_or_cannot_be_verified() {
        let right = digest(Algorithm::Sha256, b"hello");
        let early = format!("Trailer: Content-Digest\r\nContent-Digest: {right}\r\n");
        assert_eq!(finding("200 OK", &early, ""), Some(Finding::Right));
        assert_eq!(finding("206 Partial Content", "Trailer: Repr-Digest\r\n", ""), None);
        assert_eq!(finding("200 OK", "Trailer: X-Sum\r\n", ""), None);
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTrailer: Content-Digest\r\n\r\n";
        assert!(promised(Method::Get, length).0.verifier().is_none());
    }
}
