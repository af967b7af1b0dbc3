//! How long the slow ones wait at a rate that everyone can take: a quarter of what the slowest is able to. Asking at a fixed rate takes more
//! of a core than wrk does; at half, on two cores, the tail would be that of the load.

use std::time::Duration;

use crate::{
    Result,
    figures::Statistic,
    load::{self, Open},
    rounds::{Measured, interleaved},
    servers::SMALL,
    stage::Stage,
};

/// A tail is noisier than a mean: many rounds, and their lower quartile.
const ROUNDS: usize = 17;

/// The rate is the slowest one's capacity divided by this.
const PART: f64 = 4.0;

/// How long everyone's capacity is measured, in a closed loop.
const CAPACITY: Duration = Duration::from_secs(2);

/// The p99 in milliseconds, in an open loop.
pub(super) fn p99(stage: &Stage) -> Result<Measured> {
    let contenders = stage.closest()?;
    let request = stage.servers.get(SMALL);
    let mut slowest = f64::INFINITY;
    for contender in &contenders {
        let done = load::closed(stage, contender.address, &request, CAPACITY)
            .map_err(|error| format!("{}: {error}", contender.name))?;
        slowest = slowest.min(done.per_second);
    }
    let rate = (slowest / PART).floor();
    let mut measured = interleaved(&contenders, ROUNDS, |contender| {
        Open::load(stage, contender.address, &request, rate, stage.options.length).map(|open| open.p99)
    })?;
    measured.statistic = Statistic::LowerQuartile;
    measured.notes.push(format!("{rate:.0} requests a second, the lower quartile of {ROUNDS} rounds"));
    Ok(measured)
}
