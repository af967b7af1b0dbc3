//! Which requests belong together, as a person says it: what a key is made of, and the cookie of sticky sessions.

use evenkeel_service::{Setting, not};
use evenkeel_upstream::PinKey;

/// What of a request its key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The client's address.
    Client,
    /// The path, without its query.
    Path,
    /// The first field of this name.
    Header(String),
    /// The first cookie of this name.
    Cookie(String),
}

/// Sticky sessions: which cookie, and the key of its pins.
#[derive(Debug, Clone)]
pub(crate) struct Sticky {
    pub(crate) cookie: String,
    pub(crate) key: PinKey,
}

impl Setting for KeySource {
    fn parse(text: &str) -> Result<Self, String> {
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| is_token(name)).map(str::to_owned);
        match text {
            "client" => Ok(Self::Client),
            "path" => Ok(Self::Path),
            _ => {
                named("header:").map(Self::Header).or_else(|| named("cookie:").map(Self::Cookie)).ok_or_else(
                    || not(text, "a source of keys", "client, path, header:X-User or cookie:session"),
                )
            }
        }
    }
}

/// Whether a cookie or a field can have this name (RFC 9110 §5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_written_by_name() {
        for bad in ["", "ip", "header:", "cookie:a b", "header", "cookie:a=b"] {
            assert!(KeySource::parse(bad).is_err(), "{bad}");
        }
    }
}
