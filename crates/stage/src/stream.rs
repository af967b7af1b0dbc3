//! What a client's bytes go over: TCP, or TLS on it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version,
};

use crate::renegotiation::SUITE;

/// Longer than any deadline of the set: a wait that long is a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Whom to believe over TLS. Clones resume one another's sessions.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// A server of this name whose certificate is signed by the authority in this PEM.
    pub fn new(authority: &[u8], name: &str) -> io::Result<Self> {
        Self::with(aws_lc_rs::default_provider(), rustls::DEFAULT_VERSIONS, authority, name)
    }

    /// The same for a [`Renegotiation`](crate::Renegotiation), over TLS 1.2.
    pub fn that_tells_its_keys(authority: &[u8], name: &str) -> io::Result<Self> {
        let provider = CryptoProvider { cipher_suites: vec![SUITE], ..aws_lc_rs::default_provider() };
        let mut tls = Self::with(provider, &[&version::TLS12], authority, name)?;
        Arc::make_mut(&mut tls.config).enable_secret_extraction = true;
        Ok(tls)
    }

    fn with(
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        authority: &[u8],
        name: &str,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority).map_err(io::Error::other)?;
        roots.add(authority).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Self { config: Arc::new(config), name })
    }

    pub(crate) fn session(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(self.config.clone(), self.name.clone()).map_err(io::Error::other)
    }
}

/// A connection's bytes. Over TLS its end counts only when it was said (`close_notify`).
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them at once")]
pub enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Over TLS.
    Secured(StreamOwned<ClientConnection, TcpStream>),
}

impl Stream {
    /// Opens one if connecting takes no longer than `patience`, and shakes hands where TLS is wanted.
    pub fn open(address: SocketAddr, patience: Duration, tls: Option<&Tls>) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, patience)?, tls)
    }

    /// The same over a connection that is open.
    pub fn over(mut tcp: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let Some(tls) = tls else { return Ok(Self::Plain(tcp)) };
        let mut session = tls.session()?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Self::Secured(StreamOwned::new(session, tcp)))
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(room),
            Self::Secured(tls) => tls.read(room).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it ended without close_notify"),
                _ => error,
            }),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Secured(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Secured(tls) => tls.flush(),
        }
    }
}
