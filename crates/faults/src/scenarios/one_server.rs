//! F1 to F5: one of three servers dies, leaves, freezes or is cut off.

use std::time::{Duration, Instant};

use super::{milliseconds, seconds};
use crate::{
    Result,
    load::{Method, Span},
    seen::Seen,
    set::docker,
    stage::Stage,
    verdict::{Cell, Verdict},
};

/// How long a server stays away where nothing else ends it.
const AWAY: Duration = seconds(4);

/// The balancer's `PROBE_INTERVAL`.
const PROBE_INTERVAL: Duration = seconds(1);

/// How long after a silent failure throughput may be anything: until the silence is noticed.
const NOTICED: Duration = seconds(1);

pub(super) fn kill(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    docker(&["kill", &set.victim().container])?;
    load.go_on(AWAY);
    let during = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .posts_lost_in_flight(502)
        .slower_by_at_most(milliseconds(50), None, during, before)
        .throughput_at_least(0.9, during, before)
        .cells())
}

pub(super) fn stop(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    docker(&["stop", &set.victim().container])?;
    load.go_on(AWAY);
    let during = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .slower_by_at_most(milliseconds(25), None, during, before)
        .throughput_at_least(0.9, during, before)
        .cells())
}

pub(super) fn kill_and_return(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    docker(&["kill", &set.victim().container])?;
    load.go_on(seconds(1));
    docker(&["start", &set.victim().container])?;
    let back = Instant::now();
    load.go_on(AWAY);
    let during = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .posts_lost_in_flight(502)
        .slower_by_at_most(milliseconds(100), None, during, before)
        .within("traffic back", 2 * PROBE_INTERVAL, seen.first_right_after(back, Some(&set.victim().name)))
        .throughput_at_least(0.9, during, before)
        .cells())
}

pub(super) fn pause_for_4_seconds(stage: &Stage) -> Result<Vec<Cell>> {
    let (seen, before, during) = pause(stage, seconds(4))?;
    Ok(silent(Verdict::on(&seen).no_get_lost().no_post_lost(), before, during))
}

pub(super) fn pause_for_40_seconds(stage: &Stage) -> Result<Vec<Cell>> {
    let (seen, before, during) = pause(stage, seconds(40))?;
    Ok(silent(Verdict::on(&seen).no_get_lost().posts_lost_in_flight(504), before, during))
}

/// `docker pause` and, so much later, `docker unpause`: what was kept waiting is answered now, and must reach nobody else.
fn pause(stage: &Stage, how_long: Duration) -> Result<(Seen, Span, Span)> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    docker(&["pause", &set.victim().container])?;
    load.go_on(how_long);
    let during = Span::since(struck);
    docker(&["unpause", &set.victim().container])?;
    load.go_on(seconds(2));
    Ok((Seen::of(load, &set, stage)?, before, during))
}

pub(super) fn disconnect(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    let struck = Instant::now();
    set.disconnect(set.victim())?;
    load.go_on(AWAY + NOTICED);
    let during = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    Ok(silent(Verdict::on(&seen).no_get_lost().posts_lost_in_flight(504), before, during))
}

/// What holds for a server that says nothing any more.
fn silent(verdict: Verdict<'_>, before: Span, during: Span) -> Vec<Cell> {
    verdict
        .no_wrong_body()
        .slower_by_at_most(milliseconds(300), Some(Method::Get), during, before)
        .throughput_at_least(0.6, during.after(NOTICED), before)
        .cells()
}
