//! What it costs that digests of responses are verified: `enforce` against `off`, before our own servers, which send them.

use crate::{
    Result,
    contenders::{Build, Contender},
    rounds::Measured,
    servers::Servers,
    stage::Stage,
};

use super::throughput;

/// With verification, which is the default.
pub(super) const ENFORCE: &str = "enforce";
/// Without.
pub(super) const OFF: &str = "off";

/// Of the largest bodies only a few at a time.
const AT_ONCE: usize = 8;

/// Work per CPU-second with bodies of so many bytes; a request counts as so much.
pub(super) fn bodies(stage: &Stage, length: usize, each: u32) -> Result<Measured> {
    let load = stage.cores.load.to_string();
    let servers = Servers::own(&stage.tools.server, "sha-256", &load, stage.scratch())?;
    let with = |verify: &str| {
        let variables = vec![("BALANCER_VERIFY", verify.to_owned())];
        Contender::own(stage, Build { variables, ..stage.build(verify) }, &servers)
    };
    let mut request = servers.get(length);
    if length > 1 << 20 {
        request = request.at_once(AT_ONCE);
    }
    throughput::among(stage, &[with(OFF)?, with(ENFORCE)?], &request, each)
}
