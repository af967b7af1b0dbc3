//! The program as it is called, and what it writes judged by a TLS handshake.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

fn run(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certificates")).args(arguments).current_dir(directory).output().unwrap()
}

fn made(arguments: &[&str], directory: &Path) {
    let output = run(arguments, directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_and_a_client_of_the_authority_believe_each_other_under_every_name() {
    let directory = tempfile::tempdir().unwrap();
    made(&["certs"], directory.path());
    let certs = directory.path().join("certs");
    for name in ["server", "localhost", "127.0.0.1", "::1"] {
        handshake(&certs, "server", &certs, name).unwrap();
    }
    let error = handshake(&certs, "server", &certs, "balancer").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
    handshake(&certs, "balancer", &certs, "balancer").unwrap();
}

#[test]
fn a_second_run_keeps_the_authority_and_renews_what_it_signs() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["authority/ca.key", "ca.crt", "api.example.key", "api.example.crt"];
    let read = || names.map(|name| fs::read_to_string(directory.path().join(name)).unwrap());
    made(&[".", "api.example"], directory.path());
    let before = read();
    made(&[".", "api.example"], directory.path());
    let after = read();
    assert_eq!(before[..2], after[..2]);
    assert!(before[2] != after[2] && before[3] != after[3]);
    handshake(directory.path(), "api.example", directory.path(), "api.example").unwrap();
}

#[test]
fn another_authority_is_not_believed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(&["."], one.path());
    made(&["."], other.path());
    let error = handshake(one.path(), "server", other.path(), "server").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn keys_are_the_owners_alone_and_nothing_is_left_beside() {
    let directory = tempfile::tempdir().unwrap();
    made(&[".", "one"], directory.path());
    // What an interrupted run has left, open to all.
    fs::write(directory.path().join(".one.key.new"), "half").unwrap();
    made(&[".", "one"], directory.path());
    let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("one.key"), 0o600);
    assert_eq!(mode("authority/ca.key"), 0o600);
    assert_eq!(mode("authority"), 0o700);
    let mut found: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, ["authority", "ca.crt", "one.crt", "one.key"]);
}

#[test]
fn an_authority_of_which_half_is_missing_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    made(&["."], directory.path());
    let certificate = fs::read(directory.path().join("ca.crt")).unwrap();
    fs::remove_dir_all(directory.path().join("authority")).unwrap();
    let output = run(&["."], directory.path());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("authority/ca.key is not; bring it back"), "{said}");
    assert_eq!(fs::read(directory.path().join("ca.crt")).unwrap(), certificate);
}

#[test]
fn days_are_how_long_it_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    made(&["--days", "3", ".", "one"], directory.path());
    let lasts = |days: u64| {
        let now = rustls_pki_types::UnixTime::now().as_secs() + days * 24 * 60 * 60;
        let roots = roots(directory.path());
        let verifier = rustls::client::WebPkiServerVerifier::builder(Arc::new(roots)).build().unwrap();
        let chain = chain(directory.path(), "one");
        let now = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
        rustls::client::danger::ServerCertVerifier::verify_server_cert(
            &*verifier,
            &chain[0],
            &[],
            &"one".try_into().unwrap(),
            &[],
            now,
        )
    };
    assert!(lasts(2).is_ok());
    assert!(lasts(4).is_err());
}

#[test]
fn who_calls_it_wrongly_is_told_how() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["certs", "../outside"], directory.path());
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`../outside` is no name of a host"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let help = run(&["--help"], directory.path());
    assert!(
        help.status.success() && String::from_utf8(help.stdout).unwrap().contains("[--days N] DIRECTORY")
    );
}

/// One between the server `name` of `certs` and the client of `certs`, who trusts the authority in `trusted` and asks for
/// `asked`. Both show certificates, where there is one for a client.
fn handshake(certs: &Path, name: &str, trusted: &Path, asked: &str) -> Result<(), rustls::Error> {
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(certs))).build().unwrap();
    let server = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(certs, name), key(certs, name))
        .unwrap();
    let own = if certs.join("client.crt").exists() { "client" } else { name };
    let client = ClientConfig::builder()
        .with_root_certificates(roots(trusted))
        .with_client_auth_cert(chain(certs, own), key(certs, own))
        .unwrap();
    let asked = asked.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), asked).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        feed(&mut server, &wire)?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        feed(&mut client, &wire)?;
    }
    Ok(())
}

fn feed<D>(
    to: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    mut wire: &[u8],
) -> Result<(), rustls::Error> {
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn roots(directory: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(chain(directory, "ca").remove(0)).unwrap();
    roots
}

fn chain(directory: &Path, name: &str) -> Vec<CertificateDer<'static>> {
    let path = directory.join(format!("{name}.crt"));
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

fn key(directory: &Path, name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key"))).unwrap()
}
