//! What the client says about itself while it runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};

use evenkeel_stage::{Lines, PATIENCE};
use serde_json::Value;

use crate::origin::{Origin, Reply};
use crate::requests::HELLO_DIGEST;
use crate::{client, finished};

#[test]
fn a_scrape_after_a_run_says_what_its_report_says() {
    let one = Origin::start(|seen| match seen.line.as_str() {
        "GET /busy" => Reply::whole(503, "", b""),
        "GET /lost" => Reply::whole(404, "", b""),
        "GET /corrupt" => Reply::whole(200, HELLO_DIGEST, b"hellp"),
        "GET /closed" => Reply::Close(Vec::new()),
        _ => Reply::whole(200, "", b"hello"),
    });
    // The run against the first target is over when the second one is asked, which holds the client until it is released.
    let (arrived, arrival) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let other = Origin::start(move |seen| {
        if seen.field("x-evenkeel-run").is_none() {
            arrived.send(()).unwrap();
            held.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        Reply::whole(200, "", b"")
    });
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let variables = [
        ("CLIENT_ADMIN_BIND", "127.0.0.1:0"),
        ("CLIENT_REQUESTS", "60"),
        ("CLIENT_MIX", "GET /;weight=4,GET /busy,GET /lost,GET /corrupt,GET /closed"),
        ("CLIENT_REPORT_JSON", json.to_str().unwrap()),
        ("EVENKEEL_LOG", "info"),
    ];
    let targets = format!("http://{},http://{}", one.address, other.address);
    let mut child = client(&targets, &variables).spawn().unwrap();
    let line = Lines::of(child.stderr.take().unwrap()).wait_for("listening");
    let admin = line.trim_end().rsplit_once("admin=").unwrap().1;
    arrival.recv_timeout(PATIENCE).unwrap();
    let scraped = Scrape::of(&ask(admin, "/metrics"), &format!("http://{}", one.address));
    assert_eq!(ask(admin, "/livez"), "alive\n");
    release.send(()).unwrap();
    let (text, status) = finished(&evenkeel_stage::finished(&mut child));
    assert_eq!(status, 1, "{text}");

    let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let report = &report["runs"][0];
    for (series, told) in [
        ("requests_total{outcome=\"right\"}", &report["requests"]["right"]),
        ("requests_total{outcome=\"failed\"}", &report["requests"]["failed"]),
        ("wrong_answers_total", &report["requests"]["wrong"]),
        ("requests_late_total", &report["requests"]["late"]),
        ("requests_dropped_total", &report["requests"]["dropped"]),
        ("received_bytes_total", &report["requests"]["received_bytes"]),
        ("request_duration_seconds_count{outcome=\"right\"}", &report["latency"]["right"]["count"]),
        ("request_duration_seconds_count{outcome=\"failed\"}", &report["latency"]["failed"]["count"]),
        ("service_duration_seconds_count", &report["latency"]["service"]["count"]),
        ("connect_duration_seconds_count", &report["latency"]["connect"]["count"]),
        ("connections_opened_total", &report["latency"]["connect"]["count"]),
    ] {
        assert_eq!(scraped.value(series), told.as_u64().unwrap(), "{series}");
    }
    assert_eq!(scraped.value("requests_in_flight"), 0);
    let told: BTreeMap<_, _> = report["failures"].as_array().unwrap().iter().map(kind).collect();
    for (kind, words) in [
        ("wrong_digest", "wrong digest"),
        ("closed_before_a_response", "closed before a response"),
        ("status_4xx", "status 404"),
        ("status_5xx", "status 503"),
    ] {
        assert_eq!(scraped.value(&format!("failures_total{{kind=\"{kind}\"}}")), told[words], "{kind}");
    }
}

#[test]
fn an_admin_port_that_is_taken_ends_in_status_69() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let variables = [("CLIENT_ADMIN_BIND", bind.as_str())];
    let (text, status) = finished(&evenkeel_stage::output(&mut client("http://127.0.0.1:1", &variables)));
    assert_eq!(status, 69, "{text}");
    assert!(text.contains(&format!("CLIENT_ADMIN_BIND: cannot listen on {bind}: ")), "{text}");
}

fn kind(failure: &Value) -> (&str, u64) {
    (failure["kind"].as_str().unwrap(), failure["count"].as_u64().unwrap())
}

/// The body of the answer.
fn ask(admin: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

/// The series of one target, without that label and the prefix of their names.
struct Scrape(BTreeMap<String, u64>);

impl Scrape {
    fn of(text: &str, target: &str) -> Self {
        let label = format!("target=\"{target}\"");
        let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains(&label));
        let series = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let series = series.strip_prefix("evenkeel_client_")?;
            let series = series.replace(&format!(",{label}"), "").replace(&format!("{{{label}}}"), "");
            Some((series, value.parse().ok()?))
        });
        Self(series.collect())
    }

    fn value(&self, series: &str) -> u64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is missing from {:#?}", self.0))
    }
}
