//! The set over TLS, with the certificates that it makes for itself.

use std::io::{Seek as _, Write as _};
use std::process::Command;

use evenkeel_stage::{Compose, docker};

use crate::SERVICES;

/// The set, up, with its images and the one that makes certificates.
fn up() -> Compose {
    let compose = Compose::of(&["docker-compose.yml", "docker-compose.tls.yml"]);
    compose.run(&["build", "client"]);
    compose.run(&[&["up", "--detach", "--build", "--wait"], SERVICES].concat());
    compose
}

/// Starts a job of the client with these variables.
fn start(compose: &Compose, service: &str, variables: &[&str]) -> String {
    let variables = variables.iter().flat_map(|variable| ["--env", *variable]);
    let arguments: Vec<_> = ["run", "--detach"].into_iter().chain(variables).chain([service]).collect();
    compose.run(&arguments)
}

/// What the job said when it had ended, as it should.
fn report(job: &str) -> String {
    let status = docker(&["wait", job]);
    let report = docker(&["logs", job]);
    docker(&["rm", job]);
    assert_eq!(status, "0", "{report}");
    report
}

/// What is in a directory of a container, with modes and owners, a line each.
fn listed(container: &str, directory: &str) -> String {
    let copied = Command::new("docker")
        .args(["cp", &format!("{container}:{directory}"), "-"])
        .output()
        .expect("docker can be started");
    assert!(copied.status.success(), "{copied:?}");
    let mut archive = tempfile::tempfile().expect("a file can be made");
    archive.write_all(&copied.stdout).and_then(|()| archive.rewind()).expect("it can be written");
    let listed = Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner"])
        .stdin(archive)
        .output()
        .expect("tar can be started");
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8_lossy(&listed.stdout).into_owned()
}

#[test]
fn the_set_over_tls_is_proved_like_any_other_and_each_key_is_its_owners_alone() {
    let compose = up();
    let report = report(&start(&compose, "client", &[]));
    for said in ["against https://balancer:8443", "handshakes of TLS 1.3", "Verdict: proved", " 0 failed"] {
        assert!(report.contains(said), "{said}:\n{report}");
    }
    let balancer = compose.containers("balancer").remove(0);
    let listed = listed(&balancer, "/certs");
    let of = |name: &str| listed.lines().find(|line| line.ends_with(&format!("certs/{name}")));
    assert!(of("balancer.key").is_some_and(|key| key.starts_with("-rw------- 65532/65532 ")), "{listed}");
    assert!(of("ca.crt").is_some() && of("authority/ca.key").is_none(), "{listed}");
}

#[test]
fn stopping_one_server_while_clients_come_over_tls_loses_nothing() {
    let compose = up();
    let job = start(&compose, "load", &["CLIENT_CONNECTIONS=fresh"]);
    let server = compose.containers("server").remove(0);
    docker(&["stop", &server]);
    docker(&["start", &server]);
    let report = report(&job);
    assert!(report.contains("2,000 answered rightly") && report.contains("Verdict: proved"), "{report}");
    assert!(report.contains("resumptions of TLS 1.3"), "{report}");
}
