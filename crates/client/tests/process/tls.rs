//! Targets over TLS: who is trusted, what the report says of handshakes, and what is said where there is none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;

use crate::origin::{Origin, Reply};
use crate::{client, finished};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.crt"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn sign(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }
}

impl Pair {
    /// Puts both into this directory.
    fn write(&self, directory: &Path) -> [PathBuf; 2] {
        let files = ["own.crt", "own.key"].map(|name| directory.join(name));
        fs::write(&files[0], self.certificate.pem()).unwrap();
        fs::write(&files[1], self.key.serialize_pem()).unwrap();
        files
    }
}

fn serving(pair: &Pair, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
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

/// An origin that shows this certificate.
fn origin(pair: &Pair, clients: Option<&Authority>) -> Origin {
    let serving = serving(pair, clients);
    Origin::start_secure(move |_| Arc::clone(&serving), |_| Reply::whole(200, "", b"hello"))
}

/// Runs the client over TLS, trusting `authority`: what it printed, its exit status and its report, where there is one.
fn run(origin: &Origin, authority: &Authority, variables: &[(&str, &str)]) -> (String, i32, Value) {
    let report = authority.directory.path().join("report.json");
    let mut command = client(&format!("https://{}", origin.address), variables);
    command.env("CLIENT_TLS_CA", authority.file()).env("CLIENT_REPORT_JSON", &report);
    let (text, status) = finished(&evenkeel_stage::output(&mut command));
    let report = fs::read(report).ok().and_then(|report| serde_json::from_slice(&report).ok());
    (text, status, report.unwrap_or_default())
}

#[test]
fn requests_over_tls_are_verified_like_others_and_handshakes_are_reported() {
    let authority = Authority::new("ours");
    let origin = origin(&authority.sign("127.0.0.1", |_| {}), None);
    let variables = [("CLIENT_REQUESTS", "40"), ("CLIENT_CONCURRENCY", "1")];
    let (text, status, report) = run(&origin, &authority, &variables);
    assert_eq!(status, 0, "{text}");
    let target = format!("https://{}", origin.address);
    assert!(text.contains(&target) && text.contains("1 handshakes of TLS 1.3"), "{text}");
    let run_report = &report["runs"][0];
    assert_eq!(run_report["target"], target.as_str());
    let kept = &run_report["handshakes"];
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
    assert_eq!((&kept[0]["version"], &kept[0]["resumed"]), (&"TLS 1.3".into(), &false.into()));
    assert_eq!(kept[0]["count"], 1);
    assert!(kept[0]["p50_ms"].as_f64().unwrap() > 0.0, "{kept}");

    let fresh = [("CLIENT_CONNECTIONS", "fresh"), variables[0], variables[1]];
    let (text, status, report) = run(&origin, &authority, &fresh);
    assert_eq!(status, 0, "{text}");
    let counts = |report: &Value| -> Vec<(bool, u64)> {
        let handshakes = report["runs"][0]["handshakes"].as_array().unwrap();
        let one = |one: &Value| (one["resumed"].as_bool().unwrap(), one["count"].as_u64().unwrap());
        handshakes.iter().map(one).collect()
    };
    assert_eq!(counts(&report), [(false, 1), (true, 39)], "{text}");
    assert!(text.contains("39 resumptions of TLS 1.3") && text.contains("TLS 1.3, resumed"), "{text}");

    let anew = [fresh.as_slice(), &[("CLIENT_TLS_RESUME", "off")]].concat();
    let (text, _, report) = run(&origin, &authority, &anew);
    assert_eq!(counts(&report), [(false, 40)], "{text}");
}

#[test]
fn a_certificate_that_cannot_be_trusted_ends_the_waiting_at_once_and_says_what_to_do() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    for (pair, clients, expected) in [
        (
            theirs.sign("127.0.0.1", |_| {}),
            None,
            "signed by nobody who is trusted; give the certificate of the authority",
        ),
        (ours.sign("balancer", |_| {}), None, "for other names: balancer; write one of the names"),
        (ours.sign("127.0.0.1", expired), None, "has expired; have it renewed"),
        (
            ours.sign("127.0.0.1", |_| {}),
            Some(&ours),
            "it wants a client certificate; give one with its key in CLIENT_TLS",
        ),
    ] {
        let (text, status, report) = run(&origin(&pair, clients), &ours, &[]);
        assert_eq!((status, &report), (69, &Value::Null), "{text}");
        assert!(
            text.contains("the target cannot be asked: https://127.0.0.1") && text.contains(expected),
            "{text}"
        );
    }
}

#[test]
fn a_port_at_which_no_tls_is_spoken_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("https://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let mut command = client(&target, &[]);
    let authority = Authority::new("ours");
    command.env("CLIENT_TLS_CA", authority.file());
    let (text, status) = finished(&evenkeel_stage::output(&mut command));
    answering.join().unwrap();
    assert!(status == 69 && text.contains("is not TLS; look at the port"), "{text}");
}

#[test]
fn a_certificate_of_ones_own_is_shown_to_a_target_that_asks_for_one() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let origin = origin(&ours.sign("127.0.0.1", |_| {}), Some(&ours));
    let showing = |pair: &Pair| {
        let directory = tempfile::tempdir().unwrap();
        let [chain, key] = pair.write(directory.path()).map(|file| file.to_str().unwrap().to_owned());
        let variables =
            [("CLIENT_REQUESTS", "5"), ("CLIENT_TLS_CERTIFICATE", &*chain), ("CLIENT_TLS_KEY", &*key)];
        let (text, status, _) = run(&origin, &ours, &variables);
        (text, status)
    };
    let (text, status) = showing(&ours.sign("me", |_| {}));
    assert_eq!(status, 0, "{text}");
    let (text, status) = showing(&theirs.sign("me", |_| {}));
    assert_eq!(status, 69, "{text}");
    assert!(text.contains("it refuses the client certificate"), "{text}");
    assert!(text.contains("signed by an authority that the target trusts"), "{text}");
}

#[test]
fn a_certificate_that_goes_bad_in_a_run_is_a_failure_of_its_own_kind() {
    let ours = Authority::new("ours");
    let good = serving(&ours.sign("127.0.0.1", |_| {}), None);
    let bad = ours.sign("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let bad = serving(&bad, None);
    // The first connection asks whether it is ready, the second is the first of the run.
    let each = move |connection| Arc::clone(if connection < 2 { &good } else { &bad });
    let origin = Origin::start_secure(each, |_| Reply::whole(200, "", b"hello"));
    let variables = [
        ("CLIENT_REQUESTS", "3"),
        ("CLIENT_CONCURRENCY", "1"),
        ("CLIENT_CONNECTIONS", "fresh"),
        ("CLIENT_TLS_RESUME", "off"),
    ];
    let (text, status, report) = run(&origin, &ours, &variables);
    assert_eq!(status, 1, "{text}");
    let failures = &report["runs"][0]["failures"];
    assert_eq!(failures.as_array().unwrap().len(), 1, "{failures}");
    let failure = &failures[0];
    assert_eq!((&failure["kind"], &failure["phase"]), (&"certificate expired".into(), &"handshake".into()));
    assert_eq!(failure["count"], 2);
    assert!(text.contains("certificate expired after ") && text.contains("have it renewed"), "{text}");
}

#[test]
fn a_body_that_ends_without_a_word_of_parting_is_cut_off() {
    let ours = Authority::new("ours");
    let good = serving(&ours.sign("127.0.0.1", |_| {}), None);
    let cut = |_: &_| Reply::Close(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nnot all".to_vec());
    let origin = Origin::start_secure(move |_| Arc::clone(&good), cut);
    let (text, status, report) = run(&origin, &ours, &[("CLIENT_REQUESTS", "1")]);
    assert_eq!(status, 1, "{text}");
    assert_eq!(report["runs"][0]["failures"][0]["kind"], "truncated body");
}
