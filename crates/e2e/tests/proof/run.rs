//! A run of the client against a set whose servers keep journals, and the report it comes to.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_stage::{Connection, Processes, binary, ended};
use serde_json::Value;
use tempfile::TempDir;

/// The directory of the servers' journals.
#[derive(Debug)]
pub(crate) struct Journals(TempDir);

impl Journals {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A set of so many servers that all write here, with these variables of the manager.
    pub(crate) fn set(&self, servers: usize, variables: &[(&str, &str)]) -> Processes {
        let path = self.path().to_str().expect("a path of ours is text");
        let names: Vec<_> = (1..=servers).map(|number| format!("MANAGER_SERVER_{number}_JOURNAL")).collect();
        let journals: Vec<_> = names.iter().map(|name| (name.as_str(), path)).collect();
        Processes::start(servers, &[&journals, variables].concat())
    }

    /// Every line of every journal.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for file in fs::read_dir(self.path()).expect("the directory is ours") {
            let text = fs::read_to_string(file.expect("it is ours").path()).expect("a journal is text");
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
        }
        lines
    }
}

/// Rewrites every journal, line by line; `None` takes a line out.
pub(crate) fn edit(journals: &Path, change: impl Fn(&str) -> Option<String>) {
    for file in fs::read_dir(journals).expect("the directory is ours") {
        let path = file.expect("it is ours").path();
        let text = fs::read_to_string(&path).expect("a journal is text");
        let changed: String = text.lines().filter_map(&change).map(|line| line + "\n").collect();
        fs::write(&path, changed).expect("a journal of ours can be written");
    }
}

/// A client that runs.
#[derive(Debug)]
pub(crate) struct Run {
    client: Child,
    directory: TempDir,
}

impl Run {
    /// Starts the client, whose run is called `r`, with these variables on top of the usual ones.
    pub(crate) fn start(set: &Processes, journals: &Journals, variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let client = Command::new(binary("client"))
            .env_clear()
            .env("EVENKEEL_PARENT", std::process::id().to_string())
            .env("CLIENT_TARGET", format!("http://{}", set.balancer()))
            .env("CLIENT_ADMIN", format!("http://{}", set.member("balancer").admin))
            .env("CLIENT_JOURNALS", journals.path())
            .env("CLIENT_REPORT_JSON", directory.path().join("report.json"))
            .envs([("CLIENT_RUN", "r"), ("CLIENT_SHOW", "0")])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the client can be started");
        Self { client, directory }
    }

    /// Waits for the client's end: what it says of its run.
    pub(crate) fn report(self) -> Value {
        self.finish().1
    }

    /// The same, and whether it was content.
    pub(crate) fn finish(mut self) -> (bool, Value) {
        let ended = ended(&mut self.client);
        assert!(matches!(ended.code(), Some(0 | 1)), "{ended}");
        let text = fs::read(self.directory.path().join("report.json")).expect("the client wrote its report");
        let report: Value = serde_json::from_slice(&text).expect("JSON");
        (ended.success(), report["runs"][0].clone())
    }
}

/// Waits until the balancer has so many requests of runs in its ledger.
pub(crate) fn wait_until_passed(set: &Processes, count: u64) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_mins(1), "the ledger never has {count} requests");
        let mut admin = Connection::open(set.member("balancer").admin).expect("it listens");
        let answer = admin.get(&format!("/ledger?after={count}"), &[]).expect("it answers");
        let text = String::from_utf8(answer.body).expect("JSON is text");
        let heading: Value =
            serde_json::from_str(text.lines().next().unwrap_or_default()).expect("a heading comes first");
        if heading["next"].as_u64() >= Some(count) {
            return;
        }
    }
}
