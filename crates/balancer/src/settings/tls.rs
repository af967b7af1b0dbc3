//! TLS in front of the balancer, as a person says it. The files that it names are read with it, so that `--check` knows of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_service::{Reading, Reported, not};
use evenkeel_wire::{ClientAuthority, ClientAuthorityError, Oldest, Reloaded, TlsError, TlsServer};

/// Where TLS is spoken, and with what.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    pub(crate) bind: SocketAddr,
    pub(crate) server: Arc<TlsServer>,
    /// What its files came to when they were first read.
    pub(crate) begun: Arc<Reloaded>,
}

/// Where plain HTTP is spoken, or `off`.
pub(super) fn bind(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "off" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| not(text, "an address with a port, or off", "0.0.0.0:8080"))
        }
    }
}

/// Reads them. Without TLS there has to be something else that clients can connect to.
pub(super) fn read(reading: &mut Reading<'_>, is_plain_off: bool) -> Result<Option<TlsSettings>, Reported> {
    let bind = reading.optional("TLS_BIND");
    let certificates = reading.optional::<PathBuf>("TLS_CERTIFICATES");
    let oldest = reading.choice("TLS_MIN", &[("1.2", Oldest::Tls12), ("1.3", Oldest::Tls13)]);
    let clients = clients(reading);
    match (bind?, certificates?) {
        (Some(bind), Some(certificates)) => serve(reading, bind, certificates, oldest?, clients?).map(Some),
        (Some(_), None) => Err(reading.problem(
            "TLS_BIND",
            "is set without certificates; set BALANCER_TLS_CERTIFICATES to their directory",
        )),
        (None, Some(_)) => {
            Err(reading.problem("TLS_CERTIFICATES", "is set without TLS; set BALANCER_TLS_BIND as well"))
        }
        (None, None) if clients?.is_some() => {
            Err(reading.problem("TLS_CLIENT_CA", "is set without TLS; set BALANCER_TLS_BIND as well"))
        }
        (None, None) if is_plain_off => {
            Err(reading.problem("BIND", "leaves clients nowhere to connect; set BALANCER_TLS_BIND as well"))
        }
        (None, None) => oldest.map(|_| None),
    }
}

fn clients(reading: &mut Reading<'_>) -> Result<Option<ClientAuthority>, Reported> {
    let authorities = reading.optional("TLS_CLIENT_CA");
    let is_required = reading.choice("TLS_CLIENT_AUTH", &[("required", true), ("optional", false)]);
    let revoked = reading.optional("TLS_CLIENT_CRL");
    let Some(authorities) = authorities? else {
        // Whoever sets one of these believes that not everybody comes in.
        for name in ["TLS_CLIENT_AUTH", "TLS_CLIENT_CRL"] {
            if reading.is_set(name) {
                return Err(
                    reading.problem(name, "is set without authorities; set BALANCER_TLS_CLIENT_CA as well")
                );
            }
        }
        return Ok(None);
    };
    Ok(Some(ClientAuthority { authorities, revoked: revoked?, is_required: is_required? }))
}

fn serve(
    reading: &mut Reading<'_>,
    bind: SocketAddr,
    certificates: PathBuf,
    oldest: Oldest,
    clients: Option<ClientAuthority>,
) -> Result<TlsSettings, Reported> {
    let (server, begun) = TlsServer::new(certificates, oldest, clients).map_err(|error| {
        let name = match error {
            TlsError::Clients(ClientAuthorityError::Authorities(_)) => "TLS_CLIENT_CA",
            TlsError::Clients(ClientAuthorityError::Revoked(_)) => "TLS_CLIENT_CRL",
            _ => "TLS_CERTIFICATES",
        };
        reading.problem(name, error.to_string())
    })?;
    // With one of several certificates unusable it starts, and says so: the others are served.
    if reading.is_check() && !begun.problems.is_empty() {
        return Err(reading.problem("TLS_CERTIFICATES", begun.problems.join("; ")));
    }
    Ok(TlsSettings { bind, server: Arc::new(server), begun: Arc::new(begun) })
}
