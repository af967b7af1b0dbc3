//! What the servers say they executed: their journals, which survive `kill -9`.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;

use crate::Result;

/// The POSTs of one run that reached a route, by request id: on which servers, and as which attempt.
#[derive(Debug, Default)]
pub(crate) struct Executions(HashMap<String, Vec<String>>);

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
    /// Reads all journals in a directory. A line that is none is an error: a gap proves nothing.
    pub(crate) fn read(journals: &Path, run: &str) -> Result<Self> {
        let mut executions = Self::default();
        for file in fs::read_dir(journals)? {
            let path = file?.path();
            for (number, text) in fs::read_to_string(&path)?.lines().enumerate() {
                let line: Line<'_> = serde_json::from_str(text)
                    .map_err(|error| format!("{}:{}: {error}: {text}", path.display(), number + 1))?;
                executions.add(&line, run);
            }
        }
        Ok(executions)
    }

    /// Whether a POST was executed at all.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Those executed more than once: the id, and where.
    pub(crate) fn duplicates(&self) -> Vec<String> {
        let twice = self.0.iter().filter(|(_, places)| places.len() > 1);
        twice.map(|(id, places)| format!("{id} executed by {}", places.join(" and "))).collect()
    }

    fn add(&mut self, line: &Line<'_>, run: &str) {
        let Some(id) = line.id else { return };
        if line.run == run && line.method == "POST" && line.executed {
            let attempt = line.attempt.map_or_else(|| "?".to_owned(), |attempt| attempt.to_string());
            let place = format!("{} (attempt {attempt})", line.server);
            self.0.entry(id.to_owned()).or_default().push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Executions> {
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("a.jsonl"), lines)?;
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
        assert_eq!(executions.duplicates(), ["1 executed by a (attempt 1) and b (attempt 1)"]);
        assert!(executions.contains("2"));
    }

    #[test]
    fn what_was_refused_or_may_be_repeated_is_no_duplicate() {
        let refused = line("1", "POST", false, "a") + &line("1", "POST", true, "b");
        let repeated = line("2", "GET", true, "a") + &line("2", "GET", true, "b");
        assert!(read(&(refused + &repeated)).unwrap().duplicates().is_empty());
    }

    #[test]
    fn a_full_or_broken_journal_proves_nothing() {
        assert!(read("{\"full\":true}\n").is_err());
        assert!(read("{\"run\":\"r\",\"id\"").is_err());
    }
}
