//! The tables of docs/settings.md say what `--help` says, for every binary: nothing missing, nothing more.

use std::{collections::BTreeSet, fs, process::Command};

use evenkeel_stage::{binary, root};

/// The rows that the page has to have for a binary's own variables, from its `--help`.
fn rows(name: &str) -> Vec<String> {
    let help = Command::new(binary(name)).arg("--help").output().expect("the binary can be run");
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
