//! A Prometheus that scrapes what a test names, and promtool beside it: both of Debian's package `prometheus`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use evenkeel_stage::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_mins(1);

/// From one scrape to the next, and so between two looks at what they brought.
const INTERVAL: Duration = Duration::from_millis(500);

/// A running Prometheus with an empty store. Dropping it ends it and removes the store.
pub(crate) struct Scraper {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

impl Scraper {
    /// Starts to scrape each job at its address.
    pub(crate) fn start(jobs: &[(&str, SocketAddr)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let configuration = directory.path().join("prometheus.yml");
        fs::write(&configuration, self::configuration(jobs)).expect("a file can be written");
        let mut process = Process::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", configuration.display()))
                .arg(format!("--storage.tsdb.path={}", directory.path().join("store").display()))
                .arg("--web.listen-address=127.0.0.1:0"),
        );
        let line = process.wait_for_line("msg=\"Listening on\"");
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("address=")?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address: {line}"));
        process.wait_for_line("Server is ready to receive web requests");
        Self { process, address, _directory: directory }
    }

    /// Waits until a condition holds: looked at now and after every scrape.
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            let targets = || self.ask("/api/v1/targets?state=active");
            assert!(Instant::now() < deadline, "it never came true that {what}: {:#}", targets());
            self.process.listen(INTERVAL);
        }
    }

    /// What a query finds now: by job, each value as it is written.
    pub(crate) fn by_job(&self, query: &str) -> BTreeMap<String, String> {
        let mut path = "/api/v1/query?query=".to_owned();
        for byte in query.bytes() {
            write!(path, "%{byte:02X}").expect("writing into a String cannot fail");
        }
        let found = self.ask(&path);
        let found = found["result"].as_array().expect("a result is a list");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.iter().map(|one| (text(&one["metric"]["job"]), text(&one["value"][1]))).collect()
    }

    /// The only value that a query finds now, if it finds one.
    pub(crate) fn one(&self, query: &str) -> Option<String> {
        let found = self.by_job(query);
        assert!(found.len() <= 1, "{query} finds {found:?}");
        found.into_values().next()
    }

    fn ask(&self, path: &str) -> Value {
        let answer = Connection::open(self.address).and_then(|mut api| api.get(path, &[]));
        let answer = answer.expect("Prometheus answers");
        let mut told: Value = serde_json::from_slice(&answer.body).expect("it speaks JSON");
        assert_eq!(told["status"], "success", "{path}: {told:#}");
        told["data"].take()
    }
}

/// The configuration, as JSON: that is YAML too.
fn configuration(jobs: &[(&str, SocketAddr)]) -> String {
    let interval = format!("{}ms", INTERVAL.as_millis());
    let jobs: Vec<_> = jobs
        .iter()
        .map(|(job, address)| json!({ "job_name": job, "static_configs": [{ "targets": [address] }] }))
        .collect();
    json!({ "global": { "scrape_interval": interval, "scrape_timeout": interval }, "scrape_configs": jobs })
        .to_string()
}

/// Has promtool check `input`: all that it says. Panics where it does not like what it sees.
pub(crate) fn check(arguments: &[&str], input: &str) -> String {
    let mut promtool = Command::new("promtool")
        .arg("check")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool can be started: install prometheus");
    let mut stdin = promtool.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads its input");
    drop(stdin);
    let ended = evenkeel_stage::finished(&mut promtool);
    let said =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "promtool check {}: {}\n{said}\n{input}", arguments[0], ended.status);
    said
}
