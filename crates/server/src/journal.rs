//! The server's ledger: one line for every request of a run, so that the client can account for each execution.
//!
//! A request belongs to a run when it carries `X-Evenkeel-Run` with a name of 1 to 64 letters, digits, dots, dashes and
//! underscores, and has the right credentials where any are needed. Its line is written with one `write(2)` to a file opened for
//! appending, before the response is sent: it survives `kill -9` of this process (though not of the machine: nothing is
//! synced). A handler that is abandoned, because its client went away, leaves a line without a status.
//!
//! A line is a JSON object:
//! `{"run":"r1","id":"7","attempt":1,"method":"GET","path":"/","status":200,"executed":true,"faults":[],"server":"a","at":…}`.
//! `id` is `X-Request-Id`, `attempt` is `X-Attempt`; both are `null` where the request has none, or one too long; `path` is
//! its first 1024 bytes. `status` is `null` for an
//! abandoned request; `executed` is false where a fault kept the request from its route. `at` is the
//! moment of writing, in milliseconds since 1970. The last line of a full journal is `{"full":true}`.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{
    dev::ServiceRequest,
    http::{StatusCode, header::HeaderMap},
};
use evenkeel_service::{Size, tracing};
use serde::Serialize;

/// The file of one incarnation.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    server: String,
    limit: u64,
    written: AtomicU64,
    failures: AtomicU64,
}

/// A request that will get its line; dropped unfinished, it was abandoned and says so.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    journal: &'a Journal,
    line: Line,
}

#[derive(Debug, Serialize)]
struct Line {
    run: String,
    id: Option<String>,
    attempt: Option<u32>,
    method: String,
    path: String,
    status: Option<u16>,
    executed: bool,
    faults: Vec<&'static str>,
    server: String,
    at: u64,
}

const FULL: &[u8] = b"{\"full\":true}\n";

impl Journal {
    /// Begins a new file, named after the server and the moment, in a directory that is made where there is none. The
    /// client reads it as another user, so everybody may.
    pub(crate) fn begin(directory: &Path, server: &str, limit: Size) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        let name = server.replace(['/', '.'], "_");
        let path = directory.join(format!("{name}-{}-{}.jsonl", milliseconds(), process::id()));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o644).open(&path)?;
        Ok(Self {
            file,
            path,
            server: server.to_owned(),
            limit: limit.0,
            written: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lines that could not be written. A journal with failures proves nothing.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    fn write(&self, line: &Line) {
        // Strings and numbers always have a JSON form.
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        let length = bytes.len() as u64;
        let before = self.written.fetch_add(length, Relaxed);
        if before + length <= self.limit {
            self.append(&bytes);
        } else if before <= self.limit {
            // The one line that crosses the limit ends the journal; after it `before` is always beyond.
            tracing::error!(limit = self.limit, "the journal is full; requests are no longer recorded");
            self.append(FULL);
        }
    }

    /// One call, so that lines of several workers do not mix. A partial write is a failure: the next line cannot mend it.
    fn append(&self, bytes: &[u8]) {
        let written = (&self.file).write(bytes);
        if !matches!(written, Ok(length) if length == bytes.len()) && self.failures.fetch_add(1, Relaxed) == 0
        {
            tracing::error!(path = %self.path.display(), result = ?written, "a line of the journal could not be written");
        }
    }
}

impl<'a> Entry<'a> {
    /// The entry for a request, if it belongs to a run.
    pub(crate) fn begin(
        journal: &'a Journal,
        request: &ServiceRequest,
        faults: &[&'static str],
    ) -> Option<Self> {
        let headers = request.headers();
        let line = Line {
            run: text(headers, "x-evenkeel-run").filter(|name| is_run_name(name))?,
            id: text(headers, "x-request-id").filter(|id| id.len() <= LONGEST_ID),
            attempt: text(headers, "x-attempt").and_then(|attempt| attempt.parse().ok()),
            method: request.method().to_string(),
            path: beginning(request.path()).to_owned(),
            status: None,
            executed: false,
            faults: faults.to_vec(),
            server: journal.server.clone(),
            at: 0,
        };
        Some(Self { journal, line })
    }

    /// The request reaches its route.
    pub(crate) fn executed(&mut self) {
        self.line.executed = true;
    }

    /// The response is known.
    pub(crate) fn finish(mut self, status: StatusCode) {
        self.line.status = Some(status.as_u16());
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.line.at = milliseconds();
        self.journal.write(&self.line);
    }
}

/// The longest name of a run, in bytes.
const LONGEST_NAME: usize = 64;

/// The longest id that is written down, in bytes: as long as the balancer lets one be.
const LONGEST_ID: usize = 128;

/// How much of a path is written down, in bytes.
const LONGEST_PATH: usize = 1024;

/// Whether a run may be called that. Balancer and client hold it to the same.
fn is_run_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn beginning(path: &str) -> &str {
    path.get(..path.floor_char_boundary(LONGEST_PATH)).unwrap_or(path)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use actix_web::test::TestRequest;

    use super::*;

    fn request(run: &str) -> ServiceRequest {
        TestRequest::post()
            .uri("/echo?x=1")
            .insert_header(("x-evenkeel-run", run))
            .insert_header(("x-request-id", "7\"\u{e9}"))
            .insert_header(("x-attempt", "2"))
            .to_srv_request()
    }

    fn lines(journal: &Journal) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(journal.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_finished_request_has_its_status_and_an_abandoned_one_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::begin(&directory.path().join("new"), "a/b", Size(1 << 20)).unwrap();
        let mut entry = Entry::begin(&journal, &request("r1"), &["delay"]).unwrap();
        entry.executed();
        entry.finish(StatusCode::OK);
        drop(Entry::begin(&journal, &request("r1"), &[]));
        let lines = lines(&journal);
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["run"], &lines[0]["attempt"]), (&"r1".into(), &2.into()));
        assert_eq!((&lines[0]["status"], &lines[0]["executed"]), (&200.into(), &true.into()));
        assert_eq!((&lines[0]["path"], &lines[0]["faults"][0]), (&"/echo".into(), &"delay".into()));
        assert_eq!((lines[1]["status"].is_null(), &lines[1]["executed"]), (true, &false.into()));
    }

    #[test]
    fn a_request_of_no_run_leaves_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::begin(directory.path(), "a", Size(1 << 20)).unwrap();
        assert!(Entry::begin(&journal, &TestRequest::get().to_srv_request(), &[]).is_none());
        assert!(lines(&journal).is_empty());
    }

    #[test]
    fn what_is_no_name_is_no_run_and_what_is_long_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::begin(directory.path(), "a", Size(1 << 20)).unwrap();
        for name in ["", "a b", "a/b", "a\"", &"x".repeat(65)] {
            assert!(Entry::begin(&journal, &request(name), &[]).is_none(), "{name}");
        }
        let long = TestRequest::get()
            .uri(&format!("/{}", "x".repeat(2000)))
            .insert_header(("x-evenkeel-run", "x".repeat(64)))
            .insert_header(("x-request-id", "7".repeat(129)));
        drop(Entry::begin(&journal, &long.to_srv_request(), &[]));
        let lines = lines(&journal);
        assert_eq!((lines.len(), lines[0]["path"].as_str().unwrap().len()), (1, 1024));
        assert!(lines[0]["id"].is_null());
    }

    #[test]
    fn a_full_journal_says_so_once_and_stops() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::begin(directory.path(), "a", Size(400)).unwrap();
        for _ in 0..20 {
            drop(Entry::begin(&journal, &request("r1"), &[]));
        }
        let lines = lines(&journal);
        assert_eq!(lines.last().unwrap()["full"], true);
        assert_eq!(lines.iter().filter(|line| line["full"] == true).count(), 1);
        assert!((2..5).contains(&lines.len()), "{}", lines.len());
    }
}
