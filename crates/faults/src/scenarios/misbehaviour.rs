//! F8 to F11 and F18: one server answers, but badly.

use std::time::{Duration, Instant};

use super::{milliseconds, seconds};
use crate::{
    Result,
    load::{Load, Method, Span, Work},
    seen::Seen,
    set::Set,
    stage::Stage,
    verdict::{Cell, Verdict, all_got, millis},
};

/// One request of the struck server waits half a second, one of twenty two seconds more.
const SLOW: &str = "delay=500ms,delay=2s:5%";

/// How often the balancer opens a trial on an endpoint in probation, at most.
const TRIALS: Duration = milliseconds(100);

pub(super) fn slow_under_peak_ewma(stage: &Stage) -> Result<Vec<Cell>> {
    slow(stage, "peak_ewma")
}

pub(super) fn slow_under_least_requests(stage: &Stage) -> Result<Vec<Cell>> {
    slow(stage, "least_requests")
}

fn slow(stage: &Stage, policy: &str) -> Result<Vec<Cell>> {
    let set = Set::up(stage, &[("FAULTS_POLICY", policy)])?;
    let load = stage.load(&set)?;
    let before = load.settle();
    set.victim().break_with(SLOW)?;
    let during = load.go_on(seconds(6));
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen).no_get_lost().no_post_lost().p99_at_most(1.5, during, before).cells())
}

pub(super) fn reset_in_mid_body(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load_of(Work::Mixed, &set)?;
    load.settle();
    set.victim().break_with("reset")?;
    load.go_on(seconds(5));
    let seen = Seen::of(load, &set, stage)?;
    let seen_by_clients = seen.lost(Method::Get).len() + seen.lost(Method::Post).len();
    Ok(Verdict::on(&seen)
        .no_wrong_body()
        .cell("truncations seen", "all that are not masked", seen_by_clients.to_string(), seen_by_clients > 0)
        .cells())
}

/// A 500 is an answer and passes through, so every client may see some until the server is ejected.
pub(super) fn always_500(stage: &Stage) -> Result<Vec<Cell>> {
    const BEFORE_EJECTION: usize = 10;
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    set.victim().break_with("status=500")?;
    set.wait("the server to be ejected", || Ok(set.endpoint(set.victim())?.ejections > 0))?;
    let ejected = load.go_on(seconds(3));
    let seen = Seen::of(load, &set, stage)?;
    let (gets, posts) = (seen.lost(Method::Get), seen.lost(Method::Post));
    let later = seen.ended_in(ejected).filter(|one| one.is_lost()).count();
    Ok(Verdict::on(&seen)
        .lost("GET lost", "≤ 10, each a 500", &gets, gets.len() <= BEFORE_EJECTION && all_got(&gets, 500))
        .lost("POST lost", "passed through", &posts, all_got(&posts, 500))
        .cell("lost after the ejection", "≤ 10", later.to_string(), later <= BEFORE_EJECTION)
        .cells())
}

pub(super) fn always_503(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    set.victim().break_with("status=503")?;
    load.go_on(seconds(4));
    let seen = Seen::of(load, &set, stage)?;
    let posts = seen.lost(Method::Post);
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .lost("POST lost", "passed through", &posts, all_got(&posts, 503))
        .cells())
}

/// Requests hang while `/readyz` goes on saying that all is well. With a response timeout of 2 s, so that the run is short.
pub(super) fn only_probes_pass(stage: &Stage) -> Result<Vec<Cell>> {
    let set = Set::up(stage, &[("FAULTS_RESPONSE_TIMEOUT", "2s")])?;
    let load = stage.load(&set)?;
    load.settle();
    set.victim().break_with("hang")?;
    load.go_on(seconds(6));
    let (attempts, ejections, span) = attempts_in(&set, &load)?;
    let most = span.length().as_millis() / TRIALS.as_millis() + 1;
    let seen = Seen::of(load, &set, stage)?;
    let posts = seen.lost(Method::Post);
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .lost("POST lost", "each a 504", &posts, all_got(&posts, 504))
        .cell("ejections", "≥ 1", ejections.to_string(), ejections >= 1)
        .cell(
            "attempts there in 2 s, later",
            format!("trials alone, one each {}", millis(TRIALS)),
            attempts.to_string(),
            u128::from(attempts) <= most,
        )
        .cells())
}

/// Attempts at the struck server within two seconds, its ejections so far, and those seconds.
fn attempts_in(set: &Set, load: &Load) -> Result<(u64, u64, Span)> {
    let from = Instant::now();
    let earlier = set.endpoint(set.victim())?;
    load.go_on(seconds(2));
    let now = set.endpoint(set.victim())?;
    Ok((now.attempts - earlier.attempts, now.ejections, Span::since(from)))
}

/// `/readyz` answers 500 while requests are served: traffic that succeeds is the better evidence.
pub(super) fn only_probes_fail(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    set.victim().break_with("status=500@path=/readyz")?;
    load.go_on(seconds(4));
    let later = load.go_on(seconds(2));
    let seen = Seen::of(load, &set, stage)?;
    let share = seen.share(&set.victim().name, later);
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("its share", "it stays in: ≥ 15 %", format!("{:.0} %", share * 100.0), share >= 0.15)
        .cells())
}

/// Bodies of up to 64 KiB are held and verified: replayable requests move, others fail visibly.
pub(super) fn flipped_bytes(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    set.victim().break_with("corrupt:5%")?;
    load.go_on(seconds(5));
    let seen = Seen::of(load, &set, stage)?;
    let posts = seen.lost(Method::Post);
    Ok(Verdict::on(&seen)
        .no_wrong_body()
        .no_get_lost()
        .lost("POST lost", "each a 502", &posts, all_got(&posts, 502))
        .cells())
}
