//! The balancer under attack, in little memory, while an ordinary client goes on: what it costs, and that nobody else pays for it.
//!
//! ```text
//! Attack ──crowds of connections──▶ Set (balancer in a Cell of 64 MiB, two servers) ◀── Ordinary (few requests, each timed)
//!                                        ▲
//!                                        └── Watch (memory, descriptors)
//! ```
//! Each attack has a set of its own, so that none inherits what another left. An attack is bounded in connections and in time;
//! `scripts/attack` runs this.

mod attacks;
mod cell;
mod crowd;
mod ordinary;
mod peer;
mod report;
mod secured;
mod set;
mod watch;

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use evenkeel_service::descriptors;

use crate::{
    attacks::{ALL, Attack},
    cell::Cell,
    ordinary::Ordinary,
    report::Row,
    set::Set,
    watch::Watch,
};

/// What keeps an attack from being played, in words.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long the ordinary client goes on before an attack, and after it.
const AROUND: Duration = Duration::from_secs(2);

/// How long the balancer may take to close what an attack left.
const REST: Duration = Duration::from_secs(10);

const USAGE: &str = "\
Attacks the balancer in 64 MiB of memory, one attack after the other, while an ordinary client goes on.

  scripts/attack                  all attacks: five minutes
  scripts/attack --only NAME,…    these
  scripts/attack --no-build       with the binaries there are

As root the balancer runs in a control group that is ended when it takes more; otherwise its memory is only looked at.
The exit status is 1 when an ordinary request failed, the memory passed its limit, or a connection was spared that has to be ended.

";

fn main() -> ExitCode {
    if env::args().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        say(USAGE);
        for attack in ALL {
            say(&format!("  {:<17} {}\n", attack.name, attack.words));
        }
        return ExitCode::SUCCESS;
    }
    match options(env::args().skip(1)).and_then(|(scratch, selected)| play_all(&scratch, &selected)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("scripts/attack: {error}\n"));
            ExitCode::from(64)
        }
    }
}

/// The directory for logs, and the attacks that are asked for.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<(PathBuf, Vec<&'static Attack>)> {
    let mut selected: Vec<&Attack> = ALL.iter().collect();
    let mut scratch = None;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--only" => selected = named(&value()?)?,
            "--scratch" => scratch = Some(value()?.into()),
            _ => return Err(format!("unknown argument {argument}; --help lists those there are").into()),
        }
    }
    let scratch =
        scratch.ok_or("--scratch is missing; scripts/attack gives it and removes what is left there")?;
    Ok((scratch, selected))
}

fn named(names: &str) -> Result<Vec<&'static Attack>> {
    let find = |name: &str| ALL.iter().find(|attack| attack.name == name);
    let missing = |name: &str| format!("there is no attack {name}; --help lists those there are").into();
    names.split(',').map(str::trim).map(|name| find(name).ok_or_else(|| missing(name))).collect()
}

/// Plays the attacks and shows each. Whether all went well.
fn play_all(scratch: &std::path::Path, selected: &[&'static Attack]) -> Result<bool> {
    descriptors::raise();
    let cell = Cell::make();
    say(&format!("{cell}\n\n{}\n", report::heading()));
    let mut well = true;
    for attack in selected {
        let row = play(attack, &cell, scratch).map_err(|error| format!("{}: {error}", attack.name))?;
        say(&format!("{row}\n"));
        well &= row.is_well();
    }
    Ok(well)
}

fn play(attack: &Attack, cell: &Cell, scratch: &std::path::Path) -> Result<Row> {
    let set = Set::start(attack, cell, scratch)?;
    let watch = Watch::start(set.balancer_pid());
    let ordinary = Ordinary::start(set.traffic, set.tls()?.as_ref());
    pass(AROUND);
    let before = watch.now();
    let struck = Instant::now();
    let field = set.field(struck + attack.length);
    let count = thread::scope(|scope| scope.spawn(|| (attack.play)(&field)).join())
        .map_err(|_| "the attack panicked")??;
    let over = Instant::now();
    // What an attack leaves is not the end of it: the ordinary client goes on while the balancer cleans up.
    let before = before?;
    while watch.now().is_ok_and(|now| !now.is_back_at(before)) && over.elapsed() < REST {
        pass(Duration::from_millis(100));
    }
    let rested = over.elapsed();
    pass(AROUND);
    let requests = ordinary.end()?;
    let (peak, after) = watch.end();
    let killed = cell.killed();
    let seen = (count, field.spared.into_inner());
    Row::judge(attack.name, seen, &requests, (struck, over), [before, peak, after?], rested, killed)
}

/// Prints at once. Nobody may be listening any more: then nothing is lost by silence.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "an attack lasts for a while: here time itself is the event")]
fn pass(duration: Duration) {
    thread::sleep(duration);
}
