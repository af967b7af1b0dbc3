//! Which requests belong together: the key that `consistent_hash` hashes, and the cookie of a sticky session.
//!
//! The cookie's value is a pin: the endpoint's address under a keyed hash. It tells a client nothing, lets it choose
//! nothing, and leads to the same server after a restart where the key is the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use evenkeel_message::RequestHead;
use evenkeel_upstream::Pin;

use crate::settings::affinity::{KeySource, Sticky};

impl KeySource {
    /// The key of a request; `None` where it has nothing to make one of, so that any endpoint will do.
    pub(crate) fn key(&self, head: &RequestHead, input: &[u8], client: IpAddr) -> Option<u64> {
        // Not the standard map's random keys: all workers, and the process after a restart, must agree.
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Client => client.hash(&mut hasher),
            Self::Path => {
                let target = head.path_and_query(input);
                target.split(|&byte| byte == b'?').next().hash(&mut hasher);
            }
            Self::Header(name) => head.field(input, name)?.hash(&mut hasher),
            Self::Cookie(name) => cookies(head, input, name).next()?.hash(&mut hasher),
        }
        Some(hasher.finish())
    }
}

impl Sticky {
    /// The pin that a request carries: the first that is one. A client's invention leads nowhere and is ignored, and so is
    /// what somebody else has set under this name for another path or domain, which would come first at every request.
    pub(crate) fn pin(&self, head: &RequestHead, input: &[u8]) -> Option<Pin> {
        cookies(head, input, &self.cookie)
            .find_map(|value| std::str::from_utf8(unquoted(value)).ok()?.parse().ok())
    }

    /// The line that gives a client its pin (RFC 6265).
    /// One that was got by TLS is not shown in plain text.
    pub(crate) fn set_cookie(&self, pin: Pin, scheme: &str, out: &mut Vec<u8>) {
        let secure = if scheme == "https" { "; Secure" } else { "" };
        out.extend_from_slice(
            format!("Set-Cookie: {}={pin}; Path=/; HttpOnly; SameSite=Lax{secure}\r\n", self.cookie)
                .as_bytes(),
        );
    }
}

/// The values of the cookies of this name (RFC 6265 §4.2).
fn cookies<'a>(head: &RequestHead, input: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.fields(input)
        .filter(|(field, _)| field.eq_ignore_ascii_case(b"cookie"))
        .flat_map(|(_, value)| value.split(|&byte| byte == b';'))
        .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// A value without the quotes that it may stand in (RFC 6265 §4.1.1): some clients put them there.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_http1::Inbound;
    use evenkeel_message::Limits;
    use evenkeel_service::Setting;
    use evenkeel_upstream::PinKey;

    fn parsed(head: &str) -> RequestHead {
        let mut parsed = RequestHead::new();
        Inbound::new().head(head.as_bytes(), &mut parsed, &Limits::default()).unwrap().unwrap();
        parsed
    }

    fn key(source: &str, head: &str) -> Option<u64> {
        KeySource::parse(source).unwrap().key(&parsed(head), head.as_bytes(), [127, 0, 0, 1].into())
    }

    fn sticky(cookie: &str) -> (Sticky, Pin) {
        let key = PinKey::new([7; 16]);
        let pin = key.pin("10.0.0.1:8080".parse().unwrap());
        (Sticky { cookie: cookie.to_owned(), key }, pin)
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let head = "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; session=xyz; xsession=no\r\n\r\n";
        assert_eq!(cookies(&parsed(head), head.as_bytes(), "session").next(), Some(&b"xyz"[..]));
        assert_eq!(cookies(&parsed(head), head.as_bytes(), "essio").next(), None);
    }

    #[test]
    fn a_pin_is_found_behind_other_cookies_of_its_name_and_in_quotes() {
        let (sticky, pin) = sticky("lb");
        let found = |cookie: &str| {
            let head = format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n");
            sticky.pin(&parsed(&head), head.as_bytes())
        };
        for cookie in [
            format!("lb={pin}"),
            format!("lb=somebody-elses; lb={pin}"),
            format!("lb={pin}; lb=somebody-elses"),
            format!("lb=a\r\nCookie: lb=\"\"; b=1; lb=\"{pin}\""),
        ] {
            assert_eq!(found(&cookie), Some(pin), "{cookie}");
        }
        assert_eq!(found(&format!("lb=\"{pin}; xlb={pin}")), None);
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(key("path", &get("/a?x=1")), key("path", &get("/a?x=2")));
        assert_ne!(key("path", &get("/a")), key("path", &get("/b")));
    }

    #[test]
    fn a_request_without_the_field_has_no_key() {
        assert_eq!(key("header:X-User", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), None);
        assert!(key("header:x-user", "GET / HTTP/1.1\r\nHost: h\r\nX-User: 7\r\n\r\n").is_some());
    }
}
