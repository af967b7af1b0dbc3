//! A client that speaks TLS, and the certificates that it trusts.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};

use crate::harness::PATIENCE;

/// As `rcgen` writes it.
macro_rules! moment {
    ($time:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + $time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
    };
}

/// Who signs certificates, and where the balancer finds them.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What is in the files of one certificate, in PEM.
pub(crate) struct Files {
    pub(crate) chain: String,
    pub(crate) key: String,
    serial: u64,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // Each is another: what they sign would else only be told apart by signature.
        let name = format!("who signs for tests, {}", SERIAL.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            directory: tempfile::tempdir().unwrap(),
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The directory that the balancer reads.
    pub(crate) fn path(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The certificate of the authority itself, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.pem.clone()
    }

    /// A certificate for this host.
    pub(crate) fn sign(&self, host: &str) -> Files {
        self.sign_until(host, SystemTime::now() + Duration::from_hours(10_000))
    }

    /// One that ends then.
    pub(crate) fn sign_until(&self, host: &str, ends: SystemTime) -> Files {
        self.sign_between(host, SystemTime::UNIX_EPOCH, ends)
    }

    /// One that holds from then until then.
    pub(crate) fn sign_between(&self, host: &str, begins: SystemTime, ends: SystemTime) -> Files {
        let key = KeyPair::generate().unwrap();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut asked = leaf(host, serial, ends);
        asked.not_before = moment!(begins);
        let certificate = asked.signed_by(&key, &self.issuer).unwrap();
        Files { chain: certificate.pem(), key: key.serialize_pem(), serial }
    }

    /// One for this host that somebody has signed whom this authority has signed, with the certificate of that one.
    pub(crate) fn sign_through(&self, host: &str) -> Files {
        let (between, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "who signs between");
        let signs = params.signed_by(&between, &self.issuer).unwrap();
        let issuer = Issuer::new(params, between);
        let ends = SystemTime::now() + Duration::from_hours(10_000);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let certificate = leaf(host, serial, ends).signed_by(&key, &issuer).unwrap();
        Files { chain: format!("{}{}", certificate.pem(), signs.pem()), key: key.serialize_pem(), serial }
    }

    /// A list that says that these certificates of this authority are revoked. It holds until then.
    pub(crate) fn revoke(&self, revoked: &[&Files], until: SystemTime) -> String {
        let revoked_certs = revoked.iter().map(|files| rcgen::RevokedCertParams {
            serial_number: files.serial.into(),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: moment!(until),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A certificate for this host, in the files of this name, each put there at once.
    pub(crate) fn put(&self, name: &str, host: &str) {
        let Files { chain, key, .. } = self.sign(host);
        self.place(&format!("{name}.key"), key);
        self.place(&format!("{name}.crt"), chain);
    }

    /// Puts this into the file of this name, all of it at once.
    pub(crate) fn place(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.file("new"), content).unwrap();
        fs::rename(self.file("new"), self.file(name)).unwrap();
    }

    /// How a client speaks that trusts this authority. What comes of one configuration resumes what came of it before.
    pub(crate) fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        self.trusted_by(versions, None)
    }

    /// The same of a client that shows a certificate.
    pub(crate) fn trusted_by(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shows: Option<Arc<Shows>>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            Some(shows) => builder.with_client_cert_resolver(shows),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.enable_early_data = true;
        Arc::new(config)
    }
}

fn leaf(host: &str, serial: u64, ends: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.serial_number = Some(serial.into());
    params.not_after = moment!(ends);
    params.distinguished_name.push(rcgen::DnType::CommonName, "for tests");
    params
}

static SERIAL: AtomicU64 = AtomicU64::new(1_000);

impl Files {
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<_, _>>().unwrap()
    }
}

/// What a client shows, which can change while the rest stays.
#[derive(Debug)]
pub(crate) struct Shows(Mutex<Arc<CertifiedKey>>);

impl Shows {
    pub(crate) fn new(files: &Files) -> Arc<Self> {
        Arc::new(Self(Mutex::new(certified(files))))
    }

    pub(crate) fn change(&self, files: &Files) {
        *self.0.lock().unwrap() = certified(files);
    }
}

fn certified(files: &Files) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(CertifiedKey::from_der(files.certificates(), key, &provider).unwrap())
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap().clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A connection that speaks TLS, whose every read and write ends within [`PATIENCE`].
pub(crate) struct Client {
    tls: ClientConnection,
    tcp: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) fn to(address: SocketAddr, config: &Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE)?, config, host)
    }

    /// Shakes hands over this connection.
    pub(crate) fn over(mut tcp: TcpStream, config: &Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        assert!(tls.early_data().is_none(), "no ticket allows early data");
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self { tls, tcp, unread: Vec::new() })
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn tls(&self) -> &ClientConnection {
        &self.tls
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        rustls::Stream::new(&mut self.tls, &mut self.tcp).write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Says that nothing more will come (`close_notify`).
    pub(crate) fn part(&mut self) -> &mut Self {
        self.tls.send_close_notify();
        self.tls.write_tls(&mut self.tcp).unwrap();
        self
    }

    /// Bytes up to and including `end`.
    pub(crate) fn through(&mut self, end: &str) -> String {
        loop {
            let found = self.unread.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                return String::from_utf8(self.unread.drain(..at + end.len()).collect()).unwrap();
            }
            let count = self.read().unwrap();
            assert!(count > 0, "it ended after {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// The next so many bytes.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read().unwrap() > 0, "it ended after {} bytes", self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    /// What comes until the end, and whether that was said, or the connection broke off.
    pub(crate) fn end(&mut self) -> (Vec<u8>, Result<(), ErrorKind>) {
        loop {
            match self.read() {
                Ok(0) => return (std::mem::take(&mut self.unread), Ok(())),
                Ok(_) => {}
                Err(error) => return (std::mem::take(&mut self.unread), Err(error.kind())),
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let count = rustls::Stream::new(&mut self.tls, &mut self.tcp).read(&mut piece)?;
        self.unread.extend_from_slice(&piece[..count]);
        Ok(count)
    }
}
