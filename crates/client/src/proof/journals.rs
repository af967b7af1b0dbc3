//! The servers' journals: a directory with a file for each incarnation of each server, a JSON object a line.
//!
//! `{"run":"r1","id":"r1-00000007","attempt":1,"status":200,"executed":true,"server":"a",…}`; fields that are not needed
//! here are passed over. A journal that was full ends with `{"full":true}`. A file is read line by line, so its length
//! does not matter.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
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

/// Reads every journal in `directory` and tells `reconciler` what they say about `run`.
pub(crate) fn read(directory: &Path, run: &str, reconciler: &mut Reconciler) {
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
    for file in files {
        let lines = File::open(&file).and_then(|opened| read_lines(BufReader::new(opened), run, reconciler));
        match lines {
            Ok(Ending::Whole) => {}
            Ok(Ending::Full) => {
                reconciler.journals_lack(format!("{} was full and ends early", file.display()));
            }
            Ok(Ending::Torn) => {
                reconciler.journals_lack(format!("{} has a line that cannot be read", file.display()));
            }
            Err(error) => reconciler.journals_lack(format!("{} cannot be read: {error}", file.display())),
        }
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
        read(directory.path(), "r", &mut reconciler);
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
        read(directory.path(), "r", &mut reconciler);
        assert_eq!(reconciler.conclude().executions, 2);
    }
}
