//! The three charts of a run: how much, how fast, by whom. All have the same time axis and mark the same incidents.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chart::{Band, Chart, Line, Stack};
use crate::measure::Tally;
use crate::report::{ColumnReport, Ms, Report};

/// The charts, one below the other; nothing where nothing ended.
pub(super) fn of(run: &Report) -> String {
    let columns = run.timeline.columns.as_slice();
    if columns.is_empty() {
        return String::new();
    }
    let bands: Vec<Band> = run
        .incidents
        .iter()
        .zip(1..)
        .map(|(incident, number): (_, usize)| Band {
            name: number.to_string(),
            from: incident.begin_ms.0,
            until: incident.end_ms.0,
        })
        .collect();
    let (count, width) = (columns.len(), run.timeline.column_ms.0);
    let chart = |title, unit, lines, stacks| Chart {
        title,
        unit,
        lines,
        stacks,
        bands: &bands,
        columns: count,
        width,
    };
    [
        chart("Answers a second", "/s", Vec::new(), rates(run, columns)),
        chart("Latency of right answers", " ms", latencies(columns), Vec::new()),
        chart("Share by server", " %", Vec::new(), shares(columns)),
    ]
    .iter()
    .map(Chart::svg)
    .collect()
}

fn rates(run: &Report, columns: &[ColumnReport]) -> Vec<Stack> {
    let width = run.timeline.column_ms.0;
    // The run ends somewhere in its last column; a sliver of one has no rate to speak of.
    let last = columns.len() - 1;
    let rest = run
        .lasted_ms
        .0
        .saturating_sub(width * u32::try_from(last).unwrap_or(u32::MAX))
        .clamp(width / 10, width);
    let length = |index: usize| -> Duration { if index < last { width } else { rest } };
    let stack = |name: &str, of: fn(&Tally) -> u64| Stack {
        name: name.to_owned(),
        class: name.to_owned(),
        values: columns
            .iter()
            .enumerate()
            .map(|(index, column)| of(&column.tally) as f64 / length(index).as_secs_f64())
            .collect(),
    };
    vec![stack("right", |tally| tally.right), stack("failed", |tally| tally.failed)]
}

fn latencies(columns: &[ColumnReport]) -> Vec<Line> {
    let line = |name: &str, class: &str, of: fn(&ColumnReport) -> Ms| Line {
        name: name.to_owned(),
        class: class.to_owned(),
        values: columns
            .iter()
            .map(|column| (column.tally.right > 0).then(|| of(column).0.as_secs_f64() * 1e3))
            .collect(),
    };
    vec![
        line("slowest", "max", |column| column.max_ms),
        line("p99", "p99", |column| column.p99_ms),
        line("p50", "p50", |column| column.p50_ms),
    ]
}

/// How many colours there are for servers; more servers share them.
const COLOURS: usize = 8;

fn shares(columns: &[ColumnReport]) -> Vec<Stack> {
    let names: BTreeSet<&String> = columns.iter().flat_map(|column| column.servers.keys()).collect();
    let share = |column: &ColumnReport, name: &str| {
        let count = column.servers.get(name).copied().unwrap_or_default();
        if count == 0 { 0.0 } else { count as f64 * 100.0 / column.tally.right as f64 }
    };
    let stacks = names.into_iter().enumerate().map(|(index, name)| Stack {
        name: name.clone(),
        class: format!("server{}", index % COLOURS),
        values: columns.iter().map(|column| share(column, name)).collect(),
    });
    stacks.collect()
}
