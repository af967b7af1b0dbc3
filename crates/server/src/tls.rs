//! How the traffic port speaks TLS: its certificate, its key, and whose certificates clients may show. What is served over it:
//! [`crate::serve`].

use std::{fmt, sync::Arc};

use evenkeel_service::{Reading, Reported};
use rustls::{
    Error, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// What connections are accepted with. All workers share its sessions and the key of its tickets.
pub(crate) struct Tls {
    pub(crate) config: ServerConfig,
    /// Whether a client has to show a certificate.
    pub(crate) asks_for_certificates: bool,
}

impl Tls {
    /// That of `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_CLIENT_CA`; `None` where none of them is set.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Option<Self>, Reported> {
        let chain = reading.file("TLS_CERTIFICATE");
        let key = reading.file("TLS_KEY");
        let authority = reading.file("TLS_CLIENT_CA");
        let (chain, key, authority) = (chain?, key?, authority?);
        let (chain, key) = match (chain, key) {
            (Some(chain), Some(key)) => (chain, key),
            (Some(_), None) => {
                return Err(reading.problem("TLS_KEY", "is required with SERVER_TLS_CERTIFICATE"));
            }
            (None, Some(_)) => {
                return Err(reading.problem("TLS_CERTIFICATE", "is required with SERVER_TLS_KEY"));
            }
            (None, None) if authority.is_some() => {
                return Err(reading.problem("TLS_CERTIFICATE", "is required with SERVER_TLS_CLIENT_CA"));
            }
            (None, None) => return Ok(None),
        };
        let chain = certificates(&chain).map_err(|reason| reading.problem("TLS_CERTIFICATE", reason));
        let key = private_key(&key).map_err(|reason| reading.problem("TLS_KEY", reason));
        let clients = authority
            .map(|authority| verifier(&authority).map_err(|reason| reading.problem("TLS_CLIENT_CA", reason)));
        let (chain, key, clients) = (chain?, key?, clients.transpose()?);
        Self::of(chain, key, clients).map(Some).map_err(|error| match error {
            Error::InconsistentKeys(_) => reading.problem(
                "TLS_KEY",
                "is not the key of the first certificate in SERVER_TLS_CERTIFICATE; give the key that it was made with, \
                 and put the server's own certificate before those of its authorities",
            ),
            error => reading.problem("TLS_CERTIFICATE", format!("cannot be served: {error}")),
        })
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Self, Error> {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let asks_for_certificates = clients.is_some();
        let config = match clients {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.require_ems = true;
        Ok(Self { config, asks_for_certificates })
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("asks_for_certificates", &self.asks_for_certificates)
            .finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(
            "names a file without a certificate; write it as PEM, with lines of BEGIN CERTIFICATE and END CERTIFICATE"
                .to_owned(),
        ),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("names a file that is no PEM: {error}; it may be half written")),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
        return Err("names a key with a passphrase; take it off with `openssl pkey -in … -out …`".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        format!(
            "names a file without a private key ({error}); write it as PEM, with a line of BEGIN PRIVATE KEY"
        )
    })
}

/// What the first line of such a key says (RFC 5958 §3).
const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";

fn verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("holds what is no authority: {error}"))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    verifier.map(|verifier| verifier as _).map_err(|error| error.to_string())
}
