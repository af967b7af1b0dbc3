//! What became of the requests that an incident touched, counted so that it adds up: each was answered in the end, or failed.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_upstream::attempt::{TrailOutcome, Why};
use serde::Serialize;

use crate::records::mishap::{End, Failed, Mishap, Try, millis};

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Those whose attempt at the server came to nothing.
    pub(crate) on_it: u64,
    /// Of them, those that were sent to another server.
    pub(crate) moved: u64,
    /// Of them, those whose client got a right answer.
    pub(crate) answered: u64,
    /// Of them, those whose client did not.
    pub(crate) failed: u64,
    /// Of them, those that were sent twice though twice is not the same as once.
    pub(crate) doubled: u64,
}

/// The counts, and what stands behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// Some were not told: each count is at least this.
    pub(super) at_least: bool,
    pub(super) slowest_added: Option<Duration>,
    moved: BTreeMap<&'static str, u64>,
    /// Answered by the server after all.
    stayed: BTreeMap<&'static str, u64>,
    failed: BTreeMap<Failure, u64>,
}

/// A kind of failure that clients saw. There are as many as methods, statuses of errors and reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Failure {
    method: &'static str,
    /// 0 where the answer broke off.
    status: u16,
    reason: Reason,
}

/// The most kinds of failures that are told apart.
const FAILURES: usize = 16;

/// Why a request could not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    MayHaveRun,
    AnswerBegun,
    NobodyLeft,
    AllBusy,
    OthersFailed,
    NobodyElse,
}

impl Tally {
    /// A request whose attempt at the server came to nothing. One whose client went away counts for nobody.
    pub(super) fn add(&mut self, mishap: &Mishap, attempt: Option<&Try>) {
        if mishap.end == End::ClientGone {
            return;
        }
        let method = method(&mishap.method);
        let later = |attempt: &Try| mishap.attempts.iter().any(|other| other.number > attempt.number);
        let moved = attempt.is_some_and(later);
        let counts = &mut self.counts;
        counts.on_it += 1;
        counts.moved += u64::from(moved);
        let ran =
            |attempt: &Try| !matches!(attempt.outcome, TrailOutcome::ConnectFailed(_) | TrailOutcome::Stale);
        counts.doubled += u64::from(moved && mishap.may_not_be_repeated() && attempt.is_some_and(ran));
        if mishap.is_well() {
            counts.answered += 1;
            *if moved { &mut self.moved } else { &mut self.stayed }.entry(method).or_default() += 1;
            if moved {
                self.slowest_added = self.slowest_added.max(mishap.added());
            }
        } else {
            counts.failed += 1;
            let status = if mishap.end == End::CutOff { 0 } else { mishap.status };
            let failure = Failure { method, status, reason: Reason::of(mishap) };
            if self.failed.len() < FAILURES || self.failed.contains_key(&failure) {
                *self.failed.entry(failure).or_default() += 1;
            }
        }
    }

    /// `3 GETs moved (+12 ms), 2 POSTs got 502, because they may have been executed`; nothing where no request was touched.
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        if !self.moved.is_empty() {
            let added = self.slowest_added.map(|added| format!(" (+{})", millis(added))).unwrap_or_default();
            words.push(format!("{} moved{added}", kinds(&self.moved)));
        }
        if !self.stayed.is_empty() {
            words.push(format!("{} answered all the same", kinds(&self.stayed)));
        }
        for (failure, &count) in &self.failed {
            let (who, they) = (requests(count, failure.method), if count == 1 { "it" } else { "they" });
            let got = match failure.status {
                0 => "cut off".to_owned(),
                status => format!("got {status}"),
            };
            let was = if failure.status == 0 { if count == 1 { " was " } else { " were " } } else { " " };
            words.push(format!("{who}{was}{got}, because {}", failure.reason.words(they)));
        }
        words.join(", ")
    }

    /// `5 requests were on it`; `at least 5` where some were not told.
    pub(super) fn many(&self, what: &str) -> String {
        let at_least = if self.at_least { "at least " } else { "" };
        match self.counts.on_it {
            1 => format!("{at_least}1 request {}", what.replacen("were", "was", 1)),
            count => format!("{at_least}{count} requests {what}"),
        }
    }
}

impl Reason {
    fn of(mishap: &Mishap) -> Self {
        let last = mishap.attempts.last();
        match mishap.end {
            End::CutOff => Self::AnswerBegun,
            End::Failed(Failed::Busy) => Self::AllBusy,
            _ if mishap.attempts.is_empty() => Self::NobodyLeft,
            _ if mishap.may_not_be_repeated()
                && last.is_some_and(|last| !matches!(last.outcome, TrailOutcome::ConnectFailed(_))) =>
            {
                Self::MayHaveRun
            }
            _ if mishap.attempts.iter().any(|attempt| matches!(attempt.why, Why::Moved | Why::Retry)) => {
                Self::OthersFailed
            }
            _ => Self::NobodyElse,
        }
    }

    fn words(self, they: &str) -> String {
        match self {
            Self::MayHaveRun => format!("{they} may have been executed"),
            Self::AnswerBegun if they == "it" => "its answer had begun".to_owned(),
            Self::AnswerBegun => "their answers had begun".to_owned(),
            Self::NobodyLeft => "no server was left".to_owned(),
            Self::AllBusy => "all servers were at their limit".to_owned(),
            Self::OthersFailed => "other servers failed as well".to_owned(),
            Self::NobodyElse => {
                "nobody else could be asked: no other server, no time or no budget was left".to_owned()
            }
        }
    }
}

/// `3 GETs and 1 PUT`.
fn kinds(counts: &BTreeMap<&'static str, u64>) -> String {
    let kinds: Vec<String> = counts.iter().map(|(method, &count)| requests(count, method)).collect();
    kinds.join(" and ")
}

fn requests(count: u64, method: &str) -> String {
    match (count, method) {
        (1, OTHER) => "1 other request".to_owned(),
        (_, OTHER) => format!("{count} other requests"),
        (1, method) => format!("1 {method}"),
        (_, method) => format!("{count} {method}s"),
    }
}

const OTHER: &str = "other";

/// Of a fixed set, so that clients cannot make the counts grow.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}
