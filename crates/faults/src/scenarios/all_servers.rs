//! F6, F7 and F15: all servers restart, all are away, servers come and go.

use std::time::{Duration, Instant};

use super::{milliseconds, seconds};
use crate::{
    Result,
    load::{Outcome, Span},
    seen::Seen,
    set::{SERVERS, Server, docker},
    stage::Stage,
    verdict::{Cell, Verdict, millis, took},
};

/// When new servers have to have their share of the traffic.
const JOINED: Duration = seconds(3);

/// A share that is a share: this part of an even one.
const FAIR: f64 = 0.5;

/// How long it takes until every connection of every client has found out that no server is left.
const FOUND_OUT: Duration = seconds(3);

/// The slowest request is above 2 × p99 in any run, also where nothing fails: so the 99th percentile is held to the target,
/// and the slowest is told.
pub(super) fn rolling_restart(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    for server in &set.servers {
        docker(&["restart", &server.container])?;
        set.wait("the restarted server to be usable", || Ok(set.endpoint(server)?.usable))?;
    }
    let during = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    let slowest = seen.slowest(None, during);
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .p99_at_most(2.0, during, before)
        .cell("slowest request", "(told)", millis(took(slowest)), true)
        .cells())
}

/// Nobody waits while there is nothing to wait for. A few milliseconds are also what a busy machine takes to run a thread,
/// so here as well the 99th percentile is judged and the slowest told.
pub(super) fn all_down(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.light_load(&set)?;
    let before = load.settle();
    let containers: Vec<&str> = set.servers.iter().map(|server| server.container.as_str()).collect();
    docker(&[&["kill"], containers.as_slice()].concat())?;
    let down = load.go_on(seconds(10)).after(FOUND_OUT);
    docker(&["start", containers[0]])?;
    let first_up = Instant::now();
    docker(&[&["start"], &containers[1..]].concat())?;
    load.go_on(seconds(3));
    let seen = Seen::of(load, &set, stage)?;
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Status { status: 503, retry_after: true });
    let others: Vec<_> = seen.ended_in(down).filter(|one| !refused(&one.outcome)).collect();
    let count = seen.ended_in(down).count();
    Ok(Verdict::on(&seen)
        .lost("not a 503 with Retry-After", "0", &others, others.is_empty() && count > 0)
        .within("99 of 100 answers", milliseconds(5), Some(seen.p99(down)))
        .cell("99 of 100 while all are well", "(told)", millis(seen.p99(before)), true)
        .cell("slowest answer", "(told)", millis(took(seen.slowest(None, down))), true)
        .within("first success", seconds(1), seen.first_right_after(first_up, None))
        .cells())
}

pub(super) fn new_address(stage: &Stage) -> Result<Vec<Cell>> {
    let mut set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    let victim = set.victim().clone();
    let new = set.recreate_elsewhere(&victim)?;
    load.go_on(JOINED);
    let settled = load.go_on(seconds(2));
    let seen = Seen::of(load, &set, stage)?;
    Ok(shares(Verdict::on(&seen).no_get_lost().no_post_lost(), &seen, &[new], SERVERS, settled).cells())
}

pub(super) fn scale(stage: &Stage) -> Result<Vec<Cell>> {
    const UP: usize = 6;
    const DOWN: usize = 2;
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    let servers = set.scale(UP)?;
    let is_new = |one: &&Server| set.servers.iter().all(|old| old.container != one.container);
    let new: Vec<Server> = servers.iter().filter(is_new).cloned().collect();
    load.go_on(JOINED);
    let settled = load.go_on(seconds(2));
    set.scale(DOWN)?;
    load.go_on(seconds(2));
    let seen = Seen::of(load, &set, stage)?;
    Ok(shares(Verdict::on(&seen).no_get_lost().no_post_lost(), &seen, &new, UP, settled).cells())
}

/// Each new server has its share of the traffic, of all `count` servers.
fn shares<'a>(verdict: Verdict<'a>, seen: &Seen, new: &[Server], count: usize, settled: Span) -> Verdict<'a> {
    let even = 1.0 / count as f64;
    let shares: Vec<f64> = new.iter().map(|server| seen.share(&server.name, settled)).collect();
    let words: Vec<_> = shares.iter().map(|share| format!("{:.0} %", share * 100.0)).collect();
    let is_met = !shares.is_empty() && shares.iter().all(|share| *share >= FAIR * even);
    let target = format!("≥ {:.0} % each after {}", FAIR * even * 100.0, millis(JOINED));
    verdict.cell("share of new servers", target, words.join(", "), is_met)
}
