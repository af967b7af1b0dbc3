//! Connections to servers that are being opened, with TLS where that is spoken: a handshake is part of the opening, so that
//! the one timeout covers both, and whatever comes of it nothing of a request has been sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use evenkeel_service::Rarely;
use evenkeel_upstream::{ConnectFailure, Endpoint, TlsFailure};
use evenkeel_wire::{ConnectError, Handshake, Stream, Trust, connect};
use tracing::warn;

use crate::clock::now;
use crate::records::metrics::Stats;
use crate::servers::group::Group;
use crate::settings::server_tls::ServerTls;

/// A connection that is being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>>>>;

/// Opens a connection to this endpoint.
pub(crate) fn open(group: &Group, endpoint: &Endpoint) -> Opening {
    let timeout = group.settings().rules.attempts.connect_timeout;
    match &group.settings().server_tls {
        None => Box::pin(connect(endpoint.address(), timeout)),
        Some(tls) => secured(group, tls, endpoint, timeout),
    }
}

#[inline(never)]
fn secured(group: &Group, tls: &ServerTls, endpoint: &Endpoint, timeout: Duration) -> Opening {
    let (tls, name, address) = (tls.tls.clone(), tls.name(endpoint.host()), endpoint.address());
    let stats = group.worker.stats.clone();
    Box::pin(async move {
        let name = name.ok_or_else(nameless)?;
        let opened = tls.connect(address, &name, Trust::Kept, timeout).await;
        count(&stats, &opened);
        opened.map(|(stream, _)| stream)
    })
}

/// Settings do not let this happen.
pub(crate) fn nameless() -> ConnectError {
    ConnectError::Tls(evenkeel_wire::TlsFailure::WrongName(Vec::new()))
}

fn count(stats: &Stats, opened: &Result<(Stream, Handshake), ConnectError>) {
    let counter = match opened {
        Ok((_, Handshake { is_tls13: true, is_resumed: false })) => &stats.server_tls13_full,
        Ok((_, Handshake { is_tls13: true, is_resumed: true })) => &stats.server_tls13_resumed,
        Ok((_, Handshake { is_tls13: false, is_resumed: false })) => &stats.server_tls12_full,
        Ok((_, Handshake { is_tls13: false, is_resumed: true })) => &stats.server_tls12_resumed,
        Err(ConnectError::Tls(failure)) => match tls_failure(failure) {
            TlsFailure::Cut => &stats.server_tls_gone,
            why if why.is_of_certificate() => &stats.server_tls_untrusted,
            _ => &stats.server_tls_refused,
        },
        Err(_) => return,
    };
    counter.add(1);
}

/// What evidence says of it. What this process lacks itself is told in the log: no server is to blame, so nobody else tells of it.
pub(crate) fn connect_failure(error: &ConnectError) -> ConnectFailure {
    match error {
        ConnectError::Refused => ConnectFailure::Refused,
        ConnectError::Unreachable(_) => ConnectFailure::Unreachable,
        ConnectError::TimedOut | ConnectError::Unanswered => ConnectFailure::TimedOut,
        ConnectError::Local(error) => {
            tell_of_lack(error);
            ConnectFailure::Local
        }
        ConnectError::Tls(failure) => ConnectFailure::Tls(tls_failure(failure)),
    }
}

#[cold]
fn tell_of_lack(error: &io::Error) {
    static LACKING: Rarely = Rarely::new(1);
    if let Some(more) = LACKING.admit(now()) {
        warn!(
            %error,
            "no connection to a server can be opened: this process has no descriptor (ulimit -n) or no local port \
             (net.ipv4.ip_local_port_range) left for it{more}"
        );
    }
}

/// The same of a handshake.
pub(crate) fn tls_failure(failure: &evenkeel_wire::TlsFailure) -> TlsFailure {
    use evenkeel_wire::TlsFailure as Failure;
    match failure {
        Failure::UnknownAuthority | Failure::Untrusted(_) => TlsFailure::Untrusted,
        Failure::WrongName(_) => TlsFailure::WrongName,
        Failure::Expired => TlsFailure::Expired,
        Failure::NotYetValid => TlsFailure::NotYetValid,
        Failure::CertificateRequired
        | Failure::CertificateRefused(_)
        | Failure::Refused(_)
        | Failure::NotTls => TlsFailure::Refused,
        Failure::CutOff => TlsFailure::Cut,
    }
}
