//! F18: one of three servers flips a byte of 5 % of its bodies, cuts 5 % short and resets 5 %. `scripts/f18` plays the same
//! with a million requests.

use std::thread;

use evenkeel_stage::{Connection, Processes};
use serde_json::Value;

use super::run::{Journals, Run};

/// The faults of the one server.
const SPOILING: &str = "corrupt:5%,truncate:5%,reset:5%";

/// Requests that may be sent again, with bodies of up to 64 KiB either way.
const REPLAYABLE: &str = "GET /;weight=4,GET /bytes/4096;weight=3,GET /bytes/65536,PUT /echo;body=1KiB;echo;weight=3,\
    PUT /echo;body=64KiB;echo";

/// Those, and requests of which some must fail: not to be repeated, or too large to be held.
const ANY: &str = "GET /;weight=3,GET /bytes/65536,GET /bytes/200000,POST /echo;body=1KiB;echo;weight=3,\
    POST /echo;body=200KiB;echo";

fn set(journals: &Journals) -> Processes {
    journals.set(3, &[("MANAGER_SERVER_2_FAULTS", SPOILING)])
}

/// The report of a run in which a response without a digest is a failure as well.
fn run(set: &Processes, journals: &Journals, variables: &[(&str, &str)]) -> Value {
    let usual = [("CLIENT_CONCURRENCY", "32"), ("CLIENT_VERIFY", "required")];
    Run::start(set, journals, &[&usual, variables].concat()).report()
}

/// Whether the server that spoils its answers was ejected in the run that this report is of.
fn is_ejected(set: &Processes, report: &Value) -> bool {
    let spoiling = Value::from(set.member("server-2").traffic.to_string());
    report["incidents"].as_array().unwrap().iter().any(|incident| {
        !incident["ejected_ms"].is_null() && incident["endpoints"].as_array().unwrap().contains(&spoiling)
    })
}

#[test]
fn f18_replayable_requests_are_all_masked_and_the_spoiling_server_is_ejected() {
    let journals = Journals::new();
    let set = set(&journals);
    let variables = [("CLIENT_REQUESTS", "6000"), ("CLIENT_MIX", REPLAYABLE)];
    let report = run(&set, &journals, &variables);
    let (requests, proof) = (&report["requests"], &report["proof"]);
    assert_eq!((&requests["right"], &requests["wrong"]), (&6000.into(), &0.into()), "{report:#}");
    assert_eq!(proof["verdict"], "proved", "{proof:#}");
    // Three wrong digests eject it, however soon they come, and each was somebody's request.
    assert!(proof["masked"].as_u64() >= Some(3), "{proof:#}");
    assert!(is_ejected(&set, &report), "{:#}", report["incidents"]);
}

#[test]
fn f18_no_wrong_or_short_body_is_accepted_where_some_requests_must_fail() {
    let journals = Journals::new();
    let set = set(&journals);
    let variables = [("CLIENT_REQUESTS", "3000"), ("CLIENT_MIX", ANY)];
    let report = run(&set, &journals, &variables);
    let (requests, proof) = (&report["requests"], &report["proof"]);
    assert_eq!(requests["wrong"], 0, "{report:#}");
    assert_eq!((&proof["verdict"], &proof["duplicates"]), (&"proved".into(), &0.into()), "{proof:#}");
    let failed = report["first_failures"].as_array().unwrap();
    let must_not_fail = failed
        .iter()
        .find(|failure| matches!(failure["request"].as_str(), Some("GET /" | "GET /bytes/65536")));
    assert_eq!(must_not_fail, None);
}

#[test]
fn f18_every_byte_that_arrives_is_the_one_that_was_meant() {
    // Judged without digests, and without the client: by what a server that spoils nothing answers.
    let journals = Journals::new();
    let set = set(&journals);
    let (address, honest) = (set.balancer(), set.member("server-1").traffic);
    let judges: Vec<_> = (0..8)
        .map(|judge: u32| {
            thread::spawn(move || {
                let path = format!("/bytes/{}", 1 + 8000 * judge);
                let meant = Connection::open(honest).unwrap().get(&path, &[]).unwrap().body;
                let mut connection = Connection::open(address).unwrap();
                for _ in 0..500 {
                    let answer = connection.get(&path, &[]).unwrap();
                    assert_eq!(answer.status, 200, "{path}");
                    assert!(answer.body == meant, "{path} of {}", answer.server());
                }
            })
        })
        .collect();
    for judge in judges {
        judge.join().unwrap();
    }
}
