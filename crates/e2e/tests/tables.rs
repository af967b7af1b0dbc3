//! The pages say what is so. The tables of docs/settings.md are what `--help` says, for every binary, and docs/protocol.md
//! names the tests that are there for each case: nothing missing, nothing more.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use evenkeel_stage::{binary, output, root};

/// The rows that the page has to have for a binary's own variables, from its `--help`.
fn rows(name: &str) -> Vec<String> {
    let help = output(Command::new(binary(name)).arg("--help"));
    let help = String::from_utf8(help.stdout).expect("help is UTF-8");
    let prefix = format!("  {}_", name.to_uppercase());
    let mut lines = help.lines();
    let mut rows = Vec::new();
    while let Some(line) = lines.next() {
        let Some((variable, default)) = line.strip_prefix("  ").and_then(|line| line.split_once(" = "))
        else {
            continue;
        };
        let meaning = lines.next().map_or("", str::trim);
        if line.starts_with(&prefix) || variable.starts_with("EVENKEEL_") {
            rows.push(format!("| `{variable}` | {} | {} |", cell(default), cell(meaning)));
        }
    }
    rows
}

/// The text as Markdown shows it unchanged inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[test]
fn every_variable_is_on_the_page_as_help_describes_it() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let written: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let mut known = BTreeSet::new();
    for name in ["server", "balancer", "client", "manager"] {
        let rows = rows(name);
        assert!(rows.len() > 3, "{name} --help lists hardly anything: {rows:?}");
        let missing = rows.iter().any(|row| !written.contains(row.as_str()));
        assert!(!missing, "the table of {name} in docs/settings.md has to be:\n\n{}\n", rows.join("\n"));
        known.extend(rows);
    }
    for row in written {
        let own =
            ["SERVER_", "BALANCER_", "CLIENT_", "MANAGER_"].iter().any(|prefix| row[3..].starts_with(prefix));
        assert!(!own || known.contains(row), "docs/settings.md describes what no binary takes: {row}");
    }
}

/// How many protocol cases there are.
const CASES: usize = 81;

/// The names of the tests in a text that hold protocol cases: `p45_…` behind these words.
fn tests_of_cases<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(before).skip(1).filter_map(|rest| {
        let name = rest.split(|next: char| !next.is_ascii_alphanumeric() && next != '_').next()?;
        let number = name.strip_prefix('p')?.split_once('_')?.0;
        number.parse::<usize>().ok().map(|_| name.to_owned())
    })
}

/// Those in the Rust files of a directory and all below it.
fn tests_below(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(tests_of_cases(&fs::read_to_string(path).expect("it is text"), "fn "));
        }
    }
}

#[test]
fn every_protocol_case_is_on_its_page_with_the_tests_that_hold_it() {
    let page = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let mut cases = BTreeSet::new();
    let mut named = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| P")) {
        let case = row[3..].split(' ').next().unwrap();
        let tests: Vec<_> = tests_of_cases(row, "`").collect();
        assert!(!tests.is_empty(), "no test holds P{case}");
        for test in tests {
            assert!(test.starts_with(&format!("p{case}_")), "{test} stands beside P{case}");
            named.insert(test);
        }
        cases.insert(case.parse::<usize>().unwrap());
    }
    assert_eq!(cases, (1..=CASES).collect());
    let mut there = BTreeSet::new();
    tests_below(&root().join("crates/balancer/tests/protocol"), &mut there);
    tests_below(&root().join("crates/server"), &mut there);
    let differ: Vec<_> = there.symmetric_difference(&named).collect();
    assert!(
        differ.is_empty(),
        "only in the code or only on the page; scripts/protocol --page mends it: {differ:#?}"
    );
}
