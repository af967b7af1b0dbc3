//! The figures of the page as Markdown, by the names that the page calls them.

use crate::{
    contenders::{OWN, PEERS},
    report::Report,
    table::{number, percent},
};

use super::over_runs::{OverRuns, Standing};

/// What the page asks for; nothing where no figures have this name.
pub(super) fn block(report: &Report, name: &str) -> Option<String> {
    match name {
        "machine" => Some(machine(report)),
        "peers" => Some(peers(report)),
        "own" => Some(own(report)),
        "pick" => Some(pick(report)),
        "missed" => Some(missed(report)),
        "remarks" => Some(remarks(report)),
        _ => None,
    }
}

fn machine(report: &Report) -> String {
    let (machine, method) = (&report.machine, &report.method);
    let versions: Vec<_> =
        report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let began: Vec<_> = report.runs.iter().map(|run| run.began.as_str()).collect();
    let sha = if machine.sha_instructions { "with" } else { "without" };
    format!(
        "- Machine: {}, {sha} SHA instructions, {} cores, Linux {}; load in the minute before: {:.2}\n\
         - Versions: {}\n\
         - Proxies on core {}; servers ({}) and load ({}, {} keep-alive connections) on core {}\n\
         - Runs: {} ({}); {} rounds of {} s a row, unless it says otherwise below\n",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.load_before,
        versions.join(", "),
        method.proxy_core,
        method.servers,
        method.load,
        method.connections,
        method.load_core,
        report.runs.len(),
        began.join(", "),
        method.rounds,
        method.seconds,
    )
}

/// The rows in which others were measured as well.
pub(super) fn compared(report: &Report) -> Vec<OverRuns<'_>> {
    let mut rows = OverRuns::all(report);
    rows.retain(|row| row.names().any(|name| name == OWN));
    rows
}

/// A peer without any figure has no column; that it has none is said below.
fn peers(report: &Report) -> String {
    let rows = compared(report);
    let (there, absent): (Vec<&str>, Vec<&str>) =
        PEERS.into_iter().partition(|name| rows.iter().any(|row| row.figure(name).is_some()));
    let to: Vec<_> = there.iter().map(|name| format!("to {name}")).collect();
    let names: Vec<_> = there.iter().copied().chain([OWN]).collect();
    let mut lines = vec![
        format!("| work | measured | {} | {} |", names.join(" | "), to.join(" | ")),
        format!("|---|---|{}", "--:|".repeat(names.len() + to.len())),
    ];
    for row in rows {
        let figures: Vec<_> = names.iter().map(|name| figure_cell(&row, name)).collect();
        let ratios: Vec<_> = there.iter().map(|name| ratio_cell(row.standing(name).as_ref())).collect();
        let (words, unit) = (&row.row().words, &row.row().unit);
        lines.push(format!("| {words} | {unit} | {} | {} |", figures.join(" | "), ratios.join(" | ")));
    }
    if lines.iter().any(|line| line.contains(" busy*")) {
        lines.push(format!("\n{NOT_BUSY}"));
    }
    if !absent.is_empty() {
        lines.push(format!("\nNot measured, and without a column: {}.", absent.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// From this part of its core on a contender counts as busy.
const BUSY: f64 = 0.90;

/// What that share says.
const NOT_BUSY: &str = "*79 % busy* behind a figure says that a contender had so much of its core, where that is less than \
    90 %. Who waits between requests wakes up for fewer at a time, which costs each of them more: it could do better \
    than its figure.";

/// Behind the figure of whoever was not busy: its share of its core.
fn idleness(row: &OverRuns<'_>, name: &str) -> String {
    let share = row.share(name).filter(|share| *share < BUSY);
    share.map(|share| format!(", *{} busy*", percent(share))).unwrap_or_default()
}

/// The figure, and from the lowest to the highest of all rounds.
fn figure_cell(row: &OverRuns<'_>, name: &str) -> String {
    let Some(figure) = row.figure(name) else { return "–".to_owned() };
    let least = row.figures(name).map(|figures| figures.least).fold(f64::INFINITY, f64::min);
    let most = row.figures(name).map(|figures| figures.most).fold(0.0, f64::max);
    format!("{} ({}–{}){}", number(figure), number(least), number(most), idleness(row, name))
}

fn own(report: &Report) -> String {
    let mut lines = vec![
        "| work | measured | one | other | other to one |".to_owned(),
        "|---|---|--:|--:|--:|".to_owned(),
    ];
    for row in OverRuns::all(report) {
        let subject = row.row().subject.as_str();
        for name in row.names().filter(|name| *name != subject) {
            let Some(standing) = row.standing(name).filter(|_| subject != OWN) else { continue };
            let [one, other] = [name, subject]
                .map(|name| (name, row.figure(name).map_or("–".to_owned(), number), idleness(&row, name)))
                .map(|(name, figure, idleness)| format!("{name}: {figure}{idleness}"));
            lines.push(format!(
                "| {} | {} | {one} | {other} | {} |",
                row.row().words,
                row.row().unit,
                ratio_cell(Some(&standing))
            ));
        }
    }
    lines.join("\n") + "\n"
}

fn pick(report: &Report) -> String {
    let all = OverRuns::all(report);
    let Some(row) = all.iter().find(|row| row.row().name == "pick" && row.names().next().is_some()) else {
        return "Not measured.\n".to_owned();
    };
    let mut lines = vec!["| policy | nanoseconds | goal |".to_owned(), "|---|--:|--:|".to_owned()];
    for name in row.names() {
        let limit = row.figures(name).find_map(|figures| figures.limit);
        let missed = row.figures(name).any(|figures| figures.met == Some(false));
        let goal = limit.map(|limit| limit.to_string()).unwrap_or_default();
        let figure = row.figure(name).map(number).unwrap_or_default();
        lines.push(format!("| `{name}` | {figure} | {goal}{} |", if missed { ", **missed**" } else { "" }));
    }
    lines.join("\n") + "\n"
}

fn missed(report: &Report) -> String {
    let mut lines = Vec::new();
    for row in OverRuns::all(report) {
        let words = &row.row().words;
        for name in row.names() {
            if let Some(standing) = row.standing(name).filter(|standing| !standing.met) {
                let goal = standing.goal.map(|goal| goal.to_string()).unwrap_or_default();
                lines.push(format!("- {words}: {} {name}, goal {goal}", ratios(&standing)));
            }
            for figures in row.figures(name).filter(|figures| figures.met == Some(false)) {
                let goal = figures.limit.map(|goal| goal.to_string()).unwrap_or_default();
                lines.push(format!("- {words}, {name}: {}, goal {goal}", number(figures.figure)));
            }
        }
        if row.row().contenders.is_empty() {
            lines.push(format!("- {words}: not measured"));
        }
    }
    if lines.is_empty() {
        return "Every goal is met in every run.\n".to_owned();
    }
    lines.join("\n") + "\n"
}

fn remarks(report: &Report) -> String {
    let mut lines: Vec<_> = report.remarks.iter().map(|remark| format!("- {remark}")).collect();
    for row in OverRuns::all(report) {
        lines.extend(row.remarks().iter().map(|remark| format!("- {}: {remark}", row.row().words)));
    }
    lines.join("\n") + "\n"
}

fn ratio_cell(standing: Option<&Standing>) -> String {
    let Some(standing) = standing else { return "–".to_owned() };
    match (standing.goal, standing.met) {
        (None, _) => ratios(standing),
        (Some(goal), true) => format!("{} ({goal})", ratios(standing)),
        (Some(goal), false) => format!("**{}** ({goal}, missed)", ratios(standing)),
    }
}

/// One for each run.
fn ratios(standing: &Standing) -> String {
    let ratios: Vec<_> = standing.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    format!("{} ×", ratios.join(", "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use evenkeel_stage::root;

    use super::*;
    use crate::{
        contenders::ENVOY,
        report::{Figures, Goal},
    };

    #[test]
    fn a_missed_goal_stands_out() {
        let standing = Standing { ratios: vec![1.31, 1.3], goal: Some(Goal::AtLeast(1.3)), met: true };
        assert_eq!(ratio_cell(Some(&standing)), "1.31, 1.30 × (≥ 1.30)");
        let missed = Standing { ratios: vec![1.31, 1.2], met: false, ..standing };
        assert_eq!(ratio_cell(Some(&missed)), "**1.31, 1.20 ×** (≥ 1.30, missed)");
    }

    #[test]
    fn whoever_was_not_busy_has_its_share_behind_its_figure() {
        let mut report: Report =
            serde_json::from_str(&fs::read_to_string(root().join("docs/speed.json")).unwrap()).unwrap();
        for (run, share) in report.runs.iter_mut().zip([0.70, 0.794, 0.80]) {
            for row in &mut run.rows {
                for one in &mut row.contenders {
                    one.share = Some(if one.name == OWN { share } else { 0.90 });
                }
            }
        }
        let line = peers(&report).lines().nth(2).unwrap().to_owned();
        assert_eq!(line.matches("busy").count(), 1, "{line}");
        assert!(line.contains("), *79 % busy* |"), "{line}");
        assert!(peers(&report).contains(NOT_BUSY));
    }

    #[test]
    fn a_peer_has_a_column_once_it_was_measured_and_is_named_while_it_was_not() {
        let mut report: Report =
            serde_json::from_str(&fs::read_to_string(root().join("docs/speed.json")).unwrap()).unwrap();
        for row in report.runs.iter_mut().flat_map(|run| &mut run.rows) {
            row.contenders.retain(|one| one.name != ENVOY);
        }
        let without = peers(&report);
        assert!(!without.contains("to Envoy"), "{without}");
        assert!(
            without.lines().last().unwrap().contains("Not measured") && without.contains("Envoy"),
            "{without}"
        );
        let row = report.runs[0].rows.iter_mut().find(|row| row.subject == OWN).unwrap();
        let own = row.contenders.iter().find(|one| one.name == OWN).unwrap();
        let envoy = Figures { name: ENVOY.to_owned(), figure: 70.5, least: 61.5, most: 82.5, ..own.clone() };
        row.contenders.push(envoy);
        let with = peers(&report);
        assert!(with.lines().next().unwrap().contains("| Envoy |"), "{with}");
        assert!(with.contains("| 70.5 (61.5–82.5) |"), "{with}");
    }
}
