//! Both ends of TLS over real sockets: who is trusted, what is remembered, and what an idle connection has to say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_message::Method;
use evenkeel_wire::{
    ClientConnection, ConnectError, Handshake, Idleness, ResponseFailure, Stream, TlsClient, TlsFailure,
    TlsName, Untrusted, connect_securely,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;

/// Long enough for a busy machine; a test that waits for it fails anyway.
const PATIENCE: Duration = Duration::from_secs(30);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

type Server = StreamOwned<ServerConnection, TcpStream>;

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn trusting(&self) -> TlsClient {
        TlsClient::new(self.pem().as_bytes(), None, true).unwrap()
    }
}

/// A server's TLS, which asks for certificates of `clients` where that is given.
fn serving(
    pair: &Pair,
    clients: Option<&Authority>,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(pair.key.serialize_der()).unwrap();
    let mut configuration = builder.with_single_cert(vec![pair.certificate.der().clone()], key).unwrap();
    configuration.session_storage = Arc::new(NoServerSessionStorage {});
    configuration.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(configuration)
}

/// A server that takes one connection after the other and does `each` with it.
fn serve(
    configuration: Arc<ServerConfig>,
    connections: usize,
    each: impl Fn(&mut Server) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        for _ in 0..connections {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut server =
                StreamOwned::new(ServerConnection::new(Arc::clone(&configuration)).unwrap(), socket);
            each(&mut server);
        }
    });
    (address, serving)
}

/// Reads one request's head; `None` where none comes.
fn head(server: &mut Server) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        server.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    Some(head)
}

/// Answers one request after the other until the client ends.
fn answer_all(server: &mut Server) {
    while head(server).is_some() {
        if server.write_all(ANSWER).is_err() {
            return;
        }
    }
}

fn name(name: &str) -> TlsName {
    TlsName::new(name).unwrap()
}

async fn connected(address: SocketAddr, client: &TlsClient, host: &str) -> (Stream, Handshake) {
    connect_securely(address, client, &name(host), PATIENCE).await.unwrap()
}

async fn refused(address: SocketAddr, client: &TlsClient, host: &str) -> TlsFailure {
    match connect_securely(address, client, &name(host), PATIENCE).await {
        Err(ConnectError::Tls(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

async fn get(connection: &mut ClientConnection) -> Result<Vec<u8>, ResponseFailure> {
    // What comes of the sending shows itself in the answer.
    let _ = connection.send(Method::Get, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", b"").await;
    connection.response().await?;
    let mut body = Vec::new();
    connection.rest(&mut body, 1024).await?;
    Ok(body)
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_the_next_goes_on_from_it() {
    let authority = Authority::new("ours");
    let pair = authority.sign(&["a.example", "127.0.0.1"], |_| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let is_tls13 = version.version == rustls::ProtocolVersion::TLSv1_3;
        let (address, server) = serve(serving(&pair, None, version), 7, answer_all);
        let client = authority.trusting();
        let exchange = async |client: &TlsClient, host| {
            let (stream, handshake) = connected(address, client, host).await;
            let mut connection = ClientConnection::new(stream);
            for _ in 0..3 {
                assert_eq!(get(&mut connection).await.unwrap(), b"ok");
                assert!(connection.reusable());
            }
            handshake
        };
        let first = exchange(&client, "a.example").await;
        assert_eq!(first, Handshake { is_tls13, is_resumed: false });
        let second = exchange(&client, "a.example").await;
        assert_eq!(second, Handshake { is_tls13, is_resumed: true });
        assert!(!exchange(&client.apart(), "a.example").await.is_resumed, "it remembers for itself");
        let forgetful = TlsClient::new(authority.pem().as_bytes(), None, false).unwrap();
        for client in [&forgetful, &forgetful.apart()] {
            for _ in 0..2 {
                assert!(!exchange(client, "127.0.0.1").await.is_resumed);
            }
        }
        server.join().unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_says_why() {
    let ours = Authority::new("ours");
    let client = ours.trusting();
    let theirs = Authority::new("theirs").sign(&["a.example"], |_| {});
    let other = ours.sign(&["b.example", "*.c.example", "10.0.0.1"], |_| {});
    let expired = ours.sign(&["a.example"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = ours.sign(&["a.example"], |params| params.not_before = date_time_ymd(2090, 1, 1));
    let for_clients = ours.sign(&["a.example"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let names = ["b.example", "*.c.example", "10.0.0.1"].map(str::to_owned).to_vec();
    for (pair, expected) in [
        (&theirs, Some(TlsFailure::UnknownAuthority)),
        (&other, Some(TlsFailure::WrongName(names))),
        (&expired, Some(TlsFailure::Expired)),
        (&early, Some(TlsFailure::NotYetValid)),
        (&for_clients, None),
    ] {
        let (address, server) = serve(serving(pair, None, &rustls::version::TLS13), 1, answer_all);
        let failure = refused(address, &client, "a.example").await;
        server.join().unwrap();
        assert!(failure.is_about_the_server(), "{failure}");
        match expected {
            Some(expected) => assert_eq!(failure, expected),
            None => assert!(matches!(failure, TlsFailure::Untrusted(_)), "{failure:?}"),
        }
    }
}

#[tokio::test]
async fn who_has_no_certificate_where_one_is_wanted_is_told_so_with_either_version() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let pair = ours.sign(&["a.example"], |_| {});
    let trusting = |own: Option<&Pair>| {
        let own = own.map(|own| (own.certificate.pem(), own.key.serialize_pem()));
        let pair = own.as_ref().map(|(chain, key)| (chain.as_bytes(), key.as_bytes()));
        TlsClient::new(ours.pem().as_bytes(), pair, true).unwrap()
    };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (address, server) = serve(serving(&pair, Some(&ours), version), 3, answer_all);
        let exchange =
            async |client: TlsClient| match connect_securely(address, &client, &name("a.example"), PATIENCE)
                .await
            {
                Ok((stream, _)) => match get(&mut ClientConnection::new(stream)).await {
                    Ok(_) => None,
                    Err(ResponseFailure::Tls(failure)) => Some(failure),
                    Err(other) => panic!("{other:?}"),
                },
                Err(ConnectError::Tls(failure)) => Some(failure),
                Err(other) => panic!("{other:?}"),
            };
        assert_eq!(exchange(trusting(Some(&ours.sign(&["me"], |_| {})))).await, None);
        let none = exchange(trusting(None)).await.unwrap();
        // TLS 1.2 has no word for it.
        assert!(matches!(none, TlsFailure::CertificateRequired | TlsFailure::Refused(_)), "{none:?}");
        let unknown = exchange(trusting(Some(&theirs.sign(&["me"], |_| {})))).await.unwrap();
        assert!(matches!(unknown, TlsFailure::CertificateRefused(_)), "{unknown:?}");
        server.join().unwrap();
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_goes_away_is_told_apart() {
    let client = Authority::new("ours").trusting();
    let failure = async |what: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 4096]).unwrap();
            socket.write_all(what).unwrap();
        });
        let failure = refused(address, &client, "a.example").await;
        server.join().unwrap();
        failure
    };
    assert_eq!(failure(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, TlsFailure::NotTls);
    assert_eq!(failure(b"").await, TlsFailure::CutOff);
}

#[tokio::test]
async fn a_handshake_that_never_answers_is_over_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Authority::new("ours").trusting();
    let (address, little) = (listener.local_addr().unwrap(), Duration::from_millis(50));
    let opened = connect_securely(address, &client, &name("a.example"), little).await;
    assert!(matches!(opened, Err(ConnectError::Unanswered)), "{opened:?}");
}

/// Waits until the socket has something, then asks.
async fn once_disturbed(stream: &mut Stream) -> Idleness {
    tokio::time::timeout(PATIENCE, poll_fn(|cx| stream.poll_disturbed(cx))).await.unwrap();
    stream.idleness()
}

#[tokio::test]
async fn tickets_leave_an_idle_connection_quiet_and_data_does_not() {
    let authority = Authority::new("ours");
    let pair = authority.sign(&["a.example"], |_| {});
    let (say, told) = std::sync::mpsc::channel::<&[u8]>();
    let (sent, tickets) = std::sync::mpsc::channel();
    let (address, server) = serve(serving(&pair, None, &rustls::version::TLS13), 1, move |server| {
        // Tickets are sent with the end of the handshake, before anything is asked.
        server.conn.complete_io(&mut server.sock).unwrap();
        sent.send(()).unwrap();
        server.write_all(told.recv().unwrap()).unwrap();
        let _ = told.recv();
    });
    let (mut stream, _) = connected(address, &authority.trusting(), "a.example").await;
    tickets.recv().unwrap();
    let disturbed = poll_fn(|cx| stream.poll_disturbed(cx));
    assert!(tokio::time::timeout(Duration::from_millis(200), disturbed).await.is_err(), "tickets disturb");
    assert_eq!(stream.idleness_now(), Idleness::Quiet);
    say.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
    let mut found = Idleness::Quiet;
    while found == Idleness::Quiet {
        found = once_disturbed(&mut stream).await;
    }
    assert_eq!((found, stream.idleness_now()), (Idleness::Unasked, Idleness::Unasked));
    drop(say);
    server.join().unwrap();
}

#[tokio::test]
async fn an_idle_connection_that_ends_is_closed_with_a_word_or_without() {
    let authority = Authority::new("ours");
    let pair = authority.sign(&["a.example"], |_| {});
    for with_a_word in [true, false] {
        let (address, server) = serve(serving(&pair, None, &rustls::version::TLS13), 1, move |server| {
            server.conn.complete_io(&mut server.sock).unwrap();
            if with_a_word {
                server.conn.send_close_notify();
                server.conn.complete_io(&mut server.sock).unwrap();
            }
        });
        let (mut stream, _) = connected(address, &authority.trusting(), "a.example").await;
        server.join().unwrap();
        let mut found = Idleness::Quiet;
        while found == Idleness::Quiet {
            found = stream.idleness_now();
        }
        assert_eq!(found, Idleness::Closed);
        assert_eq!(stream.idleness(), Idleness::Closed);
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_whole_only_with_a_word_of_parting() {
    let authority = Authority::new("ours");
    let pair = authority.sign(&["a.example"], |_| {});
    for with_a_word in [true, false] {
        let (address, server) = serve(serving(&pair, None, &rustls::version::TLS13), 1, move |server| {
            head(server).unwrap();
            server.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it").unwrap();
            if with_a_word {
                server.conn.send_close_notify();
                server.flush().unwrap();
            }
        });
        let (stream, _) = connected(address, &authority.trusting(), "a.example").await;
        let body = get(&mut ClientConnection::new(stream)).await;
        server.join().unwrap();
        match body {
            Ok(body) => assert!(with_a_word && body == b"all of it"),
            Err(failure) => {
                assert!(!with_a_word && matches!(failure, ResponseFailure::Truncated), "{failure:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_used_says_which_of_them_it_is() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.sign(&["one"], |_| {}), authority.sign(&["other"], |_| {}));
    let ca = authority.pem();
    let no_authority = TlsClient::new(b"", None, true).unwrap_err();
    assert_eq!(no_authority, Untrusted::Authorities("there is no certificate in it: it is empty".into()));
    let (chain, key) = (one.certificate.pem(), other.key.serialize_pem());
    let no_pair = TlsClient::new(ca.as_bytes(), Some((chain.as_bytes(), key.as_bytes())), true).unwrap_err();
    assert!(matches!(&no_pair, Untrusted::Pair(why) if why.contains("do not fit")), "{no_pair}");
    assert_eq!(TlsName::new("::1").unwrap().to_string(), "::1");
    assert_eq!(TlsName::new("a.example."), TlsName::new("a.example"));
    assert_eq!(TlsName::new("a b"), None);
}
