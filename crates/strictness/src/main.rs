//! Strictness beside the peers: the same questionable bytes through the balancer, `HAProxy` and nginx, and what became of them.
//!
//! ```text
//! Vector ──raw──▶ Front (a process) ──▶ Recorder (raw bytes) ┐
//!   ▲                                                        ├──▶ Outcome ──▶ a cell of the table
//!   └──────────────── what the client got ───────────────────┘
//! ```
//!
//! The oracle (`message.rs`) reads what arrived more strictly than any recipient: whatever two recipients could frame
//! differently is ambiguous. It shares no code with what it judges. `scripts/compare-strictness` runs this; the exit status
//! is 1 when the balancer let anything ambiguous through.

mod front;
mod message;
mod outcome;
mod recorder;
mod vectors;

use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use crate::{
    front::{Front, Kind},
    outcome::Outcome,
    recorder::Recorder,
    vectors::Vector,
};

/// What keeps the judge from judging, in words.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let result = std::env::args_os().nth(1).map(PathBuf::from).map_or_else(
        || Err("say where configurations may be written: strictness DIRECTORY".into()),
        |scratch| compare(&scratch),
    );
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("scripts/compare-strictness: {error}\n"));
            ExitCode::from(69)
        }
    }
}

/// Sends everything through everyone. Whether the balancer let nothing ambiguous through.
fn compare(scratch: &std::path::Path) -> Result<bool> {
    let vectors = &vectors::all();
    let columns = thread::scope(|scope| {
        let running = Kind::ALL.map(|kind| scope.spawn(move || through(kind, vectors, scratch)));
        running
            .into_iter()
            .map(|column| column.join().map_err(|_| "a column came to a panic")?)
            .collect::<Result<Vec<_>>>()
    })?;
    let heads = Kind::ALL.map(Kind::name);
    say(&format!("| case | what is sent | {} | |\n|---|---|---|---|---|---|\n", heads.join(" | ")));
    for (row, vector) in vectors.iter().enumerate() {
        let cells: Vec<&Outcome> = columns.iter().map(|column| &column[row]).collect();
        let differs = cells.iter().any(|cell| !cell.is_alike(cells[0]));
        let shown: Vec<String> = cells.iter().map(ToString::to_string).collect();
        let mark = if differs { "differs" } else { "" };
        say(&format!("| {} | {} | {} | {mark} |\n", vector.case, vector.what, shown.join(" | ")));
    }
    for (kind, column) in Kind::ALL.iter().zip(&columns) {
        let count = |is: fn(&Outcome) -> bool| column.iter().filter(|outcome| is(outcome)).count();
        say(&format!(
            "\n{}: {} refused, {} forwarded clearly, {} forwarded ambiguously",
            kind.name(),
            count(Outcome::is_refused),
            count(Outcome::is_clear),
            count(Outcome::is_ambiguous)
        ));
    }
    say("\n");
    Ok(!columns[0].iter().any(Outcome::is_ambiguous))
}

fn through(kind: Kind, vectors: &[Vector], scratch: &std::path::Path) -> Result<Vec<Outcome>> {
    let recorder = Recorder::listen()?;
    let front = Front::start(kind, recorder.address(), scratch)?;
    vectors.iter().map(|vector| outcome::of(vector, &front, &recorder)).collect()
}

fn say(text: &str) {
    // Nobody is left to tell when standard output is gone.
    let _ = io::stdout().write_all(text.as_bytes());
}
