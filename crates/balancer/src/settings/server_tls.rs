//! TLS to the servers, as a person says it.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_service::{Reading, Reported, not};
use evenkeel_upstream::UpstreamSpec;
use evenkeel_wire::{OwnFiles, TlsFile, TlsFiles, TlsName, TlsServers};

/// Who servers have to be.
#[derive(Clone, Debug)]
pub(crate) struct ServerTls {
    pub(crate) tls: Arc<TlsServers>,
    /// `None` where each has to be who it is called in `BALANCER_UPSTREAM`.
    name: Option<TlsName>,
}

impl ServerTls {
    /// Whether a connection that was opened with this one is as good with the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tls, &other.tls) && self.name == other.name
    }

    /// The name that a server has to be called, which was found by this host.
    pub(crate) fn name(&self, host: &str) -> Option<TlsName> {
        self.name.clone().or_else(|| TlsName::new(host))
    }
}

/// Reads them, and the files that they name. `None` where servers are spoken to in plain HTTP.
pub(super) fn read(
    reading: &mut Reading<'_>,
    servers: Option<&UpstreamSpec>,
) -> Result<Option<ServerTls>, Reported> {
    let is_on = reading.value_with("UPSTREAM_TLS", is_on);
    let authorities = reading.optional::<PathBuf>("UPSTREAM_TLS_CA");
    let name = reading.optional_with("UPSTREAM_TLS_NAME", |text| {
        TlsName::new(text).ok_or_else(|| not(text, "a host name or an IP address", "web.internal"))
    });
    let certificate = reading.optional::<PathBuf>("UPSTREAM_TLS_CERTIFICATE");
    let key = reading.optional::<PathBuf>("UPSTREAM_TLS_KEY");
    let (is_on, authorities, name, certificate, key) = (is_on?, authorities?, name?, certificate?, key?);
    if !is_on {
        return unless_any(
            reading,
            &[
                ("UPSTREAM_TLS_CA", authorities.is_some()),
                ("UPSTREAM_TLS_NAME", name.is_some()),
                ("UPSTREAM_TLS_CERTIFICATE", certificate.is_some()),
                ("UPSTREAM_TLS_KEY", key.is_some()),
            ],
        );
    }
    let nameless = servers.filter(|_| name.is_none()).map(|servers| nameless(reading, servers));
    let own = own(reading, certificate, key);
    let authorities = authorities.ok_or_else(|| {
        reading.problem(
            "UPSTREAM_TLS_CA",
            "is required with BALANCER_UPSTREAM_TLS: no authority is trusted by itself. Name a PEM file with the certificate of who \
             has signed those of the servers; for authorities that everybody trusts, /etc/ssl/certs/ca-certificates.crt is one",
        )
    });
    nameless.transpose()?;
    let (authorities, own) = (authorities?, own?);
    let tls = TlsServers::new(TlsFiles { authorities, own }).map_err(|problems| {
        let reported =
            problems.into_iter().map(|problem| reading.problem(variable(problem.file), problem.why));
        reported.last()
    });
    match tls {
        Ok(tls) => Ok(Some(ServerTls { tls: Arc::new(tls), name })),
        Err(Some(reported)) => Err(reported),
        Err(None) => Err(reading.problem("UPSTREAM_TLS_CA", "cannot be used")),
    }
}

/// Certificates are verified or there is no TLS.
fn is_on(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        "insecure" => Err(
            "`insecure` does not exist: whoever answers at a server's address would be believed, and hear every password. Write on, \
             and name in BALANCER_UPSTREAM_TLS_CA who has signed the servers' certificates; one that has signed itself may stand there"
                .to_owned(),
        ),
        text => Err(not(text, "on or off", "on")),
    }
}

fn unless_any(reading: &mut Reading<'_>, set: &[(&str, bool)]) -> Result<Option<ServerTls>, Reported> {
    // What holds for all upstreams may be for the others.
    let set: Vec<_> = set.iter().filter(|(name, is_set)| *is_set && reading.is_own(name)).collect();
    let reported = set.into_iter().map(|(name, _)| {
        reading.problem(name, "is set without TLS to servers; set BALANCER_UPSTREAM_TLS to on as well")
    });
    reported.last().map_or(Ok(None), Err)
}

/// Every server has to have a name that can stand in a certificate.
fn nameless(reading: &mut Reading<'_>, servers: &UpstreamSpec) -> Result<(), Reported> {
    let wrong = servers.names().iter().filter(|server| TlsName::new(&server.host).is_none()).map(|server| {
        let host = &server.host;
        let why = format!(
            "is required: no certificate can be for `{host}` of BALANCER_UPSTREAM; say what theirs are for"
        );
        reading.problem("UPSTREAM_TLS_NAME", why)
    });
    wrong.last().map_or(Ok(()), Err)
}

fn own(
    reading: &mut Reading<'_>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<OwnFiles>, Reported> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(OwnFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(reading.problem("UPSTREAM_TLS_KEY", "is required with BALANCER_UPSTREAM_TLS_CERTIFICATE"))
        }
        (None, Some(_)) => {
            Err(reading.problem("UPSTREAM_TLS_CERTIFICATE", "is required with BALANCER_UPSTREAM_TLS_KEY"))
        }
    }
}

fn variable(file: TlsFile) -> &'static str {
    match file {
        TlsFile::Authorities => "UPSTREAM_TLS_CA",
        TlsFile::Certificate => "UPSTREAM_TLS_CERTIFICATE",
        TlsFile::Key => "UPSTREAM_TLS_KEY",
    }
}
