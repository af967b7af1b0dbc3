//! F22 and F25: the balancer's settings file changes while requests go on, and says what cannot be taken up.

use std::{fs, time::Instant};

use super::seconds;
use crate::{
    Result,
    door::Door,
    load::Span,
    seen::Seen,
    set::{Set, descriptors, docker, pid, resident},
    stage::Stage,
    verdict::{Cell, Verdict},
};

/// How often the settings change.
const TIMES: u64 = 1_000;

/// What may stay in memory of them, in KiB: what is held for a change is given back with it.
const MEMORY: u64 = 16 << 10;

/// What the balancer is told to read.
const FILE: (&str, &str) = ("BALANCER_SETTINGS", "/settings/balancer.env");

/// Each time other settings of the upstream, another header rule and another rate; every other time another upstream as well.
fn settings(number: u64) -> String {
    let other = "BALANCER_UPSTREAM_OTHER=server:8080\nBALANCER_UPSTREAM_OTHER_ROUTE=other.example\n";
    format!(
        "BALANCER_RESPONSE_SET=X-Settings: {number}\nBALANCER_RATE={}/s\nBALANCER_CONNECT_TIMEOUT={}ms\n\
         BALANCER_MAX_IN_FLIGHT={}\n{}",
        500_000 + number,
        2_000 + number % 100,
        1_000 + number % 2,
        if number.is_multiple_of(2) { "" } else { other },
    )
}

/// As an editor saves a file: the new one takes the place of the old.
fn put(stage: &Stage, text: &[u8]) -> Result<()> {
    let new = stage.settings.join("new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, stage.settings.join("balancer.env"))?)
}

pub(super) fn change(stage: &Stage) -> Result<Vec<Cell>> {
    put(stage, settings(0).as_bytes())?;
    let set = Set::up(stage, &[FILE])?;
    let balancer = pid(set.balancer()?)?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let level = descriptors(balancer)?;
    let door = Door::watch(set.address());
    let from = Instant::now();
    let mut resident_before = 0;
    for number in 1..=TIMES {
        put(stage, settings(number).as_bytes())?;
        let (status, said) = set.reload()?;
        if status != 200 {
            return Err(format!("reload {number}: {status} {said}").into());
        }
        if number == TIMES / 10 {
            resident_before = resident(balancer)?;
        }
    }
    let during = Span::since(from);
    // The state is told once a second.
    load.go_on(seconds(2));
    let refused = door.longest_refusal()?;
    let more = resident(balancer)?.saturating_sub(resident_before);
    // What each began is over with the requests that began under it.
    set.wait("descriptors to be as many as before", || Ok(descriptors(balancer)? <= level + stage.clients))?;
    let reloads = set.settled()?.reloads;
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("taken up", TIMES.to_string(), reloads.to_string(), reloads == TIMES)
        .cell("connections refused", "none", format!("for {refused:?}"), refused.is_zero())
        .cell("memory", format!("≤ +{MEMORY} KiB"), format!("+{more} KiB"), more <= MEMORY)
        .p99_at_most(1.5, during, before)
        .cells())
}

pub(super) fn spoil(stage: &Stage) -> Result<Vec<Cell>> {
    put(stage, settings(0).as_bytes())?;
    let set = Set::up(stage, &[FILE])?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let from = Instant::now();
    let wrong = [
        settings(2).replace("BALANCER_RATE=", "BALANCER_RATE=many"),
        settings(2).replace("BALANCER_RATE", "BALANCER_RAET"),
        format!("{}BALANCER_LEDGER=off\n", settings(2)),
        format!("{}BALANCER_UPSTREAM=elsewhere:8080\n", settings(2)),
        format!("{}BALANCER_REQUEST_SET='X-Half: th", settings(2)),
        String::new(),
    ];
    let mut unsaid = Vec::new();
    for text in &wrong {
        put(stage, text.as_bytes())?;
        let (status, said) = set.reload()?;
        // The state is told once a second.
        load.go_on(seconds(2));
        if status != 422 || set.settled()?.problems.is_empty() {
            unsaid.push(format!("{text:?}: {status} {said}"));
        }
    }
    // And one that is not there: it looks by itself.
    fs::remove_file(stage.settings.join("balancer.env"))?;
    set.wait("the balancer to miss its file", || {
        Ok(set.settled()?.problems.iter().any(|problem| problem.contains("does not exist")))
    })?;
    let reloads = set.settled()?.reloads;
    put(stage, settings(0).as_bytes())?;
    set.wait("the balancer to be content", || Ok(set.settled()?.problems.is_empty()))?;
    let during = Span::since(from);
    let runs = docker(&["inspect", "--format", "{{.State.Running}}", set.balancer()?])?;
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("taken up", "0", reloads.to_string(), reloads == 0)
        .cell("refused without a word", "none", unsaid.join("; "), unsaid.is_empty())
        .cell("the balancer runs", "true", runs.clone(), runs == "true")
        .p99_at_most(1.5, during, before)
        .cells())
}
