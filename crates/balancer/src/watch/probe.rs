//! One probe of one endpoint: a connection of its own, so that an endpoint which answers old connections only is found
//! out, a request without credentials, and a verdict within the timeout.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_message::{Method, is_authority};
use evenkeel_service::{Setting, not};
use evenkeel_upstream::{ProbeFailure, ProbeResult};
use evenkeel_wire::{ClientConnection, ConnectError, ResponseFailure, connect};

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
        match text {
            "off" => return Ok(Self::Off),
            "tcp" => return Ok(Self::Tcp),
            _ => {}
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

/// Probes the endpoint at `address` once.
pub(crate) async fn probe(
    kind: &ProbeKind,
    host: Option<&ProbeHost>,
    expect: Expect,
    address: SocketAddr,
    timeout: Duration,
) -> ProbeResult {
    let asked = async {
        match kind {
            ProbeKind::Off => ProbeResult::Passed,
            ProbeKind::Tcp => match connect(address, timeout).await {
                Ok(_) => ProbeResult::Passed,
                Err(error) => ProbeResult::Failed(connect_failure(&error)),
            },
            ProbeKind::Http { port, path } => {
                let asked = SocketAddr::new(address.ip(), port.unwrap_or(address.port()));
                ask(asked, path, host, expect, timeout).await
            }
        }
    };
    tokio::time::timeout(timeout, asked).await.unwrap_or(ProbeResult::Failed(ProbeFailure::TimedOut))
}

async fn ask(
    address: SocketAddr,
    path: &str,
    host: Option<&ProbeHost>,
    expect: Expect,
    timeout: Duration,
) -> ProbeResult {
    let mut connection = match ClientConnection::connect(address, timeout).await {
        Ok(connection) => connection,
        Err(error) => return ProbeResult::Failed(connect_failure(&error)),
    };
    let host = host.map_or_else(|| address.to_string(), |host| host.0.clone());
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: evenkeel-probe\r\nConnection: close\r\n\r\n"
    );
    if connection.send(Method::Get, head.as_bytes(), b"").await.is_err() {
        return ProbeResult::Failed(ProbeFailure::Closed);
    }
    match connection.response().await {
        Ok(head) => judge(head.status(), expect),
        Err(ResponseFailure::Malformed(_)) => ProbeResult::Failed(ProbeFailure::Garbage),
        Err(_) => ProbeResult::Failed(ProbeFailure::Closed),
    }
}

fn connect_failure(error: &ConnectError) -> ProbeFailure {
    match error {
        ConnectError::Refused | ConnectError::Unreachable(_) => ProbeFailure::Refused,
        ConnectError::TimedOut => ProbeFailure::TimedOut,
        ConnectError::Local(_) => ProbeFailure::Local,
    }
}

fn judge(status: u16, expect: Expect) -> ProbeResult {
    match expect {
        Expect::Status(wanted) if status == wanted => ProbeResult::Passed,
        Expect::Alive if status < 500 => ProbeResult::Passed,
        // A server that says 503 about itself is leaving: no new requests, but nothing is wrong with it.
        _ if status == 503 => ProbeResult::Draining,
        _ => ProbeResult::Failed(ProbeFailure::Status(status)),
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
    fn the_host_of_probes_is_one_that_a_server_may_be_asked_for() {
        for good in ["www.example.com", "my_app:8080", "10.0.0.1", "[::1]:80"] {
            assert_eq!(ProbeHost::parse(good), Ok(ProbeHost(good.to_owned())));
        }
        for bad in ["http://a", "a/b", "a b", "a:b", "a,b", "user@a", "a\r\nX: y"] {
            assert!(ProbeHost::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_503_means_leaving_and_not_failed() {
        assert_eq!(judge(401, Expect::Alive), ProbeResult::Passed);
        assert_eq!(judge(503, Expect::Alive), ProbeResult::Draining);
        assert!(matches!(judge(500, Expect::Alive), ProbeResult::Failed(_)));
        assert!(matches!(judge(204, Expect::Status(200)), ProbeResult::Failed(_)));
    }
}
