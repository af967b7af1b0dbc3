//! What it costs to share state between cores: a request's time with one worker against two.

use crate::{
    Result,
    contenders::{Build, Contender},
    rounds::Measured,
    servers::SMALL,
    stage::Stage,
};

use super::throughput;

/// One worker on the proxies' core.
pub(super) const ONE: &str = "1 worker";
/// Two workers on two cores.
pub(super) const TWO: &str = "2 workers";

/// Requests per CPU-second, of all workers together.
pub(super) fn one_and_two(stage: &Stage) -> Result<Measured> {
    let cores = stage.cores;
    let two = Build {
        cores: format!("{},{}", cores.proxy, cores.second),
        variables: vec![("BALANCER_WORKERS", "2".to_owned())],
        ..stage.build(TWO)
    };
    let one = Contender::own(stage, stage.build(ONE), &stage.servers)?;
    let two = Contender::own(stage, two, &stage.servers)?;
    let mut measured = throughput::among(stage, &[one, two], &stage.servers.get(SMALL), 1)?;
    if cores.second == cores.load {
        measured.notes.push("the second worker shares its core with servers and load".to_owned());
    }
    Ok(measured)
}
