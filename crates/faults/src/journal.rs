//! What the servers say they executed: their journals, which survive `kill -9`.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;

use crate::{Result, load::Method};

/// What reached a route in one run.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    /// By request id, what changes something at a server: its method, and on which servers it ran as which attempt.
    writing: HashMap<String, (String, Vec<String>)>,
    /// How many there were of all methods.
    count: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    run: &'a str,
    id: Option<&'a str>,
    attempt: Option<u32>,
    method: &'a str,
    executed: bool,
    server: &'a str,
}

impl Executions {
    /// Reads all journals in a directory that was empty before. A line that is none, and a file that is gone, is an error: a gap
    /// proves nothing.
    pub(crate) fn read(journals: &Path, run: &str) -> Result<Self> {
        let mut executions = Self::default();
        let files: Vec<_> = fs::read_dir(journals)?.collect::<std::io::Result<_>>()?;
        for file in &files {
            let path = file.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (server, number) = name.rsplit_once('-').ok_or("a journal without a number")?;
            // A server begins with file 1 and lets go of the first.
            let first = path.with_file_name(format!("{server}-{:06}.jsonl", 1));
            if number.parse::<u64>()? > 1 && !first.exists() {
                return Err(format!("{} is gone: SERVER_JOURNAL_LIMIT is too small", first.display()).into());
            }
            for (number, text) in fs::read_to_string(&path)?.lines().enumerate() {
                let line: Line<'_> = serde_json::from_str(text)
                    .map_err(|error| format!("{}:{}: {error}: {text}", path.display(), number + 1))?;
                executions.add(&line, run);
            }
        }
        Ok(executions)
    }

    /// Whether a request that is no GET was executed at all.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.writing.contains_key(id)
    }

    /// How many executions there were, of whatever method.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Requests with one of these methods that were executed more than once: the id, and where.
    pub(crate) fn duplicates(&self, methods: &[Method]) -> Vec<String> {
        let asked = |method: &str| methods.iter().any(|one| one.name() == method);
        let twice = self.writing.iter().filter(|(_, (method, places))| asked(method) && places.len() > 1);
        twice
            .map(|(id, (method, places))| format!("{id} {method} executed by {}", places.join(" and ")))
            .collect()
    }

    fn add(&mut self, line: &Line<'_>, run: &str) {
        let Some(id) = line.id else { return };
        if line.run != run || !line.executed {
            return;
        }
        self.count += 1;
        if line.method != Method::Get.name() {
            let attempt = line.attempt.map_or_else(|| "?".to_owned(), |attempt| attempt.to_string());
            let place = format!("{} (attempt {attempt})", line.server);
            let entry =
                self.writing.entry(id.to_owned()).or_insert_with(|| (line.method.to_owned(), Vec::new()));
            entry.1.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Executions> {
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("a-000001.jsonl"), lines)?;
        Executions::read(directory.path(), "r")
    }

    fn line(id: &str, method: &str, executed: bool, server: &str) -> String {
        format!(
            r#"{{"run":"r","id":"{id}","attempt":1,"method":"{method}","executed":{executed},"server":"{server}"}}"#
        ) + "\n"
    }

    #[test]
    fn a_post_executed_by_two_servers_is_a_duplicate() {
        let journal =
            line("1", "POST", true, "a") + &line("1", "POST", true, "b") + &line("2", "POST", true, "a");
        let executions = read(&journal).unwrap();
        assert_eq!(
            executions.duplicates(&[Method::Post]),
            ["1 POST executed by a (attempt 1) and b (attempt 1)"]
        );
        assert!(executions.contains("2"));
        assert_eq!(executions.count(), 3);
    }

    #[test]
    fn what_was_refused_or_may_be_repeated_is_no_duplicate() {
        let refused = line("1", "POST", false, "a") + &line("1", "POST", true, "b");
        let repeated = line("2", "GET", true, "a") + &line("2", "GET", true, "b");
        let executions = read(&(refused + &repeated)).unwrap();
        let every = [Method::Get, Method::Post, Method::Put, Method::Delete];
        assert!(executions.duplicates(&every).is_empty());
        assert_eq!(executions.count(), 3, "what was refused was not executed");
    }

    #[test]
    fn a_put_may_be_repeated_unless_it_is_asked_for() {
        let executions = read(&(line("1", "PUT", true, "a") + &line("1", "PUT", true, "b"))).unwrap();
        assert!(executions.duplicates(&[Method::Post]).is_empty());
        assert_eq!(executions.duplicates(&[Method::Put, Method::Delete]).len(), 1);
    }

    #[test]
    fn a_full_or_broken_journal_proves_nothing() {
        assert!(read("{\"full\":true}\n").is_err());
        assert!(read("{\"run\":\"r\",\"id\"").is_err());
    }

    #[test]
    fn a_journal_that_let_go_of_its_beginning_proves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for (number, is_whole) in [(2, false), (1, true)] {
            fs::write(directory.path().join(format!("a-{number:06}.jsonl")), line("1", "GET", true, "a"))
                .unwrap();
            assert_eq!(Executions::read(directory.path(), "r").is_ok(), is_whole, "with file {number}");
        }
    }
}
