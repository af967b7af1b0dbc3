//! What all connections to servers have in common: whom is trusted, who one is oneself, and what is remembered so that a
//! handshake need not begin anew.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, ClientConnection, OtherError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::certificates::Certificate;
use super::server::provider;
use super::{pem, x509};

/// Of how many servers tickets are kept, up to eight of each: what no handshake uses is forgotten.
const REMEMBERED_SERVERS: usize = 256;

/// TLS as it is spoken to servers. Cheap to clone; clones share what they remember of servers.
#[derive(Debug, Clone)]
pub struct TlsClient {
    configuration: Arc<ClientConfig>,
    resumes: bool,
}

/// Who a server has to be: what its certificate is held against, and what it is asked for (SNI, RFC 6066 §3) unless it is an
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsName(ServerName<'static>);

impl TlsName {
    /// A host name, or an address without brackets. `None` where it is neither.
    pub fn new(name: &str) -> Option<Self> {
        // A dot at the end says that a name is whole, to those who look it up; in certificates there is none.
        ServerName::try_from(name.strip_suffix('.').unwrap_or(name)).ok().map(|name| Self(name.to_owned()))
    }
}

impl fmt::Display for TlsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_str())
    }
}

impl TlsClient {
    /// Trusts whatever is signed by one of the `authorities` (PEM), and shows `pair` (certificate with its chain, and key, both in
    /// PEM) to servers that ask for one. Each new connection goes on from an earlier one to the same name where `resumes`.
    ///
    /// What is wrong comes as half a sentence; the first of the two is about the authorities, the second about the pair.
    pub fn new(authorities: &[u8], pair: Option<(&[u8], &[u8])>, resumes: bool) -> Result<Self, Untrusted> {
        let provider = Arc::new(provider());
        let roots = authorities_in(authorities).map_err(Untrusted::Authorities)?;
        let pair = pair
            .map(|(chain, key)| Certificate::read("client", chain, key, &provider))
            .transpose()
            .map_err(Untrusted::Pair)?;
        configure(&provider, roots, pair, resumes)
            .map(|configuration| Self { configuration: Arc::new(configuration), resumes })
    }

    /// The same with a memory of its own: for servers of one name that do not know each other's tickets.
    #[must_use]
    pub fn apart(&self) -> Self {
        let mut configuration = (*self.configuration).clone();
        configuration.resumption = resumption(self.resumes);
        Self { configuration: Arc::new(configuration), resumes: self.resumes }
    }

    /// The same without a memory: each handshake verifies everything anew.
    #[must_use]
    pub(super) fn forgetful(&self) -> Self {
        let mut configuration = (*self.configuration).clone();
        configuration.resumption = resumption(false);
        Self { configuration: Arc::new(configuration), resumes: false }
    }

    /// Whether a certificate with its chain and a key, both in PEM, belong together; why not, in half a sentence.
    pub(super) fn fits(chain: &[u8], key: &[u8]) -> Result<(), String> {
        Certificate::read("client", chain, key, &provider()).map(drop)
    }

    pub(super) fn connection(&self, name: &TlsName) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(self.configuration.clone(), name.0.clone())
    }
}

/// Why no TLS can be spoken to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untrusted {
    /// There is nothing to trust in what should have been authorities.
    Authorities(String),
    /// Certificate and key of one's own cannot be used.
    Pair(String),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Authorities(why) | Self::Pair(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Untrusted {}

fn authorities_in(file: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(file) {
        let certificate = certificate.map_err(|error| format!("the certificates cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err(pem::no_certificate(file)) } else { Ok(roots) }
}

fn configure(
    provider: &Arc<CryptoProvider>,
    roots: RootCertStore,
    pair: Option<Certificate>,
    resumes: bool,
) -> Result<ClientConfig, Untrusted> {
    let unusable = |error: rustls::Error| Untrusted::Authorities(error.to_string());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
        .build()
        .map_err(|error| Untrusted::Authorities(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(unusable)?
        .with_webpki_verifier(verifier);
    let mut configuration = match pair {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair.key))),
        None => builder.with_no_client_auth(),
    };
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration.require_ems = true;
    configuration.resumption = resumption(resumes);
    Ok(configuration)
}

fn resumption(resumes: bool) -> Resumption {
    if resumes { Resumption::in_memory_sessions(REMEMBERED_SERVERS) } else { Resumption::disabled() }
}

/// Why a server and this side do not come to speak TLS, or do so no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate is signed by nobody who is trusted.
    UnknownAuthority,
    /// The server's certificate is for these names, and the one that was meant is none of them.
    WrongName(Vec<String>),
    /// The server's certificate has ended.
    Expired,
    /// The server's certificate does not hold yet.
    NotYetValid,
    /// The server's certificate cannot be trusted for another reason.
    Untrusted(String),
    /// The server wants a certificate of this side and got none.
    CertificateRequired,
    /// The server does not accept the certificate of this side.
    CertificateRefused(String),
    /// The server refuses, or there is nothing that both understand.
    Refused(String),
    /// What the server says is not TLS.
    NotTls,
    /// The connection ended before the handshake did.
    CutOff,
}

impl TlsFailure {
    /// What it was that made a read or a write over TLS fail: a server may refuse the certificate of this side after the handshake
    /// (RFC 8446 §4.4.2), where it meets whoever waits for an answer. `None` where it was something else.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether it is about the certificate that the server has shown.
    pub fn is_about_the_server(&self) -> bool {
        matches!(
            self,
            Self::UnknownAuthority
                | Self::WrongName(_)
                | Self::Expired
                | Self::NotYetValid
                | Self::Untrusted(_)
        )
    }
}

/// Whether a certificate that was verified in an earlier handshake still holds: going on from that verifies nothing.
pub(crate) fn still_holds(certificate: &CertificateDer<'_>) -> Result<(), TlsFailure> {
    match x509::read(certificate) {
        Some(facts) if facts.ends < SystemTime::now() => Err(TlsFailure::Expired),
        _ => Ok(()),
    }
}

impl From<rustls::Error> for TlsFailure {
    fn from(error: rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, Error};
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::AlertReceived(Alert::CertificateRequired) => Self::CertificateRequired,
            Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied),
            ) => Self::CertificateRefused(format!("{alert:?}")),
            Error::InvalidMessage(_) => Self::NotTls,
            error => Self::Refused(error.to_string()),
        }
    }
}

fn of_certificate(error: CertificateError) -> TlsFailure {
    match error {
        // An authority that was made anew has the name of the one before, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        CertificateError::NotValidForName => TlsFailure::WrongName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFailure::WrongName(presented.iter().map(|name| bare(name).to_owned()).collect())
        }
        CertificateError::Other(other) if is_of_an_authority(&other) => TlsFailure::Untrusted(
            "it is an authority's own (CA:TRUE); one that signed itself for a server has to say CA:FALSE"
                .to_owned(),
        ),
        error => TlsFailure::Untrusted(error.to_string()),
    }
}

/// As `openssl req -x509` makes them unless it is told otherwise.
fn is_of_an_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The name in `DnsName("a.example")` or `IpAddress(::1)`.
fn bare(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("its certificate is signed by nobody who is trusted"),
            Self::WrongName(names) if names.is_empty() => {
                f.write_str("its certificate is for no name at all")
            }
            Self::WrongName(names) => write!(f, "its certificate is for other names: {}", names.join(", ")),
            Self::Expired => f.write_str("its certificate has expired"),
            Self::NotYetValid => f.write_str("its certificate does not hold yet"),
            Self::Untrusted(why) => write!(f, "its certificate cannot be trusted: {why}"),
            Self::CertificateRequired => f.write_str("it wants a client certificate"),
            Self::CertificateRefused(why) => write!(f, "it refuses the client certificate: {why}"),
            Self::Refused(why) => write!(f, "no TLS with it: {why}"),
            Self::NotTls => f.write_str("what it says is not TLS"),
            Self::CutOff => f.write_str("the connection ended during the TLS handshake"),
        }
    }
}

impl std::error::Error for TlsFailure {}
