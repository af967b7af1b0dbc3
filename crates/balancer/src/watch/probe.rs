//! One probe of one endpoint: a connection of its own, so that an endpoint which answers old connections only is found
//! out, a request without credentials, and a verdict within the timeout.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_message::Method;
use evenkeel_upstream::{ProbeFailure, ProbeResult};
use evenkeel_wire::{ClientConnection, ConnectError, ResponseFailure, connect};

use crate::settings::probe::{Expect, ProbeHost, ProbeKind};

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
    let host = host.map_or_else(|| address.to_string(), |host| host.as_str().to_owned());
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
        ConnectError::Refused | ConnectError::Unreachable(_) | ConnectError::Tls(_) => ProbeFailure::Refused,
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
    fn a_503_means_leaving_and_not_failed() {
        assert_eq!(judge(401, Expect::Alive), ProbeResult::Passed);
        assert_eq!(judge(503, Expect::Alive), ProbeResult::Draining);
        assert!(matches!(judge(500, Expect::Alive), ProbeResult::Failed(_)));
        assert!(matches!(judge(204, Expect::Status(200)), ProbeResult::Failed(_)));
    }
}
