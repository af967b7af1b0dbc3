//! Certificates that change while connections go on.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, kill_process};
use rustls::pki_types::CertificateDer;

use crate::client::{Authority, Client};
use crate::harness::{Balancer, OK};
use crate::{GET, Secured};

const FAILURES: &str = "evenkeel_certificate_reload_failures_total";

fn shown(client: &Client) -> CertificateDer<'static> {
    client.tls().peer_certificates().unwrap()[0].clone().into_owned()
}

/// A handshake from nothing: a resumed one shows no certificate.
fn fresh(secured: &Secured, host: &str) -> std::io::Result<Client> {
    let config = secured.authority.trusted(rustls::ALL_VERSIONS);
    Client::to(secured.stage.balancer.secured(), &config, host)
}

#[test]
fn a_new_certificate_is_shown_and_connections_go_on() {
    let secured = Secured::new();
    let mut old = secured.connect();
    let before = shown(&old);
    secured.authority.put("shop", "shop.example");
    // Nobody tells it: it looks.
    secured.stage.balancer.wait_until(|_| {
        // Each of them gets a pair that fits, or this panics.
        shown(&fresh(&secured, "shop.example").unwrap()) != before
    });
    old.send(GET);
    let mut server = secured.stage.servers.accept();
    server.message();
    server.send(OK);
    old.through("\r\n\r\nok");
}

#[test]
fn a_pair_that_does_not_fit_is_never_shown() {
    let secured = Secured::new();
    let before = shown(&secured.connect());
    let new = secured.authority.sign("shop.example");
    let (chain, key) = (secured.authority.file("shop.crt"), secured.authority.file("shop.key"));
    let mut failures = secured.count(FAILURES);
    for broken in [&new.chain, &new.chain[..new.chain.len() / 2], "", &new.key] {
        fs::write(&chain, broken).unwrap();
        kill_process(secured.stage.balancer.pid(), Signal::HUP).unwrap();
        secured.stage.balancer.wait_until(|_| secured.count(FAILURES) > failures);
        failures = secured.count(FAILURES);
        assert_eq!(shown(&fresh(&secured, "shop.example").unwrap()), before);
    }
    fs::write(&chain, &new.chain).unwrap();
    fs::write(&key, &new.key).unwrap();
    kill_process(secured.stage.balancer.pid(), Signal::HUP).unwrap();
    secured.stage.balancer.wait_until(|_| shown(&fresh(&secured, "shop.example").unwrap()) != before);
}

#[test]
fn the_way_of_kubernetes_is_taken_up_at_once_when_asked() {
    let authority = Authority::new();
    for (version, host) in [("..1", "old.example"), ("..2", "new.example")] {
        fs::create_dir(authority.file(version)).unwrap();
        let files = authority.sign(host);
        fs::write(authority.file(version).join("tls.crt"), files.chain).unwrap();
        fs::write(authority.file(version).join("tls.key"), files.key).unwrap();
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, authority.file(name)).unwrap();
    link("..1", "..data");
    link("..data/tls.crt", "tls.crt");
    link("..data/tls.key", "tls.key");
    link("..2", "..new");
    let secured = Secured::of(authority, &[("ADMIN_TOKEN", "a token of this test".replace(' ', "-").leak())]);
    fresh(&secured, "old.example").unwrap();
    fs::rename(secured.authority.file("..new"), secured.authority.file("..data")).unwrap();
    let ask = |token: &str| {
        let mut admin = secured.stage.balancer.connect_admin();
        admin.send(format!(
            "POST /api/reload HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        admin.message()
    };
    assert_eq!(ask("").status(), 401);
    let answer = ask("Authorization: Bearer a-token-of-this-test\r\n");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    fresh(&secured, "new.example").unwrap();
    assert!(fresh(&secured, "old.example").is_err());
}

#[test]
fn a_certificate_that_has_ended_is_warned_of() {
    let authority = Authority::new();
    let files = authority.sign_until("shop.example", SystemTime::now() - Duration::from_hours(1));
    fs::write(authority.file("shop.crt"), files.chain).unwrap();
    fs::write(authority.file("shop.key"), files.key).unwrap();
    let secured = Secured::of(authority, &[]);
    secured.stage.balancer.says("the certificate has ended");
    assert!(fresh(&secured, "shop.example").is_err(), "a client takes it");
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_warned_of() {
    let authority = Authority::new();
    let soon = SystemTime::now() + Duration::from_hours(24);
    let files = authority.sign_between("shop.example", soon, soon + Duration::from_hours(1_000));
    fs::write(authority.file("shop.crt"), files.chain).unwrap();
    fs::write(authority.file("shop.key"), files.key).unwrap();
    let secured = Secured::of(authority, &[]);
    secured.stage.balancer.says("the certificate is not valid yet");
    assert!(fresh(&secured, "shop.example").is_err(), "a client takes it");
}

#[test]
fn metrics_say_when_certificates_end() {
    let secured = Secured::new();
    let left = secured.count("evenkeel_certificate_seconds_left{certificate=\"shop\"}");
    assert!(left > 1_000_000, "{left}");
}

#[test]
fn what_cannot_be_used_is_found_before_the_start_and_named() {
    let authority = Authority::new();
    authority.put("shop", "shop.example");
    authority.place("ca.crt", authority.pem());
    authority.place("clients.pem", authority.pem());
    let (ca, nonsense) = (authority.file("clients.pem"), authority.file("nonsense.pem"));
    authority.place("nonsense.pem", "nonsense");
    let tls = [("TLS_BIND", "127.0.0.1:0"), ("TLS_CERTIFICATES", authority.path())];
    let ca = [("TLS_CLIENT_CA", ca.to_str().unwrap())];
    let with = |more: &[(&str, &str)]| Balancer::checked(&[&tls[..], &ca[..], more].concat());
    assert_eq!(with(&[]), Ok(()));
    for name in ["TLS_CLIENT_CA", "TLS_CLIENT_CRL"] {
        let said = with(&[(name, nonsense.to_str().unwrap())]).unwrap_err();
        assert!(said.starts_with(&format!("BALANCER_{name}: {}", nonsense.display())), "{said}");
    }
    // A start would do without this one.
    authority.place("other.crt", authority.sign("other.example").chain);
    let said = with(&[]).unwrap_err();
    assert!(said.starts_with("BALANCER_TLS_CERTIFICATES: other: "), "{said}");
    assert!(said.contains("other.key cannot be read"), "{said}");
}

#[test]
fn an_authority_beside_the_certificates_is_left_alone() {
    let authority = Authority::new();
    authority.put("shop", "shop.example");
    // The first by its name, if it were one.
    authority.place("ca.crt", authority.pem());
    let secured = Secured::of(authority, &[]);
    secured.stage.balancer.says("an authority without a key is left alone");
    assert_eq!(secured.count(FAILURES), 0);
    fresh(&secured, "shop.example").unwrap();
}

#[test]
fn the_state_tells_of_certificates_and_of_what_was_not_taken_up() {
    let secured = Secured::new();
    let says = |words: &str| {
        secured.stage.balancer.wait_until(|balancer| balancer.admin("/api/state").text().contains(words));
    };
    says("\"shown\":[{\"kind\":\"certificate\",\"name\":\"shop\",\"hosts\":[\"shop.example\"],\"ends_ms\":");
    says("\"known\":1,\"problems\":[],");
    secured.authority.place("shop.crt", "half");
    kill_process(secured.stage.balancer.pid(), Signal::HUP).unwrap();
    says("\"problems\":[\"shop: there is no certificate in it\"]");
}
