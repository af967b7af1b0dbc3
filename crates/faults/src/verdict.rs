//! The cells of the table: a target, what was measured, and whether the one is met by the other.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    load::{Bond, Method, Outcome, Record, Span},
    seen::{Seen, ran_together},
    told::Told,
    witness::{Expected, Testimony},
};

/// The longest that a suspicion may last at a server that passes its probes: a probe of a suspect has 200 ms, the next one comes
/// within 100 ms.
const SUSPICION: Duration = Duration::from_millis(300);

/// What the cell of the witness is called.
pub(crate) const VERDICT: &str = "verdict";

/// One cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The column, or what else is measured.
    pub(crate) what: String,
    /// What it has to be.
    pub(crate) target: String,
    /// What it is.
    pub(crate) measured: String,
    /// Whether that will do.
    pub(crate) met: bool,
    /// Whether it is about time or speed, which on a machine with other work says more about the machine.
    pub(crate) timed: bool,
    /// The requests that are to blame, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) named: Vec<String>,
}

/// Judges a run, one cell after the other.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    seen: &'a Seen,
    cells: Vec<Cell>,
}

impl<'a> Verdict<'a> {
    /// Begins with the cells that are in every row: nothing is executed twice, and all ledgers add up to a proof.
    pub(crate) fn on(seen: &'a Seen) -> Self {
        Self::expecting(Expected::Proved, seen)
    }

    /// The same where the balancer's ledger went with it: what is left must contradict nothing.
    pub(crate) fn without_balancers_ledger(seen: &'a Seen) -> Self {
        Self::expecting(Expected::WithoutBalancersLedger, seen)
    }

    fn expecting(expected: Expected, seen: &'a Seen) -> Self {
        let twice = seen.duplicates(&[Method::Post]);
        let duplicates = Cell {
            what: "duplicates".to_owned(),
            target: "0".to_owned(),
            measured: twice.len().to_string(),
            met: twice.is_empty(),
            timed: false,
            named: twice,
        };
        let cells = seen.testimony().map(|testimony| ledgers(testimony, expected)).into_iter();
        Self { seen, cells: [duplicates].into_iter().chain(cells).collect() }
    }

    /// No GET is lost.
    pub(crate) fn no_get_lost(self) -> Self {
        let lost = self.seen.lost(Method::Get);
        self.lost("GET lost", "0", &lost, lost.is_empty())
    }

    /// No POST is lost.
    pub(crate) fn no_post_lost(self) -> Self {
        let lost = self.seen.lost(Method::Post);
        self.lost("POST lost", "0", &lost, lost.is_empty())
    }

    /// Only POSTs are lost that were in flight at one and the same moment, and each gets this status.
    pub(crate) fn posts_lost_in_flight(self, status: u16) -> Self {
        let lost = self.seen.lost(Method::Post);
        let is_met = ran_together(&lost) && all_got(&lost, status);
        self.lost("POST lost", &format!("≤ in-flight, each a {status}"), &lost, is_met)
    }

    /// No PUT and no DELETE is lost, and none is executed twice: nothing failed that would have had to be repeated.
    pub(crate) fn no_put_or_delete_lost_or_repeated(self) -> Self {
        let methods = [Method::Put, Method::Delete];
        let lost: Vec<_> = methods.iter().flat_map(|&method| self.seen.lost(method)).collect();
        let twice = self.seen.duplicates(&methods);
        self.lost("PUT and DELETE lost", "0", &lost, lost.is_empty()).push(Cell {
            what: "PUT and DELETE executed twice".to_owned(),
            target: "0".to_owned(),
            measured: twice.len().to_string(),
            met: twice.is_empty(),
            timed: false,
            named: twice,
        })
    }

    /// Servers execute at most so many times what clients ask for: what is sent twice on suspicion has a price.
    pub(crate) fn executions_at_most(self, times: f64) -> Self {
        let measured = self.seen.executions_per_request();
        // No request may be missing either: then it was not the journals of this run that were read.
        let met = (1.0..=times).contains(&measured);
        self.cell("executions", format!("≤ {times} × requests"), format!("{measured:.3} ×"), met)
    }

    /// No answer took a client's session from its server, and none replaced its cookie.
    pub(crate) fn no_session_lost(self) -> Self {
        let moved = self.seen.breaches(|bond| matches!(bond, Bond::Moved { .. }));
        let replaced = self
            .seen
            .breaches(|bond| matches!(bond, Bond::Replaced | Bond::Moved { with_another_cookie: true, .. }));
        self.lost("sessions lost", "0", &moved, moved.is_empty()).lost(
            "cookies replaced",
            "0",
            &replaced,
            replaced.is_empty(),
        )
    }

    /// No endpoint was ejected, and no suspicion lasted longer than the probe that it asks for may take.
    pub(crate) fn nobody_blamed(self, told: &Told) -> Self {
        let ejected = told.ejections();
        let longest = told.longest_suspicion();
        self.push(Cell {
            what: "ejections".to_owned(),
            target: "0".to_owned(),
            measured: ejected.len().to_string(),
            met: ejected.is_empty(),
            // A probe has half a second: a machine that gives it less is to blame, and not the balancer.
            timed: true,
            named: ejected,
        })
        .within("longest suspicion", SUSPICION, Some(longest))
    }

    /// No answer that looks right is wrong.
    pub(crate) fn no_wrong_body(self) -> Self {
        let wrong = self.seen.wrong();
        self.lost("wrong bodies", "0", &wrong, wrong.is_empty())
    }

    /// The slowest request is at most so much slower than the slowest before. Without a method: of both.
    pub(crate) fn slower_by_at_most(
        self,
        more: Duration,
        method: Option<Method>,
        during: Span,
        before: Span,
    ) -> Self {
        let (slowest, then) = (self.seen.slowest(method, during), self.seen.slowest(method, before));
        let (now, then) = (took(slowest), took(then));
        let slower = now.saturating_sub(then);
        let whose = if method == Some(Method::Get) { "GET " } else { "" };
        let is_met = slower <= more;
        self.push(Cell {
            what: "slowest request".to_owned(),
            target: format!("{whose}+{}", millis(more)),
            measured: format!("{whose}+{} ({} → {})", millis(slower), millis(then), millis(now)),
            met: is_met,
            timed: true,
            named: slowest.filter(|_| !is_met).map(name).into_iter().collect(),
        })
    }

    /// The 99th percentile is at most so many times what it was before.
    pub(crate) fn p99_at_most(self, times: f64, during: Span, before: Span) -> Self {
        let (now, then) = (self.seen.p99(during), self.seen.p99(before));
        let ratio = now.as_secs_f64() / then.as_secs_f64().max(1e-6);
        let measured = format!("{ratio:.2} × ({} → {})", millis(then), millis(now));
        self.timed("p99", format!("≤ {times} × normal p99"), measured, ratio <= times)
    }

    /// Throughput is at least such a part of what it was before.
    pub(crate) fn throughput_at_least(self, part: f64, during: Span, before: Span) -> Self {
        let (now, then) = (self.seen.rate(during), self.seen.rate(before));
        let ratio = now / then.max(1.0);
        let measured = format!("{:.0} % ({then:.0} → {now:.0}/s)", ratio * 100.0);
        self.timed("throughput", format!("≥ {:.0} %", part * 100.0), measured, ratio >= part)
    }

    /// Something happened in time, or never.
    pub(crate) fn within(self, what: &'static str, limit: Duration, took: Option<Duration>) -> Self {
        let measured = took.map_or_else(|| "never".to_owned(), millis);
        self.timed(what, format!("≤ {}", millis(limit)), measured, took.is_some_and(|took| took <= limit))
    }

    fn timed(self, what: &'static str, target: String, measured: String, met: bool) -> Self {
        self.push(Cell { what: what.to_owned(), target, measured, met, timed: true, named: Vec::new() })
    }

    /// Anything else.
    pub(crate) fn cell(
        self,
        what: &'static str,
        target: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
    ) -> Self {
        let (target, measured) = (target.into(), measured.into());
        self.push(Cell { what: what.to_owned(), target, measured, met, timed: false, named: Vec::new() })
    }

    /// Requests that came to no good, each named.
    pub(crate) fn lost(self, what: &'static str, target: &str, lost: &[&Record], met: bool) -> Self {
        let named = lost.iter().map(|one| name(one)).collect();
        let (target, measured) = (target.to_owned(), summary(lost));
        self.push(Cell { what: what.to_owned(), target, measured, met, timed: false, named })
    }

    /// All cells.
    pub(crate) fn cells(self) -> Vec<Cell> {
        self.cells
    }

    fn push(mut self, cell: Cell) -> Self {
        self.cells.push(cell);
        self
    }
}

/// The cell of the witness.
fn ledgers(testimony: &Testimony, expected: Expected) -> Cell {
    Cell {
        what: VERDICT.to_owned(),
        target: expected.to_string(),
        measured: testimony.to_string(),
        met: testimony.is(expected),
        timed: false,
        named: testimony.named(),
    }
}

/// The only cell of a scenario that could not be played to its end.
pub(crate) fn unjudged(error: &dyn std::error::Error) -> Cell {
    let measured = error.to_string().lines().next().unwrap_or_default().to_owned();
    let named = error.to_string().lines().map(str::to_owned).collect();
    Cell {
        what: "the scenario".to_owned(),
        target: "played".to_owned(),
        measured,
        met: false,
        timed: false,
        named,
    }
}

/// Whether all of these requests were answered with this status.
pub(crate) fn all_got(records: &[&Record], wanted: u16) -> bool {
    records.iter().all(|one| matches!(one.outcome, Outcome::Status { status, .. } if status == wanted))
}

/// A duration as the table writes it.
pub(crate) fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// How long a request took, if there is one.
pub(crate) fn took(record: Option<&Record>) -> Duration {
    record.map(|one| one.took).unwrap_or_default()
}

fn summary(lost: &[&Record]) -> String {
    let mut kinds = BTreeMap::<String, u32>::new();
    for one in lost {
        *kinds.entry(kind(one)).or_default() += 1;
    }
    if kinds.is_empty() {
        return "0".to_owned();
    }
    kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect::<Vec<_>>().join(", ")
}

fn kind(record: &Record) -> String {
    match &record.outcome {
        Outcome::Right { .. } => "right".to_owned(),
        Outcome::Status { status, .. } => status.to_string(),
        Outcome::Broken(_) => "broken".to_owned(),
        Outcome::Wrong(_) => "wrong".to_owned(),
        Outcome::Refused => "refused".to_owned(),
    }
}

fn name(record: &Record) -> String {
    let what = match &record.outcome {
        Outcome::Broken(reason) | Outcome::Wrong(reason) => format!("{} ({reason})", kind(record)),
        _ => kind(record),
    };
    let bond = match &record.bond {
        Bond::Moved { from, to, .. } => format!(", its session was at {from} and {to} answered"),
        Bond::Replaced => ", its cookie was replaced".to_owned(),
        Bond::Kept | Bond::Begun => String::new(),
    };
    format!("{} {}: {what} after {}{bond}", record.id, record.method.name(), millis(record.took))
}
