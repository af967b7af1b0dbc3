//! The client as a witness: it runs beside the load from before the fault until after it, and says whether the ledgers of all
//! three parts tell the same story of every request that it sent.
//!
//! It is the client of the set as everybody runs it, in its container and by the set's own names; `faults.yml` says at what
//! rate it sends what. Before a peer there is none: a peer keeps no ledger.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{Result, set::docker};

/// What the ledgers know its run by.
pub(crate) const WITNESS: &str = "witness";

/// A client that runs.
#[derive(Debug)]
pub(crate) struct Witness {
    container: String,
    report: PathBuf,
}

/// What the ledgers have to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// All of them are whole and agree.
    Proved,
    /// The fault took the balancer's ledger away, and nothing else: a gap that has to be told, and no contradiction.
    WithoutBalancersLedger,
}

/// What it says of its run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Testimony {
    requests: Requests,
    proof: Proof,
}

#[derive(Clone, Debug, Deserialize)]
struct Requests {
    sent: u64,
    failed: u64,
}

/// The part of the report that is about the ledgers.
#[derive(Clone, Debug, Deserialize)]
struct Proof {
    verdict: Word,
    duplicates: Option<u64>,
    masked: Option<u64>,
    contradicted: u64,
    contradictions: Vec<Contradiction>,
    missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Proved,
    Contradicted,
    Incomplete,
}

#[derive(Clone, Debug, Deserialize)]
struct Contradiction {
    id: String,
    what: String,
}

#[derive(Debug, Deserialize)]
struct Report {
    runs: Vec<Testimony>,
}

impl Witness {
    /// The client in this container, which leaves its report in this directory.
    pub(crate) fn new(container: String, reports: &Path) -> Self {
        Self { container, report: reports.join("witness.json") }
    }

    /// Lets it finish what it has begun, and returns what it says.
    pub(crate) fn testify(&self) -> Result<Testimony> {
        docker(&["kill", "--signal", "TERM", &self.container]).map_err(|error| {
            format!("the client ended before it was asked: {error}\n{}", self.last_words())
        })?;
        docker(&["wait", &self.container])?;
        let text = fs::read(&self.report)
            .map_err(|error| format!("the client left no report: {error}\n{}", self.last_words()))?;
        let report: Report = serde_json::from_slice(&text)?;
        Ok(report.runs.into_iter().next().ok_or("the client reports no run")?)
    }

    fn last_words(&self) -> String {
        docker(&["logs", "--tail", "10", &self.container]).unwrap_or_default()
    }
}

impl Testimony {
    /// Whether this is what was expected. A run without requests is no evidence.
    pub(crate) fn is(&self, expected: Expected) -> bool {
        let proof = &self.proof;
        let agrees = match expected {
            Expected::Proved => proof.verdict == Word::Proved && proof.duplicates == Some(0),
            Expected::WithoutBalancersLedger => {
                proof.verdict == Word::Incomplete && proof.missing.iter().all(|gap| gap.contains("/ledger: "))
            }
        };
        agrees && self.requests.sent > 0
    }

    /// Every request that the ledgers tell differently, and everything that is missing.
    pub(crate) fn named(&self) -> Vec<String> {
        let Proof { contradicted, contradictions, missing, .. } = &self.proof;
        let mut named: Vec<_> =
            contradictions.iter().map(|one| format!("CONTRADICTED {}: {}", one.id, one.what)).collect();
        let unnamed = contradicted.saturating_sub(contradictions.len() as u64);
        if unnamed > 0 {
            named.push(format!("CONTRADICTED: {unnamed} more, which the client does not name"));
        }
        named.extend(missing.iter().map(|gap| format!("missing: {gap}")));
        named
    }
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests: Requests { sent, failed }, proof } = self;
        match proof.verdict {
            Word::Proved => {
                let masked = proof.masked.unwrap_or_default();
                write!(f, "proved ({sent} sent, {failed} failed, {masked} masked)")
            }
            Word::Contradicted => write!(f, "CONTRADICTED ({} of {sent} requests)", proof.contradicted),
            Word::Incomplete => {
                write!(f, "incomplete ({sent} sent, {failed} failed): {}", proof.missing.join("; "))
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proved => "proved",
            Self::WithoutBalancersLedger => "incomplete: the balancer's ledger died with it",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn testimony(verdict: &str, missing: &[&str]) -> Testimony {
        let contradictions = if verdict == "contradicted" {
            json!([{"id": "witness-00000007", "what": "it was executed twice"}])
        } else {
            json!([])
        };
        let contradicted = contradictions.as_array().unwrap().len();
        let proof = json!({
            "verdict": verdict, "duplicates": 0, "masked": 3, "contradicted": contradicted,
            "contradictions": contradictions, "missing": missing,
        });
        serde_json::from_value(json!({"requests": {"sent": 10, "failed": 1}, "proof": proof})).unwrap()
    }

    #[test]
    fn only_a_proof_is_a_proof() {
        assert!(testimony("proved", &[]).is(Expected::Proved));
        assert!(!testimony("incomplete", &["http://b:9090/ledger: gone"]).is(Expected::Proved));
        assert!(!testimony("contradicted", &[]).is(Expected::Proved));
    }

    #[test]
    fn a_gap_is_expected_only_in_the_ledger_that_was_taken_away() {
        let expected = Expected::WithoutBalancersLedger;
        assert!(testimony("incomplete", &["http://b:9090/ledger: gone"]).is(expected));
        assert!(!testimony("incomplete", &["http://b:9090/ledger: gone", "a.jsonl was full"]).is(expected));
        assert!(!testimony("contradicted", &["http://b:9090/ledger: gone"]).is(expected));
        assert!(!testimony("proved", &[]).is(expected), "then the fault did not strike");
    }

    #[test]
    fn a_contradiction_is_shouted_and_every_request_of_it_named() {
        let contradicted = testimony("contradicted", &[]);
        assert_eq!(contradicted.to_string(), "CONTRADICTED (1 of 10 requests)");
        assert_eq!(contradicted.named(), ["CONTRADICTED witness-00000007: it was executed twice"]);
    }
}
