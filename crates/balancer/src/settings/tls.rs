//! TLS in front of the balancer, as a person says it. The files that it names are read with it, so that `--check` knows of them.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_service::{Reading, Reported, Setting as _, not};
use evenkeel_wire::{ClientAuthority, ClientAuthorityError, Oldest, Reloaded, TlsError, TlsServer};

/// Where TLS is spoken, and with what.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    pub(crate) bind: SocketAddr,
    pub(crate) server: Arc<TlsServer>,
    /// What its files came to when they were first read.
    pub(crate) begun: Arc<Reloaded>,
    /// The port that clients over plain HTTP are sent to; `None` where they are served.
    pub(crate) redirect: Option<u16>,
    /// What answers over TLS say in `Strict-Transport-Security`.
    pub(crate) hsts: Option<String>,
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

/// The field that tells clients to come over https alone (RFC 6797 §6.1).
pub(crate) const HSTS: &str = "Strict-Transport-Security";

/// The port that clients over plain HTTP are sent to.
fn redirect(reading: &mut Reading<'_>, is_plain_off: bool) -> Result<Option<u16>, Reported> {
    let port = reading.optional_with("HTTPS_REDIRECT", |text| match text {
        "on" | "yes" | "true" => {
            Err(format!("`{text}` is no port; write the port of https that clients see, such as 443"))
        }
        text => NonZero::<u16>::parse(text).map(NonZero::get),
    })?;
    if port.is_some() && !reading.is_set("TLS_BIND") {
        return Err(
            reading.problem("HTTPS_REDIRECT", "sends clients where nobody is; set BALANCER_TLS_BIND as well")
        );
    }
    if port.is_some() && is_plain_off {
        let reason = "redirects nobody, since BALANCER_BIND is off; take one of them away";
        return Err(reading.problem("HTTPS_REDIRECT", reason));
    }
    Ok(port)
}

/// What is said about coming over https alone.
pub(super) fn hsts(reading: &mut Reading<'_>) -> Result<Option<String>, Reported> {
    let value = reading.optional_with("HSTS", |text| {
        let days = |count: &str, length: u64| count.parse::<u64>().ok()?.checked_mul(length * 24 * 3600);
        let seconds = match (text.strip_suffix('y'), text.strip_suffix('d')) {
            (Some(years), _) => days(years, 365),
            (_, Some(of)) => days(of, 1),
            _ => Duration::parse(text).ok().map(|duration| duration.as_secs()),
        };
        let seconds = seconds.ok_or_else(|| not(text, "a time", "1y, 180d or 1h; 0s ends it"))?;
        Ok(format!("max-age={seconds}"))
    })?;
    if value.is_some() && !reading.is_set("TLS_BIND") {
        return Err(reading.problem("HSTS", "is said over TLS alone; set BALANCER_TLS_BIND as well"));
    }
    Ok(value)
}

/// Reads them. Without TLS there has to be something else that clients can connect to.
pub(super) fn read(reading: &mut Reading<'_>, is_plain_off: bool) -> Result<Option<TlsSettings>, Reported> {
    let bind = reading.optional("TLS_BIND");
    let certificates = reading.optional::<PathBuf>("TLS_CERTIFICATES");
    let oldest = reading.choice("TLS_MIN", &[("1.2", Oldest::Tls12), ("1.3", Oldest::Tls13)]);
    let clients = clients(reading);
    let (redirect, hsts) = (redirect(reading, is_plain_off), hsts(reading));
    match (bind?, certificates?) {
        (Some(bind), Some(certificates)) => {
            let (server, begun) = serve(reading, certificates, oldest?, clients?)?;
            Ok(Some(TlsSettings { bind, server, begun, redirect: redirect?, hsts: hsts? }))
        }
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
        (None, None) => match (oldest, redirect, hsts) {
            (Ok(_), Ok(_), Ok(_)) => Ok(None),
            (Err(reported), ..) | (_, Err(reported), _) | (.., Err(reported)) => Err(reported),
        },
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
    certificates: PathBuf,
    oldest: Oldest,
    clients: Option<ClientAuthority>,
) -> Result<(Arc<TlsServer>, Arc<Reloaded>), Reported> {
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
    Ok((Arc::new(server), Arc::new(begun)))
}
