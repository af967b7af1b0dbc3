//! Whose certificates clients may show, and whether they have to (RFC 8446 §4.3.2).
//!
//! The lists of revoked certificates have to cover the whole chain up to an authority, each from its own issuer and not
//! past its `nextUpdate`: a certificate of which it cannot be known whether it was revoked is taken for one that was.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

use super::{directory, x509};

/// Where it is said whose certificates clients may show.
#[derive(Debug, Clone)]
pub struct ClientAuthority {
    /// The authorities, in PEM.
    pub authorities: PathBuf,
    /// Lists of revoked certificates, in PEM.
    pub revoked: Option<PathBuf>,
    /// Whether a client without a certificate is refused.
    pub is_required: bool,
}

/// Which of the two files cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthorityError {
    /// That of the authorities.
    Authorities(String),
    /// That of the revoked certificates.
    Revoked(String),
}

impl fmt::Display for ClientAuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Authorities(why) | Self::Revoked(why)) = self;
        f.write_str(why)
    }
}

/// What is asked of clients, as it was read.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the authorities ends.
    pub(super) authority_ends: SystemTime,
    /// Until when the lists of revoked certificates say something, where there are any.
    pub(super) revoked_ends: Option<SystemTime>,
    /// The files, so that it is known whether others have come.
    content: [Vec<u8>; 2],
}

impl ClientAuthority {
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.authorities].into_iter().chain(&self.revoked)
    }

    pub(super) fn read(&self, provider: &Arc<CryptoProvider>) -> Result<Clients, ClientAuthorityError> {
        let content = directory::read(&self.authorities).map_err(ClientAuthorityError::Authorities)?;
        let (roots, authority_ends) = authorities(&content).map_err(|why| {
            ClientAuthorityError::Authorities(format!("{}: {why}", self.authorities.display()))
        })?;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .enforce_revocation_expiration();
        let mut builder = if self.is_required { builder } else { builder.allow_unauthenticated() };
        let (mut revoked, mut revoked_ends) = (Vec::new(), None);
        if let Some(path) = &self.revoked {
            revoked = directory::read(path).map_err(ClientAuthorityError::Revoked)?;
            let why = |why| ClientAuthorityError::Revoked(format!("{}: {why}", path.display()));
            let lists = lists(&revoked).map_err(why)?;
            revoked_ends = lists.iter().filter_map(|list| x509::next_update(list)).min();
            builder = builder.with_crls(lists);
        }
        let verifier = builder.build().map_err(|error| {
            ClientAuthorityError::Revoked(format!(
                "the lists of revoked certificates cannot be used: {error}"
            ))
        })?;
        Ok(Clients { verifier, authority_ends, revoked_ends, content: [content, revoked] })
    }
}

impl Clients {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.content == other.content
    }

    /// Whether this chain, which was verified once, would be verified now.
    pub(super) fn still_verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), ClientRefusal> {
        let Some((first, rest)) = chain.split_first() else { return Ok(()) };
        match self.verifier.verify_client_cert(first, rest, UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(error) => Err(ClientRefusal::of(&error).unwrap_or(ClientRefusal::Invalid)),
        }
    }
}

fn authorities(pem: &[u8]) -> Result<(RootCertStore, SystemTime), String> {
    let mut roots = RootCertStore::empty();
    let mut ends = None;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("it is no PEM: {error}"))?;
        let end = x509::read(&certificate).ok_or("a certificate in it is none")?.ends;
        ends = Some(ends.map_or(end, |sooner: SystemTime| sooner.min(end)));
        roots.add(certificate).map_err(|error| format!("it holds what is no authority: {error}"))?;
    }
    let ends = ends.ok_or("there is no certificate in it; write authorities as PEM, one after the other")?;
    Ok((roots, ends))
}

fn lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("it is no PEM: {error}"))?;
    if lists.is_empty() {
        return Err("there is no list in it; write it as PEM, with a line of BEGIN X509 CRL".to_owned());
    }
    Ok(lists)
}

/// Why a client is refused for its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRefusal {
    /// It shows none.
    Missing,
    /// None of the authorities has signed it.
    Unknown,
    /// It has ended, or has not begun.
    Expired,
    /// A list says so.
    Revoked,
    /// There is no list that says whether it was revoked, or none that still holds.
    Unchecked,
    /// Anything else.
    Invalid,
}

impl ClientRefusal {
    /// `None` where the error is not about it.
    pub(super) fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::NoCertificatesPresented => Self::Missing,
            Error::InvalidCertificate(why) => match why {
                CertificateError::UnknownIssuer => Self::Unknown,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::Revoked => Self::Revoked,
                CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. } => Self::Unchecked,
                _ => Self::Invalid,
            },
            _ => return None,
        })
    }
}

impl fmt::Display for ClientRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the client shows no certificate",
            Self::Unknown => "no known authority has signed the client's certificate",
            Self::Expired => "the client's certificate has ended, or has not begun",
            Self::Revoked => "the client's certificate was revoked",
            Self::Unchecked => "no list that holds says whether the client's certificate was revoked",
            Self::Invalid => "the client's certificate is not valid for this",
        })
    }
}
