//! Which certificate a client is shown: the one that has the name it asks for, then one for all names beside it
//! (`*.example.com`), then the first.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{pem, x509};

/// A certificate that clients are shown.
#[derive(Clone)]
pub struct Certificate {
    /// What its files are called, without what tells them apart.
    pub name: String,
    /// The names of hosts that it is for.
    pub hosts: Arc<[String]>,
    /// From when on it holds.
    pub begins: SystemTime,
    /// When it ends.
    pub ends: SystemTime,
    pub(super) key: Arc<CertifiedKey>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.name, self.hosts)
    }
}

impl Certificate {
    /// Reads a certificate with its chain and its key, both in PEM, and holds them against each other.
    pub(super) fn read(
        name: &str,
        chain: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let file = chain;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let Some(first) = chain.first() else {
            return Err(pem::no_certificate(file));
        };
        let facts: Vec<_> = chain
            .iter()
            .map(|certificate| x509::read(certificate))
            .collect::<Option<_>>()
            .ok_or("the certificate is none")?;
        if facts.windows(2).any(|pair| pair[0].issuer != pair[1].subject) {
            return Err("the chain is not in order: each certificate must be signed by the next".to_owned());
        }
        let (begins, ends) = (facts[0].begins, facts[0].ends);
        let hosts = webpki::EndEntityCert::try_from(first)
            .map_err(|error| match error {
                webpki::Error::UnsupportedCertVersion => {
                    "the certificate is of version 1, which is for no names; it needs a subjectAltName"
                        .to_owned()
                }
                error => format!("the certificate cannot be read: {error}"),
            })?
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        let key = key_in(key)?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| format!("key and certificate do not fit: {error}"))?;
        Ok(Self { name: name.to_owned(), hosts, begins, ends, key: Arc::new(key) })
    }
}

fn key_in(file: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(file).map_err(|error| pem::no_key(file, &error.to_string()))
}

/// Whether a certificate for these names is one for `host`, which may be in any case.
pub(super) fn is_for(names: &[String], host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    names.iter().any(|name| match name.strip_prefix('*') {
        // It stands for one label.
        Some(beside) => host
            .iter()
            .position(|&byte| byte == b'.')
            .is_some_and(|dot| dot > 0 && host[dot..].eq_ignore_ascii_case(beside.as_bytes())),
        None => name.as_bytes().eq_ignore_ascii_case(host),
    })
}

/// Whether the first certificate in this PEM is one that signs others.
pub(super) fn is_authority(chain: &[u8]) -> bool {
    let first = CertificateDer::pem_slice_iter(chain).next().and_then(Result::ok);
    first.is_some_and(|first| x509::read(&first).is_some_and(|facts| facts.is_authority))
}

/// All certificates, found by name.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<Certificate>,
    /// Where the first that has this name is. What stands for `*.example.com` is under `example.com`.
    exact: HashMap<String, usize>,
    wild: HashMap<String, usize>,
}

impl Certificates {
    /// Of these, the first of which serves whoever names none that there is. `None` where there are none.
    pub(super) fn new(all: Vec<Certificate>) -> Option<Self> {
        let (mut exact, mut wild) = (HashMap::new(), HashMap::new());
        for (index, certificate) in all.iter().enumerate() {
            for host in &*certificate.hosts {
                match host.strip_prefix("*.") {
                    Some(beside) => wild.entry(beside.to_owned()).or_insert(index),
                    None => exact.entry(host.clone()).or_insert(index),
                };
            }
        }
        (!all.is_empty()).then_some(Self { all, exact, wild })
    }

    pub(super) fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// The one for a client that asks for `host`, or for none.
    pub(super) fn find(&self, host: Option<&str>) -> &Certificate {
        let found = host.and_then(|host| {
            // A dot at the end says that a name is whole; in certificates there is none.
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            let beside = || host.split_once('.').and_then(|(_, beside)| self.wild.get(beside));
            self.exact.get(&host).or_else(beside)
        });
        &self.all[found.copied().unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::super::server::provider;
    use super::*;

    fn made(name: &str, hosts: &[&str]) -> Certificate {
        let made = rcgen::generate_simple_self_signed(
            hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>(),
        )
        .unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Certificate::read(name, chain.as_bytes(), key.as_bytes(), &provider()).unwrap()
    }

    #[test]
    fn an_encrypted_key_is_told_how_to_be_written_anew() {
        for pem in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n",
        ] {
            assert!(
                key_in(pem.as_bytes()).unwrap_err().contains("is encrypted, and nobody gives its password")
            );
        }
        assert!(key_in(b"no key").unwrap_err().contains("the key cannot be read"));
    }

    #[test]
    fn an_exact_name_comes_before_a_wildcard_and_the_first_serves_the_rest() {
        let all = [
            made("a", &["first.example"]),
            made("b", &["*.shop.example"]),
            made("c", &["www.shop.example", "Shop.Example"]),
        ];
        let certificates = Certificates::new(all.into()).unwrap();
        let found = |host| certificates.find(host).name.as_str();
        assert_eq!(found(Some("www.shop.example")), "c");
        assert_eq!(found(Some("WWW.Shop.Example")), "c");
        assert_eq!(found(Some("shop.example")), "c");
        assert_eq!(found(Some("api.shop.example")), "b");
        assert_eq!(found(Some("a.api.shop.example")), "a", "a wildcard stands for one label");
        assert_eq!(found(Some("api.shop.example.")), "b");
        assert_eq!(found(Some("www.shop.example.")), "c");
        assert_eq!(found(Some("elsewhere.example")), "a");
        assert_eq!(found(None), "a");
        assert!(Certificates::new(Vec::new()).is_none());
    }

    #[test]
    fn a_certificate_is_for_its_names_and_for_one_label_beside_a_wildcard() {
        let names = ["shop.example".to_owned(), "*.api.example".to_owned()];
        for host in ["shop.example", "SHOP.example", "shop.example.", "v1.api.example", "v1.api.example."] {
            assert!(is_for(&names, host.as_bytes()), "{host}");
        }
        for host in ["", "api.example", ".api.example", "a.v1.api.example", "shop.example.org", "192.0.2.1"] {
            assert!(!is_for(&names, host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn of_two_with_the_same_name_the_first_is_shown() {
        let all = vec![made("a", &["x.example"]), made("b", &["y.example"]), made("c", &["y.example"])];
        assert_eq!(Certificates::new(all).unwrap().find(Some("y.example")).name, "b");
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused() {
        let provider = provider();
        let one = rcgen::generate_simple_self_signed(vec!["one.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
        let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let read =
            |chain: &str, key: &str| Certificate::read("a", chain.as_bytes(), key.as_bytes(), &provider);
        assert!(read(&chain, &key).is_ok());
        let of_another = other.signing_key.serialize_pem();
        assert!(read(&chain, &of_another).unwrap_err().starts_with("key and certificate do not fit"));
        assert!(read(&key, &chain).unwrap_err().contains("no certificate in it"));
        assert!(read(&chain[..chain.len() / 2], &key).unwrap_err().contains("cannot be read"));
        assert!(read(&chain, &key[..key.len() / 2]).unwrap_err().contains("the key cannot be read"));
        let unrelated = format!("{chain}{}", other.cert.pem());
        // Both are called the same by default: what makes them differ is the name of their subject.
        let mut named = rcgen::CertificateParams::new(vec!["c.example".to_owned()]).unwrap();
        named.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
        let named = named.self_signed(&other.signing_key).unwrap();
        let disordered = format!("{chain}{}", named.pem());
        assert!(read(&unrelated, &key).is_ok());
        assert!(read(&disordered, &key).unwrap_err().contains("not in order"));
    }
}
