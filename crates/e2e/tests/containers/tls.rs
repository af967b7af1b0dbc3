//! The set over TLS, with the certificates that it makes for itself.

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

#[test]
fn the_set_over_tls_is_proved_like_any_other_and_each_key_is_its_owners_alone() {
    let compose = up();
    let report = report(&start(&compose, "client", &[]));
    for said in ["against https://balancer:8443", "handshakes of TLS 1.3", "Verdict: proved", " 0 failed"] {
        assert!(report.contains(said), "{said}:\n{report}");
    }
    let balancer = compose.containers("balancer").remove(0);
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("certs");
    docker(&["cp", "--archive", &format!("{balancer}:/certs"), kept.to_str().unwrap()]);
    let listed = std::process::Command::new("stat")
        .args(["--format", "%n %a %u"])
        .arg(kept.join("balancer.key"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.trim_end().ends_with("balancer.key 600 65532"), "{listed}");
    assert!(kept.join("ca.crt").exists() && !kept.join("authority/ca.key").exists());
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
