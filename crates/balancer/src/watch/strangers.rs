//! What is said about servers that no TLS can be spoken with: what exactly is wrong, and what to do. Once, and again when it is
//! something else; probes come every second.

use std::collections::BTreeMap;

use evenkeel_upstream::EndpointId;
use evenkeel_wire::TlsFailure;
use tracing::{info, warn};

use crate::records::roster::Server;

/// What was wrong with each at its last probe.
#[derive(Debug, Default)]
pub(crate) struct Strangers(BTreeMap<EndpointId, TlsFailure>);

impl Strangers {
    /// Takes in what came of the handshake of a probe of this server, and says what is new.
    pub(crate) fn probed(&mut self, endpoint: EndpointId, server: &Server, wrong: Option<TlsFailure>) {
        match wrong {
            Some(failure) if self.0.get(&endpoint) != Some(&failure) => {
                warn!("{server}: {failure}. {}", mend(&failure));
                self.0.insert(endpoint, failure);
            }
            None if self.0.remove(&endpoint).is_some() => info!("{server}: TLS is spoken with it again"),
            Some(_) | None => {}
        }
    }

    /// Forgets a server that has gone.
    pub(crate) fn forget(&mut self, endpoint: EndpointId) {
        self.0.remove(&endpoint);
    }
}

fn mend(failure: &TlsFailure) -> &'static str {
    match failure {
        TlsFailure::UnknownAuthority => {
            "BALANCER_UPSTREAM_TLS_CA has to hold the certificate of who has signed it, and the server has to show the whole chain"
        }
        TlsFailure::WrongName(_) => "BALANCER_UPSTREAM_TLS_NAME says what to ask for instead",
        TlsFailure::Expired => "Renew it on the server",
        TlsFailure::NotYetValid => "One of the two clocks is wrong, or it was put there too early",
        TlsFailure::Untrusted(_) => "Give the server another certificate",
        TlsFailure::CertificateRequired => {
            "BALANCER_UPSTREAM_TLS_CERTIFICATE and BALANCER_UPSTREAM_TLS_KEY say which to show"
        }
        TlsFailure::CertificateRefused(_) => {
            "Show another with BALANCER_UPSTREAM_TLS_CERTIFICATE, or have the server trust who has signed this one"
        }
        TlsFailure::NotTls => "It may speak plain HTTP at this port",
        TlsFailure::Refused(_) => "TLS 1.2 with extended master secret, or 1.3, is needed",
        TlsFailure::CutOff => "It may have been restarted, or speak no TLS at this port",
    }
}
