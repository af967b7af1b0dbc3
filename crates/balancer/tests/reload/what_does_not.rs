//! Files that nothing is taken up of.

use crate::Settled;
use crate::harness::message::Message;
use crate::harness::{OK_CLOSE, Servers};

/// A balancer whose answers say `X-Set: one`.
struct Stage {
    upstream: String,
    settled: Settled,
}

impl Stage {
    fn new() -> Self {
        let servers = Servers::listen(1);
        let upstream = format!("UPSTREAM={}", servers.upstream());
        let settled = Settled::with(&[&upstream, "RESPONSE_SET=X-Set: one"]);
        servers.answer_all(OK_CLOSE);
        Self { upstream, settled }
    }

    /// Has these lines, which begin with another value of `X-Set`, be refused: what is said of them.
    fn refused(&self, lines: &[&str]) -> Message {
        let lines: Vec<&str> =
            [self.upstream.as_str(), "RESPONSE_SET=X-Set: two"].iter().chain(lines).copied().collect();
        self.settled.put(&lines);
        let failures = self.settled.metric(FAILURES);
        let answer = self.settled.reload();
        assert_eq!(answer.status(), 422, "{}", answer.text());
        assert_eq!(self.set(), "one");
        assert_eq!(self.settled.metric(FAILURES), failures + 1);
        assert_eq!(self.settled.metric("evenkeel_settings_refused"), 1);
        answer
    }

    fn set(&self) -> String {
        self.settled.ask("/").message().field("x-set").unwrap().to_owned()
    }

    /// Problems of a line, as JSON has them.
    fn at(&self, line: usize, says: &str) -> String {
        format!("\"{}:{line}: {says}", self.settled.path())
    }
}

const FAILURES: &str = "evenkeel_settings_reload_failures_total";

#[test]
fn whatever_is_wrong_is_said_at_once_with_file_and_line_and_nothing_changes_until_it_is_mended() {
    let stage = Stage::new();
    let answer = stage.refused(&["POLICY=fastest", "RESPONSE_TIMOUT=3s", "UPSTREAM_API=a:1"]);
    for problem in [
        stage.at(3, "BALANCER_POLICY: `fastest` is none of"),
        stage.at(4, "BALANCER_RESPONSE_TIMOUT: is not a setting; did you mean BALANCER_RESPONSE_TIMEOUT?"),
        "BALANCER_UPSTREAM_API_ROUTE: is required".to_owned(),
    ] {
        assert!(answer.text().contains(&problem), "{problem} in {}", answer.text());
        stage.settled.says(&problem);
    }
    stage.settled.says("\"refused_since_ms\":");
    stage.settled.tells("The settings stay as they were: ");
    stage.settled.balancer.says("no setting changes: ");
    assert_eq!(stage.settled.balancer.admin("/readyz").status(), 200);
    stage.settled.change(&[&stage.upstream, "RESPONSE_SET=X-Set: three"]);
    assert_eq!(stage.set(), "three");
    stage.settled.says("\"problems\":[]");
    assert_eq!(stage.settled.metric("evenkeel_settings_refused"), 0);
    assert_eq!(stage.settled.metric("evenkeel_settings_reloads_total"), 1);
}

#[test]
fn what_cannot_change_while_the_balancer_runs_is_named() {
    let stage = Stage::new();
    let answer = stage.refused(&["ACCESS_LOG=text", "LEDGER=off"]);
    for (line, name) in [(3, "ACCESS_LOG"), (4, "LEDGER")] {
        let problem = stage.at(
            line,
            &format!("BALANCER_{name}: was not set at the start and stays so while the balancer runs; restart to change it"),
        );
        assert!(answer.text().contains(&problem), "{problem} in {}", answer.text());
    }
}

#[test]
fn a_name_that_the_environment_has_too_is_named_with_both_places() {
    let stage = Stage::new();
    let answer = stage.refused(&["ADMIN_TOKEN=another-token-of-this-test", "SERVER_IDLE=1s"]);
    let problem = stage.at(4, "BALANCER_SERVER_IDLE is set in the environment as well; keep one of them");
    assert!(answer.text().contains(&problem), "{problem} in {}", answer.text());
    assert!(!answer.text().contains("another-token"), "{}", answer.text());
}

#[test]
fn a_file_that_is_gone_or_half_there_changes_nothing() {
    let stage = Stage::new();
    std::fs::write(stage.settled.path(), [0xff, 0xfe]).unwrap();
    assert!(stage.settled.reload().text().contains("does not hold UTF-8 text"));
    std::fs::remove_file(stage.settled.path()).unwrap();
    let answer = stage.settled.reload();
    assert!(answer.status() == 422 && answer.text().contains("does not exist"), "{}", answer.text());
    assert_eq!(stage.set(), "one");
    stage.settled.put(&[&stage.upstream, "RESPONSE_SET=X-Set: one"]);
    assert_eq!(stage.settled.reload().status(), 200);
    stage.settled.balancer.says("the file says again what is in force");
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let stage = Stage::new();
    stage.settled.put(&[
        &stage.upstream,
        "RESPONSE_SET=X-Set: two",
        "STICKY_COOKIE=pin",
        "STICKY_KEY=0123456789abcdef",
    ]);
    let answer = stage.settled.post("/api/reload?dry_run");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    for said in [
        "\"dry_run\":true",
        "{\"before\":\"X-Set: one\",\"now\":\"X-Set: two\",\"variable\":\"BALANCER_RESPONSE_SET\"}",
        "{\"before\":null,\"now\":\"(set, not shown)\",\"variable\":\"BALANCER_STICKY_KEY\"}",
    ] {
        assert!(answer.text().contains(said), "{said} in {}", answer.text());
    }
    assert_eq!(stage.set(), "one");
    stage.settled.put(&[&stage.upstream, "RESPONSE_SET=X-Set: one", "POLICY=fastest"]);
    let answer = stage.settled.post("/api/reload?dry_run");
    assert!(answer.status() == 422 && answer.text().contains("`fastest` is none of"), "{}", answer.text());
    assert_eq!(stage.settled.metric("evenkeel_settings_reload_failures_total"), 0);
    assert_eq!(stage.settled.post("/api/reload?dry").status(), 400);
}
