//! Servers that take connections and have no time for a probe: at work, or silent for good.

use std::sync::mpsc::Sender;

use serde_json::Value;

use crate::harness::{Balancer, Connection, OK_CLOSE, Servers};

/// Probes come and fail quickly. No connection is opened beside the ones that requests need, or it would be waited for.
const PROBED: [(&str, &str); 5] = [
    ("PROBE", "http:/ready"),
    ("PROBE_INTERVAL", "100ms"),
    ("PROBE_TIMEOUT", "100ms"),
    ("RACE", "off"),
    ("HEDGE", "off"),
];

/// So many servers that take one request at a time, and a way to end the work on one at each.
fn one_at_a_time(count: usize) -> (String, Vec<Sender<()>>) {
    let (mut upstream, mut work) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let servers = Servers::listen(1);
        upstream.push(servers.upstream());
        work.push(servers.answer_in_turn(OK_CLOSE));
    }
    (upstream.join(","), work)
}

fn ask(balancer: &Balancer, method: &str, path: &str) -> Connection {
    let mut client = balancer.connect();
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
    client
}

/// What is said of each server.
fn servers(balancer: &Balancer) -> Vec<Value> {
    let answer = balancer.admin("/api/endpoints");
    let all: Value = serde_json::from_str(answer.text()).unwrap();
    all["endpoints"].as_array().unwrap().clone()
}

fn are_busy(balancer: &Balancer, count: usize) -> bool {
    servers(balancer).iter().filter(|server| server["busy"] == true).count() == count
}

#[test]
fn servers_that_are_all_at_work_are_busy_and_serve() {
    let (upstream, work) = one_at_a_time(2);
    let balancer = Balancer::start(&upstream, &PROBED);
    let mut clients = [(); 2].map(|()| ask(&balancer, "POST", "/work"));
    balancer.wait_until(|balancer| are_busy(balancer, 2));
    balancer.says("is busy: takes connections, has not answered a probe for ");
    assert_eq!(balancer.admin("/readyz").status(), 200);
    let mut late = ask(&balancer, "POST", "/late");
    for one in &work {
        one.send(()).unwrap();
    }
    for client in clients.iter_mut().chain([&mut late]) {
        assert_eq!(client.message().status(), 200);
    }
    balancer.wait_until(|balancer| are_busy(balancer, 0));
    assert!(servers(&balancer).iter().all(|server| server["ejections"] == 0));
    let metrics = balancer.admin("/metrics");
    assert!(metrics.text().contains("evenkeel_endpoint_changes_total{change=\"busy\"} 2"), "{metrics:?}");
    assert!(!metrics.text().contains("evenkeel_probes_total{result=\"unanswered\"} 0"), "{metrics:?}");
}

#[test]
fn who_is_at_work_gets_nothing_new_while_another_is_free() {
    let (upstream, work) = one_at_a_time(2);
    let balancer = Balancer::start(&upstream, &PROBED);
    let mut at_work = ask(&balancer, "POST", "/work");
    balancer.wait_until(|balancer| are_busy(balancer, 1));
    for _ in 0..10 {
        assert_eq!(ask(&balancer, "POST", "/quick").message().status(), 200);
    }
    // Whichever it is: the other has nothing to end.
    for one in &work {
        one.send(()).unwrap();
    }
    assert_eq!(at_work.message().status(), 200);
    assert!(servers(&balancer).iter().all(|server| server["ejections"] == 0));
}

/// A server that answers its first probe, and from then on takes connections and is silent.
fn falls_silent() -> (String, std::thread::JoinHandle<Vec<Connection>>) {
    let servers = Servers::listen(1);
    let upstream = servers.upstream();
    let first = std::thread::spawn(move || {
        let mut probe = servers.accept();
        probe.message();
        probe.send(OK_CLOSE);
        // What connects is kept open for as long as the test lasts.
        servers.keep_all()
    });
    (upstream, first)
}

#[test]
fn who_falls_silent_without_work_is_ejected_and_others_serve() {
    let (silent, _kept) = falls_silent();
    let (upstream, _work) = one_at_a_time(1);
    let balancer = Balancer::listening(&format!("{silent},{upstream}"), &PROBED);
    balancer.wait_until(|balancer| servers(balancer)[0]["cause"] == "unanswering");
    balancer.says("takes connections and answers nothing; ejected until probes pass");
    for _ in 0..10 {
        assert_eq!(ask(&balancer, "POST", "/quick").message().status(), 200);
    }
    assert_eq!(servers(&balancer)[0]["attempts"], 0);
}

#[test]
fn a_get_at_a_server_that_fell_silent_moves_though_nobody_else_asks() {
    let (silent, _kept) = falls_silent();
    let (upstream, _work) = one_at_a_time(1);
    // The silent one alone, until the request is on it.
    let balancer = Balancer::listening(&format!("{silent},{upstream};backup"), &PROBED);
    let mut client = ask(&balancer, "GET", "/");
    assert_eq!(client.message().status(), 200);
    balancer.wait_until(|balancer| servers(balancer)[0]["cause"] == "unanswering");
}

#[test]
fn the_last_server_that_hangs_is_given_up_once_no_answer_could_come_in_time() {
    let (silent, _kept) = falls_silent();
    let settings: Vec<_> = PROBED.into_iter().chain([("RESPONSE_TIMEOUT", "1s")]).collect();
    let balancer = Balancer::listening(&silent, &settings);
    balancer.wait_until(|balancer| are_busy(balancer, 1));
    assert_eq!(balancer.admin("/readyz").status(), 200);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 503);
    let mut client = ask(&balancer, "POST", "/");
    assert_eq!(client.message().status(), 503);
}

#[test]
fn a_balancer_that_starts_while_all_servers_are_at_work_has_its_clients_wait() {
    let (upstream, work) = one_at_a_time(1);
    let mut other = Connection::to(upstream.parse().unwrap());
    other.send("GET /work HTTP/1.1\r\nHost: h\r\n\r\n");
    let balancer = Balancer::listening(&upstream, &PROBED);
    let mut client = ask(&balancer, "POST", "/late");
    balancer.wait_until(|balancer| servers(balancer)[0]["attempts"] == 1);
    assert_eq!(servers(&balancer)[0]["state"], "unproven");
    work[0].send(()).unwrap();
    assert_eq!(client.message().status(), 200);
    assert_eq!(other.message().status(), 200);
    balancer.wait_until(|balancer| servers(balancer)[0]["state"] == "healthy");
}
