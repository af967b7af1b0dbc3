//! TLS in front of the balancer, as a person says it.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_service::{Reading, Reported, not};
use evenkeel_wire::Oldest;

/// Where TLS is spoken, and with which certificates.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    pub(crate) bind: SocketAddr,
    /// The directory that holds them.
    pub(crate) certificates: PathBuf,
    pub(crate) oldest: Oldest,
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
    let certificates = reading.optional("TLS_CERTIFICATES");
    let oldest = reading.choice("TLS_MIN", &[("1.2", Oldest::Tls12), ("1.3", Oldest::Tls13)]);
    match (bind?, certificates?, oldest?) {
        (Some(bind), Some(certificates), oldest) => Ok(Some(TlsSettings { bind, certificates, oldest })),
        (Some(_), None, _) => Err(reading.problem(
            "TLS_BIND",
            "is set without certificates; set BALANCER_TLS_CERTIFICATES to their directory",
        )),
        (None, Some(_), _) => {
            Err(reading.problem("TLS_CERTIFICATES", "is set without TLS; set BALANCER_TLS_BIND as well"))
        }
        (None, None, _) if is_plain_off => {
            Err(reading.problem("BIND", "leaves clients nowhere to connect; set BALANCER_TLS_BIND as well"))
        }
        (None, None, _) => Ok(None),
    }
}
