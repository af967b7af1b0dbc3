//! How endpoints are probed, as a person says it.

use evenkeel_message::is_authority;
use evenkeel_service::{Setting, not};

/// How endpoints are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeKind {
    /// Not at all: an endpoint is taken for healthy until its traffic says otherwise.
    Off,
    /// A connection that opens is enough.
    Tcp,
    /// A GET of `path`, on the traffic port or on another.
    Http { port: Option<u16>, path: String },
}

/// Which status codes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any answer below 500: whatever stands there is alive.
    Alive,
    /// This status and no other.
    Status(u16),
}

/// The Host that a probe asks for. A server of several sites, or one that answers for its own names alone, refuses an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeHost(String);

impl ProbeHost {
    /// As it goes into the field.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for ProbeHost {
    fn parse(text: &str) -> Result<Self, String> {
        if is_authority(text.as_bytes()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(not(text, "a host", "www.example.com or www.example.com:8080"))
        }
    }
}

impl Setting for ProbeKind {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || not(text, "a probe", "http:/readyz, http:9090/readyz, tcp or off");
        if text.starts_with('/') {
            return Err(not(text, "a probe", &format!("http:{text}")));
        }
        match text {
            "off" => return Ok(Self::Off),
            "tcp" => return Ok(Self::Tcp),
            _ => {}
        }
        // It would be the path //host/readyz, which a server may well answer with a 404 that passes.
        if let Some((scheme, place)) = text.split_once("://") {
            let path = place.find('/').map_or("/", |slash| &place[slash..]);
            return Err(if scheme == "http" {
                format!(
                    "`{text}` names a host, and each server is probed at its own address; write http:{path}"
                )
            } else {
                format!("`{text}` is no probe; write http:{path}, which is over TLS where requests are")
            });
        }
        let rest = text.strip_prefix("http:").ok_or_else(wrong)?;
        let slash = rest.find('/').ok_or_else(wrong)?;
        let (port, path) = rest.split_at(slash);
        let port = if port.is_empty() { None } else { Some(port.parse().map_err(|_| wrong())?) };
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
            return Err(wrong());
        }
        Ok(Self::Http { port, path: path.to_owned() })
    }
}

impl Setting for Expect {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(status @ 100..=599) => Ok(Self::Status(status)),
            _ => Err(not(text, "a status code", "200")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_written_as_http_tcp_or_off() {
        let http = |port, path: &str| Ok(ProbeKind::Http { port, path: path.to_owned() });
        assert_eq!(ProbeKind::parse("http:/readyz"), http(None, "/readyz"));
        assert_eq!(ProbeKind::parse("http:9090/readyz"), http(Some(9090), "/readyz"));
        assert_eq!(ProbeKind::parse("tcp"), Ok(ProbeKind::Tcp));
        assert_eq!(ProbeKind::parse("off"), Ok(ProbeKind::Off));
        for bad in
            ["", "http", "http:", "http:9090", "http:x/readyz", "http:/a b", "http:/a\r\nX: y", "https:/x"]
        {
            assert!(ProbeKind::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_writes_an_address_is_told_what_to_write() {
        let said = |text| ProbeKind::parse(text).unwrap_err();
        assert!(said("http://localhost/health").ends_with("write http:/health"));
        assert!(said("http://web:8080").ends_with("write http:/"));
        assert!(
            said("https://web/health").contains("write http:/health, which is over TLS where requests are")
        );
        assert!(said("/health").ends_with("write it as http:/health"));
    }

    #[test]
    fn the_host_of_probes_is_one_that_a_server_may_be_asked_for() {
        for good in ["www.example.com", "my_app:8080", "10.0.0.1", "[::1]:80"] {
            assert_eq!(ProbeHost::parse(good), Ok(ProbeHost(good.to_owned())));
        }
        for bad in ["http://a", "a/b", "a b", "a:b", "a,b", "user@a", "a\r\nX: y"] {
            assert!(ProbeHost::parse(bad).is_err(), "{bad}");
        }
    }
}
