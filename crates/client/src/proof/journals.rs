//! The servers' journals: a directory with a few files of each server, a JSON object a line.
//!
//! `{"run":"r1","id":"r1-00000007","attempt":1,"status":200,"executed":true,"server":"a",…}`; fields that are not needed
//! here are passed over. A file that could not be gone on with ends with `{"full":true}`. A file is read line by line, so its
//! length does not matter.
//!
//! A server's files are numbered (`server-2-000048.jsonl`), and it lets go of the oldest:
//!
//! ```text
//! before the run    41 … 48          noted: 48 is the last
//! after the run          46 … 53     48 to 53 are there: whole
//!                             51 … 58    48 is gone, and perhaps requests of the run with it: incomplete
//! ```
//! No clock is asked, since that of the servers may be another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Reconciler;

/// The longest line read, in bytes: heads are bounded, and with them what a line repeats of them.
const LONGEST_LINE: u64 = 1 << 20;

/// One attempt at one request, as the server that had it wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Execution {
    /// `X-Request-Id`.
    pub(crate) id: String,
    /// `X-Attempt`; 1 where there was none, because nobody stood between.
    pub(crate) attempt: u32,
    /// Whether it reached its route: false where a fault or missing credentials came first.
    pub(crate) executed: bool,
}

/// A line as it is written.
#[derive(Debug, Deserialize)]
struct Line {
    run: Option<String>,
    id: Option<String>,
    attempt: Option<u32>,
    #[serde(default)]
    executed: bool,
    #[serde(default)]
    full: bool,
}

/// Where the journals stood before the run: the last file of each server, and its length.
#[derive(Debug, Default)]
pub(crate) struct Before(BTreeMap<String, (u64, u64)>);

impl Before {
    /// Looks now. A directory that is not there yet, or cannot be read, has no files: that is told when they are read.
    pub(crate) fn the_run(directory: &Path) -> Self {
        let mut last = BTreeMap::new();
        for file in journals(directory).unwrap_or_default() {
            let Some((server, number)) = place(&file) else { continue };
            let length = fs::metadata(&file).map_or(0, |file| file.len());
            let last = last.entry(server).or_default();
            *last = (number, length).max(*last);
        }
        Self(last)
    }

    /// The first file of a server that a request of the run can be in, and where in it.
    fn first(&self, server: &str) -> (u64, u64) {
        self.0.get(server).copied().unwrap_or((1, 0))
    }
}

/// Reads the journals in `directory` from where they stood `before` the run, and tells `reconciler` what they say about it.
pub(crate) fn read(directory: &Path, before: &Before, run: &str, reconciler: &mut Reconciler) {
    let files = match journals(directory) {
        Ok(files) => files,
        Err(error) => {
            return reconciler
                .journals_lack(format!("the journals in {} cannot be read: {error}", directory.display()));
        }
    };
    if files.is_empty() {
        reconciler.journals_lack(format!(
            "there is no journal in {}; SERVER_JOURNAL makes servers write one",
            directory.display()
        ));
    }
    let mut there: BTreeMap<String, BTreeSet<u64>> =
        before.0.keys().map(|server| (server.clone(), BTreeSet::new())).collect();
    for file in files {
        let mut from = 0;
        if let Some((server, number)) = place(&file) {
            let (first, length) = before.first(&server);
            if number < first {
                continue;
            }
            from = if number == first { length } else { 0 };
            there.entry(server).or_default().insert(number);
        }
        read_file(&file, from, run, reconciler);
    }
    for (server, numbers) in there {
        let (first, _) = before.first(&server);
        let last = numbers.last().copied().unwrap_or(first);
        let gone = (first..=last).filter(|number| !numbers.contains(number)).count();
        if gone > 0 {
            reconciler.journals_lack(format!(
                "{gone} of the files of {server}'s journal are gone that were written since the run began; \
                 SERVER_JOURNAL_LIMIT says how much of it is kept"
            ));
        }
    }
}

fn read_file(file: &Path, from: u64, run: &str, reconciler: &mut Reconciler) {
    let lines = File::open(file).and_then(|mut opened| {
        opened.seek(SeekFrom::Start(from))?;
        read_lines(BufReader::new(opened), run, reconciler)
    });
    match lines {
        Ok(Ending::Whole) => {}
        Ok(Ending::Full) => {
            reconciler.journals_lack(format!("{} could not be gone on with and ends early", file.display()));
        }
        Ok(Ending::Torn) => {
            reconciler.journals_lack(format!("{} has a line that cannot be read", file.display()));
        }
        Err(error) => reconciler.journals_lack(format!("{} cannot be read: {error}", file.display())),
    }
}

fn journals(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whose file it is, and its number. One that is named otherwise stands for itself.
fn place(file: &Path) -> Option<(String, u64)> {
    let (server, number) = file.file_stem()?.to_str()?.rsplit_once('-')?;
    Some((server.to_owned(), number.parse().ok()?))
}

/// How a journal ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    Full,
    Torn,
}

fn read_lines(mut journal: impl BufRead, run: &str, reconciler: &mut Reconciler) -> io::Result<Ending> {
    let mut ending = Ending::Whole;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let length = io::Read::take(&mut journal, LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(ending);
        }
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(Line { full: true, .. }) => ending = Ending::Full,
            Ok(Line { run: Some(of), id, attempt, executed, .. }) if of == run => {
                reconciler.executed(&Execution {
                    id: id.unwrap_or_default(),
                    attempt: attempt.unwrap_or(1),
                    executed,
                });
            }
            Ok(_) => {}
            Err(_) => ending = Ending::Torn,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::proof::{Fate, Verdict};

    const LINE: &str = r#"{"run":"r","id":"r-00000000","attempt":1,"method":"GET","path":"/","status":200,"executed":true,"faults":[],"server":"a","at":1}"#;

    fn ending(text: &str) -> (Ending, u64) {
        let mut reconciler = Reconciler::new("r");
        let ending = read_lines(text.as_bytes(), "r", &mut reconciler).unwrap();
        (ending, reconciler.conclude().executions)
    }

    #[test]
    fn lines_of_the_run_are_executions_and_those_of_others_are_not() {
        let other = LINE.replace(r#""run":"r""#, r#""run":"other""#);
        assert_eq!(ending(&format!("{LINE}\n{other}\n")), (Ending::Whole, 1));
    }

    #[test]
    fn a_request_that_got_no_further_than_the_door_is_no_execution() {
        assert_eq!(ending(&LINE.replace("true", "false")), (Ending::Whole, 0));
    }

    #[test]
    fn a_full_journal_and_a_torn_one_are_not_whole() {
        assert_eq!(ending(&format!("{LINE}\n{{\"full\":true}}\n")), (Ending::Full, 1));
        assert_eq!(ending(&format!("{LINE}\n{}", &LINE[..40])), (Ending::Torn, 1));
    }

    #[test]
    fn a_directory_without_journals_proves_nothing_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut reconciler = Reconciler::new("r");
        reconciler.sent(0, true, Fate::Right);
        reconciler.ledger_lacks("not asked");
        read(directory.path(), &Before::default(), "r", &mut reconciler);
        let proof = reconciler.conclude();
        assert_eq!(proof.verdict, Verdict::Incomplete);
        assert!(proof.missing[0].contains("SERVER_JOURNAL"), "{:?}", proof.missing);
    }

    #[test]
    fn all_journals_of_a_directory_are_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a-1.jsonl"), format!("{LINE}\n")).unwrap();
        fs::write(directory.path().join("b-1.jsonl"), format!("{}\n", LINE.replace("00000000", "00000001")))
            .unwrap();
        fs::write(directory.path().join("notes.txt"), "not a journal").unwrap();
        let mut reconciler = Reconciler::new("r");
        read(directory.path(), &Before::default(), "r", &mut reconciler);
        assert_eq!(reconciler.conclude().executions, 2);
    }

    /// What is missing when a run begins with these files and ends with those, and how many executions are found.
    fn missing(begins: &[&str], ends: &[&str]) -> (Vec<String>, u64) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(format!("{name}.jsonl"));
        for name in begins {
            fs::write(file(name), format!("{LINE}\n")).unwrap();
        }
        let before = Before::the_run(directory.path());
        for name in begins.iter().filter(|name| !ends.contains(name)) {
            fs::remove_file(file(name)).unwrap();
        }
        for (number, name) in ends.iter().enumerate() {
            let line = LINE.replace("00000000", &format!("{number:08}"));
            let mut file = File::options().create(true).append(true).open(file(name)).unwrap();
            writeln!(file, "{line}").unwrap();
        }
        let mut reconciler = Reconciler::new("r");
        read(directory.path(), &before, "r", &mut reconciler);
        reconciler.ledger_lacks("not asked");
        let mut proof = reconciler.conclude();
        proof.missing.retain(|what| what.contains("gone") || what.contains("no journal"));
        (proof.missing, proof.executions)
    }

    #[test]
    fn what_was_written_before_the_run_may_go_and_is_not_read() {
        let begins = ["a-000001", "a-000002", "b-000007"];
        assert_eq!(missing(&begins, &["a-000002", "a-000003", "b-000007"]), (vec![], 3));
        assert_eq!(missing(&begins, &["a-000001", "a-000002", "b-000007"]), (vec![], 2));
        assert_eq!(missing(&[], &["a-000001", "a-000002", "notes"]), (vec![], 3));
    }

    #[test]
    fn a_file_that_is_gone_and_may_have_been_of_the_run_is_missed() {
        for (begins, ends, gone) in [
            (&["a-000002"][..], &["a-000003"][..], "1 of the files of a's"),
            (&[], &["a-000004", "a-000005"], "3 of the files of a's"),
            (&["a-000001"], &["a-000001", "a-000003"], "1 of the files of a's"),
            (&["a-000001", "b-000001"], &["b-000001"], "1 of the files of a's"),
        ] {
            let (missing, _) = missing(begins, ends);
            assert_eq!(missing.len(), 1, "{begins:?} {ends:?}: {missing:?}");
            assert!(missing[0].starts_with(gone), "{begins:?} {ends:?}: {missing:?}");
        }
    }
}
