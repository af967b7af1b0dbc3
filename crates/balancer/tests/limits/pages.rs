//! `BALANCER_ERROR_PAGES`: what people see where no server answers.

use std::fs;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Signal, kill_process};

use crate::harness::{Balancer, Stage};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn asking(method: &str, accept: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n")
}

#[test]
fn a_browser_gets_the_page_and_a_program_the_problem() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("503.html"), "<h1>Back soon</h1>").unwrap();
    let balancer = Balancer::start(NOBODY, &[("ERROR_PAGES", directory.path().to_str().unwrap())]);
    let mut client = balancer.connect();
    let page = client.send(asking("GET", BROWSER)).message();
    assert_eq!((page.status(), page.text()), (503, "<h1>Back soon</h1>"));
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((page.field("content-length"), page.field("retry-after")), (Some("18"), Some("1")));
    let head = client.send(asking("HEAD", BROWSER)).head();
    assert_eq!((head.status(), head.field("content-length")), (503, Some("18")));
    for accept in ["*/*", "application/json"] {
        let problem = client.send(asking("GET", accept)).message();
        assert_eq!(
            (problem.status(), problem.field("content-type")),
            (503, Some("application/problem+json"))
        );
    }
}

#[test]
fn a_request_that_goes_no_further_gets_its_page_too() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("403.html"), "<h1>Not here</h1>").unwrap();
    let pages = directory.path().to_str().unwrap();
    let stage = Stage::with(&[("ERROR_PAGES", pages), ("DENY", "127.0.0.1")]);
    let page = stage.client(asking("GET", BROWSER)).message();
    assert_eq!((page.status(), page.text()), (403, "<h1>Not here</h1>"));
    assert!(page.closes());
}

#[test]
fn what_a_client_accepts_is_in_all_its_lines_and_no_rule_changes_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("403.html"), "<h1>Not here</h1>").unwrap();
    fs::write(directory.path().join("503.html"), "<h1>Nobody</h1>").unwrap();
    let pages = directory.path().to_str().unwrap();
    let lines = "application/json;q=0.5\r\nAccept: text/html";
    let stage = Stage::with(&[("ERROR_PAGES", pages), ("DENY", "127.0.0.1")]);
    assert_eq!(stage.client(asking("GET", lines)).message().text(), "<h1>Not here</h1>");
    let rules = [("ERROR_PAGES", pages), ("REQUEST_SET", "Accept: application/json")];
    let balancer = Balancer::start(NOBODY, &rules);
    assert_eq!(balancer.connect().send(asking("GET", lines)).message().text(), "<h1>Nobody</h1>");
}

#[test]
fn pages_are_taken_up_while_it_runs_and_bad_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("503.html");
    fs::write(&file, "first").unwrap();
    let balancer = Balancer::start(NOBODY, &[("ERROR_PAGES", directory.path().to_str().unwrap())]);
    let shown =
        |balancer: &Balancer| balancer.connect().send(asking("GET", BROWSER)).message().text().to_owned();
    assert_eq!(shown(&balancer), "first");
    fs::write(&file, "second").unwrap();
    kill_process(balancer.pid(), Signal::HUP).unwrap();
    balancer.says("error pages were read again");
    assert_eq!(shown(&balancer), "second");
    fs::write(&file, "").unwrap();
    kill_process(balancer.pid(), Signal::HUP).unwrap();
    balancer.says("the error pages stay as they were");
    assert_eq!(shown(&balancer), "second");
}

#[test]
fn a_pipe_among_the_pages_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("503.html"), "first").unwrap();
    let balancer = Balancer::start(NOBODY, &[("ERROR_PAGES", directory.path().to_str().unwrap())]);
    let pipe = directory.path().join("404.html");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    kill_process(balancer.pid(), Signal::HUP).unwrap();
    balancer.says("404.html is no regular file");
    // Looking again is what would wait.
    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, "gone").unwrap();
    kill_process(balancer.pid(), Signal::HUP).unwrap();
    balancer.says("error pages were read again");
}

#[test]
fn a_directory_that_is_none_is_told() {
    let said = Balancer::refused(&[("ERROR_PAGES", "/nowhere/at/all")]);
    assert!(said.contains("BALANCER_ERROR_PAGES: /nowhere/at/all cannot be read"), "{said}");
}

/// An address of this machine where nobody listens.
const NOBODY: &str = "127.0.0.1:1";
