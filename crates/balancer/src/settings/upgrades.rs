//! Which protocols a connection may change to (RFC 9110 §7.8). A server that is asked for one answers 101, and from then on
//! nothing is checked any more; so a protocol has to be named in `BALANCER_UPGRADES` to be asked for.

use evenkeel_message::text::is_token;
use evenkeel_service::{Setting, not};

/// HTTP/2 without encryption. Never: it would carry requests past everything that is checked and counted here.
const H2C: &[u8] = b"h2c";

/// The protocols that are tunnelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upgrades {
    /// All but h2c.
    Any,
    /// Each with its version, where it has one: `websocket`, `foo/2`. Empty for none.
    These(Vec<String>),
}

impl Upgrades {
    /// The first protocol of an Upgrade field that is tunnelled, as the client has written it.
    pub(crate) fn first_of<'a>(&self, asked: &'a [u8]) -> Option<&'a str> {
        let mut asked = asked.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let found = asked.find(|protocol| is_protocol(protocol) && self.include(protocol))?;
        std::str::from_utf8(found).ok()
    }

    fn include(&self, protocol: &[u8]) -> bool {
        match self {
            Self::Any => !is_h2c(protocol),
            Self::These(these) => these.iter().any(|this| this.as_bytes().eq_ignore_ascii_case(protocol)),
        }
    }
}

impl Setting for Upgrades {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::Any),
            "off" => return Ok(Self::These(Vec::new())),
            _ => {}
        }
        let protocol = |text: &str| match text.trim() {
            protocol if is_h2c(protocol.as_bytes()) => {
                Err(format!("`{protocol}` cannot be tunnelled: its requests would go past every check"))
            }
            protocol if is_protocol(protocol.as_bytes()) => Ok(protocol.to_owned()),
            protocol => {
                Err(not(protocol, "a protocol", "websocket or foo/2, in a list with commas, * or off"))
            }
        };
        text.split(',').map(protocol).collect::<Result<_, _>>().map(Self::These)
    }
}

/// A name, and a version where there is one.
fn is_protocol(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |&byte| byte == b'/');
    parts.all(is_token)
}

/// Also with a version, and the drafts of it.
fn is_h2c(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| b"/-".contains(byte)).next();
    name.is_some_and(|name| name.eq_ignore_ascii_case(H2C))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Upgrades {
        Upgrades::parse(text).unwrap()
    }

    #[test]
    fn only_what_is_named_is_tunnelled_with_its_version() {
        assert_eq!(of("websocket").first_of(b"h2c, WebSocket"), Some("WebSocket"));
        for other in [&b"h2c"[..], b"websocket/13", b"websockets", b"foo", b""] {
            assert_eq!(of("websocket, foo/2").first_of(other), None, "{other:?}");
        }
        assert_eq!(of("websocket, foo/2").first_of(b"FOO/2"), Some("FOO/2"));
        assert_eq!(of("off").first_of(b"websocket"), None);
    }

    #[test]
    fn a_star_is_for_all_but_h2c() {
        assert_eq!(of("*").first_of(b"h2c, H2C/1, h2c-14, SPDY/3.1"), Some("SPDY/3.1"));
        for bad in [&b"h2c"[..], b"a b", b"a/b/c", b"/2", b"a/", b"\xff"] {
            assert_eq!(of("*").first_of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_setting_that_names_no_protocol_says_what_it_takes() {
        for bad in ["h2c", "websocket,H2C", "a b", "a,,b", "a/b/c"] {
            assert!(Upgrades::parse(bad).is_err(), "{bad}");
        }
        let error = Upgrades::parse("a b").unwrap_err();
        assert_eq!(
            error,
            "`a b` is not a protocol; write it as websocket or foo/2, in a list with commas, * or off"
        );
    }
}
