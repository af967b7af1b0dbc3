//! The server's ledger: one line for every request of a run, so that the client can account for each execution.
//!
//! It is kept in files of an eighth of its limit each, numbered in the order in which they were begun, over all starts of the server:
//!
//! ```text
//! server-2-000041.jsonl … server-2-000047.jsonl   whole, never touched again
//! server-2-000048.jsonl                           appended to; the line that it has no room for begins 000049
//! ```
//!
//! What no longer fits within the limit is removed, the oldest first. Whoever reads a run knows by the numbers whether a file of it is gone: it looks which
//! was the last one before the run, and everything from there on has to be there.
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
//! moment of writing, in milliseconds since 1970. Where no further file could be begun, lines are missing, and the last line of a
//! file is `{"full":true}`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{
    dev::ServiceRequest,
    http::{StatusCode, header::HeaderMap},
};
use evenkeel_service::{Size, tracing};
use serde::Serialize;

/// A file takes so much of the limit: one part in eight.
const PARTS: u64 = 8;

/// The most files of a server that are kept, however short a server that starts again and again has left them.
const MOST_FILES: usize = 64;

/// The files of one server.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    /// What the files' names begin with.
    prefix: String,
    server: String,
    /// How long a file may become, in bytes.
    room: u64,
    /// How long all files together may become, in bytes.
    limit: u64,
    /// Held for one write, so that lines neither mix nor go to a file that has been left.
    part: Mutex<Part>,
    failures: AtomicU64,
}

/// The file that is written.
#[derive(Debug)]
struct Part {
    file: File,
    number: u64,
    written: u64,
    /// Whether lines are missing after what is written, because no further file could be begun.
    ended: bool,
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
    /// Begins a new file, named after the server, in a directory that is made where there is none. The client reads it as
    /// another user, so everybody may.
    pub(crate) fn begin(directory: &Path, server: &str, limit: Size) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        let prefix = server.replace(['/', '.'], "_");
        let last = numbers(directory, &prefix)?.into_iter().max().unwrap_or(0);
        let part = Part::begin(directory, &prefix, last + 1)?;
        let journal = Self {
            directory: directory.to_owned(),
            prefix,
            server: server.to_owned(),
            room: limit.0 / PARTS,
            limit: limit.0,
            part: Mutex::new(part),
            failures: AtomicU64::new(0),
        };
        journal.forget();
        Ok(journal)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lines that could not be written. A journal with failures proves nothing.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    fn write(&self, line: &Line) {
        // Strings and numbers always have a JSON form.
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        // What holds the lock does not panic; if it did, the file would still be one.
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = part.written > 0 && part.written + bytes.len() as u64 > self.room;
        let written = if is_full { self.go_on(&mut part) } else { Ok(()) };
        if let Err(error) = written.and_then(|()| part.append(&bytes))
            && self.failures.fetch_add(1, Relaxed) == 0
        {
            let directory = self.directory.display();
            tracing::error!(%directory, %error, "a line of the journal could not be written");
        }
    }

    /// Begins the next file and lets go of the oldest.
    fn go_on(&self, part: &mut Part) -> io::Result<()> {
        match Part::begin(&self.directory, &self.prefix, part.number + 1) {
            Ok(next) => *part = next,
            Err(error) => {
                if !part.ended {
                    part.ended = true;
                    part.append(FULL)?;
                }
                return Err(error);
            }
        }
        self.forget();
        Ok(())
    }

    /// Removes the server's oldest files beyond those that are kept.
    fn forget(&self) {
        let Ok(mut numbers) = numbers(&self.directory, &self.prefix) else { return };
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        // The first is the one that is written.
        let mut kept = self.room;
        for (place, number) in numbers.into_iter().enumerate().skip(1) {
            let path = path(&self.directory, &self.prefix, number);
            kept += fs::metadata(&path).map_or(0, |file| file.len());
            if kept > self.limit || place >= MOST_FILES {
                // What cannot be removed, or was by another server of this name, is looked at again with the next file.
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Part {
    /// Begins the file of this number, or of the next one that is free: two servers of one name are possible.
    fn begin(directory: &Path, prefix: &str, mut number: u64) -> io::Result<Self> {
        loop {
            let path = path(directory, prefix, number);
            match OpenOptions::new().append(true).create_new(true).mode(0o644).open(path) {
                Ok(file) => return Ok(Self { file, number, written: 0, ended: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// One call for one line. A partial write is a failure: the next line cannot mend it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.file.write(bytes)?;
        self.written += length as u64;
        if length == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// The file of a server with this number.
fn path(directory: &Path, prefix: &str, number: u64) -> PathBuf {
    directory.join(format!("{prefix}-{number:06}.jsonl"))
}

/// The numbers of the files that a server has in the directory.
fn numbers(directory: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.strip_prefix('-')?.strip_suffix(".jsonl"));
        // As it is written here, or a file of somebody else's could be taken for one of the server's and removed.
        let number =
            number.and_then(|text| text.parse::<u64>().ok().filter(|number| format!("{number:06}") == text));
        numbers.extend(number);
    }
    Ok(numbers)
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
        let path = path(&journal.directory, &journal.prefix, journal.part.lock().unwrap().number);
        let text = fs::read_to_string(path).unwrap();
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

    fn kept(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_files_go_first_and_the_limit_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a-1.jsonl"), "not of this server's making").unwrap();
        let limit = 8 * 700;
        let journal = Journal::begin(directory.path(), "a", Size(limit)).unwrap();
        for _ in 0..60 {
            drop(Entry::begin(&journal, &request("r1"), &[]));
        }
        let names = kept(directory.path());
        let (last, others) = names.split_last().unwrap();
        assert_eq!(last, "a-1.jsonl", "{names:?}");
        let number: u64 = names[0]["a-".len()..][..6].parse().unwrap();
        assert!(number > 1, "nothing was removed: {names:?}");
        let expected: Vec<_> =
            (number..).map(|number| format!("a-{number:06}.jsonl")).take(others.len()).collect();
        assert_eq!(others, expected);
        let length = |name: &String| fs::metadata(directory.path().join(name)).unwrap().len();
        let kept: u64 = others.iter().map(length).sum();
        assert!((limit - 2 * limit / PARTS..=limit).contains(&kept), "{kept} of {limit} bytes: {names:?}");
        for name in others {
            let text = fs::read_to_string(directory.path().join(name)).unwrap();
            assert!(text.ends_with("}\n"), "{name} ends in a whole line");
            assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        }
    }

    #[test]
    fn a_start_goes_on_with_the_numbers_and_two_of_one_name_share_them() {
        let directory = tempfile::tempdir().unwrap();
        let first = Journal::begin(directory.path(), "a", Size(1 << 20)).unwrap();
        // Room for one line a file.
        let second = Journal::begin(directory.path(), "a", Size(PARTS * 200)).unwrap();
        for _ in 0..2 {
            drop(Entry::begin(&second, &request("r1"), &[]));
        }
        drop(Entry::begin(&first, &request("r1"), &[]));
        assert_eq!(kept(directory.path()), ["a-000001.jsonl", "a-000002.jsonl", "a-000003.jsonl"]);
        assert_eq!((lines(&first).len(), lines(&second).len()), (1, 1));
    }

    #[test]
    fn short_files_of_many_starts_are_kept_up_to_a_number() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..MOST_FILES + 3 {
            let journal = Journal::begin(directory.path(), "a", Size(1 << 20)).unwrap();
            drop(Entry::begin(&journal, &request("r1"), &[]));
        }
        let names = kept(directory.path());
        assert_eq!((names.len(), names[0].as_str()), (MOST_FILES, "a-000004.jsonl"));
    }

    #[test]
    fn where_no_further_file_can_be_begun_the_last_one_says_so_once() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("journal");
        let journal = Journal::begin(&inside, "a", Size(0)).unwrap();
        drop(Entry::begin(&journal, &request("r1"), &[]));
        let moved = directory.path().join("moved");
        fs::rename(&inside, &moved).unwrap();
        for _ in 0..3 {
            drop(Entry::begin(&journal, &request("r1"), &[]));
        }
        assert_eq!(journal.failures(), 3);
        let text = fs::read_to_string(moved.join("a-000001.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.ends_with("{\"full\":true}\n"), "{text}");
        // The next line finds a file again.
        fs::rename(&moved, &inside).unwrap();
        drop(Entry::begin(&journal, &request("r1"), &[]));
        assert_eq!((journal.failures(), lines(&journal).len()), (3, 1));
    }
}
