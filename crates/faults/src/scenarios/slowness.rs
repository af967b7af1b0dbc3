//! F19 to F21: servers are slow, and nothing fails. A slow server is not a dead one: nobody is to be blamed, and nothing that
//! changes something is to be done twice.

use super::seconds;
use crate::{
    Result,
    load::{Method, Work},
    seen::Seen,
    set::Set,
    stage::Stage,
    verdict::{Cell, Verdict},
};

/// One GET of ten, and every PUT and DELETE, takes 0.8 s: as with a page that is not in the cache, and with what is written to
/// a disk. The usual 2 ms come on top.
const SLOW_KINDS: &str = "delay=798ms:10%@method=GET,delay=798ms@method=PUT,delay=798ms@method=DELETE";

/// Ten times the usual 2 ms, beside which this is.
const TEN_TIMES: &str = "delay=18ms";

/// The variable that `faults.yml` passes on to the balancer where it is set, and the cookie's name.
const STICKY: (&str, &str) = ("BALANCER_STICKY_COOKIE", "session");

pub(super) fn slow_kinds(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let listener = set.listen()?;
    set.break_all_with(SLOW_KINDS)?;
    let load = stage.load_of(Work::EveryMethod, &set)?;
    load.settle();
    load.go_on(seconds(10));
    let told = listener.told()?;
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .no_put_or_delete_lost_or_repeated()
        .executions_at_most(1.05)
        .nobody_blamed(&told)
        .cells())
}

/// The server that answered a client first has its session in memory, so it has to answer always.
pub(super) fn slow_kinds_with_sessions(stage: &Stage) -> Result<Vec<Cell>> {
    let set = Set::up(stage, &[STICKY])?;
    let listener = set.listen()?;
    set.break_all_with(SLOW_KINDS)?;
    let load = stage.load_of(Work::Sessions, &set)?;
    load.settle();
    load.go_on(seconds(10));
    let told = listener.told()?;
    let seen = Seen::of(load, &set, stage)?;
    let sessions = seen.sessions();
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .no_put_or_delete_lost_or_repeated()
        .no_session_lost()
        .cell("sessions", "one a client", sessions.to_string(), sessions == stage.clients)
        .nobody_blamed(&told)
        .cells())
}

pub(super) fn all_ten_times_slower(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let listener = set.listen()?;
    let load = stage.load(&set)?;
    let before = load.settle();
    set.break_all_with(TEN_TIMES)?;
    let during = load.go_on(seconds(10));
    set.mend_all()?;
    load.go_on(seconds(2));
    let told = listener.told()?;
    let seen = Seen::of(load, &set, stage)?;
    let times = seen.median(Method::Get, during).as_secs_f64()
        / seen.median(Method::Get, before).as_secs_f64().max(1e-6);
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .executions_at_most(1.1)
        .nobody_blamed(&told)
        .cell("median of a GET", "(told)", format!("{times:.1} ×"), true)
        .cells())
}
