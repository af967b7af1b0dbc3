//! Our own client: the load where wrk is missing, and every load at a fixed rate, which wrk cannot do.

use std::process::Command;

use serde_json::Value;

use super::{Done, Duration, Request, Result, SocketAddr, Stage, finish, fs, pinned};

/// What a load at a fixed rate came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Open {
    /// The time below which 99 of 100 requests stayed, in milliseconds, from the moment each was due.
    pub(crate) p99: f64,
}

/// Senders of an open loop, for each connection of a closed one. While something stands still for ten milliseconds, hundreds of requests
/// fall due, and one that nobody is free to send has no time that could be counted.
const OPEN_SENDERS: usize = 8;

impl Open {
    /// Sends `rate` requests a second for so long, after a second that does not count, whatever becomes of them.
    pub(crate) fn load(
        stage: &Stage,
        address: SocketAddr,
        request: &Request,
        rate: f64,
        length: Duration,
    ) -> Result<Self> {
        let phases = format!("warm-up:1s@{rate:.0},steady:{}s@{rate:.0}", length.as_secs());
        let connections = request.connections(stage) * OPEN_SENDERS;
        let cores = stage.cores.load.to_string();
        let report = report(stage, &cores, address, request, |command| {
            command.env("CLIENT_PHASES", phases).env("CLIENT_CONCURRENCY", connections.to_string());
        })?;
        let p99 = report["latency"]["right"]["p99_ms"].as_f64().ok_or("the client's report has no p99")?;
        Ok(Self { p99 })
    }
}

pub(super) fn closed(
    stage: &Stage,
    cores: &str,
    address: SocketAddr,
    request: &Request,
    length: Duration,
) -> Result<Done> {
    let connections = request.connections(stage);
    let report = report(stage, cores, address, request, |command| {
        command
            .env("CLIENT_DURATION", format!("{}s", length.as_secs().max(1)))
            .env("CLIENT_CONCURRENCY", connections.to_string());
    })?;
    let requests = report["requests"]["right"].as_u64();
    let per_second = report["requests"]["per_second"].as_f64();
    match (requests, per_second) {
        (Some(requests), Some(per_second)) => Ok(Done { requests, per_second }),
        _ => Err("the client's report counts no requests".into()),
    }
}

/// Runs the client and reads its report. Its own objectives see to it that nothing failed and nothing was dropped.
fn report(
    stage: &Stage,
    cores: &str,
    address: SocketAddr,
    request: &Request,
    more: impl FnOnce(&mut Command),
) -> Result<Value> {
    let file = stage.scratch().join("load.json");
    let mut command = pinned(cores, &stage.tools.client);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("CLIENT_TARGET", format!("http://{address}"))
        .env("CLIENT_READY", &request.path)
        .env("CLIENT_METHOD", request.method())
        .env("CLIENT_PATH", &request.path)
        .env("CLIENT_VERIFY", "off")
        .env("CLIENT_SHOW", "0")
        .env("CLIENT_REPORT_JSON", &file);
    if request.body > 0 {
        command.env("CLIENT_BODY", request.body.to_string());
    }
    if request.fresh {
        command.env("CLIENT_CONNECTIONS", "fresh");
    }
    more(&mut command);
    finish(&mut command)?;
    let mut report: Value = serde_json::from_slice(&fs::read(&file)?)?;
    Ok(report["runs"][0].take())
}
