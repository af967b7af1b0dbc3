//! The table, for people as Markdown and for programs as JSON.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    scenarios::Scenario,
    verdict::{Cell, VERDICT},
};

/// All that was played, and on what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The cores that everything shared.
    pub(crate) cores: usize,
    /// How many clients a full load had.
    pub(crate) clients: usize,
    /// In the order in which they were played.
    pub(crate) rows: Vec<Row>,
}

/// One row of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The number in the matrix.
    pub(crate) fault: String,
    /// What happens.
    pub(crate) scenario: String,
    /// Who balanced.
    pub(crate) front: String,
    /// From 1.
    pub(crate) run: u32,
    /// How long it was played, in seconds.
    pub(crate) seconds: f64,
    /// What was measured.
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    /// What a scenario came to.
    pub(crate) fn new(scenario: &Scenario, front: &str, run: u32, took: Duration, cells: Vec<Cell>) -> Self {
        Self {
            fault: scenario.fault.to_owned(),
            scenario: scenario.words.to_owned(),
            front: front.to_owned(),
            run,
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            cells,
        }
    }

    /// The cells that are not met; with `counts_only` those about time and speed do not matter.
    pub(crate) fn missed(&self, counts_only: bool) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(move |cell| !(cell.met || counts_only && cell.timed))
    }

    /// How it went, in a few words.
    pub(crate) fn sentence(&self, counts_only: bool) -> String {
        let verdict = self.cells.iter().find(|cell| cell.what == VERDICT);
        let verdict = verdict.map(|cell| format!(", {}", cell.measured)).unwrap_or_default();
        let missed: Vec<_> = self.missed(counts_only).map(|cell| cell.what.as_str()).collect();
        let met =
            if missed.is_empty() { "met".to_owned() } else { format!("NOT MET: {}", missed.join(", ")) };
        met + &verdict
    }
}

/// All rows, a line a cell; the runs of a scenario stand side by side. Then the requests that are to blame.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text =
        "| # | scenario | balanced by | | target | measured | |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        if rows[..index].iter().any(|earlier| is_same(earlier, row)) {
            continue;
        }
        let runs: Vec<&Row> = rows.iter().filter(|other| is_same(other, row)).collect();
        for (position, cell) in row.cells.iter().enumerate() {
            let cells: Vec<&Cell> = runs.iter().filter_map(|run| run.cells.get(position)).collect();
            let measured = cells.iter().map(|cell| cell.measured.as_str()).collect::<Vec<_>>().join("; ");
            let met = cells.iter().filter(|cell| cell.met).count();
            let verdict = match (met, cells.len()) {
                (met, all) if met == all => "met".to_owned(),
                (_, 1) => "**not met**".to_owned(),
                (met, all) => format!("**not met** in {} of {all}", all - met),
            };
            let Row { fault, scenario, front, .. } = row;
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "| {fault} | {scenario} | {front} | {} | {} | {measured} | {verdict} |",
                cell.what, cell.target
            );
        }
    }
    text.push_str(&named(rows));
    text
}

/// Whether two rows are runs of the same scenario before the same front.
pub(crate) fn is_same(one: &Row, other: &Row) -> bool {
    (&one.fault, &one.scenario, &one.front) == (&other.fault, &other.scenario, &other.front)
}

/// How many requests are named in one cell; JSON has all of them.
const NAMED: usize = 40;

/// Every request that is lost or executed twice.
fn named(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for cell in row.cells.iter().filter(|cell| !cell.named.is_empty()) {
            let _ = writeln!(
                text,
                "\n{} {} ({}, run {}), {}:",
                row.fault, row.scenario, row.front, row.run, cell.what
            );
            for line in cell.named.iter().take(NAMED) {
                let _ = writeln!(text, "  {line}");
            }
            if cell.named.len() > NAMED {
                let _ = writeln!(text, "  and {} more, which --json names", cell.named.len() - NAMED);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: u32, met: bool) -> Row {
        let cell = Cell {
            what: "GET lost".to_owned(),
            target: "0".to_owned(),
            measured: run.to_string(),
            met,
            timed: false,
            named: vec![format!("F1.{run}.0")],
        };
        let [fault, scenario, front] = ["F1", "kill", "Evenkeel"].map(str::to_owned);
        Row { fault, scenario, front, run, seconds: 10.0, cells: vec![cell] }
    }

    #[test]
    fn the_runs_of_a_scenario_share_a_line_and_one_miss_is_a_miss() {
        let text = markdown(&[row(1, true), row(2, false)]);
        assert!(
            text.contains("| F1 | kill | Evenkeel | GET lost | 0 | 1; 2 | **not met** in 1 of 2 |"),
            "{text}"
        );
    }

    #[test]
    fn where_only_counts_matter_a_slow_machine_is_no_miss() {
        let mut slow = row(1, false);
        slow.cells[0].timed = true;
        assert_eq!(slow.missed(false).count(), 1);
        assert_eq!(slow.missed(true).count(), 0);
        assert_eq!(row(1, false).missed(true).count(), 1);
    }

    #[test]
    fn every_request_to_blame_is_named() {
        let text = markdown(&[row(1, true), row(2, false)]);
        assert!(text.contains("  F1.1.0\n") && text.contains("  F1.2.0\n"), "{text}");
    }
}
