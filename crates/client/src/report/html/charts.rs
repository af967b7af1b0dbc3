//! The three charts of a run: how much, how fast, by whom. All have the same time axis and mark the same incidents.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::chart::{Band, Chart, Line, Stack};
use super::scale::Axis;
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
    // What ended last may have done so at the very beginning of its column.
    let lasted = run.lasted_ms.0.max(width * last(count)).max(Duration::from_millis(1));
    let chart = |title, axis, lines, stacks| Chart {
        title,
        axis,
        lines,
        stacks,
        bands: &bands,
        columns: count,
        width,
        lasted,
    };
    [
        chart("Answers a second", Axis::Amount("/s"), Vec::new(), rates(run, columns)),
        chart("Latency of right answers", Axis::Latency, latencies(columns), Vec::new()),
        chart("Share by server", Axis::Amount(" %"), Vec::new(), shares(run, columns)),
    ]
    .iter()
    .map(Chart::svg)
    .collect()
}

/// The number of the last of so many columns.
fn last(columns: usize) -> u32 {
    u32::try_from(columns.saturating_sub(1)).unwrap_or(u32::MAX)
}

fn rates(run: &Report, columns: &[ColumnReport]) -> Vec<Stack> {
    let stack = |name: &str, of: fn(&Tally) -> u64| {
        let counts: Vec<u64> = columns.iter().map(|column| of(&column.tally)).collect();
        let values = per_second(&counts, run.timeline.column_ms.0, run.lasted_ms.0);
        Stack { name: name.to_owned(), class: name.to_owned(), values }
    };
    vec![stack("right", |tally| tally.right), stack("failed", |tally| tally.failed)]
}

/// The rate in each column of a run. It ends somewhere in its last column; a sliver of one has no rate to speak of, and
/// counts with the column before it.
fn per_second(counts: &[u64], width: Duration, lasted: Duration) -> Vec<f64> {
    let rate = |counts: &[u64], length: Duration| counts.iter().sum::<u64>() as f64 / length.as_secs_f64();
    let mut rates: Vec<f64> = counts.iter().map(|&count| rate(&[count], width)).collect();
    let rest = lasted.saturating_sub(width * last(counts.len())).clamp(width / 10, width);
    match (rates.as_mut_slice(), counts) {
        ([.., before, end], [.., some, few]) if rest < width / 2 => {
            *before = rate(&[*some, *few], width + rest);
            *end = *before;
        }
        ([.., end], [.., few]) => *end = rate(&[*few], rest),
        _ => {}
    }
    rates
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

/// Right answers by server, by what it is called: one server that was started anew is still one.
fn shares(run: &Report, columns: &[ColumnReport]) -> Vec<Stack> {
    let mut ids: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for id in columns.iter().flat_map(|column| column.servers.keys()) {
        ids.entry(run.called(id)).or_default().insert(id);
    }
    let share = |column: &ColumnReport, ids: &BTreeSet<&String>| {
        let count: u64 = ids.iter().filter_map(|id| column.servers.get(*id)).sum();
        if count == 0 { 0.0 } else { count as f64 * 100.0 / column.tally.right as f64 }
    };
    let stacks = ids.into_iter().enumerate().map(|(index, (name, ids))| Stack {
        name: name.to_owned(),
        class: format!("server{}", index % COLOURS),
        values: columns.iter().map(|column| share(column, &ids)).collect(),
    });
    stacks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_has_the_rate_of_the_time_it_had() {
        let ms = Duration::from_millis;
        assert_eq!(per_second(&[100, 100, 50], ms(1_000), ms(2_500)), [100.0, 100.0, 100.0]);
        assert_eq!(per_second(&[100, 95, 30], ms(1_000), ms(2_250)), [100.0, 100.0, 100.0]);
        assert_eq!(per_second(&[30], ms(1_000), ms(250)), [120.0]);
        assert!(per_second(&[], ms(1_000), ms(0)).is_empty());
    }
}
