//! The bytes of each request.
//!
//! Everything that is the same for all requests of one kind is made once; what differs is the request's id and, at
//! the end of its body, that id again. So every body is different: a response that echoes another request's body
//! does not pass, nor does one that a cache made up.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use evenkeel_digest::{Algorithm, Hasher};
use evenkeel_message::Method;
use evenkeel_service::Secret;

use crate::target::Target;
use crate::workload::{Entry, Mix, scramble};

/// A body up to this length goes out in one piece with its head, in bytes: one packet is better than two.
const ONE_PIECE: usize = 64 * 1024;

/// The user and password of Basic authentication (RFC 7617).
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// Without a colon: the scheme could not tell where it ends.
    pub(crate) username: String,
    /// May hold anything.
    pub(crate) password: Secret,
}

impl Credentials {
    /// As a field's line.
    pub(crate) fn line(&self) -> String {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", self.username, self.password.expose()));
        format!("Authorization: Basic {pair}\r\n")
    }
}

/// What happens to a connection after its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// It is kept for the next request.
    KeepAlive,
    /// It is closed; the next request opens its own.
    Fresh,
}

/// One kind of request, ready but for what makes it unique.
#[derive(Debug)]
pub(crate) struct Template {
    /// What the connection needs to know.
    pub(crate) method: Method,
    /// From the request line to the beginning of the request id.
    before_id: Vec<u8>,
    /// Whether an `Idempotency-Key` is sent.
    keyed: bool,
    body: Option<Body>,
}

/// What all bodies of one kind have in common: everything but the id at their end.
#[derive(Debug)]
struct Body {
    length: usize,
    filler: Vec<u8>,
    hashed: Hasher,
}

/// One request, as it goes on the wire: `head`, then `filler`, then `tail`.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The head and, if the body is small, the body as well.
    pub(crate) head: Vec<u8>,
    /// The greater part of a large body.
    pub(crate) filler: &'a [u8],
    /// The rest of a large body.
    pub(crate) tail: Vec<u8>,
    template: &'a Template,
    id: String,
}

/// The name of a run and where it is sent: what every request of it shares.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// Sent as `X-Evenkeel-Run`.
    pub(crate) run: &'a str,
    /// Sent as `Host`.
    pub(crate) target: &'a Target,
    /// Sent as `Authorization`.
    pub(crate) credentials: Option<&'a Credentials>,
    /// Fields that every request carries besides its own.
    pub(crate) fields: &'a [(String, String)],
    /// Whether the target is asked to close after each response.
    pub(crate) connections: Connections,
}

impl Origin<'_> {
    /// A template for each entry of `mix`, in its order.
    pub(crate) fn templates(&self, mix: &Mix, seed: u64) -> Vec<Template> {
        mix.entries().iter().map(|entry| Template::new(self, entry, seed)).collect()
    }

    /// The fields that every request has, before the run's own.
    fn shared_head(&self, method: &str, path: &str) -> String {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: evenkeel-client/{}\r\n",
            self.target.authority(),
            env!("CARGO_PKG_VERSION"),
        );
        for (name, value) in self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if let Some(credentials) = self.credentials {
            head.push_str(&credentials.line());
        }
        if self.connections == Connections::Fresh {
            head.push_str("Connection: close\r\n");
        }
        head
    }

    /// The id of the request number `sequence`: `<run>-<number>`.
    pub(crate) fn id(&self, sequence: u64) -> String {
        request_id(self.run, sequence)
    }
}

/// The id of a request, by the name of its run and its number there.
pub(crate) fn request_id(run: &str, sequence: u64) -> String {
    format!("{run}-{sequence:08}")
}

/// The number of the request that has this id in this run; `None` where it is no id of ours.
pub(crate) fn sequence(run: &str, id: &str) -> Option<u64> {
    let number = id.strip_prefix(run)?.strip_prefix('-')?.parse().ok()?;
    // Written another way, it is not one of ours.
    (request_id(run, number) == id).then_some(number)
}

impl Template {
    fn new(origin: &Origin<'_>, entry: &Entry, seed: u64) -> Self {
        let head = format!(
            "{}X-Evenkeel-Run: {}\r\nX-Request-Id: ",
            origin.shared_head(&entry.method, &entry.path),
            origin.run
        );
        Self {
            method: Method::from_bytes(entry.method.as_bytes()),
            before_id: head.into_bytes(),
            keyed: entry.keyed,
            body: entry.body.map(|length| Body::new(length, origin.id(0).len() + 1, seed)),
        }
    }

    /// The request with this id.
    pub(crate) fn request(&self, id: String) -> Request<'_> {
        let mut head = Vec::with_capacity(self.before_id.len() + id.len() + 160);
        head.extend_from_slice(&self.before_id);
        head.extend_from_slice(id.as_bytes());
        if self.keyed {
            // A structured string (RFC 8941): the id holds nothing that would need escaping.
            head.extend_from_slice(b"\r\nIdempotency-Key: \"");
            head.extend_from_slice(id.as_bytes());
            head.push(b'"');
        }
        let Some(body) = &self.body else {
            head.extend_from_slice(b"\r\n\r\n");
            return Request { head, filler: &[], tail: Vec::new(), template: self, id };
        };
        let tail = body.tail(&id);
        let mut hasher = body.hashed.clone();
        hasher.update(&tail);
        let fields = format!(
            "\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nContent-Digest: {}\r\n\r\n",
            body.length,
            hasher.finish()
        );
        head.extend_from_slice(fields.as_bytes());
        if body.length > ONE_PIECE {
            return Request { head, filler: &body.filler, tail, template: self, id };
        }
        head.extend_from_slice(&body.filler);
        head.extend_from_slice(&tail);
        Request { head, filler: &[], tail: Vec::new(), template: self, id }
    }
}

impl Body {
    /// A body of `length` bytes whose last `unique` ones, as far as there is room, are its own.
    fn new(length: usize, unique: usize, seed: u64) -> Self {
        let words = (0..).flat_map(|word| scramble(seed.wrapping_add(word)).to_le_bytes());
        let filler: Vec<u8> = words.take(length.saturating_sub(unique)).collect();
        let mut hashed = Hasher::new(Algorithm::Sha256);
        hashed.update(&filler);
        Self { length, filler, hashed }
    }

    /// The end of the body: the id and a line break, as much of their end as fits.
    fn tail(&self, id: &str) -> Vec<u8> {
        let room = self.length - self.filler.len();
        let mut line = Vec::with_capacity(id.len() + 1);
        line.extend_from_slice(id.as_bytes());
        line.push(b'\n');
        // Ids grow when a run has more than a hundred million requests: their ends differ most.
        line.split_off(line.len().saturating_sub(room))
    }
}

impl Request<'_> {
    /// The id that a response to it may carry.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The body's length, in bytes.
    pub(crate) fn body_length(&self) -> usize {
        self.template.body.as_ref().map_or(0, |body| body.length)
    }

    /// Whether `piece` is what the body holds from `offset` on.
    pub(crate) fn body_has(&self, offset: u64, piece: &[u8]) -> bool {
        let Some(body) = &self.template.body else { return piece.is_empty() };
        let Ok(offset) = usize::try_from(offset) else { return false };
        let tail = body.tail(&self.id);
        let (filler, end) = (&body.filler, offset + piece.len());
        if end > body.length {
            return false;
        }
        let split = filler.len().clamp(offset, end) - offset;
        let (in_filler, in_tail) = piece.split_at(split);
        let tail_from = offset.max(filler.len()) - filler.len();
        filler.get(offset..offset + split).unwrap_or_default() == in_filler
            && tail[tail_from..tail_from + in_tail.len()] == *in_tail
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_service::{Secret, Setting as _};
    use proptest::prelude::*;

    use super::*;

    fn target() -> Target {
        Target::parse("http://balancer:8080").unwrap()
    }

    fn origin(target: &Target) -> Origin<'_> {
        Origin { run: "run", target, credentials: None, fields: &[], connections: Connections::KeepAlive }
    }

    fn template(entry: &str) -> Template {
        Template::new(&origin(&target()), &Entry::parse(entry).unwrap(), 1)
    }

    fn text(request: &Request<'_>) -> String {
        String::from_utf8_lossy(&request.head).into_owned()
    }

    #[test]
    fn a_get_names_its_run_and_its_own_id_and_has_no_body() {
        let template = template("GET /bytes/10");
        let head = text(&template.request("run-00000007".into()));
        assert!(head.starts_with("GET /bytes/10 HTTP/1.1\r\nHost: balancer:8080\r\n"), "{head}");
        assert!(head.ends_with("X-Evenkeel-Run: run\r\nX-Request-Id: run-00000007\r\n\r\n"), "{head}");
    }

    #[test]
    fn fields_of_the_users_own_are_sent_with_every_request() {
        let target = target();
        let fields = [("X-Demo".to_owned(), "a, b".to_owned())];
        let head = Origin { fields: &fields, ..origin(&target) }.shared_head("GET", "/");
        assert!(head.contains("\r\nX-Demo: a, b\r\n"));
    }

    #[test]
    fn credentials_are_sent_as_basic_authentication() {
        let target = target();
        let credentials = Credentials { username: "Aladdin".into(), password: Secret::new("open sesame") };
        let origin = Origin { credentials: Some(&credentials), ..origin(&target) };
        let head = origin.shared_head("GET", "/");
        assert!(head.contains("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{head}");
    }

    #[test]
    fn a_fresh_connection_is_asked_to_close() {
        let target = target();
        let origin = Origin { connections: Connections::Fresh, ..origin(&target) };
        assert!(origin.shared_head("GET", "/").contains("\r\nConnection: close\r\n"));
    }

    #[test]
    fn a_body_has_its_length_and_its_digest_and_a_key_if_wanted() {
        let template = template("POST /echo;body=100;keyed");
        let request = template.request("run-00000007".into());
        let (head, body) = request.head.split_at(request.head.len() - 100);
        let head = std::str::from_utf8(head).unwrap();
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 100\r\n"), "{head}");
        assert!(head.contains("\r\nIdempotency-Key: \"run-00000007\"\r\n"), "{head}");
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(body);
        assert!(head.contains(&format!("\r\nContent-Digest: {}\r\n", hasher.finish())), "{head}");
        assert!(body.ends_with(b"run-00000007\n"));
    }

    #[test]
    fn bodies_of_two_requests_differ_however_short() {
        for length in ["1", "4", "13", "4KiB", "100KiB"] {
            let template = template(&format!("POST /echo;body={length}"));
            let one = template.request("run-00000001".into());
            let other_end = if length == "1" { b"\n".as_slice() } else { b"2\n" };
            let own_end = if length == "1" { b"\n".as_slice() } else { b"1\n" };
            let offset = one.body_length() as u64 - own_end.len() as u64;
            assert!(one.body_has(offset, own_end), "{length}");
            assert_eq!(one.body_has(offset, other_end), length == "1", "{length}");
        }
    }

    #[test]
    fn a_large_body_is_not_copied_for_each_request() {
        let template = template("POST /echo;body=100KiB");
        let request = template.request("run-00000001".into());
        assert!(request.head.len() < 1_000);
        assert_eq!(request.filler.len() + request.tail.len(), 100 * 1024);
    }

    proptest! {
        #[test]
        fn every_piece_of_a_body_is_recognised_and_a_changed_one_is_not(
            length in 1_usize..300, from in 0_usize..300, to in 0_usize..300, flip in any::<prop::sample::Index>(),
        ) {
            let template = template(&format!("POST /echo;body={length}"));
            let request = template.request("run-00000042".into());
            let body = &request.head[request.head.len() - length..];
            let (from, to) = (from.min(to).min(length), to.max(from).min(length));
            let mut piece = body[from..to].to_vec();
            prop_assert!(request.body_has(from as u64, &piece));
            if !piece.is_empty() {
                let at = flip.index(piece.len());
                piece[at] ^= 1;
                prop_assert!(!request.body_has(from as u64, &piece));
            }
            prop_assert!(!request.body_has((length - (to - from)) as u64 + 1, &body[from..to]) || from == to);
        }
    }
}
