//! Settings that change while the balancer runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod ways;
mod what_changes;
mod what_does_not;

use std::fs;

use tempfile::TempDir;

use harness::message::Message;
use harness::{Balancer, Connection};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

const TOKEN: &str = "a-token-of-this-test";

/// A balancer whose settings stand in a file.
struct Settled {
    directory: TempDir,
    balancer: Balancer,
}

impl Settled {
    /// These lines in the file, each without `BALANCER_`.
    fn with(lines: &[&str]) -> Self {
        Self::beside(&[], lines)
    }

    /// The same, beside these settings of the environment.
    fn beside(settings: &[(&str, &str)], lines: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("balancer.env");
        fs::write(&path, text(lines)).unwrap();
        let settings: Vec<_> = settings.iter().copied().chain([("ADMIN_TOKEN", TOKEN)]).collect();
        let balancer = Balancer::of_file(path.to_str().unwrap(), &settings);
        balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
        Self { directory, balancer }
    }

    fn path(&self) -> String {
        self.directory.path().join("balancer.env").to_str().unwrap().to_owned()
    }

    /// Puts a whole file in the place of the one that is there.
    fn put(&self, lines: &[&str]) {
        let new = self.directory.path().join("new");
        fs::write(&new, text(lines)).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn reload(&self) -> Message {
        self.post("/api/reload")
    }

    fn post(&self, path: &str) -> Message {
        let mut admin = self.balancer.connect_admin();
        admin.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        ));
        admin.message()
    }

    /// Has these lines be in force.
    fn change(&self, lines: &[&str]) {
        self.put(lines);
        let answer = self.reload();
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(!answer.text().contains("\"changes\":[]"), "nothing was new: {}", answer.text());
    }

    /// A client that has asked.
    fn ask(&self, path: &str) -> Connection {
        let mut client = self.balancer.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        client
    }

    fn metric(&self, name: &str) -> u64 {
        let scrape = self.balancer.admin("/metrics");
        let mut lines = scrape.text().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not there")).parse().unwrap()
    }

    /// Waits until an event says this.
    fn tells(&self, words: &str) {
        let mut events = self.balancer.connect_admin();
        events.send("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        events.through(words.as_bytes());
    }

    /// Waits until the state says this.
    fn says(&self, words: &str) {
        self.balancer.wait_until(|balancer| balancer.admin("/api/state").text().contains(words));
    }
}

fn text(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("BALANCER_{line}\n")).collect();
    lines.concat()
}
