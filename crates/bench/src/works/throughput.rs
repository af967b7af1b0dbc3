//! How much work a second on a core is worth: requests answered, by the time that the proxy had on its core for them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    Result,
    contenders::Contender,
    load::{self, Request},
    rounds::{Measured, interleaved},
    stage::Stage,
};

/// Before the first round: connections to servers are opened, buffers grown.
const WARM_UP: Duration = Duration::from_secs(1);

/// Requests per CPU-second of everyone.
pub(super) fn requests(stage: &Stage, request: &Request) -> Result<Measured> {
    among(stage, &stage.contenders()?, request, 1)
}

/// MiB per CPU-second of everyone, with requests that move so many.
pub(super) fn mebibytes(stage: &Stage, request: &Request, each: u32) -> Result<Measured> {
    among(stage, &stage.contenders()?, request, each)
}

/// Work per CPU-second of contenders that run already; a request counts as so much.
pub(super) fn among(
    stage: &Stage,
    contenders: &[Contender],
    request: &Request,
    each: u32,
) -> Result<Measured> {
    within(stage, contenders, request, each, stage.options.rounds)
}

/// The same, in so many rounds.
pub(super) fn within(
    stage: &Stage,
    contenders: &[Contender],
    request: &Request,
    each: u32,
    rounds: usize,
) -> Result<Measured> {
    load::check(contenders, request)?;
    spending(stage, contenders, rounds, each, |contender, length| {
        Ok(load::closed(stage, contender.address, request, length)?.requests)
    })
}

/// What `load` does in each of so many rounds, per CPU-second; one of what it counts is worth so much.
pub(super) fn spending(
    stage: &Stage,
    contenders: &[Contender],
    rounds: usize,
    each: u32,
    load: impl Fn(&Contender, Duration) -> Result<u64>,
) -> Result<Measured> {
    for contender in contenders {
        load(contender, WARM_UP)
            .map_err(|error| format!("{}, before the first round: {error}", contender.name))?;
    }
    let mut shares: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut measured = interleaved(contenders, rounds, |contender| {
        let (before, began) = (contender.cpu_time()?, Instant::now());
        let done = load(contender, stage.options.length)?;
        let (spent, passed) = (contender.cpu_time()?.saturating_sub(before), began.elapsed());
        if spent.is_zero() {
            return Err("the kernel has counted no time on a core".into());
        }
        shares.entry(contender.name.clone()).or_default().push(spent.div_duration_f64(passed));
        Ok(done as f64 * f64::from(each) / spent.as_secs_f64())
    })?;
    measured.shares = shares;
    Ok(measured)
}
