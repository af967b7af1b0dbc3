//! How far everyone is from the least that a proxy can be: a loop that passes bytes on and does nothing else.

use crate::{
    Result,
    contenders::{Contender, OWN},
    rounds::Measured,
    servers::SMALL,
    stage::Stage,
};

use super::throughput;

/// What the loop is called.
pub(super) const BARE: &str = "bare loop";

/// Requests per CPU-second of the loop and of everyone else.
pub(super) fn floor(stage: &Stage) -> Result<Measured> {
    let mut contenders = stage.closest()?;
    for contender in contenders.iter_mut().filter(|contender| contender.name == OWN) {
        // Under its own name it would be what the others are compared with.
        "the balancer".clone_into(&mut contender.name);
    }
    contenders.push(Contender::bare(stage, BARE)?);
    throughput::among(stage, &contenders, &stage.servers.get(SMALL), 1)
}
