//! F13, F14, half of F16 and F23: the balancer itself leaves, dies, has no descriptors left, or is replaced.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::seconds;
use crate::{
    Result,
    door::Door,
    load::{Method, Outcome, Record, Span},
    seen::Seen,
    set::{Set, authorization, docker},
    stage::Stage,
    verdict::{Cell, Verdict, millis},
};

/// The balancer's `GRACE`.
const GRACE: Duration = seconds(8);

pub(super) fn leave(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    let told = Instant::now();
    docker(&["kill", "--signal", "TERM", set.balancer()?])?;
    let status = docker(&["wait", set.balancer()?])?;
    let took = told.elapsed();
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::without_balancers_ledger(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("exit status", "0", status.clone(), status == "0")
        .within("gone", GRACE, Some(took))
        .cells())
}

pub(super) fn kill_and_restart(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    docker(&["kill", set.balancer()?])?;
    let dead = Instant::now();
    docker(&["start", set.balancer()?])?;
    let started = Instant::now();
    let again = load.go_on(seconds(4)).after(seconds(1));
    let seen = Seen::of(load, &set, stage)?;
    let lost = [seen.lost(Method::Get), seen.lost(Method::Post)].concat();
    let later = seen.ended_in(again).filter(|one| one.is_lost()).count();
    // Cut off, and begun before the process was quite dead: its connections go first, so that a client that comes back at
    // once may still find the listener, and lose that request as well.
    let cut = |one: &&Record| matches!(one.outcome, Outcome::Broken(_)) && one.began <= dead;
    let in_flight = lost.len() <= 2 * stage.clients && lost.iter().all(cut);
    Ok(Verdict::without_balancers_ledger(&seen)
        .lost("lost", "≤ in-flight", &lost, in_flight)
        .within("serving again", seconds(1), seen.first_right_after(started, None))
        .cell("lost after that", "0", later.to_string(), later == 0)
        .cells())
}

/// The old balancer has left before the new one starts: until that one listens, whoever comes is refused. What was accepted
/// is answered.
pub(super) fn change(stage: &Stage) -> Result<Vec<Cell>> {
    const REFUSED: Duration = Duration::from_millis(150);
    let mut set = stage.set()?;
    let load = stage.load(&set)?;
    load.settle();
    let door = Door::watch(set.address());
    set.change_balancer("FAULTS_RESPONSE_TIMEOUT", "29s")?;
    load.go_on(seconds(3));
    let refused = door.longest_refusal()?;
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::without_balancers_ledger(&seen)
        .no_get_lost()
        .no_post_lost()
        .within("refused", REFUSED, Some(refused))
        .cells())
}

/// Of two balancers on one port one is always there: nobody is refused, and whoever the leaving one has not accepted falls to
/// the other. Both ledgers end with their balancers.
pub(super) fn change_pair(stage: &Stage) -> Result<Vec<Cell>> {
    let mut set = Set::up_with_holder(stage)?;
    let load = stage.load(&set)?;
    load.settle();
    let door = Door::watch(set.address());
    set.change_pair("FAULTS_RESPONSE_TIMEOUT", "29s")?;
    load.go_on(seconds(3));
    let refused = door.longest_refusal()?;
    let seen = Seen::of(load, &set, stage)?;
    let never = refused.is_zero() && seen.refusals() == 0;
    let measured = format!("{} ({} of the load)", millis(refused), seen.refusals());
    Ok(Verdict::without_balancers_ledger(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("refused", "never", if never { "never".to_owned() } else { measured }, never)
        .cells())
}

/// Connections that stay open take up all that the balancer may have; those beyond are told so at once.
pub(super) fn no_descriptors(stage: &Stage) -> Result<Vec<Cell>> {
    const MANY: usize = 300;
    // A refused client that does not close holds its descriptor for the 2 s that the balancer lingers.
    const NO_HANG: Duration = seconds(3);
    let set = Set::up(stage, &[("FAULTS_DESCRIPTORS", "256")])?;
    let authorization = authorization()?;
    let struck = Instant::now();
    let mut open = Vec::new();
    let (mut answered, mut refused, mut others, mut slowest) = (0, 0, Vec::new(), Duration::ZERO);
    for _ in 0..MANY {
        let began = Instant::now();
        let answer = set.connect(seconds(5)).and_then(|mut connection| {
            let answer = connection.get("/", &[("Authorization", &authorization)])?;
            open.push(connection);
            Ok(answer.status)
        });
        match answer {
            Ok(200) => answered += 1,
            Ok(503) => refused += 1,
            // Over TLS no word of it can be said.
            Err(_) if set.tls().is_some() => refused += 1,
            other => others.push(format!("{other:?}")),
        }
        slowest = slowest.max(began.elapsed());
    }
    drop(open);
    set.wait("the balancer to serve again", || Ok(serves(&set, &authorization)))?;
    let load = stage.load(&set)?;
    load.go_on(seconds(2));
    let flood = Span::since(struck);
    let seen = Seen::of(load, &set, stage)?;
    let measured = format!("{answered} × 200, {refused} × 503 in {:.0} s", flood.length().as_secs_f64());
    Ok(Verdict::on(&seen)
        .cell(
            "connections",
            "each 200 or 503",
            format!("{measured}{}", others.concat()),
            others.is_empty() && refused > 0,
        )
        .within("slowest answer", NO_HANG, Some(slowest))
        .no_get_lost()
        .no_post_lost()
        .cells())
}

fn serves(set: &Set, authorization: &str) -> bool {
    let answer = thread::scope(|scope| {
        let ask = || set.connect(seconds(1))?.get("/", &[("Authorization", authorization)]);
        scope.spawn(ask).join()
    });
    matches!(answer, Ok(Ok(answer)) if answer.status == 200)
}
