//! The client as a witness: its own record, a balancer's ledger and a server's journal, of which one may be false.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::origin::{Origin, Reply, response};
use crate::{client, finished};

/// What the balancer and the server of a test claim about a request.
#[derive(Clone, Copy)]
struct Claims {
    /// How often the journal has it.
    executions: usize,
    /// Whether the ledger has it.
    passed: bool,
    /// Whether the client gets its answer.
    answered: bool,
}

/// What the balancer calls the server that calls itself `a`.
const STATE: &[u8] = br#"{"endpoints":[{"address":"a:1","name":"server:1","server":"server-2"}]}"#;

/// What it tells of it: something that goes on.
const INCIDENTS: &[u8] = br#"{"incidents":[{"id":1,"begun_ms":1,"ended_ms":null,"server":"server-2","address":"a:1","cause":"slow",
    "sentence":"server-2 has been slow since yesterday.","why":"its answers take long","counts":{},"slowest_added_ms":null}],"newest":1}"#;

const HONEST: Claims = Claims { executions: 1, passed: true, answered: true };

/// Runs the client for ten requests, of which the fifth (`run-00000004`) meets these claims, and says how it ended.
fn run(fifth: Claims, variables: &[(&str, &str)]) -> (String, i32) {
    let journals = TempDir::new().unwrap();
    let (journal, ledger) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(Vec::new())));
    let server = {
        let (journal, ledger) = (Arc::clone(&journal), Arc::clone(&ledger));
        let file = journals.path().join("a-1.jsonl");
        Origin::start(move |seen| {
            let Some(id) = seen.field("x-request-id") else { return Reply::whole(200, "", b"") };
            let claims = if id == "run-00000004" { fifth } else { HONEST };
            let mut journal = journal.lock().unwrap();
            for attempt in 1..=claims.executions {
                let line = format!(
                    r#"{{"run":"run","id":"{id}","attempt":{attempt},"status":200,"executed":true,"server":"a","at":1}}"#
                );
                writeln!(journal, "{line}").unwrap();
            }
            fs::write(&file, journal.as_str()).unwrap();
            if claims.passed {
                let attempts: Vec<_> = (1..=claims.executions.max(1))
                    .map(|attempt| format!(r#"{{"n":{attempt},"endpoint":"a:1","why":"first","end":"answered","status":200}}"#))
                    .collect();
                let mut ledger = ledger.lock().unwrap();
                let line = format!(
                    r#"{{"n":{},"run":"run","id":"{id}","status":200,"whole":true,"at":1,"attempts":[{}]}}"#,
                    ledger.len(),
                    attempts.join(",")
                );
                ledger.push(line);
            }
            if claims.answered { Reply::whole(200, "X-Server: a\r\n", b"") } else { Reply::Close(Vec::new()) }
        })
    };
    let admin = Origin::start(move |seen| {
        match seen.line.as_str() {
            "GET /readyz" => return Reply::whole(200, "", b""),
            "GET /api/state" => return Reply::whole(200, "", STATE),
            "GET /api/incidents" => return Reply::whole(200, "", INCIDENTS),
            line if !line.starts_with("GET /ledger") => return Reply::whole(404, "", b""),
            _ => {}
        }
        let after: usize = seen.line.strip_prefix("GET /ledger?run=run&after=").unwrap().parse().unwrap();
        let ledger = ledger.lock().unwrap();
        let heading =
            format!(r#"{{"ledger":1,"balancer":"evenkeel-1a2b3c","oldest":0,"next":{}}}"#, ledger.len());
        let lines = std::iter::once(heading.as_str()).chain(ledger[after..].iter().map(String::as_str));
        let body: String = lines.flat_map(|line| [line, "\n"]).collect();
        Reply::whole(200, "", body.as_bytes())
    });
    let admin = format!("http://{}", admin.address);
    let own =
        [("CLIENT_RUN", "run"), ("CLIENT_REQUESTS", "10"), ("CLIENT_METHOD", "POST"), ("CLIENT_BODY", "10")];
    let others = [("CLIENT_ADMIN", admin.as_str()), ("CLIENT_JOURNALS", journals.path().to_str().unwrap())];
    let target = format!("http://{}", server.address);
    finished(&evenkeel_stage::output(&mut client(&target, &[&own[..], &others, variables].concat())))
}

#[test]
fn the_balancers_names_and_sentences_are_those_of_the_report() {
    let directory = TempDir::new().unwrap();
    let json = directory.path().join("report.json");
    let (text, status) = run(HONEST, &[("CLIENT_REPORT_JSON", json.to_str().unwrap())]);
    assert_eq!(status, 0, "{text}");
    let (story, figures) = text.split_once("10 requests in").unwrap();
    assert!(story.contains("  1. +0.000 s  server-2 has been slow since yesterday."), "{text}");
    let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(story.contains("from server-2; its way: server-2 (first, answered 200)."), "{text}");
    let row = figures.lines().find(|line| line.starts_with(" server-2 ")).unwrap();
    assert!(row.ends_with("100.0 %  a:1"), "{row}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let server = &report["runs"][0]["servers"][0];
    assert_eq!(
        (&server["name"], &server["called"], &server["address"]),
        (&"a".into(), &"server-2".into(), &"a:1".into())
    );
    let incident = &report["runs"][0]["incidents"][0];
    assert_eq!((&incident["told_by"], &incident["cause"]), (&"balancer".into(), &"slow".into()));
}

#[test]
fn three_ledgers_that_agree_are_a_proof() {
    let (text, status) = run(HONEST, &[("CLIENT_SLO", "verdict=proved,duplicates=0")]);
    assert!(text.contains("Verdict: proved, with 10 executions in the journals"), "{text}");
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_request_that_was_doubled_is_named_and_fails_the_run() {
    let (text, status) = run(Claims { executions: 2, ..HONEST }, &[]);
    assert!(text.contains("run-00000004: it must not be repeated, but was executed 2 times"), "{text}");
    assert!(text.contains("Every request was answered rightly.") && status == 1, "{text}");
}

#[test]
fn a_request_that_was_lost_is_named() {
    let (text, status) = run(Claims { answered: false, ..HONEST }, &[]);
    assert!(
        text.contains("run-00000004: it failed, but the balancer says that it was answered 200 in whole"),
        "{text}"
    );
    assert_eq!(status, 1, "{text}");
}

#[test]
fn an_answer_without_an_execution_is_named() {
    let (text, status) = run(Claims { executions: 0, ..HONEST }, &[]);
    assert!(text.contains("run-00000004: it was answered rightly, but no server's journal has it"), "{text}");
    assert_eq!(status, 1, "{text}");
}

#[test]
fn an_answer_that_the_balancer_does_not_know_is_named() {
    let (text, status) = run(Claims { passed: false, ..HONEST }, &[]);
    assert!(
        text.contains("run-00000004: it was answered rightly, but the balancer's ledger does not have it"),
        "{text}"
    );
    assert_eq!(status, 1, "{text}");
}

#[test]
fn a_missing_ledger_is_no_proof_but_no_contradiction_either() {
    let (text, status) = run(HONEST, &[("CLIENT_JOURNALS", "/nowhere")]);
    assert!(
        text.contains("Verdict: incomplete")
            && text.contains("missing: the journals in /nowhere cannot be read"),
        "{text}"
    );
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_ledger_that_ends_early_is_no_short_ledger() {
    let heading = "{\"ledger\":1,\"balancer\":\"evenkeel-1a2b3c\",\"oldest\":0,\"next\":0}\n";
    let whole = response(200, "", heading.len(), heading.as_bytes());
    let chunk = format!("{:x}\r\n{heading}\r\n", heading.len());
    let chunked =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), chunk.as_bytes()].concat();
    let cases = [
        (response(200, "", heading.len() + 100, heading.as_bytes()), "/ledger: truncated"),
        (chunked, "/ledger: truncated"),
        (response(200, "", heading.len() - 1, &heading.as_bytes()[..heading.len() - 1]), "not whole"),
        (response(200, "", 0, b""), "/ledger: its answer is not whole"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "/ledger: its answer is not whole"),
        // What the others are to be told apart from: a ledger that is whole, and without a line about this run.
        (whole, "the balancer's ledger does not have it"),
    ];
    for (answer, expected) in cases {
        let admin = Origin::start(move |seen| match seen.line.as_str() {
            "GET /readyz" => Reply::whole(200, "", b""),
            _ => Reply::Close(answer.clone()),
        });
        let (text, _) = run(HONEST, &[("CLIENT_ADMIN", &format!("http://{}", admin.address))]);
        assert!(text.contains(expected), "{expected} in {text}");
    }
}
