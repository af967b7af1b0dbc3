//! The tables of what survives, written into their page from the rows themselves, between two markers: so they cannot drift
//! from what was measured.
//!
//! `docs/faults.json ──▶ docs/faults.md, between <!-- figures: faults --> and <!-- end of figures -->`

use std::{fmt::Write as _, fs};

use crate::{
    OWN_NAME, Result,
    proxy::Peer,
    report::{Report, Row, is_same},
    verdict::{Cell, VERDICT},
};

const PAGE: &str = "docs/faults.md";
const BEGIN: &str = "<!-- figures: faults -->\n";
const END: &str = "<!-- end of figures -->\n";

/// The measures that have a column each: what the matrix calls them, and what the page does.
const COLUMNS: [(&str, &str); 6] = [
    ("GET lost", "GET lost"),
    ("POST lost", "POST lost"),
    ("duplicates", "executed twice"),
    ("slowest request", "slowest request"),
    ("throughput", "throughput meanwhile"),
    (VERDICT, "verdict"),
];

/// Puts the tables of these rows between the markers of the page.
pub(crate) fn rewrite(report: &Report) -> Result<()> {
    let named = |error| format!("{PAGE}: {error}");
    let text = fs::read_to_string(PAGE).map_err(named)?;
    let rewritten = between_markers(&text, &tables(report))
        .ok_or_else(|| format!("{PAGE} lacks the lines `{}` and `{}`", BEGIN.trim(), END.trim()))?;
    Ok(fs::write(PAGE, rewritten).map_err(named)?)
}

fn between_markers(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, tables, END, after].concat())
}

fn tables(report: &Report) -> String {
    let rows: Vec<&Row> = report.rows.iter().collect();
    let scenarios = scenarios(&rows);
    let runs = rows.iter().map(|row| row.run).max().unwrap_or_default();
    let runs = if runs == 1 { "One run".to_owned() } else { format!("{runs} runs in a row") };
    let mut text = format!(
        "{runs}, {} clients, on {} cores that clients, servers and balancer shared; where runs differ, each is given.\n\n",
        report.clients, report.cores
    );
    text.push_str(&own_table(&scenarios));
    let beside: Vec<_> = scenarios.into_iter().filter(|fronts| fronts.len() > 1).collect();
    if !beside.is_empty() {
        text.push_str(
            "\nHAProxy and nginx on the same work, set up as [proxy.rs](../crates/faults/src/proxy.rs) says; what is 0 for \
             all three is left out:\n\n",
        );
        text.push_str(&peers_table(&beside));
    }
    text
}

/// The rows by scenario, then by front, then by run, each in the order in which it comes first.
fn scenarios<'a>(rows: &[&'a Row]) -> Vec<Vec<Vec<&'a Row>>> {
    let scenario = |one: &Row, other: &Row| (&one.fault, &one.scenario) == (&other.fault, &other.scenario);
    grouped(rows, scenario).iter().map(|fronts| grouped(fronts, is_same)).collect()
}

fn grouped<'a>(rows: &[&'a Row], is_same: impl Fn(&Row, &Row) -> bool) -> Vec<Vec<&'a Row>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| is_same(group[0], row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// A line a scenario, for the balancer alone.
fn own_table(scenarios: &[Vec<Vec<&Row>>]) -> String {
    let mut text = "| | fault |".to_owned();
    for (_, heading) in COLUMNS {
        // Writing into a String cannot fail.
        let _ = write!(text, " {heading} |");
    }
    let _ = writeln!(text, " besides |\n|{}", "---|".repeat(COLUMNS.len() + 3));
    for runs in scenarios.iter().flatten().filter(|runs| runs[0].front == OWN_NAME) {
        let _ = write!(text, "| {} | {} |", runs[0].fault, runs[0].scenario);
        for (what, _) in COLUMNS {
            let _ = write!(text, " {} |", measured(runs, what, Tone::Judged));
        }
        let _ = writeln!(text, " {} |", besides(runs));
    }
    text
}

/// A line a measure of each scenario, with a column for each front. What is 0 for all of them is left out.
fn peers_table(scenarios: &[Vec<Vec<&Row>>]) -> String {
    let mut text = format!("| | fault | | {OWN_NAME} |");
    for peer in Peer::ALL {
        let _ = write!(text, " {} |", peer.name());
    }
    let _ = writeln!(text, "\n|{}", "---|".repeat(Peer::ALL.len() + 4));
    let names = [OWN_NAME].into_iter().chain(Peer::ALL.map(Peer::name));
    for fronts in scenarios {
        for (what, heading) in COLUMNS.iter().filter(|(what, _)| *what != VERDICT) {
            let runs_of = |name| fronts.iter().find(|runs| runs[0].front == name);
            let figures =
                |name| runs_of(name).map(|runs| measured(runs, what, Tone::Told)).unwrap_or_default();
            let figures: Vec<_> = names.clone().map(figures).collect();
            if figures.iter().any(|figure| figure != "0") {
                let Row { fault, scenario, .. } = fronts[0][0];
                let _ = writeln!(text, "| {fault} | {scenario} | {heading} | {} |", figures.join(" | "));
            }
        }
    }
    text
}

/// Whether a target that is missed stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Judged,
    Told,
}

/// What the runs of a scenario measured of one thing: once where all agree. A miss is shown with its target.
fn measured(runs: &[&Row], what: &str, tone: Tone) -> String {
    let cells = runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.what == what));
    let cells: Vec<&Cell> = cells.collect();
    let mut figures: Vec<&str> = cells.iter().map(|cell| short(&cell.measured)).collect();
    if figures.windows(2).all(|pair| pair[0] == pair[1]) {
        figures.truncate(1);
    }
    let figures = figures.join("; ");
    match cells.iter().find(|cell| !cell.met) {
        Some(missed) if tone == Tone::Judged => format!("**{figures}** (not {})", missed.target),
        _ => figures,
    }
}

/// What was measured and has no column.
fn besides(runs: &[&Row]) -> String {
    let has_column = |cell: &&Cell| COLUMNS.iter().any(|(what, _)| *what == cell.what);
    let others = runs[0].cells.iter().filter(|cell| !has_column(cell));
    let others = others.map(|cell| format!("{}: {}", cell.what, measured(runs, &cell.what, Tone::Judged)));
    others.collect::<Vec<_>>().join("; ")
}

/// Without what it was made from.
fn short(measured: &str) -> &str {
    measured.split_once(" (").map_or(measured, |(figure, _)| figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_figures_of_the_json() {
        let [page, json] = [PAGE, "docs/faults.json"]
            .map(|file| fs::read_to_string(evenkeel_stage::root().join(file)).unwrap());
        let report = serde_json::from_str(&json).unwrap();
        let rewritten = between_markers(&page, &tables(&report)).unwrap();
        assert!(page == rewritten, "scripts/faults --from docs/faults.json --page");
    }

    fn cell(what: &str, measured: &str, met: bool) -> Cell {
        let [what, target, measured] = [what, "0", measured].map(str::to_owned);
        Cell { what, target, measured, met, timed: false, named: Vec::new() }
    }

    fn row(front: &str, run: u32, cells: Vec<Cell>) -> Row {
        let [fault, scenario, front] = ["F1", "kill", front].map(str::to_owned);
        Row { fault, scenario, front, run, seconds: 10.0, cells }
    }

    fn tables_of(rows: Vec<Row>) -> String {
        tables(&Report { cores: 2, clients: 32, rows })
    }

    #[test]
    fn runs_that_agree_are_told_once_and_others_each() {
        let cells = |lost| {
            vec![cell("GET lost", "0", true), cell("POST lost", lost, true), cell("gone", "5 ms", true)]
        };
        let text = tables_of(vec![row(OWN_NAME, 1, cells("4 × 502")), row(OWN_NAME, 2, cells("5 × 502"))]);
        assert!(text.starts_with("2 runs in a row, 32 clients, on 2 cores"), "{text}");
        assert!(text.contains("| F1 | kill | 0 | 4 × 502; 5 × 502 |  |  |  |  | gone: 5 ms |\n"), "{text}");
    }

    #[test]
    fn a_miss_stands_out_and_what_a_figure_was_made_from_is_left_out() {
        let text = tables_of(vec![row(OWN_NAME, 1, vec![cell(VERDICT, "CONTRADICTED (1 of 9)", false)])]);
        assert!(text.contains("| **CONTRADICTED** (not 0) |"), "{text}");
    }

    #[test]
    fn peers_stand_beside_and_are_only_told() {
        let rows =
            [OWN_NAME, "HAProxy", "nginx"].map(|front| row(front, 1, vec![cell("GET lost", front, false)]));
        let text = tables_of(rows.into());
        assert!(text.contains("| F1 | kill | GET lost | Evenkeel | HAProxy | nginx |"), "{text}");
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(between_markers(&text, "new\n").unwrap(), format!("a\n{BEGIN}new\n{END}b\n"));
        assert_eq!(between_markers("a\nb\n", "new\n"), None);
    }
}
