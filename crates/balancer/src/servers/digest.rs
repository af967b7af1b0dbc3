//! Integrity of responses: which bodies are held, what their digests promise, and whether the bytes keep it
//! (RFC 9530), over the bytes as received, after content coding.

mod trailer;

use std::hash::{DefaultHasher, Hash, Hasher};

use evenkeel_digest::{Algorithm, Digest, Expected, Verifier};
use evenkeel_message::{Framing, ResponseHead};
use evenkeel_upstream::attempt::Verdict;

use trailer::{Announced, Trailing};

/// What a response's head promises about the bytes that follow it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Promised {
    content: Expected,
    /// Only where the content is the whole representation; absent where it promises the same as `content`.
    representation: Expected,
    /// Digests that are to come behind the content.
    announced: Announced,
}

/// What came of verifying a body that was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The bytes match every digest that came with them, or none was promised.
    Right,
    /// They do not.
    WrongDigest,
    /// A digest was announced, and none came.
    MissingDigest,
}

impl Promised {
    /// Takes in what the fields of a response's head promise, in place: it is large, and mostly it is nothing. Nothing is promised
    /// about a body that does not follow: HEAD, 204, 304.
    ///
    /// A digest in a trailer is verified where it was announced, because the bytes have to be hashed on their way.
    pub(crate) fn read(&mut self, head: &ResponseHead, input: &[u8]) {
        self.forget();
        if head.framing() == Framing::Empty {
            return;
        }
        // 206 carries a part: its Repr-Digest is over bytes that are not here (RFC 9530 §3).
        let is_whole = head.status() == 200;
        let mut content = head.content_digest(input).peekable();
        let mut representation = head.repr_digest(input).filter(|_| is_whole).peekable();
        let (no_content, no_representation) = (content.peek().is_none(), representation.peek().is_none());
        self.announced = Announced::by(head, input).only(no_content, is_whole && no_representation);
        if no_content && no_representation {
            return;
        }
        self.content = Expected::parse(content).unwrap_or_default();
        let representation = Expected::parse(representation).unwrap_or_default();
        if representation != self.content {
            self.representation = representation;
        }
    }

    /// Nothing is promised any more.
    pub(crate) fn forget(&mut self) {
        self.content = Expected::default();
        self.representation = Expected::default();
        self.announced = Announced::default();
    }

    /// Whether the head has no digest to verify.
    fn is_none(&self) -> bool {
        self.content.is_none() && self.representation.is_none()
    }

    /// The verdict on a body that is at hand as a whole. No trailer follows it: it has a length.
    pub(crate) fn verdict(&self, body: &[u8]) -> Verdict {
        if self.is_none() {
            return Verdict::Right;
        }
        let kept = self.content.verify(body).is_ok() && self.representation.verify(body).is_ok();
        if kept { Verdict::Right } else { Verdict::WrongDigest(self.fingerprint(body)) }
    }

    /// The same for the same bytes with the same promise: if every endpoint sends those, none of them is to blame.
    fn fingerprint(&self, body: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        for promised in [&self.content, &self.representation] {
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                promised.get(algorithm).as_ref().map(Digest::as_bytes).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Verifies a body that comes in pieces; `None` where nothing is promised.
    pub(crate) fn verifier(&self) -> Option<Verification> {
        let trailing = Trailing::of(self.announced);
        let wanted = trailing.is_some() || !self.is_none();
        wanted.then(|| Verification {
            content: Verifier::new(&self.content),
            representation: Verifier::new(&self.representation),
            trailing,
        })
    }
}

/// A body being verified while it passes.
pub(crate) struct Verification {
    content: Verifier,
    representation: Verifier,
    trailing: Option<Trailing>,
}

impl Verification {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.content.update(piece);
        self.representation.update(piece);
        if let Some(trailing) = &mut self.trailing {
            trailing.update(piece);
        }
    }

    /// The body is complete; `trailers` are the lines behind it.
    pub(crate) fn finish(self, trailers: &[u8]) -> Finding {
        if self.content.finish().is_err() || self.representation.finish().is_err() {
            return Finding::WrongDigest;
        }
        self.trailing.map_or(Finding::Right, |trailing| trailing.finish(trailers))
    }
}

/// How many bytes of body to wait for before anything of the response goes to the client; `None` where it is relayed
/// as it comes, because it is larger than `most` or nobody knows how large it is.
pub(crate) fn body_to_hold(head: &ResponseHead, most: usize) -> Option<usize> {
    match head.framing() {
        _ if head.status() == 101 => None,
        Framing::Empty => Some(0),
        Framing::Length(length) => usize::try_from(length).ok().filter(|&length| length <= most),
        Framing::Chunked | Framing::UntilClose => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use evenkeel_http1::Outbound;
    use evenkeel_message::{Limits, Method};

    /// What the head of an answer to a request with this method promises.
    pub(crate) fn promised(method: Method, head: &str) -> (Promised, ResponseHead) {
        let mut machine = Outbound::new();
        machine.begin(method, None);
        let mut parsed = ResponseHead::new();
        machine.head(head.as_bytes(), &mut parsed, &Limits::default()).unwrap().unwrap();
        // A reused one: what was promised before must not hold for what comes now.
        let mut promised = Promised {
            content: Expected::parse([&b"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"[..]])
                .unwrap(),
            ..Promised::default()
        };
        promised.read(&parsed, head.as_bytes());
        (promised, parsed)
    }

    fn with_digest(status: &str, field: &str, of: &[u8]) -> String {
        let digest = Digest::of(Algorithm::Sha256, of).field_value();
        format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n{field}: {digest}\r\n\r\n")
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let (promised, _) = promised(Method::Get, &with_digest("200 OK", "Content-Digest", b"hello"));
        assert_eq!(promised.verdict(b"hello"), Verdict::Right);
        assert!(matches!(promised.verdict(b"hellp"), Verdict::WrongDigest(_)));
        assert_eq!(promised.verdict(b"hellp"), promised.verdict(b"hellp"), "the same bytes, the same blame");
        assert_ne!(promised.verdict(b"hellp"), promised.verdict(b"hellq"));
    }

    #[test]
    fn a_part_is_not_held_against_the_digest_of_the_whole() {
        let whole = b"hello and more";
        let (of_part, _) = promised(Method::Get, &with_digest("206 Partial Content", "Repr-Digest", whole));
        assert!(of_part.is_none());
        let (of_whole, _) = promised(Method::Get, &with_digest("200 OK", "Repr-Digest", whole));
        assert!(matches!(of_whole.verdict(b"hello"), Verdict::WrongDigest(_)));
    }

    #[test]
    fn nothing_is_promised_where_no_body_follows() {
        assert!(promised(Method::Head, &with_digest("200 OK", "Content-Digest", b"hello")).0.is_none());
        assert!(
            promised(Method::Get, &with_digest("304 Not Modified", "Content-Digest", b"hello")).0.is_none()
        );
    }

    #[test]
    fn small_bodies_of_known_length_are_held() {
        let held = |head: &str| body_to_hold(&promised(Method::Get, head).1, 1024);
        assert_eq!(held("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n"), Some(1024));
        assert_eq!(held("HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n"), None);
        assert_eq!(held("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), None);
        assert_eq!(held("HTTP/1.1 204 No Content\r\n\r\n"), Some(0));
    }
}
