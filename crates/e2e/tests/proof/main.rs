//! The proof, end to end: a run with a server killed in its middle is *proved*; a request that one ledger lacks, or that was
//! executed twice, is named; and a server that spoils its answers spoils none that a client gets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod corruption;
mod queue;
mod run;
mod story;
mod teller;

use std::collections::BTreeMap;
use std::fs;

use evenkeel_stage::Processes;
use rustix::process::Signal;
use serde_json::{Value, json};

use run::{Journals, Run};
use teller::Teller;

/// GETs and POSTs, half of them with a body that has to come back.
const MIXED: &str = "GET /;weight=2,GET /bytes/4096,POST /echo;body=1KiB;echo;weight=3";

/// The id of a request of the run.
fn id(number: u64) -> String {
    format!("r-{number:08}")
}

#[test]
fn a_run_through_kill_9_of_a_server_is_proved() {
    let journals = Journals::new();
    // So slow that a third of the 32 requests on their way are on each server, whenever it is killed.
    let slow = [1, 2, 3].map(|number| format!("MANAGER_SERVER_{number}_FAULTS"));
    let set = journals.set(3, &slow.each_ref().map(|name| (name.as_str(), "delay=50ms")));
    let run = Run::start(
        &set,
        &journals,
        &[("CLIENT_REQUESTS", "2000"), ("CLIENT_CONCURRENCY", "32"), ("CLIENT_MIX", MIXED)],
    );
    run::wait_until_passed(&set, 500);
    set.member("server-2").signal(Signal::KILL);
    let report = run.report();
    let (requests, proof) = (&report["requests"], &report["proof"]);
    assert_eq!(proof["verdict"], "proved", "{proof:#}");
    assert_eq!((&proof["contradicted"], &proof["duplicates"]), (&json!(0), &json!(0)));
    assert_eq!(requests["sent"], 2000);
    assert_eq!(requests["wrong"], 0);
    assert!(requests["failed"].as_u64() <= Some(32), "more than were in flight: {requests}");
    for failure in report["first_failures"].as_array().unwrap() {
        assert_eq!((&failure["request"], &failure["status"]), (&"POST /echo".into(), &502.into()));
    }
    assert!(proof["masked"].as_u64() > Some(0), "some GET was on its way: {proof:#}");
    let ejected = report["incidents"].as_array().unwrap().iter().any(|incident| {
        !incident["ejected_ms"].is_null()
            && incident["endpoints"][0] == set.member("server-2").traffic.to_string()
    });
    assert!(ejected, "{:#}", report["incidents"]);
    let most = executions(&journals, "POST").into_values().max();
    assert_eq!(most, Some(1), "told by the journals themselves");
}

/// How often each request of this method was executed.
fn executions(journals: &Journals, method: &str) -> BTreeMap<String, u32> {
    let mut executions = BTreeMap::new();
    for line in journals.lines() {
        if line["method"] == method && line["executed"] == true {
            *executions.entry(line["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    executions
}

/// The verdict on a quiet run of 60 POSTs, told by these ledgers.
fn verdict_on(set: &Processes, journals: &Journals, variables: &[(&str, &str)]) -> Value {
    let usual = [("CLIENT_REQUESTS", "60"), ("CLIENT_MIX", "POST /echo;body=1KiB;echo")];
    let report = Run::start(set, journals, &[&usual, variables].concat()).report();
    report["proof"].clone()
}

/// That one request, and nothing else, is told differently.
fn assert_named(proof: &Value, number: u64, what: &str) {
    assert_eq!((&proof["verdict"], &proof["contradicted"]), (&"contradicted".into(), &1.into()), "{proof:#}");
    let named = &proof["contradictions"][0];
    assert_eq!(named["id"], id(number));
    assert!(named["what"].as_str().unwrap().contains(what), "{named}");
}

#[test]
fn ledgers_that_agree_are_a_proof() {
    let journals = Journals::new();
    let set = journals.set(2, &[]);
    let proof = verdict_on(&set, &journals, &[]);
    assert_eq!((&proof["verdict"], &proof["executions"]), (&"proved".into(), &60.into()), "{proof:#}");
}

#[test]
fn a_request_that_the_balancer_forgot_is_named() {
    let journals = Journals::new();
    let set = journals.set(2, &[]);
    let teller =
        Teller::start(set.member("balancer").admin, |line| (!line.contains(&id(7))).then(|| line.to_owned()));
    let proof = verdict_on(&set, &journals, &[("CLIENT_ADMIN", &teller.url())]);
    assert_named(&proof, 7, "the balancer's ledger does not have it");
}

#[test]
fn a_request_that_the_balancer_tells_another_end_of_is_named() {
    let journals = Journals::new();
    let set = journals.set(2, &[]);
    let teller = Teller::start(set.member("balancer").admin, |line| {
        Some(if line.contains(&id(7)) {
            line.replace(r#""whole":true"#, r#""whole":false"#)
        } else {
            line.into()
        })
    });
    let proof = verdict_on(&set, &journals, &[("CLIENT_ADMIN", &teller.url())]);
    assert_named(&proof, 7, "no whole response left");
}

#[test]
fn a_request_that_no_journal_has_is_named() {
    let journals = Journals::new();
    let set = journals.set(2, &[]);
    // By the time that the balancer tells of the request, its server has written it down.
    let files = journals.path().to_owned();
    let teller = Teller::start(set.member("balancer").admin, move |line| {
        if line.contains(&id(7)) {
            run::edit(&files, |line| (!line.contains(&id(7))).then(|| line.to_owned()));
        }
        Some(line.to_owned())
    });
    let proof = verdict_on(&set, &journals, &[("CLIENT_ADMIN", &teller.url())]);
    assert_named(&proof, 7, "no server's journal has it");
}

#[test]
fn a_request_that_one_journal_has_twice_is_named() {
    let journals = Journals::new();
    let set = journals.set(2, &[]);
    let line = json!({"run": "r", "id": id(7), "attempt": 1, "status": 200, "executed": true});
    fs::write(journals.path().join("liar.jsonl"), format!("{line}\n")).unwrap();
    let proof = verdict_on(&set, &journals, &[]);
    assert_named(&proof, 7, "was executed 2 times");
    assert_eq!(proof["duplicates"], 1);
}

#[test]
fn every_request_that_was_really_executed_twice_is_named() {
    let journals = Journals::new();
    // Keys are for servers that share a store of them, which these do not: one resets the first two POSTs that it has
    // executed, and those are sent again. It may still be suspected for the first when the run ends.
    let faults = ("MANAGER_SERVER_1_FAULTS", "reset@method=POST@first=2");
    let set = journals.set(2, &[faults, ("MANAGER_BALANCER_RETRY_KEYED", "on")]);
    let proof = verdict_on(
        &set,
        &journals,
        &[("CLIENT_MIX", "POST /echo;body=1KiB;echo;keyed"), ("CLIENT_RATE", "50")],
    );
    let mut twice = executions(&journals, "POST");
    twice.retain(|_, times| *times > 1);
    let named: Vec<_> = proof["contradictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|named| named["id"].as_str().unwrap())
        .collect();
    assert_eq!(named, twice.keys().collect::<Vec<_>>());
    assert!(!twice.is_empty(), "{proof:#}");
    assert_eq!(proof["duplicates"], twice.len(), "{proof:#}");
}

#[test]
fn without_the_balancers_ledger_there_is_no_proof() {
    let journals = Journals::new();
    let set = journals.set(2, &[("MANAGER_BALANCER_LEDGER", "off")]);
    let proof = verdict_on(&set, &journals, &[]);
    assert_eq!(proof["verdict"], "incomplete");
    assert!(proof["missing"][0].as_str().unwrap().contains("/ledger: it answers 404"), "{proof:#}");
}

#[test]
fn a_run_that_nobody_may_record_proves_nothing_and_contradicts_nothing() {
    let journals = Journals::new();
    let set = journals.set(2, &[("MANAGER_BALANCER_RUNS", "off")]);
    let proof = verdict_on(&set, &journals, &[]);
    assert_eq!((&proof["verdict"], &proof["contradicted"]), (&"incomplete".into(), &0.into()), "{proof:#}");
    assert!(proof["missing"].to_string().contains("BALANCER_RUNS"), "{proof:#}");
    assert!(journals.lines().is_empty());
}

#[test]
fn a_journal_that_let_go_of_a_run_leaves_it_incomplete_and_whoever_asked_for_proof_is_not_content() {
    let journals = Journals::new();
    let set = journals.set(1, &[("MANAGER_SERVER_1_JOURNAL_LIMIT", "1KiB")]);
    for (slo, content) in [("failed=0", true), ("verdict=proved", false)] {
        let run = Run::start(&set, &journals, &[("CLIENT_REQUESTS", "60"), ("CLIENT_SLO", slo)]);
        let (is_content, report) = run.finish();
        let proof = &report["proof"];
        assert_eq!((&proof["verdict"], is_content), (&"incomplete".into(), content), "{slo}: {proof:#}");
        assert_eq!(proof["contradicted"], 0, "{proof:#}");
        assert!(
            proof["missing"].to_string().contains("of the files of server-1's journal are gone"),
            "{proof:#}"
        );
    }
}

#[test]
fn a_run_is_proved_though_the_journal_lets_go_of_runs_before_it() {
    let journals = Journals::new();
    // 60 lines a run of some 230 bytes are more than half of it: what is kept is always younger than two runs.
    let set = journals.set(1, &[("MANAGER_SERVER_1_JOURNAL_LIMIT", "24KiB")]);
    for _ in 0..4 {
        let proof = verdict_on(&set, &journals, &[("CLIENT_REQUESTS", "60")]);
        assert_eq!((&proof["verdict"], &proof["executions"]), (&"proved".into(), &60.into()), "{proof:#}");
    }
    assert!(journals.lines().len() < 4 * 60, "nothing was let go of");
}

#[test]
fn whoever_is_not_let_in_leaves_nothing_in_the_journals() {
    let journals = Journals::new();
    let set = journals
        .set(1, &[("MANAGER_SERVER_1_USERNAME", "student"), ("MANAGER_SERVER_1_PASSWORD", "evenkeel")]);
    let strangers = [("CLIENT_USERNAME", "student"), ("CLIENT_PASSWORD", "wrong"), ("CLIENT_REQUESTS", "20")];
    let report = Run::start(&set, &journals, &strangers).report();
    assert_eq!(report["requests"]["failed"], 20);
    assert_eq!(report["proof"]["contradicted"], 0, "{:#}", report["proof"]);
    assert!(journals.lines().is_empty());
}
