//! Who servers say that they are, and a balancer that is told whom to believe.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::client::{Authority, Files};
use crate::harness::transport::Greeting;
use crate::harness::{Balancer, Servers, Stage};

/// A server with this certificate.
pub(crate) fn showing(files: &Files) -> Greeting {
    speaking(files, rustls::ALL_VERSIONS, None)
}

/// The same in these versions, for clients that this authority has signed, if any.
pub(crate) fn speaking(
    files: &Files,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Authority>,
) -> Greeting {
    let chain = CertificateDer::pem_slice_iter(files.chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    Greeting::Tls(Arc::new(config))
}

/// The address of all servers, which is their name where they are written by it.
pub(crate) const ADDRESS: &str = "127.0.0.1";

/// The file with which the balancer trusts this authority.
pub(crate) fn trusted(authority: &Authority) -> String {
    let file = authority.file("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Servers that speak so, before a balancer that trusts `authority`. Waits for none of them.
pub(crate) fn stage(authority: &Authority, greetings: Vec<Greeting>, settings: &[(&str, &str)]) -> Stage {
    let file = trusted(authority);
    let servers = Servers::greeting(greetings);
    let settings = [&[("UPSTREAM_TLS_CA", file.as_str())], settings].concat();
    let balancer = Balancer::listening(&servers.upstream(), &settings);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
    Stage { servers, balancer }
}

/// What the metrics say of this series.
pub(crate) fn count(balancer: &Balancer, series: &str) -> u64 {
    let metrics = balancer.admin("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(series).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
}
