//! How much work a second on a core is worth: requests answered, by the time that the proxy had on its core for them.

use std::time::Duration;

use crate::{
    Result,
    contenders::Contender,
    load::{self, Request},
    rounds::{Measured, interleaved},
    stage::Stage,
};

/// Before the first round: connections to servers are opened, buffers grown.
const WARM_UP: Duration = Duration::from_secs(1);

/// Requests per CPU-second; as a MiB each is one, also MiB per CPU-second of those.
pub(super) fn requests(stage: &Stage, request: &Request) -> Result<Measured> {
    among(stage, &stage.contenders()?, request)
}

/// The same for contenders that run already.
pub(super) fn among(stage: &Stage, contenders: &[Contender], request: &Request) -> Result<Measured> {
    for contender in contenders {
        load::closed(stage, contender.address, request, WARM_UP)
            .map_err(|error| format!("{}, before the first round: {error}", contender.name))?;
    }
    interleaved(contenders, stage.options.rounds, |contender| {
        let before = contender.cpu_time()?;
        let done = load::closed(stage, contender.address, request, stage.options.length)?;
        let spent = contender.cpu_time()?.saturating_sub(before);
        if spent.is_zero() {
            return Err("the kernel has counted no time on a core".into());
        }
        Ok(done.requests as f64 / spent.as_secs_f64())
    })
}
