//! The report for people: what happened first, in sentences, then the figures, and the answer last, where a terminal leaves the
//! eye.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::{FailedRequest, InForce, Quantiles, Report, SlowestRequest, Step};
use crate::incident::{Incident, Teller};
use crate::proof::Proof;
use crate::words::{self, Tame};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Run {} against {}, begun {}", self.run, self.target, self.began)?;
        settings(self, f)?;
        f.write_str(&story(self))?;
        counts(self, f)?;
        by_server(self, f)?;
        if self.mix.len() > 1 {
            by_request(self, f)?;
        }
        latencies(self, f)?;
        if self.requests.failed > 0 {
            failures(self, f)?;
        }
        if let Some(proof) = &self.proof {
            write!(f, "\n{proof}")?;
        }
        conclusion(self, f)
    }
}

fn settings(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if report.settings.is_empty() {
        return Ok(());
    }
    let set = report.settings.iter().map(|InForce { name, value }| {
        let value = Tame(value).to_string();
        if value.contains([' ', ';', '<', '>', '&']) {
            format!("{name}='{value}'")
        } else {
            format!("{name}={value}")
        }
    });
    f.write_str(&words::paragraph("    with ", &set.collect::<Vec<_>>().join(" ")))
}

/// What happened, a paragraph for each incident.
fn story(report: &Report) -> String {
    let mut text = "\nWhat happened\n".to_owned();
    for (incident, number) in report.incidents.iter().zip(1..) {
        let begin = format!("{number:>3}. {}  ", words::moment(incident.begin_ms.0));
        text += &words::paragraph(&begin, &Tame(&incident.sentence).to_string());
        let below = " ".repeat(begin.chars().count());
        text += &words::paragraph(&below, &format!("({})", cost(incident, &report.incidents)));
    }
    if report.incidents.is_empty() {
        text += &words::paragraph("     ", &without_incident(report));
    }
    for also in report.slowness.iter().cloned().chain(report.slowest.as_ref().map(slowest)) {
        text += &words::paragraph("     ", &Tame(&also).to_string());
    }
    text
}

/// What there is to say of a run in which nothing happened to a server.
pub(super) fn without_incident(report: &Report) -> String {
    match &report.requests {
        requests if requests.right == 0 => "Nothing was answered.".into(),
        requests if requests.dropped > 0 => format!(
            "No request that was sent failed; {} never sent, since all senders were busy.",
            words::counted(requests.dropped, "request")
        ),
        _ => "Nothing: no request failed, and no server was missed.".into(),
    }
}

/// A rise of the p99 below this is not worth a word.
const NOTICED: Duration = Duration::from_millis(5);

/// What one of these incidents was to the client. Of what it found itself, its sentence has counted the requests already.
pub(super) fn cost(incident: &Incident, all: &[Incident]) -> String {
    let mut parts = Vec::new();
    if incident.told_by == Teller::Balancer {
        parts.push(match incident.failed {
            0 => match counted_with(incident, all) {
                Some(number) => format!("requests that failed meanwhile are counted with {number}"),
                None => "no request failed for the client".to_owned(),
            },
            failed => format!("{} failed for the client", words::counted(failed, "request")),
        });
        if let Some(masked @ 1..) = incident.masked {
            parts.push(format!("{} answered rightly though an attempt failed", words::count(masked)));
        }
    }
    parts.push(format!("longest time without a right answer {}", words::duration(incident.longest_gap_ms.0)));
    if incident.added_latency_ms.0 >= NOTICED {
        parts.push(format!("p99 up by {}", words::duration(incident.added_latency_ms.0)));
    }
    if let Some(moment) = incident.rebalanced_ms {
        parts.push(format!("load spread again at {}", words::moment(moment.0)));
    }
    parts.join("; ")
}

/// The number of an incident at the same time that has failures. The client knows when a request failed, and not of which of two
/// troubles.
fn counted_with(incident: &Incident, all: &[Incident]) -> Option<usize> {
    let meanwhile = |other: &Incident| {
        other.failed > 0 && other.begin_ms.0 <= incident.end_ms.0 && other.end_ms.0 >= incident.begin_ms.0
    };
    all.iter().position(meanwhile).map(|index| index + 1)
}

/// The slowest request and its way.
pub(super) fn slowest(slow: &SlowestRequest) -> String {
    let from = slow.called.as_ref().or(slow.server.as_ref());
    let from = from.map(|server| format!(" from {server}")).unwrap_or_default();
    let steps: Vec<_> = slow.way.iter().flatten().map(ToString::to_string).collect();
    let way = match &slow.words {
        Some(words) => format!(": {words}"),
        None if steps.is_empty() => String::new(),
        None => format!("; its way: {}", steps.join(", then ")),
    };
    format!(
        "The slowest answer, to {} ({}), took {} and came at {}{from}{way}.",
        slow.request,
        slow.id,
        words::duration(slow.after_ms.0),
        words::moment(slow.at_ms.0),
    )
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.called.as_ref().unwrap_or(&self.endpoint))?;
        if !self.why.is_empty() {
            write!(f, "{}, ", self.why)?;
        }
        f.write_str(&self.end)?;
        self.status.map_or(Ok(()), |status| write!(f, " {status}"))?;
        f.write_str(")")
    }
}

fn counts(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let requests = &report.requests;
    writeln!(
        f,
        "\n{} in {}, {:.0} a second, up to {} at a time, {} received{}",
        words::counted(requests.sent, "request"),
        words::duration(report.lasted_ms.0),
        requests.per_second,
        report.concurrency,
        words::bytes(requests.received_bytes),
        if report.stopped { "; ended before its time" } else { "" },
    )?;
    let mut row = |count: u64, what: &str| writeln!(f, "{:>11} {what}", words::count(count));
    row(requests.right, "answered rightly")?;
    row(requests.failed, "failed")?;
    let more = [
        (requests.wrong, "of them with a whole response that was wrong"),
        (requests.late, "begun more than 10 ms after their moment"),
        (requests.dropped, "never sent: all senders were busy"),
        (requests.unmeasured, "warmed up: not in the latencies"),
    ];
    more.into_iter().filter(|(count, _)| *count > 0).try_for_each(|(count, what)| row(count, what))?;
    report.handshakes.iter().try_for_each(|shaken| {
        let what = if shaken.resumed { "resumptions of" } else { "handshakes of" };
        writeln!(f, "{:>11} {what} {}", words::count(shaken.took.count), shaken.version)
    })
}

fn by_server(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut table = table(["Answered from", "right", "failed", "share of right", ""]);
    for (name, address, tally) in report.rows() {
        let share = words::share(tally.right, report.requests.right);
        let address = address.unwrap_or_default().to_owned();
        table.add_row([name, words::count(tally.right), words::count(tally.failed), share, address]);
    }
    writeln!(f, "\n{}", aligned(table, 1))
}

fn by_request(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut table = table(["By request", "right", "failed"]);
    for entry in &report.mix {
        table.add_row([
            entry.request.clone(),
            words::count(entry.tally.right),
            words::count(entry.tally.failed),
        ]);
    }
    writeln!(f, "\n{}", aligned(table, 1))
}

fn latencies(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut table = table(["Latency", "p50", "p90", "p99", "p99.9", "slowest", "mean"]);
    let latency = &report.latency;
    let lines = [
        ("right answers", &latency.right),
        ("  from sending", &latency.service),
        ("  to the head", &latency.head),
        ("failed requests", &latency.failed),
        ("new connections", &latency.connect),
    ];
    let lines = lines.map(|(name, quantiles)| (name.to_owned(), quantiles)).into_iter();
    let handshakes = report.handshakes.iter().map(|shaken| (format!("  {}", shaken.name()), &shaken.took));
    for (name, quantiles) in lines.chain(handshakes).filter(|(_, quantiles)| quantiles.count > 0) {
        let Quantiles { p50_ms, p90_ms, p99_ms, p999_ms, max_ms, mean_ms, .. } = quantiles;
        let cells = [p50_ms, p90_ms, p99_ms, p999_ms, max_ms, mean_ms].map(|ms| words::duration(ms.0));
        table.add_row(std::iter::once(name).chain(cells));
    }
    let gap = report.longest_gap;
    writeln!(f, "\n{}", aligned(table, 1))?;
    writeln!(
        f,
        "Longest time without a right answer: {}, from {}",
        words::duration(gap.lasted_ms.0),
        words::moment(gap.begin_ms.0)
    )
}

fn failures(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut table = table(["Failures", "while", "count", "first", "last"]);
    for failure in &report.failures {
        table.add_row([
            failure.kind.to_string(),
            failure.phase.to_string(),
            words::count(failure.count),
            words::moment(failure.first_ms.0),
            words::moment(failure.last_ms.0),
        ]);
    }
    writeln!(f, "\n{}", aligned(table, 2))?;
    if !report.first_failures.is_empty() {
        writeln!(f, "\nFirst failures")?;
    }
    report.first_failures.iter().try_for_each(|failure| failed(failure, f))
}

fn failed(failure: &FailedRequest, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:>11}  {}  {}  {} after {}",
        words::moment(failure.at_ms.0),
        failure.id,
        failure.request,
        failure.kind,
        words::duration(failure.after_ms.0),
    )?;
    if let Some(server) = failure.called.as_ref().or(failure.server.as_ref()) {
        write!(f, " from {}", Tame(server))?;
    }
    if failure.detail.is_empty() { writeln!(f) } else { writeln!(f, ": {}", Tame(&failure.detail)) }
}

fn conclusion(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let requests = &report.requests;
    let due = requests.due();
    match due - requests.right {
        _ if due == 0 => writeln!(f, "\nNothing was sent.")?,
        0 => writeln!(f, "\nEvery request was answered rightly.")?,
        lost => writeln!(
            f,
            "\n{} of {} not answered rightly.",
            words::count(lost),
            words::counted(due, "request")
        )?,
    }
    let missed = report.objectives.iter().filter(|objective| !objective.met);
    missed.into_iter().try_for_each(|objective| {
        writeln!(f, "Not met: {} (it was {})", objective.objective, objective.measured)
    })?;
    report.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Verdict: {}, with {} in the journals",
            self.verdict,
            words::counted(self.executions, "execution")
        )?;
        let known = |count: Option<u64>| count.map_or("unknown".to_owned(), words::count);
        writeln!(f, "    executed twice though it must not be: {}", known(self.duplicates))?;
        writeln!(
            f,
            "    failed attempts: {}, masked requests: {}",
            known(self.failed_attempts),
            known(self.masked)
        )?;
        self.missing.iter().try_for_each(|missing| writeln!(f, "    missing: {missing}"))?;
        if self.contradicted > 0 {
            writeln!(f, "    contradictions: {}", words::count(self.contradicted))?;
        }
        self.contradictions.iter().try_for_each(|contradiction| {
            writeln!(f, "        {}: {}", Tame(&contradiction.id), contradiction.what)
        })
    }
}

/// The runs against several targets, a line each.
pub(super) fn comparison(runs: &[Report]) -> String {
    let mut table = table(["Target", "right", "failed", "a second", "p50", "p99", "slowest", "longest gap"]);
    for run in runs {
        let right = &run.latency.right;
        let times = [right.p50_ms, right.p99_ms, right.max_ms, run.longest_gap.lasted_ms];
        let counts = [
            words::count(run.requests.right),
            words::count(run.requests.failed),
            format!("{:.0}", run.requests.per_second),
        ];
        let cells = counts.into_iter().chain(times.map(|ms| words::duration(ms.0)));
        table.add_row(std::iter::once(run.target.clone()).chain(cells));
    }
    let noted =
        runs.iter().flat_map(|run| run.notes.iter().map(move |note| format!("\n{}: {note}", run.target)));
    aligned(table, 1) + &noted.collect::<String>()
}

/// A table without lines.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

/// The table with its first `words` columns aligned to the left and its numbers to the right.
fn aligned(mut table: Table, words: usize) -> String {
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
