//! A client that speaks TLS, and the certificates that it trusts.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion};

use crate::harness::PATIENCE;

/// Who signs certificates, and where the balancer finds them.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What is in the files of one certificate, in PEM.
pub(crate) struct Files {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "who signs for tests");
        let certificate = params.self_signed(&key).unwrap();
        Self {
            directory: tempfile::tempdir().unwrap(),
            certificate: certificate.der().clone(),
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

    /// A certificate for this host.
    pub(crate) fn sign(&self, host: &str) -> Files {
        self.sign_until(host, 4096)
    }

    /// One that ends with the beginning of this year.
    pub(crate) fn sign_until(&self, host: &str, year: i32) -> Files {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, "for tests");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Files { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate for this host, in the files of this name, each put there at once.
    pub(crate) fn put(&self, name: &str, host: &str) {
        let Files { chain, key } = self.sign(host);
        for (ending, content) in [("key", key), ("crt", chain)] {
            fs::write(self.file("new"), content).unwrap();
            fs::rename(self.file("new"), self.file(format!("{name}.{ending}"))).unwrap();
        }
    }

    /// How a client speaks that trusts this authority. What comes of one configuration resumes what came of it before.
    pub(crate) fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.enable_early_data = true;
        Arc::new(config)
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
