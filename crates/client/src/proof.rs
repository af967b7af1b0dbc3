//! Whether three ledgers tell the same story: the client's, the balancer's and the servers'.
//!
//! ```text
//! client    every request: right, failed, or never sent ──┐
//! balancer  /ledger: every request's attempts ────────────┼──▶ Reconciler ──▶ proved / contradicted / incomplete
//! servers   journals: every execution ────────────────────┘
//! ```
//! *Proved* needs all three, whole. What is missing makes it *incomplete*, never a pass; one request that two ledgers
//! tell differently makes it *contradicted*, and is named.

mod collect;
mod journals;
mod ledger;
mod reconcile;

use std::fmt;

use serde::Serialize;

pub(crate) use collect::{Collector, Entry, Listener};
pub(crate) use ledger::Attempt;
#[cfg(test)]
pub(crate) use ledger::Line;
pub(crate) use reconcile::{Fate, Reconciler};

/// What the ledgers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All three are whole and agree on every request.
    Proved,
    /// At least one request is told differently, or was executed twice.
    Contradicted,
    /// Nothing contradicts, but something is missing.
    Incomplete,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proved => "proved",
            Self::Contradicted => "contradicted",
            Self::Incomplete => "incomplete",
        })
    }
}

/// The verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proof {
    /// What the ledgers come to.
    pub(crate) verdict: Verdict,
    /// Executions in the journals.
    pub(crate) executions: u64,
    /// Non-idempotent requests that were executed more than once; `None` without all journals.
    pub(crate) duplicates: Option<u64>,
    /// Requests answered rightly though an attempt failed; `None` without the balancer's whole ledger.
    pub(crate) masked: Option<u64>,
    /// Attempts that failed; `None` without the balancer's whole ledger.
    pub(crate) failed_attempts: Option<u64>,
    /// How many contradictions there are.
    pub(crate) contradicted: u64,
    /// The first ones.
    pub(crate) contradictions: Vec<Contradiction>,
    /// What is missing for a proof.
    pub(crate) missing: Vec<String>,
}

/// A request that the ledgers tell differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Contradiction {
    /// Its `X-Request-Id`.
    pub(crate) id: String,
    /// What does not fit.
    pub(crate) what: String,
}
