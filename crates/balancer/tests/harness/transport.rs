//! What a connection's bytes go over: TCP, or TLS on it where this end is a server of the test binary `secured`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Whether servers speak TLS, so that cases which were written for plain HTTP are held over TLS as well.
pub(crate) const SECURED: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"secured");

/// A certificate for the address of all servers, and who has signed it.
struct Certificate {
    /// Where the balancer reads who has signed it.
    authority: String,
    config: Arc<ServerConfig>,
}

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let mut asked = CertificateParams::default();
    asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    asked.distinguished_name.push(DnType::CommonName, "who signs for servers under test");
    let authority = CertifiedIssuer::self_signed(asked, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed =
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    // Each process has one of its own; it is overwritten when the number comes again.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("authority-{}.pem", std::process::id()));
    std::fs::write(&file, authority.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key)
        .unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    Certificate { authority: file.to_str().unwrap().to_owned(), config: Arc::new(config) }
});

/// The settings with which the balancer speaks to these servers.
pub(crate) fn settings() -> Vec<(&'static str, &'static str)> {
    if !SECURED {
        return Vec::new();
    }
    // Without optimisation a handshake takes so long that many would be raced, by a connection that no case expects.
    vec![("UPSTREAM_TLS", "on"), ("UPSTREAM_TLS_CA", &CERTIFICATE.authority), ("RACE", "off")]
}

/// How a server speaks: TLS like this, or whatever the case has it say on a connection that is plain.
#[derive(Clone)]
pub(crate) enum Greeting {
    Plain,
    Tls(Arc<ServerConfig>),
}

/// How all servers speak unless a case says otherwise.
pub(crate) fn greeting() -> Greeting {
    if SECURED { Greeting::Tls(CERTIFICATE.config.clone()) } else { Greeting::Plain }
}

/// The two ends of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    CloseNotify,
    Fin,
}

pub(crate) enum Transport {
    Plain(TcpStream),
    Secured(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Transport {
    /// As a server speaks TLS on it, with hands shaken.
    pub(crate) fn secured(mut tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self::Secured(Box::new(StreamOwned::new(tls, tcp))))
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secured(tls) => &tls.sock,
        }
    }

    pub(crate) fn tls(&mut self) -> &mut ServerConnection {
        match self {
            Self::Plain(_) => panic!("it does not speak TLS"),
            Self::Secured(tls) => &mut tls.conn,
        }
    }

    /// Says half of what [`Transport::finish`] says.
    pub(crate) fn part(&mut self, how: Parting) {
        match how {
            Parting::CloseNotify => {
                self.tls().send_close_notify();
                self.flush().unwrap();
            }
            Parting::Fin => self.tcp().shutdown(Shutdown::Write).unwrap(),
        }
    }

    pub(crate) fn set_timeout(&self, time: Duration) {
        self.tcp().set_read_timeout(Some(time)).unwrap();
    }

    /// Says that nothing more will be sent, and that this is no accident.
    pub(crate) fn finish(&mut self) {
        if let Self::Secured(tls) = self {
            tls.conn.send_close_notify();
            // The other side may be gone already.
            let _ = tls.flush().and_then(|()| tls.sock.shutdown(Shutdown::Write));
            return;
        }
        self.tcp().shutdown(Shutdown::Write).unwrap();
    }
}

impl Read for Transport {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(room),
            // The cases know FIN and RST; who has to part with a word is told by those of TLS.
            Self::Secured(tls) => match tls.read(room) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                done => done,
            },
        }
    }
}

impl Write for Transport {
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
