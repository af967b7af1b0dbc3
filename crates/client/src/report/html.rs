//! The report as one page that opens without network: charts drawn here as SVG, so that no script has to run for
//! them, and a style that follows the reader's light or dark.
//!
//! ```text
//! what happened ─ summary ─ rate and failures ─ latency ─ share by server ─ who answered ─ incidents ─ verdict ─ failures ─ settings
//! ```

mod chart;
mod charts;
mod scale;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Report, Reports, text};
use crate::incident::Incident;
use crate::ms::Ms;
use crate::proof::Verdict;
use crate::words;

/// The page's style: colours by meaning, so that both schemes change in one place.
const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub(super) fn page(reports: &Reports) -> String {
    let title = reports.runs.first().map_or("no run".into(), |run| format!("run {}", run.run));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Evenkeel client report: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escaped(&title)
    );
    if let Some(comparison) = reports.comparison() {
        let _ = writeln!(page, "<section><h2>Compared</h2><pre>{}</pre></section>", escaped(&comparison));
    }
    reports.runs.iter().for_each(|run| one(&mut page, run));
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn one(page: &mut String, run: &Report) {
    let (class, verdict) = if run.passed { ("passed", "passed") } else { ("missed", "not passed") };
    let _ = write!(
        page,
        "<header>\n<h1>{} <span class=\"{class}\">{verdict}</span></h1>\n<p>run {}, begun {}, {}</p>\n</header>\n",
        escaped(&run.target),
        escaped(&run.run),
        escaped(&run.began),
        words::duration(run.lasted_ms.0)
    );
    story(page, run);
    summary(page, run);
    page.push_str(&charts::of(run));
    servers(page, run);
    handshakes(page, run);
    incidents(page, run);
    proof(page, run);
    failures(page, run);
    settings(page, run);
}

/// What happened, a paragraph for each incident. How the balancer knows is there for who wants to read it.
fn story(page: &mut String, run: &Report) {
    page.push_str("<section class=\"story\">\n<h2>What happened</h2>\n");
    for (incident, number) in run.incidents.iter().zip(1..) {
        let _ = write!(
            page,
            "<article>\n<p><b>{number}</b> <time>{}</time> {}</p>\n<p class=\"faint\">{}</p>\n",
            words::moment(incident.begin_ms.0),
            escaped(&incident.sentence),
            escaped(&text::cost(incident, &run.incidents))
        );
        if let Some(why) = &incident.why {
            let _ = writeln!(page, "<details><summary>why?</summary><p>{}</p></details>", escaped(why));
        }
        page.push_str("</article>\n");
    }
    if run.incidents.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", escaped(&text::without_incident(run)));
    }
    for also in run.slowness.iter().cloned().chain(run.slowest.as_ref().map(text::slowest)) {
        let _ = writeln!(page, "<p>{}</p>", escaped(&also));
    }
    page.push_str("</section>\n");
}

fn settings(page: &mut String, run: &Report) {
    if run.settings.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>Settings</h2>\n<table>\n<tbody>\n");
    for set in &run.settings {
        row(page, &[&set.name, &set.value], None);
    }
    page.push_str(
        "</tbody>\n</table>\n<p class=\"faint\">All others are at their defaults.</p>\n</section>\n",
    );
}

/// The numbers that matter most, large.
fn summary(page: &mut String, run: &Report) {
    let right = &run.latency.right;
    let masked = run.proof.as_ref().and_then(|proof| proof.masked);
    let failed = if run.requests.failed > 0 { "missed" } else { "" };
    let numbers = [
        ("right", words::count(run.requests.right)),
        ("failed", format!("<span class=\"{failed}\">{}</span>", words::count(run.requests.failed))),
        ("late", words::count(run.requests.late)),
        ("never sent", words::count(run.requests.dropped)),
        ("masked", masked.map_or("–".into(), words::count)),
        ("a second", format!("{:.0}", run.requests.per_second)),
        ("p50", words::duration(right.p50_ms.0)),
        ("p99", words::duration(right.p99_ms.0)),
        ("slowest", words::duration(right.max_ms.0)),
        ("longest gap", words::duration(run.longest_gap.lasted_ms.0)),
    ];
    page.push_str("<dl class=\"numbers\">\n");
    for (name, number) in numbers {
        let _ = writeln!(page, "<div><dt>{name}</dt><dd>{number}</dd></div>");
    }
    page.push_str("</dl>\n");
    for note in &run.notes {
        let _ = writeln!(page, "<p class=\"missed\">{}</p>", escaped(note));
    }
    if !run.objectives.is_empty() {
        page.push_str(
            "<table>\n<thead><tr><th>Objective</th><th>Measured</th><th></th></tr></thead>\n<tbody>\n",
        );
        for objective in &run.objectives {
            let (class, met) = if objective.met { ("passed", "met") } else { ("missed", "not met") };
            row(page, &[&objective.objective, &objective.measured], Some((class, met)));
        }
        page.push_str("</tbody>\n</table>\n");
    }
}

/// Who answered, by name.
fn servers(page: &mut String, run: &Report) {
    page.push_str(
        "<section>\n<table>\n<thead><tr><th>Answered from</th><th>Right</th><th>Failed</th><th>Share of right</th>\
         <th>Address</th></tr></thead>\n<tbody>\n",
    );
    for (name, address, tally) in run.rows() {
        let (right, failed) = (words::count(tally.right), words::count(tally.failed));
        let share = words::share(tally.right, run.requests.right);
        row(page, &[&name, &right, &failed, &share, address.unwrap_or("–")], None);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// How TLS came about, where it is spoken.
fn handshakes(page: &mut String, run: &Report) {
    if run.handshakes.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<table>\n<thead><tr><th>Handshakes</th><th>Count</th><th>p50</th><th>p99</th><th>Slowest</th></tr></thead>\n\
         <tbody>\n",
    );
    for shaken in &run.handshakes {
        let took = &shaken.took;
        let times = [took.p50_ms, took.p99_ms, took.max_ms].map(|ms| words::duration(ms.0));
        let [p50, p99, slowest] = &times;
        row(page, &[&shaken.name(), &words::count(took.count), p50, p99, slowest], None);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// The figures of the incidents; the story has told them already.
fn incidents(page: &mut String, run: &Report) {
    if run.incidents.is_empty() {
        return;
    }
    page.push_str(
        "<section class=\"incidents\">\n<h2>Incidents in figures</h2>\n\
         <table>\n<thead><tr><th>No.</th><th>From</th><th>Until</th><th>Who</th><th>Failed</th><th>Masked</th>\
         <th>First failed attempt</th><th>Ejected</th><th>Longest gap</th><th>p99 up by</th><th>Load spread again</th>\
         <th>As usual again</th></tr></thead>\n<tbody>\n",
    );
    for (incident, number) in run.incidents.iter().zip(1..) {
        let moment = |ms: Option<Ms>| ms.map_or("–".to_owned(), |ms| words::moment(ms.0));
        let absent = incident.absent.iter().map(|id| run.called(id));
        let who: BTreeSet<_> =
            absent.chain(incident.endpoints.iter().map(|address| run.at(address))).collect();
        let cells = [
            number.to_string(),
            words::moment(incident.begin_ms.0),
            words::moment(incident.end_ms.0),
            who.into_iter().collect::<Vec<_>>().join(", "),
            words::count(incident.failed),
            incident.masked.map_or("–".into(), words::count),
            moment(incident.first_failed_attempt_ms),
            moment(incident.ejected_ms),
            words::duration(incident.longest_gap_ms.0),
            added_latency(incident),
            moment(incident.rebalanced_ms),
            incident.recovered_ms.map_or("not before the end".to_owned(), |ms| words::moment(ms.0)),
        ];
        row(page, &cells.each_ref().map(String::as_str), None);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// By how much the latency rose; a dash where it did not.
fn added_latency(incident: &Incident) -> String {
    let added = incident.added_latency_ms.0;
    if added.is_zero() { "–".into() } else { words::duration(added) }
}

fn proof(page: &mut String, run: &Report) {
    let Some(proof) = &run.proof else { return };
    let class = match proof.verdict {
        Verdict::Proved => "passed",
        Verdict::Contradicted => "missed",
        Verdict::Incomplete => "open",
    };
    let _ = write!(
        page,
        "<section>\n<h2>Verdict of the ledgers: <span class=\"{class}\">{}</span></h2>\n<pre>{}</pre>\n</section>\n",
        proof.verdict,
        escaped(&proof.to_string())
    );
}

fn failures(page: &mut String, run: &Report) {
    if run.failures.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>Failures</h2>\n<table>\n<thead><tr><th>Kind</th><th>While</th><th>Count</th><th>First</th>\
         <th>Last</th></tr></thead>\n<tbody>\n",
    );
    for failure in &run.failures {
        let cells = [
            failure.kind.to_string(),
            failure.phase.to_string(),
            words::count(failure.count),
            words::moment(failure.first_ms.0),
            words::moment(failure.last_ms.0),
        ];
        row(page, &cells.each_ref().map(String::as_str), None);
    }
    page.push_str("</tbody>\n</table>\n");
    if !run.first_failures.is_empty() {
        page.push_str(
            "<h3>The first ones</h3>\n<table>\n<thead><tr><th>At</th><th>Request id</th><th>Request</th><th>Kind</th><th>After</th>\
             <th>Server</th><th>Detail</th></tr></thead>\n<tbody>\n",
        );
        for failure in &run.first_failures {
            let cells = [
                words::moment(failure.at_ms.0),
                failure.id.clone(),
                failure.request.clone(),
                failure.kind.to_string(),
                words::duration(failure.after_ms.0),
                failure.called.clone().or_else(|| failure.server.clone()).unwrap_or_else(|| "–".into()),
                failure.detail.clone(),
            ];
            row(page, &cells.each_ref().map(String::as_str), None);
        }
        page.push_str("</tbody>\n</table>\n");
    }
    page.push_str("</section>\n");
}

/// A row of text, and at its end a mark of some class.
fn row(page: &mut String, cells: &[&str], mark: Option<(&str, &str)>) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{}</td>", escaped(cell));
    }
    if let Some((class, text)) = mark {
        let _ = write!(page, "<td class=\"{class}\">{}</td>", escaped(text));
    }
    page.push_str("</tr>\n");
}

/// Text as it may stand in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
