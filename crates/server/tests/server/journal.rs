//! The journal of a server that is killed.

use std::{fs, path::Path};

use evenkeel_stage::until;
use rustix::process::Signal;
use serde_json::Value;

use crate::{process::Server, serving::basic};

fn lines(directory: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    lines
}

#[test]
fn every_answered_request_of_a_run_is_in_the_journal_of_a_killed_server() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let settings =
        [("SERVER_JOURNAL", journal.to_str().unwrap()), ("SERVER_FAULTS", "status=500@method=PUT")];
    let server = Server::start(&settings);
    let mut connection = server.connect();
    for id in 0..20 {
        let method = if id % 2 == 0 { "POST" } else { "PUT" };
        let asked = format!(
            "{method} /echo HTTP/1.1\r\nhost: a\r\nx-evenkeel-run: r1\r\nx-request-id: {id}\r\nx-attempt: 2\r\n\
             content-length: 5\r\n\r\nhello"
        );
        connection.ask(&asked);
    }
    server.get("/", "x-request-id: of no run\r\n");
    server.signal(Signal::KILL);
    assert!(!server.wait().success());

    let lines = lines(&journal);
    let seen: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    let asked: Vec<_> = (0..20).map(|id| id.to_string()).collect();
    assert_eq!(seen, asked);
    assert_eq!((&lines[0]["run"], &lines[0]["attempt"]), (&"r1".into(), &2.into()));
    assert_eq!((&lines[0]["status"], &lines[0]["executed"]), (&200.into(), &true.into()));
    assert_eq!((&lines[1]["status"], &lines[1]["executed"]), (&500.into(), &false.into()));
    assert_eq!(lines[1]["faults"], serde_json::json!(["status"]));
}

#[test]
fn each_start_begins_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("SERVER_JOURNAL", directory.path().to_str().unwrap())];
    for _ in 0..2 {
        Server::start(&settings).get("/", "x-evenkeel-run: r1\r\n");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    assert_eq!(lines(directory.path()).len(), 2);
}

#[test]
fn a_request_whose_client_went_away_leaves_a_line_without_a_status() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[("SERVER_JOURNAL", directory.path().to_str().unwrap())]);
    let mut connection = server.connect();
    connection
        .send("POST /upload HTTP/1.1\r\nhost: a\r\nx-evenkeel-run: r1\r\ncontent-length: 9\r\n\r\nhello");
    drop(connection);
    let line = until("there is a line", || lines(directory.path()).pop());
    assert_eq!((line["executed"].as_bool(), line["run"].as_str()), (Some(true), Some("r1")));
    assert_ne!(line["status"], 200);
}

#[test]
fn whoever_is_not_let_in_leaves_no_line_and_brings_no_faults() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[
        ("SERVER_JOURNAL", directory.path().to_str().unwrap()),
        ("SERVER_USERNAME", "student"),
        ("SERVER_PASSWORD", "evenkeel"),
        ("SERVER_FAULTS_BY_REQUEST", "on"),
    ]);
    let effects = "x-evenkeel-run: r1\r\nx-evenkeel-fault: status=500@path=/\r\n";
    let (wrong, right) = (basic("student:wrong"), basic("student:evenkeel"));
    for credentials in ["", wrong.as_str()] {
        assert_eq!(server.get("/", &format!("{effects}{credentials}")).status, 401);
        // Probes are let in without credentials, but only to be answered.
        assert_eq!(server.get("/readyz", &format!("{effects}{credentials}")).status, 200);
        assert_eq!(server.get("/", &format!("x-evenkeel-fault: explode\r\n{credentials}")).status, 401);
    }
    assert!(lines(directory.path()).is_empty());
    assert_eq!(server.get("/", &format!("{effects}{right}")).status, 500);
    assert_eq!(lines(directory.path()).len(), 1);
}
