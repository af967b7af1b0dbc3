//! The fault matrix as a test: every scenario is played against the set in Compose, and each of its cells is judged.
//!
//! ```text
//! Scenario ──plays on──▶ Stage ──▶ Set (containers, faults)   ┐
//!                          ├─────▶ Load (clients, records)    │
//!                          │       Executions (the journals)  ├──▶ Seen ──▶ Verdict ──▶ Row
//!                          └─────▶ Witness (our own client)   ┘
//! ```
//!
//! What is lost is what a client saw; what was executed is what the servers wrote down as they did it. Both know a request
//! by its id. The witness comes to its own verdict, from its own requests and the ledgers of all three parts.
//! `scripts/faults` runs this and removes what it leaves behind.

mod composition;
mod door;
mod journal;
mod load;
mod options;
mod page;
mod proxy;
mod report;
mod scenarios;
mod seen;
mod set;
mod stage;
mod told;
mod verdict;
mod witness;

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    thread,
    time::Instant,
};

use crate::{
    options::{Options, USAGE},
    proxy::Peer,
    report::{Report, Row},
    scenarios::{ALL, Scenario},
    stage::Stage,
};

/// What can go wrong with the judge itself; it says so in words and judges nothing.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const OWN_NAME: &str = "Evenkeel";

fn main() -> ExitCode {
    if env::args().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        say(USAGE);
        return ExitCode::SUCCESS;
    }
    match Options::read(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("scripts/faults: {error}\n"));
            ExitCode::from(64)
        }
    }
}

/// Plays what is asked for, or takes what was played, and shows it. Whether every cell of the balancer is met: what the peers
/// come to is only told.
fn run(options: &Options) -> Result<bool> {
    let report = match &options.from {
        Some(file) => read(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => play_all(options)?,
    };
    say(&format!("\n{}", report::markdown(&report.rows)));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_vec_pretty(&report)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if options.page {
        page::rewrite(&report)?;
    }
    let mut own = report.rows.iter().filter(|row| row.front == OWN_NAME);
    Ok(own.all(|row| row.missed(options.counts_only).next().is_none()))
}

fn read(file: &Path) -> Result<Report> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn play_all(options: &Options) -> Result<Report> {
    let selected = select(options)?;
    let mut rows = Vec::new();
    for run in 1..=options.runs {
        for scenario in &selected {
            rows.push(play(options, scenario, None, run)?);
            if options.peers && scenario.for_peers {
                for peer in Peer::ALL {
                    rows.push(play(options, scenario, Some(peer), run)?);
                }
            }
        }
    }
    Ok(Report { cores: thread::available_parallelism()?.get(), clients: options.clients, rows })
}

fn select(options: &Options) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) =
        options.only.iter().find(|name| ALL.iter().all(|scenario| scenario.fault != **name))
    {
        let known: Vec<_> = ALL.iter().map(|scenario| scenario.fault).collect();
        return Err(format!("there is no {unknown}; there are {}", known.join(" ")).into());
    }
    let wanted = |scenario: &&Scenario| {
        (options.only.is_empty() || options.only.iter().any(|name| name == scenario.fault))
            && (scenario.is_quick || !options.quick)
    };
    Ok(ALL.iter().filter(wanted).collect())
}

/// Plays one scenario. What keeps it from being judged is a miss of its own: a gap is never a pass.
fn play(options: &Options, scenario: &Scenario, peer: Option<Peer>, run: u32) -> Result<Row> {
    let front = peer.map_or(OWN_NAME, Peer::name);
    let began = Instant::now();
    say(&format!("{} {} ({front})", scenario.fault, scenario.words));
    let id = format!("{}-{run}", scenario.fault);
    let stage = Stage::new(options, peer, id)?;
    let cells = (scenario.play)(&stage).unwrap_or_else(|error| vec![verdict::unjudged(&*error)]);
    let row = Row::new(scenario, front, run, began.elapsed(), cells);
    say(&format!(": {} ({:.0} s)\n", row.sentence(options.counts_only), began.elapsed().as_secs_f64()));
    Ok(row)
}

/// Prints at once. Nobody may be listening any more: then nothing is lost by silence.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
