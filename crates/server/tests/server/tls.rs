//! The traffic port over TLS, asked by a client that speaks it, and the settings that cannot be served with.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use evenkeel_stage::PATIENCE;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;

use crate::{process::Server, process::command, wire::Connection};

type Stream = StreamOwned<ClientConnection, TcpStream>;

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A directory with an authority (`ca.crt`), a pair for the server and one for a client.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(directory.path().join("ca.crt"), authority.pem()).unwrap();
        for name in ["server", "client"] {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            fs::write(directory.path().join(name).with_extension("key"), key.serialize_pem()).unwrap();
            let signed = params.signed_by(&key, &authority).unwrap();
            fs::write(directory.path().join(name).with_extension("crt"), signed.pem()).unwrap();
        }
        Self(directory)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }

    fn serve(&self, further: &[(&str, &str)]) -> Server {
        let (certificate, key) = (self.text("server.crt"), self.text("server.key"));
        let pair = [("SERVER_TLS_CERTIFICATE", certificate.as_str()), ("SERVER_TLS_KEY", key.as_str())];
        Server::start(&[&pair, further].concat())
    }

    /// A client that trusts the authority and, when `shows`, has a certificate of it.
    fn client(&self, versions: &[&'static SupportedProtocolVersion], shows: bool) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.crt")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let mut config = if shows {
            let chain = vec![CertificateDer::from_pem_file(self.path("client.crt")).unwrap()];
            let key = PrivateKeyDer::from_pem_file(self.path("client.key")).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        } else {
            config.with_no_client_auth()
        };
        // HTTP/2 is asked for first, and not to be had.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), "server".try_into().unwrap()).unwrap(), socket)
}

/// The head of the answer and as much of the body as its length says; an error where the connection ends before.
fn ask(stream: &mut Stream, request: &str) -> io::Result<(String, Vec<u8>)> {
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

#[test]
fn both_versions_are_spoken_and_a_connection_is_kept() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[]);
    for (version, named) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut stream = connect(server.traffic, &certificates.client(&[version], false));
        for _ in 0..3 {
            let (head, body) = ask(&mut stream, REQUEST).unwrap();
            assert!(head.starts_with("http/1.1 200") && head.contains("x-server: alpha"), "{head}");
            assert!(!body.is_empty());
        }
        assert_eq!(stream.conn.protocol_version(), Some(named));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn a_large_body_comes_whole_and_goes_whole() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[]);
    let mut stream = connect(server.traffic, &certificates.client(&[&TLS13], false));
    let (_, body) = ask(&mut stream, "GET /bytes/3000000 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(body.len(), 3_000_000);
    let sent = "x".repeat(200_000);
    let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{sent}", sent.len());
    let (head, echoed) = ask(&mut stream, &request).unwrap();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(echoed == sent.as_bytes());
}

#[test]
fn the_traffic_port_is_tls_alone_and_the_admin_port_plain() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[]);
    let mut plain = TcpStream::connect(server.traffic).unwrap();
    plain.write_all(REQUEST.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // An alert, and the end: no answer in plain HTTP.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let ready = Connection::open(server.admin).ask("GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(ready.status, 200);
}

#[test]
fn a_session_is_resumed_whichever_worker_takes_it() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[("SERVER_WORKERS", "2")]);
    for version in [&TLS12, &TLS13] {
        let config = certificates.client(&[version], false);
        // Workers take turns, so both have been there.
        let kinds: Vec<_> = (0..4)
            .map(|_| {
                let mut stream = connect(server.traffic, &config);
                ask(&mut stream, REQUEST).unwrap();
                stream.conn.handshake_kind().unwrap()
            })
            .collect();
        assert!(kinds[0] != HandshakeKind::Resumed, "{kinds:?}");
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 3]);
    }
}

#[test]
fn with_an_authority_for_clients_only_those_who_show_its_certificate_are_served() {
    let certificates = Certificates::new();
    let authority = certificates.text("ca.crt");
    let server = certificates.serve(&[("SERVER_TLS_CLIENT_CA", &authority)]);
    for version in [&TLS12, &TLS13] {
        let mut stream = connect(server.traffic, &certificates.client(&[version], true));
        assert!(ask(&mut stream, REQUEST).unwrap().0.starts_with("http/1.1 200"));
        assert!(ask(&mut connect(server.traffic, &certificates.client(&[version], false)), REQUEST).is_err());
        // Of another authority with the same name.
        let stranger = Certificates::new();
        fs::copy(certificates.path("ca.crt"), stranger.path("ca.crt")).unwrap();
        assert!(ask(&mut connect(server.traffic, &stranger.client(&[version], true)), REQUEST).is_err());
    }
}

#[test]
fn who_does_not_finish_the_handshake_is_cut_off_and_in_nobodys_way() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[("SERVER_HEAD_TIMEOUT", "1s"), ("SERVER_WORKERS", "1")]);
    let mut halves: Vec<_> = (0..50)
        .map(|_| {
            let mut socket = TcpStream::connect(server.traffic).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            // The beginning of a record that holds a ClientHello.
            socket.write_all(&[22, 3, 1, 1, 0, 1]).unwrap();
            socket
        })
        .collect();
    let mut stream = connect(server.traffic, &certificates.client(&[&TLS13], false));
    assert!(ask(&mut stream, REQUEST).unwrap().0.starts_with("http/1.1 200"));
    for socket in &mut halves {
        let mut rest = Vec::new();
        // By FIN or by RST; a timeout would be an error of another kind.
        match socket.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn a_fault_that_cuts_an_answer_off_cuts_it_off_under_tls_too() {
    let certificates = Certificates::new();
    for fault in ["reset", "truncate"] {
        let server = certificates.serve(&[("SERVER_FAULTS", fault)]);
        let mut stream = connect(server.traffic, &certificates.client(&[&TLS13], false));
        let error = ask(&mut stream, "GET /bytes/100000 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap_err();
        let expected = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(expected.contains(&error.kind()), "{fault}: {error}");
    }
}

#[test]
fn a_request_under_way_is_finished_when_the_server_leaves() {
    let certificates = Certificates::new();
    let server = certificates.serve(&[("SERVER_LEAVE_AFTER", "10ms"), ("SERVER_FINISH_WITHIN", "30s")]);
    let config = certificates.client(&[&TLS13], false);
    let mut idle = connect(server.traffic, &config);
    ask(&mut idle, REQUEST).unwrap();
    let mut stream = connect(server.traffic, &config);
    stream
        .write_all(b"GET /delay/1s HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    // It has begun once this is there.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal(Signal::TERM);
    let (head, _) = ask(&mut stream, "").unwrap();
    assert!(head.starts_with("http/1.1 2"), "{head}");
    assert!(server.wait().success());
}

#[test]
fn what_cannot_be_served_with_is_said_by_the_name_of_its_variable() {
    let certificates = Certificates::new();
    let write = |name: &str, text: &str| fs::write(certificates.path(name), text).unwrap();
    write("empty.crt", "nothing of the kind\n");
    let whole = fs::read_to_string(certificates.path("server.crt")).unwrap();
    write("half.crt", &whole[..whole.len() / 2]);
    write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n");
    for (certificate, key, authority, said) in [
        ("server.crt", "client.key", "", "SERVER_TLS_KEY: is not the key of the first certificate"),
        ("server.crt", "", "", "SERVER_TLS_KEY: is required with SERVER_TLS_CERTIFICATE"),
        ("", "server.key", "", "SERVER_TLS_CERTIFICATE: is required with SERVER_TLS_KEY"),
        ("", "", "ca.crt", "SERVER_TLS_CERTIFICATE: is required with SERVER_TLS_CLIENT_CA"),
        ("nowhere.crt", "server.key", "", "nowhere.crt does not exist; give the path of a file"),
        ("empty.crt", "server.key", "", "SERVER_TLS_CERTIFICATE: names a file without a certificate"),
        ("half.crt", "server.key", "", "SERVER_TLS_CERTIFICATE: names a file that is no PEM"),
        ("server.crt", "server.crt", "", "SERVER_TLS_KEY: names a file without a private key"),
        ("server.crt", "locked.key", "", "SERVER_TLS_KEY: names a key with a passphrase"),
        ("server.crt", "server.key", "empty.crt", "SERVER_TLS_CLIENT_CA: names a file without a certificate"),
    ] {
        let mut command = command();
        command.arg("--check");
        for (variable, file) in [
            ("SERVER_TLS_CERTIFICATE", certificate),
            ("SERVER_TLS_KEY", key),
            ("SERVER_TLS_CLIENT_CA", authority),
        ] {
            if !file.is_empty() {
                command.env(variable, certificates.path(Path::new(file).to_str().unwrap()));
            }
        }
        let output = command.output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}: {complaint}");
        assert!(complaint.contains(said), "{complaint}");
    }
}
