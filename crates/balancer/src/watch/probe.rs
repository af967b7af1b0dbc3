//! One probe of one endpoint: a connection of its own, so that an endpoint which answers old connections only is found
//! out, a request without credentials, and a verdict within the timeout.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel_message::Method;
use evenkeel_upstream::{ProbeFailure, ProbeResult};
use evenkeel_wire::{ClientConnection, ConnectError, ResponseFailure, Stream, TlsFailure, Trust, connect};

use crate::servers::opening::{nameless, tls_failure};
use crate::settings::probe::{Expect, ProbeKind};
use crate::settings::upstream::UpstreamSettings;

/// What a probe has found.
pub(crate) struct Finding {
    pub(crate) result: ProbeResult,
    /// What exactly kept TLS from being spoken.
    pub(crate) wrong: Option<TlsFailure>,
}

impl From<ProbeResult> for Finding {
    fn from(result: ProbeResult) -> Self {
        Self { result, wrong: None }
    }
}

impl From<TlsFailure> for Finding {
    fn from(failure: TlsFailure) -> Self {
        let result = ProbeResult::Failed(ProbeFailure::Tls(tls_failure(&failure)));
        Self { result, wrong: Some(failure) }
    }
}

impl From<ConnectError> for Finding {
    fn from(error: ConnectError) -> Self {
        Self::from(ProbeResult::Failed(match error {
            ConnectError::Refused | ConnectError::Unreachable(_) => ProbeFailure::Refused,
            ConnectError::TimedOut => ProbeFailure::TimedOut,
            ConnectError::Unanswered => ProbeFailure::Unanswered,
            ConnectError::Local(_) => ProbeFailure::Local,
            ConnectError::Tls(failure) => return failure.into(),
        }))
    }
}

/// Probes the endpoint at `address` once, which was found by `host`.
pub(crate) async fn probe(
    settings: &UpstreamSettings,
    host: &str,
    address: SocketAddr,
    timeout: Duration,
) -> Finding {
    let mut is_there = false;
    let asked = async {
        match &settings.probe {
            ProbeKind::Off => Ok(ProbeResult::Passed),
            ProbeKind::Tcp => open(settings, host, address, timeout).await.map(|_| ProbeResult::Passed),
            ProbeKind::Http { port, path } => {
                let address = SocketAddr::new(address.ip(), port.unwrap_or(address.port()));
                let stream = open(settings, host, address, timeout).await?;
                is_there = true;
                ask(stream, path, &asked_for(settings, host, address), settings.expect).await
            }
        }
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(Ok(result)) => result.into(),
        Ok(Err(finding)) => finding,
        Err(_) if is_there => ProbeResult::Failed(ProbeFailure::Unanswered).into(),
        Err(_) => ProbeResult::Failed(ProbeFailure::TimedOut).into(),
    }
}

/// Who is asked for: over TLS the one that the certificate has to be for, so that the two do not differ (RFC 9110 §7.4).
fn asked_for(settings: &UpstreamSettings, host: &str, address: SocketAddr) -> String {
    if let Some(host) = &settings.probe_host {
        return host.as_str().to_owned();
    }
    let name = settings.server_tls.as_ref().and_then(|tls| tls.name(host)).map(|name| name.to_string());
    match (name.filter(|name| name.parse::<IpAddr>().is_err()), address.port()) {
        (None, _) => address.to_string(),
        (Some(name), 443) => name,
        (Some(name), port) => format!("{name}:{port}"),
    }
}

/// With TLS nothing is taken over from an earlier connection: what has ended since, or is not trusted any more, is found out here.
async fn open(
    settings: &UpstreamSettings,
    host: &str,
    address: SocketAddr,
    timeout: Duration,
) -> Result<Stream, Finding> {
    let Some(tls) = &settings.server_tls else { return Ok(connect(address, timeout).await?) };
    let name = tls.name(host).ok_or_else(nameless)?;
    let (stream, _) = tls.tls.connect(address, &name, Trust::Anew, timeout).await?;
    Ok(stream)
}

async fn ask(stream: Stream, path: &str, host: &str, expect: Expect) -> Result<ProbeResult, Finding> {
    let mut connection = ClientConnection::new(stream);
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: evenkeel-probe\r\nConnection: close\r\n\r\n"
    );
    // A server that takes nothing may have said why.
    let _ = connection.send(Method::Get, head.as_bytes(), b"").await;
    match connection.response().await {
        Ok(head) => Ok(judge(head.status(), expect)),
        Err(ResponseFailure::Malformed(_)) => Ok(ProbeResult::Failed(ProbeFailure::Garbage)),
        Err(ResponseFailure::Tls(failure)) => Err(failure.into()),
        Err(_) => Ok(ProbeResult::Failed(ProbeFailure::Closed)),
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
