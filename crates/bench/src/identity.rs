//! The certificate that all show: the same for everyone, ECDSA over P-256, made for this run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Result;

/// The only cipher suite of the rows over TLS, as OpenSSL calls it.
pub(crate) const SUITE: &str = "TLS_AES_128_GCM_SHA256";
/// The only group of keys of the rows over TLS, as OpenSSL calls it.
pub(crate) const GROUP: &str = "X25519";

/// Files with one certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Where certificate and key stand by themselves, and nothing else.
    pub(crate) directory: PathBuf,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Both in one file.
    pub(crate) both: PathBuf,
}

impl Identity {
    /// Makes one, for this machine alone.
    pub(crate) fn make(scratch: &Path) -> Result<Self> {
        let directory = scratch.join("certificates");
        fs::create_dir_all(&directory)?;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = Self {
            certificate: directory.join("bench.crt"),
            key: directory.join("bench.key"),
            both: scratch.join("bench.pem"),
            directory,
        };
        fs::write(&identity.certificate, &certificate)?;
        fs::write(&identity.key, &key)?;
        fs::write(&identity.both, certificate + &key)?;
        Ok(identity)
    }
}
