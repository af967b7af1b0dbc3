//! The page about speed says what was measured: its figures, and the chart's, are those of the JSON, and those follow from
//! the rounds.

use std::{fs, process::Command};

use evenkeel_stage::root;
use serde_json::Value;

/// The measured rows of all runs.
fn rows() -> Vec<Value> {
    let text = fs::read_to_string(root().join("docs/speed.json")).expect("docs/speed.json is there");
    let report: Value = serde_json::from_str(&text).expect("docs/speed.json is JSON");
    let rows: Vec<Value> = list(&report, "runs").iter().flat_map(|run| list(run, "rows").to_vec()).collect();
    assert!(rows.len() > 8, "the JSON has hardly any rows: {}", rows.len());
    rows
}

fn list<'a>(row: &'a Value, name: &str) -> &'a [Value] {
    row[name].as_array().expect("it is a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("it is a number")
}

fn rounds(figures: &Value) -> Vec<f64> {
    list(figures, "rounds").iter().map(number).collect()
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (lower, upper) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
    f64::midpoint(lower, upper)
}

/// What stands for the rounds of one contender.
fn stands_for(row: &Value, mut numbers: Vec<f64>) -> f64 {
    if row["statistic"] == "lower_quartile" {
        numbers.sort_by(f64::total_cmp);
        return numbers[(numbers.len() - 1) / 4];
    }
    middle(numbers)
}

/// Equal but for the digits that were rounded away.
fn is_about(told: &Value, computed: f64) -> bool {
    (number(told) - computed).abs() <= computed.abs() * 1e-3
}

#[test]
fn figures_and_ratios_follow_from_the_rounds() {
    for row in rows() {
        let figures = list(&row, "contenders");
        for one in figures {
            assert!(is_about(&one["figure"], stands_for(&row, rounds(one))), "{one}");
        }
        let subject = figures.iter().find(|one| one["name"] == row["subject"]);
        for ratio in list(&row, "ratios") {
            let other = figures.iter().find(|one| one["name"] == ratio["against"]).unwrap();
            let (ours, theirs) = (rounds(subject.unwrap()), rounds(other));
            let computed = if row["statistic"] == "lower_quartile" {
                stands_for(&row, ours) / stands_for(&row, theirs)
            } else {
                middle(ours.into_iter().zip(theirs).map(|(one, two)| one / two).collect())
            };
            assert!(is_about(&ratio["ratio"], computed), "{}: {ratio} is {computed}", row["name"]);
            let [least, most] = ["at_least", "at_most"].map(|bound| ratio["goal"][bound].as_f64());
            let value = number(&ratio["ratio"]);
            let met = least.map(|least| value >= least).or(most.map(|most| value <= most));
            assert_eq!(ratio["met"].as_bool(), met, "{}: {ratio}", row["name"]);
        }
    }
}

#[test]
fn every_ratio_is_on_the_page_in_its_line() {
    let page = fs::read_to_string(root().join("docs/speed.md")).unwrap();
    for row in rows() {
        let begin = format!("| {} | {} |", row["words"].as_str().unwrap(), row["unit"].as_str().unwrap());
        for ratio in list(&row, "ratios") {
            let value = format!("{:.2}", number(&ratio["ratio"]));
            // A work that several are compared in has a line for each, which names it.
            let lines: Vec<_> = page.lines().filter(|line| line.starts_with(&begin)).collect();
            let against = format!("| {}: ", ratio["against"].as_str().unwrap());
            let line = lines.iter().find(|line| line.contains(&against)).or(lines.first());
            let line = line.unwrap_or_else(|| panic!("docs/speed.md has no line {begin}"));
            assert!(line.contains(&value), "{value} is not in {line}");
        }
    }
}

#[test]
fn page_and_chart_are_what_the_figures_make() {
    let checked = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--page", "--check"])
        .current_dir(root())
        .output()
        .expect("the binary can be run");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
