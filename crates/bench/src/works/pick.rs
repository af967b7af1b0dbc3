//! How long one endpoint of a thousand takes to be picked: what the benchmark of `upstream` has left behind.
//!
//! `cargo bench -p evenkeel-upstream` measures it, without sockets, and writes an estimate for each policy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Result, report::Goal, rounds::Measured, stage::Stage};

/// In nanoseconds.
const GOAL: Goal = Goal::AtMost(200.0);

/// In nanoseconds, where the law needs a scan.
const GOAL_OF_A_SCAN: Goal = Goal::AtMost(2000.0);

/// The policies whose law needs a scan; why, each says itself.
const SCANS: [&str; 1] = ["least_requests"];

/// Nanoseconds for each policy.
pub(super) fn of_a_thousand(stage: &Stage) -> Result<Measured> {
    let directory = stage.tools.target.join("criterion");
    let mut measured = Measured::default();
    let estimates = if directory.is_dir() { find(&directory)? } else { Vec::new() };
    for estimate in estimates {
        let goal = if SCANS.contains(&estimate.policy.as_str()) { GOAL_OF_A_SCAN } else { GOAL };
        measured.limits.push((estimate.policy.clone(), goal));
        measured.samples.push((estimate.policy, vec![estimate.nanoseconds]));
    }
    if measured.samples.is_empty() {
        measured
            .notes
            .push("there are no estimates; `cargo bench -p evenkeel-upstream` makes them".to_owned());
    }
    measured.samples.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(measured)
}

/// One policy's.
#[derive(Debug, PartialEq)]
struct Estimate {
    policy: String,
    nanoseconds: f64,
}

/// How deep criterion's directories are: group, function, parameter, `new`.
const DEPTH: usize = 4;

fn find(criterion: &Path) -> Result<Vec<Estimate>> {
    let mut directories = vec![(criterion.to_owned(), 0)];
    let mut found = Vec::new();
    while let Some((directory, depth)) = directories.pop() {
        if directory.ends_with("new") {
            found.extend(read(&directory)?);
        } else if depth < DEPTH {
            let entries = fs::read_dir(&directory)?.flatten().map(|entry| entry.path());
            directories.extend(entries.filter(|path| path.is_dir()).map(|path: PathBuf| (path, depth + 1)));
        }
    }
    Ok(found)
}

/// The estimate in a directory, if it is one of a pick among a thousand.
fn read(directory: &Path) -> Result<Option<Estimate>> {
    let json =
        |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(directory.join(name))?)?) };
    let id = json("benchmark.json")?["full_id"].as_str().unwrap_or_default().to_owned();
    let Some(policy) = policy_of(&id) else { return Ok(None) };
    let nanoseconds = json("estimates.json")?["median"]["point_estimate"].as_f64();
    let nanoseconds = nanoseconds.ok_or_else(|| format!("{}: no median", directory.display()))?;
    Ok(Some(Estimate { policy: policy.to_owned(), nanoseconds }))
}

/// The policy in a name such as `pick/round_robin/1000`.
fn policy_of(id: &str) -> Option<&str> {
    let rest = id.strip_prefix("pick/")?;
    rest.strip_suffix("/1000").or_else(|| rest.strip_prefix("1000/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_picks_among_a_thousand_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let estimates = r#"{"median":{"point_estimate":123.5}}"#;
        for (id, size) in [("pick/random_two", "1000"), ("pick/random_two", "3"), ("frame/chunks", "1000")] {
            let new = directory.path().join(id).join(size).join("new");
            fs::create_dir_all(&new).unwrap();
            fs::write(new.join("benchmark.json"), format!(r#"{{"full_id":"{id}/{size}"}}"#)).unwrap();
            fs::write(new.join("estimates.json"), estimates).unwrap();
        }
        let expected = Estimate { policy: "random_two".to_owned(), nanoseconds: 123.5 };
        assert_eq!(find(directory.path()).unwrap(), [expected]);
    }
}
