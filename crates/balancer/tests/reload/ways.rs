//! How the balancer hears that its file is another one.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::{Signal, kill_process};

use crate::harness::{Balancer, OK_CLOSE, Servers, Stage};
use crate::{Settled, TOKEN, text};

fn is_set(settled: &Settled, value: &str) -> bool {
    settled.ask("/").message().field("x-set") == Some(value)
}

#[test]
fn it_looks_by_itself() {
    let servers = Servers::listen(1);
    let upstream = format!("UPSTREAM={}", servers.upstream());
    let settled = Settled::with(&[&upstream, "RESPONSE_SET=X-Set: one"]);
    servers.answer_all(OK_CLOSE);
    settled.put(&[&upstream, "RESPONSE_SET=X-Set: two"]);
    settled.balancer.wait_until(|_| is_set(&settled, "two"));
    settled.tells("Other settings are in force: BALANCER_RESPONSE_SET=X-Set: two (was X-Set: one)");
}

#[test]
fn a_signal_has_it_look_at_once() {
    let servers = Servers::listen(1);
    let upstream = format!("UPSTREAM={}", servers.upstream());
    let settled = Settled::with(&[&upstream, "RESPONSE_SET=X-Set: one"]);
    servers.answer_all(OK_CLOSE);
    for value in ["two", "three", "four"] {
        settled.put(&[&upstream, &format!("RESPONSE_SET=X-Set: {value}")]);
        kill_process(settled.balancer.pid(), Signal::HUP).unwrap();
        settled.balancer.wait_until(|_| is_set(&settled, value));
    }
}

#[test]
fn the_way_of_kubernetes_is_taken_up() {
    let servers = Servers::listen(1);
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, value) in [("..1", "one"), ("..2", "two")] {
        fs::create_dir(at(version)).unwrap();
        let lines = [format!("UPSTREAM={}", servers.upstream()), format!("RESPONSE_SET=X-Set: {value}")];
        fs::write(at(version).join("balancer.env"), text(&lines.each_ref().map(String::as_str))).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/balancer.env", at("balancer.env")).unwrap();
    symlink("..2", at("..new")).unwrap();
    servers.answer_all(OK_CLOSE);
    let balancer = Balancer::of_file(at("balancer.env").to_str().unwrap(), &[("ADMIN_TOKEN", TOKEN)]);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
    let settled = Settled { directory: tempfile::tempdir().unwrap(), balancer };
    assert!(is_set(&settled, "one"));
    fs::rename(at("..new"), at("..data")).unwrap();
    settled.balancer.wait_until(|_| is_set(&settled, "two"));
}

#[test]
fn without_a_file_there_is_nothing_to_read_anew() {
    let stage = Stage::with(&[("ADMIN_TOKEN", TOKEN)]);
    let settled = Settled { directory: tempfile::tempdir().unwrap(), balancer: stage.balancer };
    for path in ["/api/reload", "/api/reload?dry_run"] {
        let answer = settled.post(path);
        assert_eq!(answer.status(), 409);
        assert!(answer.text().contains("BALANCER_SETTINGS names no file"), "{}", answer.text());
    }
}
