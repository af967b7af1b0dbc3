//! A client that asks for what no client gets: another handshake within the session that there is (RFC 5246 §7.4.1.2).
//!
//! Rustls never asks for one, so its session only opens the connection. It then hands over its keys, and what is sealed with
//! them from there on is made here.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use rustls::{
    ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite,
    Tls12CipherSuite,
    crypto::{
        aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        cipher::{
            AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundPlainMessage,
        },
    },
};

use crate::stream::Tls;

/// The one that these clients offer.
pub(crate) const SUITE: SupportedCipherSuite = TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;

/// The longest record there is (RFC 5246 §6.2.3).
const LONGEST: usize = (16 << 10) + 2048;

/// A connection over TLS 1.2 that can ask for a renegotiation, and for nothing else.
pub struct Renegotiation {
    tcp: TcpStream,
    seals: Box<dyn MessageEncrypter>,
    opens: Box<dyn MessageDecrypter>,
    /// How many records have been sealed, and opened.
    sealed: u64,
    opened: u64,
}

impl fmt::Debug for Renegotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renegotiation").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl Renegotiation {
    /// Shakes hands once, as everybody does, by a [`Tls::that_tells_its_keys`]. The connection keeps its timeouts.
    pub fn over(mut tcp: TcpStream, tls: &Tls) -> io::Result<Self> {
        let mut session = tls.session()?;
        while session.is_handshaking() || session.wants_write() {
            session.complete_io(&mut tcp)?;
        }
        let (seals, opens, [sealed, opened]) = keys(session)?;
        Ok(Self { tcp, seals, opens, sealed, opened })
    }

    /// Asks for a renegotiation.
    pub fn ask(&mut self) -> io::Result<()> {
        let hello = hello();
        let plain = OutboundPlainMessage {
            typ: ContentType::Handshake,
            version: ProtocolVersion::TLSv1_2,
            payload: (&hello[..]).into(),
        };
        let record = self.seals.encrypt(plain, self.sealed).map_err(io::Error::other)?;
        self.sealed += 1;
        self.tcp.write_all(&record.encode())
    }

    /// The next alert (RFC 5246 §7.2): its level and what it says. `None` where the other side has ended the connection.
    pub fn alert(&mut self) -> io::Result<Option<[u8; 2]>> {
        let mut header = [0; 5];
        if let Err(error) = self.tcp.read_exact(&mut header) {
            let is_end =
                matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
            return if is_end { Ok(None) } else { Err(error) };
        }
        let [kind, _, _, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > LONGEST {
            return Err(io::Error::other("a record is longer than one may be"));
        }
        let mut content = vec![0; length];
        self.tcp.read_exact(&mut content)?;
        let sealed = InboundOpaqueMessage::new(kind.into(), ProtocolVersion::TLSv1_2, &mut content);
        let plain = self.opens.decrypt(sealed, self.opened).map_err(io::Error::other)?;
        self.opened += 1;
        match (plain.typ, plain.payload) {
            (ContentType::Alert, &[level, what]) => Ok(Some([level, what])),
            _ => Err(io::Error::other("something else than an alert was answered")),
        }
    }

    /// Whether the other side ends the connection, whatever it says before.
    pub fn is_ended(&mut self) -> bool {
        loop {
            match self.alert() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

type Keys = (Box<dyn MessageEncrypter>, Box<dyn MessageDecrypter>, [u64; 2]);

fn keys(session: ClientConnection) -> io::Result<Keys> {
    let secrets = session.dangerous_extract_secrets().map_err(io::Error::other)?;
    let ((sealed, seals), (opened, opens)) = (secrets.tx, secrets.rx);
    let (sealing, at_sealing) = chacha(seals)?;
    let (opening, at_opening) = chacha(opens)?;
    let algorithm = suite()?.aead_alg;
    let seals = algorithm.encrypter(sealing, at_sealing.as_ref(), &[]);
    let opens = algorithm.decrypter(opening, at_opening.as_ref());
    Ok((seals, opens, [sealed, opened]))
}

fn chacha(secrets: ConnectionTrafficSecrets) -> io::Result<(AeadKey, Iv)> {
    match secrets {
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(io::Error::other("another suite was chosen than the one that was offered")),
    }
}

fn suite() -> io::Result<&'static Tls12CipherSuite> {
    match SUITE {
        SupportedCipherSuite::Tls12(suite) => Ok(suite),
        SupportedCipherSuite::Tls13(_) => Err(io::Error::other("TLS 1.3 has no renegotiation")),
    }
}

/// A `ClientHello` (RFC 5246 §7.4.1.2) that says that it is not the first one (RFC 5746 §3.5). What proves it is nobody's: a side
/// that compares has taken the request up.
fn hello() -> Vec<u8> {
    let suite = u16::from(SUITE.suite()).to_be_bytes();
    let body =
        [&b"\x03\x03"[..], &[b'r'; 32], b"\0\0\x02", &suite, b"\x01\0\0\x11\xff\x01\0\x0d\x0c", &[b'v'; 12]];
    let body = body.concat();
    [&b"\x01\0\0"[..], &[body.len() as u8], &body].concat()
}
