//! Where requests go: `http://host:port` or `https://host:port`, and nothing that another setting says better.

use std::fmt;

use evenkeel_service::Setting;
use evenkeel_wire::TlsName;

/// The origin under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What is spoken there.
    pub(crate) scheme: Scheme,
    /// A name or a literal address; an IPv6 address without its brackets.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
}

/// What is spoken with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP on its own.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is written.
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Target {
    /// Whether TLS is spoken there.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// One that is asked in plain HTTP, whatever is under test.
    pub(crate) fn plain(text: &str) -> Result<Self, String> {
        let target = Self::parse(text)?;
        if target.is_secure() {
            return Err(format!("`{text}` asks for TLS, which is not spoken there; write http://…"));
        }
        Ok(target)
    }

    /// The value of `Host` (RFC 9110 §7.2): the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl Setting for Target {
    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else {
            return Err(format!("`{text}` is no address to send to; write it as http://balancer:8080"));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(format!("`{text}` has a path; give the path in CLIENT_PATH or CLIENT_MIX"));
        }
        if authority.contains('@') {
            // The text is not repeated: it holds a password.
            return Err("it has credentials in it; give them in CLIENT_USERNAME and CLIENT_PASSWORD".into());
        }
        let (host, port) =
            split_port(authority, scheme.port()).ok_or_else(|| format!("`{text}` has a bad port"))?;
        if host.is_empty() || host.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(format!("`{text}` has no host name; write it as http://balancer:8080"));
        }
        if scheme == Scheme::Https && TlsName::new(host).is_none() {
            return Err(format!("`{host}` is no name that a certificate could be for"));
        }
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

/// Host and port of an authority, `usual` where it has none; `None` when there is a port that is none.
fn split_port(authority: &str, usual: u16) -> Option<(&str, u16)> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, nonzero(port)?)),
            None => after.is_empty().then_some((host, usual)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, nonzero(port)?)),
        None => Some((authority, usual)),
    }
}

fn nonzero(port: &str) -> Option<u16> {
    port.parse().ok().filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, String> {
        Target::parse(text)
    }

    #[test]
    fn a_name_and_a_port_are_taken_with_or_without_a_final_slash() {
        let expected = Target { scheme: Scheme::Http, host: "balancer".into(), port: 8080 };
        assert_eq!(target("http://balancer:8080"), Ok(expected.clone()));
        assert_eq!(target("http://balancer:8080/"), Ok(expected));
    }

    #[test]
    fn the_port_is_the_schemes_own_and_unwritten_when_none_is_given() {
        for (text, port) in [("http://balancer", 80), ("https://balancer", 443)] {
            let target = target(text).unwrap();
            assert_eq!(
                (target.port, target.authority().as_str(), target.to_string().as_str()),
                (port, "balancer", text)
            );
        }
        assert_eq!(target("https://balancer:80").unwrap().authority(), "balancer:80");
        assert!(Target::plain("https://balancer").unwrap_err().contains("write http://"));
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets_and_gets_them_back() {
        let target = target("http://[::1]:8080").unwrap();
        assert_eq!(target.host, "::1");
        assert_eq!(target.to_string(), "http://[::1]:8080");
    }

    #[test]
    fn what_belongs_elsewhere_is_sent_there() {
        assert!(target("https://bal ancer").unwrap_err().contains("no host name"));
        assert!(target("https://bal_ancer!").unwrap_err().contains("no name that a certificate"));
        assert!(target("balancer:8080").unwrap_err().contains("http://balancer:8080"));
        assert!(target("http://balancer/data").unwrap_err().contains("CLIENT_PATH"));
        assert!(target("http://balancer:0").unwrap_err().contains("bad port"));
        assert!(target("http://:8080").unwrap_err().contains("no host name"));
        assert!(target("http://[::1").unwrap_err().contains("bad port"));
    }

    #[test]
    fn credentials_in_the_address_are_refused_without_being_repeated() {
        let error = target("http://student:evenkeel@balancer").unwrap_err();
        assert!(error.contains("CLIENT_PASSWORD") && !error.contains("evenkeel@"));
    }
}
