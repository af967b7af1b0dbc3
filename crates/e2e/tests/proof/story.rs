//! One story: what the balancer tells of an incident stands in the client's report, word for word, and a server has one name.

use evenkeel_stage::{Connection, Processes};
use rustix::process::Signal;
use serde_json::Value;

use crate::run::{self, Journals, Run};

/// The sentences of all incidents that the balancer tells of now.
fn told(set: &Processes) -> Vec<String> {
    let mut admin = Connection::open(set.member("balancer").admin).expect("it listens");
    let answer = admin.get("/api/incidents", &[]).expect("it answers");
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let sentence = |incident: &Value| incident["sentence"].as_str().expect("a sentence").to_owned();
    told["incidents"].as_array().expect("a list").iter().map(sentence).collect()
}

#[test]
fn a_killed_server_is_told_of_in_the_balancers_sentence_and_every_server_by_its_name() {
    let journals = Journals::new();
    let set = journals.set(3, &[("MANAGER_RESTART", "on")]);
    let variables = [("CLIENT_RATE", "200"), ("CLIENT_DURATION", "8s"), ("CLIENT_PATH", "/delay/20ms")];
    let run = Run::start(&set, &journals, &variables);
    run::wait_until_passed(&set, 200);
    set.member("server-2").signal(Signal::KILL);
    let report = run.report();
    let told = told(&set);
    let incidents = report["incidents"].as_array().expect("a list");
    let crash = incidents.iter().find(|incident| incident["cause"] == "crashed");
    let crash = crash.unwrap_or_else(|| panic!("no crash in {incidents:#?}"));
    assert_eq!(crash["told_by"], "balancer", "{crash:#}");
    assert!(!crash["recovered_ms"].is_null(), "it came back: {crash:#}");
    let sentence = crash["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("server-2 crashed at "), "{sentence}");
    assert!(told.iter().any(|other| other == sentence), "{sentence} is not among {told:#?}");
    for server in report["servers"].as_array().expect("a list") {
        let name = server["called"].as_str().unwrap_or_else(|| panic!("no name: {server}"));
        assert_eq!(server["address"], set.member(name).traffic.to_string(), "{server}");
    }
}
