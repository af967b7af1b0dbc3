//! Whether a response is the right one: its status, its id, its digest, its echo.
//!
//! ```text
//! head ──▶ Answer::read ──▶ Judge::new ──▶ piece* ──▶ finish ──▶ right / Failure
//! ```
//! That the body is whole is the connection's to say (RFC 9112 §8); this judges what a whole response holds. An
//! unexpected status comes first: what an error page promises about itself is not why the request failed.

use std::borrow::Cow;

use evenkeel_digest::{Algorithm, Expected, Hasher, Verifier};

use crate::outcome::{Failure, Kind, Phase};
use crate::request::Request;
use crate::workload::Entry;

/// How much of an unexpected response's body is kept to explain it, in bytes: a whole problem document.
const EXPLANATION: usize = 2048;

/// How much of an explanation is told, in characters.
const LINE: usize = 120;

/// Which digests (RFC 9530) are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DigestCheck {
    /// Those that come.
    Present,
    /// Those that come, and one must.
    Required,
    /// None.
    Off,
}

/// What matters of a response head.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// `X-Server`.
    pub(crate) server: Option<String>,
    /// `X-Request-Id`, where the other side says it.
    request_id: Option<Vec<u8>>,
    /// `Proxy-Status` (RFC 9209): the balancer's own words for what went wrong.
    proxy_status: Option<String>,
    content_digest: Expected,
    repr_digest: Expected,
    /// Whether a digest is announced to come after the body.
    digest_in_trailer: bool,
}

impl Answer {
    /// Picks out of `fields` what matters.
    pub(crate) fn read<'a>(status: u16, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut answer = Self { status, ..Self::default() };
        let (mut content_digest, mut repr_digest) = (Vec::new(), Vec::new());
        for (name, value) in fields {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("x-server") {
                answer.server = Some(words(value));
            } else if is("x-request-id") {
                answer.request_id = Some(value.to_vec());
            } else if is("proxy-status") {
                answer.proxy_status = Some(words(value));
            } else if is("content-digest") {
                content_digest.push(value);
            } else if is("repr-digest") {
                repr_digest.push(value);
            } else if is("trailer") {
                answer.digest_in_trailer |= value
                    .split(|&byte| byte == b',')
                    .any(|field| field.trim_ascii().eq_ignore_ascii_case(b"content-digest"));
            }
        }
        answer.content_digest = Expected::parse(content_digest).unwrap_or_default();
        answer.repr_digest = Expected::parse(repr_digest).unwrap_or_default();
        answer
    }
}

/// A field's value for people.
fn words(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Follows one response to its end.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    entry: &'a Entry,
    request: &'a Request<'a>,
    answer: &'a Answer,
    digests: Digests,
    received: u64,
    echo_differs_at: Option<u64>,
    explanation: Vec<u8>,
}

/// What the body is hashed for.
#[derive(Debug)]
enum Digests {
    /// Nothing: no digest came, or none can be verified.
    None { missing: bool },
    /// What the head promised.
    Promised(Box<[Option<Verifier>; 2]>),
    /// Whatever the trailer will promise.
    Announced(Box<[Hasher; 2]>),
}

impl Digests {
    fn of(answer: &Answer, method: &str, check: DigestCheck) -> Self {
        let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
        if bodiless || check == DigestCheck::Off {
            return Self::None { missing: false };
        }
        // A part (206) has a Repr-Digest of the whole, which cannot be compared with what came.
        let repr = if answer.status == 200 && answer.repr_digest != answer.content_digest {
            answer.repr_digest
        } else {
            Expected::default()
        };
        if answer.content_digest.is_none() && repr.is_none() {
            if answer.digest_in_trailer {
                return Self::Announced(Box::new(Algorithm::ALL.map(Hasher::new)));
            }
            return Self::None { missing: check == DigestCheck::Required };
        }
        let verifier = |expected: Expected| (!expected.is_none()).then(|| Verifier::new(&expected));
        Self::Promised(Box::new([verifier(answer.content_digest), verifier(repr)]))
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            Self::None { .. } => {}
            Self::Promised(verifiers) => {
                verifiers.iter_mut().flatten().for_each(|verifier| verifier.update(piece));
            }
            Self::Announced(hashers) => hashers.iter_mut().for_each(|hasher| hasher.update(piece)),
        }
    }

    fn finish(self, trailers: &[u8]) -> Result<(), (Kind, String)> {
        match self {
            Self::None { missing: true } => Err((Kind::NoDigest, "no digest that can be verified".into())),
            Self::None { missing: false } => Ok(()),
            Self::Promised(verifiers) => {
                verifiers.into_iter().flatten().try_for_each(Verifier::finish).map_err(|mismatch| {
                    (
                        Kind::WrongDigest,
                        format!("promised {}, received {}", mismatch.expected(), mismatch.actual()),
                    )
                })
            }
            Self::Announced(hashers) => {
                let promised = Expected::parse(trailer_digests(trailers)).unwrap_or_default();
                if promised.is_none() {
                    return Err((Kind::NoDigest, "announced in Trailer, but it did not come".into()));
                }
                for actual in hashers.map(Hasher::finish) {
                    if let Some(expected) =
                        promised.get(actual.algorithm()).filter(|expected| *expected != actual)
                    {
                        return Err((
                            Kind::WrongDigest,
                            format!("promised {expected} in the trailer, received {actual}"),
                        ));
                    }
                }
                Ok(())
            }
        }
    }
}

/// The values of `Content-Digest` among trailer lines.
fn trailer_digests(trailers: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields(trailers).filter(|(name, _)| name.eq_ignore_ascii_case(b"content-digest")).map(|(_, value)| value)
}

/// Names and values of field lines that a connection has already found to be well formed. A line that is none, such
/// as a status line, is passed over.
pub(crate) fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at(colon);
        (!name.contains(&b' ')).then(|| (name, value[1..].trim_ascii()))
    })
}

impl<'a> Judge<'a> {
    /// Begins with the head of the response to `request`, which was made from `entry`.
    pub(crate) fn new(
        entry: &'a Entry,
        request: &'a Request<'a>,
        answer: &'a Answer,
        check: DigestCheck,
    ) -> Self {
        Self {
            entry,
            request,
            answer,
            digests: Digests::of(answer, &entry.method, check),
            received: 0,
            echo_differs_at: None,
            explanation: Vec::new(),
        }
    }

    /// Takes the next piece of the body.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        self.digests.update(piece);
        if self.entry.echo && self.echo_differs_at.is_none() && !self.request.body_has(self.received, piece) {
            self.echo_differs_at = Some(self.received);
        }
        if !self.entry.expect.allows(self.answer.status) {
            let room = EXPLANATION.saturating_sub(self.explanation.len());
            self.explanation.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.received += piece.len() as u64;
    }

    /// How many bytes of the body came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// The judgement on the whole response, with the lines of its trailer.
    pub(crate) fn finish(self, trailers: &[u8]) -> Result<(), Failure> {
        let wrong = |kind, detail: String| Err(Failure::new(Phase::Verify, kind, detail));
        let Answer { status, request_id, .. } = self.answer;
        if !self.entry.expect.allows(*status) {
            return wrong(Kind::Status(*status), self.explain());
        }
        if let Some(other) = request_id.as_ref().filter(|id| id.as_slice() != self.request.id().as_bytes()) {
            return wrong(Kind::OtherRequest, format!("it answers {}", words(other)));
        }
        self.digests.finish(trailers).map_err(|(kind, detail)| Failure::new(Phase::Verify, kind, detail))?;
        let sent = self.request.body_length() as u64;
        match self.echo_differs_at {
            Some(at) => wrong(Kind::WrongEcho, format!("it differs in the piece that begins at byte {at}")),
            None if self.entry.echo && self.received != sent && self.entry.method != "HEAD" => {
                wrong(Kind::WrongEcho, format!("{} of {sent} bytes came back", self.received))
            }
            None => Ok(()),
        }
    }

    /// Why an unexpected status came, in the words of whoever sent it (RFC 9209, RFC 9457): one line.
    fn explain(&self) -> String {
        if let Some(proxy_status) = &self.answer.proxy_status {
            return proxy_status.clone();
        }
        let problem: Option<serde_json::Value> = serde_json::from_slice(&self.explanation).ok();
        let told = problem
            .as_ref()
            .and_then(|problem| ["detail", "title"].iter().find_map(|name| problem[*name].as_str()));
        let text = told.map_or_else(|| String::from_utf8_lossy(&self.explanation), Cow::from);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LINE) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests;
