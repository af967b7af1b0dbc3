//! The balancer beside nginx and `HAProxy` on the same work: what each request costs the proxy, from the kernel's own
//! accounting, in interleaved rounds.
//!
//! ```text
//! Work ──is measured on──▶ Stage ──▶ Servers (the other core)            ┐
//!                            ├─────▶ Contenders (one core, one at a time) ├──▶ Samples ──▶ Row ──▶ table, JSON
//!                            └─────▶ Load (the servers' core)             ┘
//! ```
//!
//! Whoever is measured stands still while another works, and the order turns from round to round: what the machine does
//! beside meets all of them. `scripts/bench` runs this and removes what it leaves behind.

mod contenders;
mod cores;
mod figures;
mod identity;
mod kernel;
mod load;
mod machine;
mod options;
mod page;
mod ports;
mod process;
mod report;
mod rounds;
mod servers;
mod stage;
mod table;
mod tools;
mod works;

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use jiff::Timestamp;

use crate::{
    options::{Options, USAGE},
    report::{Report, Row, Run},
    stage::Stage,
    works::{ALL, Work},
};

/// What can go wrong with the measurement itself; it says so in words and measures nothing.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    if env::args().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        say(USAGE);
        say(&works::list());
        return ExitCode::SUCCESS;
    }
    if env::args().nth(1).is_some_and(|argument| argument == load::tls::CALLED) {
        return match load::tls::play(env::args().skip(2)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("the load over TLS: {error}\n"));
                ExitCode::FAILURE
            }
        };
    }
    match Options::read(env::args().skip(1)).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("scripts/bench: {error}\n"));
            ExitCode::from(64)
        }
    }
}

/// Measures what is asked for. Whether every goal is met, and no load went wrong.
fn run(options: Options) -> Result<bool> {
    if let Some(what) = options.page {
        return page::make(what);
    }
    let selected = select(&options)?;
    let runs = options.runs;
    let json = options.json.clone();
    let stage = Stage::new(options)?;
    let mut report = Report::new(&stage);
    say(&table::preface(&report));
    for number in 1..=runs {
        if runs > 1 {
            say(&format!("run {number} of {runs}\n"));
        }
        let began = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
        let rows = selected.iter().map(|work| play(&stage, work)).collect();
        report.runs.push(Run { began, rows });
    }
    for run in &report.runs {
        say(&format!("\n{}", table::text(run)));
    }
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(report.runs.iter().flat_map(|run| &run.rows).all(Row::is_met))
}

fn select(options: &Options) -> Result<Vec<&'static Work>> {
    if let Some(unknown) = options.only.iter().find(|name| ALL.iter().all(|work| work.name != **name)) {
        return Err(format!("there is no row {unknown}; --help lists those there are").into());
    }
    let wanted = |work: &&Work| {
        if options.only.is_empty() {
            work.is_quick || !options.quick
        } else {
            options.only.iter().any(|name| name == work.name)
        }
    };
    Ok(ALL.iter().filter(wanted).collect())
}

/// Measures one row. What keeps it from being measured is told in its place: a gap is never a result.
fn play(stage: &Stage, work: &Work) -> Row {
    say(&format!("{} …", work.name));
    let row = match (work.play)(stage) {
        Ok(measured) => Row::judge(work, measured),
        Err(error) => Row::failed(work, &error.to_string()),
    };
    say(&format!(" {}\n", table::summary(&row)));
    row
}

/// Prints at once. Nobody may be listening any more: then nothing is lost by silence.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
