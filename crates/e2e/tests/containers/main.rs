//! The set as containers, on the network where a stopped server is a black hole: what loopback never shows.
#![cfg(feature = "docker")]

mod apps;
mod holder;
mod swarm;
mod tls;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use evenkeel_digest::{Algorithm, CONTENT_DIGEST, Expected, Hasher};
use evenkeel_stage::{Compose, Connection, Load, Upload, basic, docker};

const SET: &[&str] = &["docker-compose.yml"];

/// The servers and the balancer; the client is started by the tests that want it.
const SERVICES: &[&str] = &["server", "balancer"];

/// As many clients as the promise speaks of: `docker stop` of one of three servers under 32 connections of GETs.
const CONNECTIONS: usize = 32;

/// Enough right answers that every connection has been through a failure's aftermath several times.
const A_WHILE: u64 = 5000;

fn load(compose: &Compose) -> Load {
    let load =
        Load::start(compose.balancer(), CONNECTIONS, "/", &[("Authorization", &compose.authorization())]);
    load.wait_for_more(A_WHILE);
    load
}

/// The name by which a container's server answers: its host name.
fn name(container: &str) -> String {
    docker(&["inspect", "--format", "{{.Config.Hostname}}", container])
}

#[test]
fn the_client_job_finds_everything_right() {
    let compose = Compose::up(SET, SERVICES);
    compose.run(&["up", "--detach", "--no-build", "client"]);
    let job = compose.containers("client").remove(0);
    let status = docker(&["wait", &job]);
    let report = docker(&["logs", &job]);
    assert_eq!(status, "0", "{report}");
    assert!(report.contains("Verdict: proved"), "{report}");
    for container in compose.containers("server") {
        // As DNS calls it, or as it calls itself where DNS has not said so yet.
        let names = docker(&["inspect", "--format", "{{.Name}} {{.Config.Hostname}}", &container]);
        let mut names = names.trim_start_matches('/').split(' ');
        assert!(names.any(|name| report.contains(name)), "{container} is not in the report:\n{report}");
    }
}

#[test]
fn the_client_job_can_be_run_again_and_says_when_something_is_wrong() {
    let compose = Compose::up(SET, SERVICES);
    let again = ["run", "--rm", "--no-deps", "--env", "CLIENT_REQUESTS=100"];
    let (status, report) = compose.try_run(&[&again[..], &["client"]].concat());
    assert_eq!(status, Some(0), "{report}");
    let (status, report) =
        compose.try_run(&[&again[..], &["--env", "CLIENT_PATH=/status/404", "client"]].concat());
    assert_eq!(status, Some(1), "{report}");
}

#[test]
fn stopping_and_starting_one_server_loses_no_get() {
    let compose = Compose::up(SET, SERVICES);
    let load = load(&compose);
    let container = compose.containers("server").remove(0);
    docker(&["stop", &container]);
    assert_eq!(docker(&["inspect", "--format", "{{.State.ExitCode}}", &container]), "0");
    load.wait_for_more(A_WHILE);
    docker(&["start", &container]);
    comes_back(&load, &container);
    load.stop().assert_nothing_failed();
}

#[test]
fn killing_one_server_loses_no_get() {
    let compose = Compose::up(SET, SERVICES);
    let load = load(&compose);
    let container = compose.containers("server").remove(0);
    docker(&["kill", &container]);
    load.wait_for_more(A_WHILE);
    docker(&["start", &container]);
    comes_back(&load, &container);
    load.stop().assert_nothing_failed();
}

#[test]
fn pausing_one_server_loses_no_get() {
    let compose = Compose::up(SET, SERVICES);
    let load = load(&compose);
    let container = compose.containers("server").remove(0);
    docker(&["pause", &container]);
    load.wait_for_more(A_WHILE);
    docker(&["unpause", &container]);
    comes_back(&load, &container);
    load.stop().assert_nothing_failed();
}

fn comes_back(load: &Load, container: &str) {
    let name = name(container);
    let so_far = load.tally().by_server[&name];
    load.wait_for("the server to be used again", |tally| tally.by_server[&name] > so_far);
}

#[test]
fn new_servers_take_traffic_within_3_seconds() {
    let compose = Compose::up(SET, SERVICES);
    let load = load(&compose);
    assert_eq!(load.tally().by_server.len(), 3);
    compose.run(&["up", "--detach", "--no-build", "--no-recreate", "--scale", "server=5", "server"]);
    let scaled = Instant::now();
    load.wait_for("five servers", |tally| tally.by_server.len() == 5);
    let took = scaled.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    load.stop().assert_nothing_failed();
}

#[test]
fn a_gibibyte_passes_in_both_directions_through_64_mebibytes_of_balancer() {
    const LENGTH: u64 = 1 << 30;
    let compose = Compose::up(&["docker-compose.yml", "crates/e2e/tests/tight-memory.yml"], SERVICES);
    let fields = [("Authorization", compose.authorization())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut connection = Connection::open(compose.balancer()).unwrap();

    let path = format!("/bytes/{LENGTH}");
    let nothing = Upload { length: 0, from: io::empty() };
    let mut received = Received { length: 0, hasher: Hasher::new(Algorithm::Sha256) };
    let answer = connection.transfer("GET", &path, &fields, nothing, &mut received).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(received.length, LENGTH);
    let promised = Expected::parse([answer.field(CONTENT_DIGEST).expect("a digest").as_bytes()]).unwrap();
    assert_eq!(promised.get(Algorithm::Sha256), Some(received.hasher.finish()));

    let upload = Upload { length: LENGTH, from: io::repeat(b'e').take(LENGTH) };
    let mut body = Vec::new();
    let answer = connection.transfer("POST", "/upload", &fields, upload, &mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    assert_eq!(answer.status, 200, "{body}");
    assert!(body.contains(&LENGTH.to_string()), "the server counted other bytes: {body}");

    let balancer = compose.containers("balancer").remove(0);
    let format = "{{.HostConfig.Memory}} {{.State.OOMKilled}} {{.RestartCount}}";
    assert_eq!(docker(&["inspect", "--format", format, &balancer]), format!("{} false 0", 64 << 20));
}

/// Bytes that are counted and hashed, not kept.
struct Received {
    length: u64,
    hasher: Hasher,
}

impl Write for Received {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.length += piece.len() as u64;
        self.hasher.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn containers_have_no_privilege_and_no_way_to_one() {
    let compose = Compose::up(SET, SERVICES);
    let format =
        "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}";
    for service in SERVICES {
        for container in compose.containers(service) {
            let confined = "65532:65532 true [ALL] [no-new-privileges:true]";
            assert_eq!(docker(&["inspect", "--format", format, &container]), confined, "{service}");
        }
    }
}

#[test]
fn only_this_machine_reaches_the_published_ports() {
    let compose = Compose::up(SET, SERVICES);
    let balancer = compose.containers("balancer").remove(0);
    let ports = docker(&["port", &balancer]);
    assert_eq!(ports.lines().count(), 2, "{ports}");
    assert!(ports.lines().all(|line| line.contains("-> 127.0.0.1:")), "{ports}");
    let ready = Connection::open(compose.admin()).unwrap().get("/readyz", &[]).unwrap();
    assert_eq!(ready.status, 200);
}

#[test]
fn servers_of_different_data_weight_and_credentials_stand_side_by_side() {
    let compose = Compose::up(&["docker-compose.custom.yml"], &["anna", "ben", "cleo", "balancer"]);
    let student = compose.authorization();
    let teacher = basic("teacher", "chalk");
    let mut connection = Connection::open(compose.balancer()).unwrap();
    let mut answers = BTreeMap::<(String, u16), u32>::new();
    for _ in 0..60 {
        let answer = connection.get("/", &[("Authorization", &student)]).unwrap();
        answer.verify().unwrap();
        *answers.entry((answer.server().to_owned(), answer.status)).or_default() += 1;
    }
    let expected = [("anna", 200, 30), ("ben", 200, 20), ("cleo", 401, 10)];
    let expected = expected.map(|(name, status, count)| ((name.to_owned(), status), count));
    assert_eq!(answers, BTreeMap::from(expected));
    let refused = (0..6).map(|_| connection.get("/", &[("Authorization", &teacher)]).unwrap());
    let refused: BTreeMap<_, _> = refused.map(|answer| (answer.server().to_owned(), answer.status)).collect();
    assert_eq!(
        refused,
        BTreeMap::from([("anna".to_owned(), 200), ("ben".to_owned(), 401), ("cleo".to_owned(), 200)])
    );
}
