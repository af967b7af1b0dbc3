//! The reconciliation itself: takes what each ledger says in any order, and concludes.
//!
//! Memory is a few bytes a request, for at most [`MOST`] of them; a longer run is not wholly reconciled, and says so.

use super::journals::Execution;
use super::ledger::Passage;
use super::{Contradiction, Proof, Verdict};
use crate::request::{self, request_id};

/// The most requests told apart: 12 bytes each.
const MOST: u64 = 4 << 20;

/// The most contradictions that are named; all are counted.
const NAMED: usize = 100;

/// What the client says about a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing: it was never begun.
    #[default]
    Unsent,
    /// It was answered rightly.
    Right,
    /// It failed before a byte of it was sent.
    FailedAtHome,
    /// It was answered whole, but with this status, which was not expected.
    Refused(u16),
    /// Its whole connection was turned away with 503, before a byte of it was read: no ledger can have it.
    TurnedAway,
    /// It failed otherwise; a head with a status came, or none.
    Broken {
        /// Whether a head came.
        head: bool,
    },
}

impl Fate {
    /// Whether the balancer must have something to tell about it.
    fn is_answered(self) -> bool {
        matches!(self, Self::Right | Self::Refused(_) | Self::Broken { head: true })
    }
}

/// What all three say about one request.
#[derive(Debug, Clone, Copy, Default)]
struct Case {
    fate: Fate,
    repeatable: bool,
    /// Executions in the journals.
    executions: u8,
    /// Attempts that the journals have, as a set.
    journaled: Attempts,
    passed: Option<Passed>,
}

/// What the balancer says about a request.
#[derive(Debug, Clone, Copy)]
struct Passed {
    /// The status that the client was sent; zero when it was not sent a whole response.
    status: u16,
    /// Attempts made.
    tried: Attempts,
    /// Attempts that a server answered.
    answered: Attempts,
    /// Attempts that failed.
    failed: u8,
}

/// A set of attempt numbers from 1 to 8; higher ones count as 8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Attempts(u8);

impl Attempts {
    fn add(&mut self, number: u32) {
        self.0 |= 1 << (number.clamp(1, 8) - 1);
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest number in it.
    fn first(self) -> Option<u32> {
        (self.0 != 0).then(|| self.0.trailing_zeros() + 1)
    }
}

/// Takes what the ledgers say and concludes.
#[derive(Debug)]
pub(crate) struct Reconciler {
    run: String,
    cases: Vec<Case>,
    beyond: bool,
    executions: u64,
    strangers: Vec<Contradiction>,
    strange: u64,
    journals_missing: Vec<String>,
    ledger_missing: Vec<String>,
    unpassed: u64,
}

impl Reconciler {
    /// Nothing is known yet of the run with this name.
    pub(crate) fn new(run: &str) -> Self {
        Self {
            run: run.to_owned(),
            cases: Vec::new(),
            beyond: false,
            executions: 0,
            strangers: Vec::new(),
            strange: 0,
            journals_missing: Vec::new(),
            ledger_missing: Vec::new(),
            unpassed: 0,
        }
    }

    /// The client says what became of the request number `sequence`, which may be `repeatable` (idempotent).
    pub(crate) fn sent(&mut self, sequence: u64, repeatable: bool, fate: Fate) {
        let Some(case) = self.case(sequence) else { return };
        let known = case.passed.is_some();
        (case.fate, case.repeatable) = (fate, repeatable);
        self.unpassed += u64::from(!known && fate.is_answered());
    }

    /// A journal has an execution, or an attempt that came no further than the server's door.
    pub(crate) fn executed(&mut self, execution: &Execution) {
        self.executions += u64::from(execution.executed);
        let Some(sequence) = self.sequence(&execution.id) else {
            return self.stranger(&execution.id, "a server's journal has it, but it was never sent");
        };
        let Some(case) = self.case(sequence) else { return };
        case.executions = case.executions.saturating_add(u8::from(execution.executed));
        case.journaled.add(execution.attempt);
    }

    /// The balancer's ledger has a request.
    pub(crate) fn passed(&mut self, passage: &Passage) {
        let Some(sequence) = self.sequence(&passage.id) else {
            return self.stranger(&passage.id, "the balancer's ledger has it, but it was never sent");
        };
        let Some(case) = self.case(sequence) else { return };
        let mut passed = Passed {
            status: passage.status.filter(|_| passage.whole).unwrap_or_default(),
            tried: Attempts::default(),
            answered: Attempts::default(),
            failed: 0,
        };
        for attempt in &passage.attempts {
            passed.tried.add(attempt.number);
            // A server writes nothing down for those that it does not let in.
            if attempt.status.is_some_and(|status| status != 401) {
                passed.answered.add(attempt.number);
            }
            passed.failed = passed.failed.saturating_add(u8::from(attempt.has_failed()));
        }
        let awaited = case.passed.is_none() && case.fate.is_answered();
        case.passed = Some(passed);
        self.unpassed -= u64::from(awaited);
    }

    /// A part of the journals cannot be had.
    pub(crate) fn journals_lack(&mut self, what: impl Into<String>) {
        self.journals_missing.push(what.into());
    }

    /// A part of the balancer's ledger cannot be had.
    pub(crate) fn ledger_lacks(&mut self, what: impl Into<String>) {
        self.ledger_missing.push(what.into());
    }

    /// Answered requests of which the balancer has not told yet.
    pub(crate) fn awaited(&self) -> u64 {
        self.unpassed
    }

    /// What it all comes to.
    pub(crate) fn conclude(mut self) -> Proof {
        if self.is_unheard_of() {
            self.journals_lack(
                "no journal has a request of this run: is BALANCER_RUNS off, or were they not let in?",
            );
        }
        let (journals, ledger) = (self.journals_missing.is_empty(), self.ledger_missing.is_empty());
        let mut contradictions = std::mem::take(&mut self.strangers);
        let mut contradicted = self.strange;
        let (mut duplicates, mut masked, mut failed_attempts) = (0, 0, 0);
        for (sequence, case) in self.cases.iter().enumerate() {
            duplicates += u64::from(case.is_duplicate());
            if let Some(passed) = case.passed {
                masked += u64::from(case.fate == Fate::Right && passed.failed > 0);
                failed_attempts += u64::from(passed.failed);
            }
            let Some(what) = case.contradiction(journals, ledger) else { continue };
            contradicted += 1;
            if contradictions.len() < NAMED {
                contradictions.push(Contradiction { id: request_id(&self.run, sequence as u64), what });
            }
        }
        let mut missing = [self.journals_missing, self.ledger_missing].concat();
        if self.beyond {
            missing.push(format!("requests after the first {MOST} were not reconciled: give the run fewer"));
        }
        let verdict = match (contradicted, missing.is_empty()) {
            (1.., _) => Verdict::Contradicted,
            (0, true) => Verdict::Proved,
            (0, false) => Verdict::Incomplete,
        };
        Proof {
            verdict,
            executions: self.executions,
            // One that was seen is one, however much is missing.
            duplicates: (journals || duplicates > 0).then_some(duplicates),
            masked: ledger.then_some(masked),
            failed_attempts: ledger.then_some(failed_attempts),
            contradicted,
            contradictions,
            missing,
        }
    }

    /// Whether no other ledger knows that there was a run: then nobody was told, which speaks against no single request.
    fn is_unheard_of(&self) -> bool {
        !self.ledger_missing.is_empty()
            && self.journals_missing.is_empty()
            && self.cases.iter().any(|case| case.fate == Fate::Right)
            && self.cases.iter().all(|case| case.passed.is_none() && case.journaled == Attempts::default())
    }

    fn sequence(&self, id: &str) -> Option<u64> {
        request::sequence(&self.run, id)
    }

    fn case(&mut self, sequence: u64) -> Option<&mut Case> {
        if sequence >= MOST {
            self.beyond = true;
            return None;
        }
        let index = usize::try_from(sequence).ok()?;
        if index >= self.cases.len() {
            self.cases.resize(index + 1, Case::default());
        }
        self.cases.get_mut(index)
    }

    fn stranger(&mut self, id: &str, what: &str) {
        self.strange += 1;
        if self.strangers.len() < NAMED {
            self.strangers.push(Contradiction { id: id.to_owned(), what: what.to_owned() });
        }
    }
}

impl Case {
    fn is_duplicate(&self) -> bool {
        self.executions > 1 && !self.repeatable && self.fate != Fate::Unsent
    }

    /// What does not fit, given whether the `journals` and the balancer's `ledger` are whole: what a ledger with gaps
    /// does not have proves nothing.
    fn contradiction(&self, journals: bool, ledger: bool) -> Option<String> {
        if self.is_duplicate() {
            return Some(format!("it must not be repeated, but was executed {} times", self.executions));
        }
        self.against_journals(journals).or_else(|| self.against_ledger(journals, ledger))
    }

    fn against_journals(&self, whole: bool) -> Option<String> {
        match self.fate {
            Fate::Unsent if self.executions > 0 => Some("it was executed, but never sent".into()),
            Fate::FailedAtHome if self.executions > 0 => {
                Some("it was executed, but no byte of it was sent".into())
            }
            Fate::TurnedAway if self.executions > 0 && self.passed.is_none() => {
                Some("it was executed, but its connection was turned away unread".into())
            }
            Fate::Right if whole && self.journaled == Attempts::default() => {
                Some("it was answered rightly, but no server's journal has it".into())
            }
            _ => None,
        }
    }

    fn against_ledger(&self, journals: bool, ledger: bool) -> Option<String> {
        let Some(passed) = self.passed else {
            return match self.fate {
                Fate::Right if ledger => {
                    Some("it was answered rightly, but the balancer's ledger does not have it".into())
                }
                Fate::Refused(_) | Fate::Broken { .. } if ledger => {
                    Some("it failed, and the balancer's ledger does not have it".into())
                }
                _ => None,
            };
        };
        let told = match (self.fate, passed.status) {
            (Fate::Unsent | Fate::FailedAtHome, _) => {
                Some("the balancer's ledger has it, but it was never sent".into())
            }
            (Fate::Right, 0) => {
                Some("it was answered rightly, but the balancer says that no whole response left".into())
            }
            (Fate::Refused(seen), sent) if sent != seen => {
                Some(format!("the client saw {seen}, the balancer sent {}", status(sent)))
            }
            // It was read after all, as requests are that find every endpoint at its limit.
            (Fate::TurnedAway, sent) if sent != 503 => {
                Some(format!("the client saw 503, the balancer sent {}", status(sent)))
            }
            (Fate::Broken { .. }, sent) if sent != 0 => {
                Some(format!("it failed, but the balancer says that it was answered {sent} in whole"))
            }
            _ => None,
        };
        told.or_else(|| {
            let unrecorded = passed.answered.without(self.journaled).first().filter(|_| journals);
            unrecorded.map(|attempt| format!("a server answered attempt {attempt}, but no journal has it"))
        })
        .or_else(|| {
            let unknown = self.journaled.without(passed.tried).first();
            unknown
                .map(|attempt| format!("a server had attempt {attempt}, of which the balancer does not know"))
        })
    }
}

fn status(sent: u16) -> String {
    if sent == 0 { "no whole response".into() } else { sent.to_string() }
}

#[cfg(test)]
mod tests;
