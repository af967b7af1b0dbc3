//! TLS with a target: the handshake on a connection that is open, and what to do where it fails.

use std::time::Duration;

use evenkeel_wire::{Stream, TlsClient, TlsFailure, TlsName};

use crate::clock;
use crate::outcome::{Failure, Kind, Phase, Shaken};
use crate::target::Target;

/// How connections to one target are secured.
#[derive(Debug)]
pub(crate) struct Secure {
    client: TlsClient,
    name: TlsName,
}

impl Secure {
    /// For a target of `https://`; `None` for another.
    pub(crate) fn new(client: Option<&TlsClient>, target: &Target) -> Option<Self> {
        let name = target.is_secure().then(|| TlsName::new(&target.host))??;
        // Each target is measured as if nobody had spoken to it before.
        Some(Self { client: client?.apart(), name })
    }

    /// Shakes hands within `timeout`.
    pub(crate) async fn shake(&self, stream: &mut Stream, timeout: Duration) -> Result<Shaken, Failure> {
        let begun = clock::now();
        let secured = tokio::time::timeout(timeout, stream.secure_to(&self.client, &self.name));
        match secured.await {
            Ok(Ok(how)) => Ok(Shaken { how, took: clock::now().saturating_duration_since(begun) }),
            Ok(Err(failure)) => Err(failed(Phase::Handshake, &failure)),
            Err(_) => Err(Failure::new(
                Phase::Handshake,
                Kind::HandshakeTimeout,
                format!("no handshake within {timeout:?}"),
            )),
        }
    }
}

/// What failed over TLS while something was done, and what to do about it.
pub(crate) fn failed(phase: Phase, failure: &TlsFailure) -> Failure {
    let (kind, remedy) = match failure {
        TlsFailure::UnknownAuthority => (
            Kind::UnknownAuthority,
            "give the certificate of the authority that signed it in CLIENT_TLS_CA; an intermediate one belongs into the \
             target's own file, below its certificate",
        ),
        TlsFailure::WrongName(_) => (
            Kind::WrongName,
            "write one of the names that it is for in CLIENT_TARGET, or have the name written there put into it",
        ),
        TlsFailure::Expired => (Kind::Expired, "have it renewed; if it was, look at this machine's clock"),
        TlsFailure::NotYetValid => {
            (Kind::NotYetValid, "look at the clocks of this machine and of the one that signed it")
        }
        TlsFailure::Untrusted(_) => {
            (Kind::Untrusted, "have one made that is for servers, with a usual key and signature")
        }
        TlsFailure::CertificateRequired => {
            (Kind::ClientCertificate, "give one with its key in CLIENT_TLS_CERTIFICATE and CLIENT_TLS_KEY")
        }
        TlsFailure::CertificateRefused(_) => (
            Kind::ClientCertificate,
            "CLIENT_TLS_CERTIFICATE has to be valid and signed by an authority that the target trusts",
        ),
        TlsFailure::NotTls => {
            (Kind::NotTls, "look at the port in CLIENT_TARGET, or write http:// where no TLS is spoken")
        }
        TlsFailure::Refused(_) | TlsFailure::CutOff => {
            return Failure::new(phase, Kind::Handshake, failure.to_string());
        }
    };
    Failure::new(phase, kind, format!("{failure}; {remedy}"))
}
