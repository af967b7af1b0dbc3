//! What clients over TLS cost: requests on connections that stay, handshakes, and connections that are idle. Everyone shows the
//! same certificate (ECDSA, P-256) and speaks TLS 1.3 with one cipher suite; servers are asked in plain HTTP.

use std::time::Duration;

use crate::{
    Result,
    contenders::{Contender, descriptor_limit},
    identity::{GROUP, SUITE},
    load::tls::{Job, Mode, once},
    process::pass,
    rounds::{Measured, interleaved},
    servers::SMALL,
    stage::Stage,
};

use super::throughput;

/// Handshakes at a time: as many keep a core busy, and few are needed to have something to resume.
const HANDSHAKES_AT_ONCE: usize = 8;

/// How many idle connections, where the descriptor limit allows.
const CONNECTIONS: u64 = 2000;

/// What each process does first, so that what it needs once is not counted: so many connections.
const FIRST: usize = 50;

/// Until what can be given back is given back.
const PAUSE: Duration = Duration::from_secs(3);

/// In each round processes are new: memory that one gave back to its allocator would not be counted again.
const ROUNDS: usize = 3;

/// Work per CPU-second with answers of so many bytes; a request counts as so much.
pub(super) fn requests(stage: &Stage, answer: usize, each: u32) -> Result<Measured> {
    let path = stage.servers.get(answer).path;
    measured(stage, Mode::Kept, &path, stage.options.connections, each)
}

/// Handshakes per CPU-second.
pub(super) fn handshakes(stage: &Stage, mode: Mode) -> Result<Measured> {
    measured(stage, mode, &stage.servers.get(SMALL).path, HANDSHAKES_AT_ONCE, 1)
}

fn measured(stage: &Stage, mode: Mode, path: &str, at_once: usize, each: u32) -> Result<Measured> {
    let contenders = stage.secure_contenders()?;
    let mut known = None;
    for contender in &contenders {
        let length = once(contender.address, &stage.identity.certificate, path)?;
        if *known.get_or_insert(length) != length {
            return Err(format!("{} answers {path} with {length} bytes", contender.name).into());
        }
    }
    let load = |contender: &Contender, length| {
        Job { address: contender.address, mode, path: path.to_owned(), at_once }.run(stage, length)
    };
    let mut measured = throughput::spending(stage, &contenders, stage.options.rounds, each, load)?;
    measured.notes.push(format!("TLS 1.3, {SUITE}, {GROUP}, ECDSA P-256; {at_once} connections at a time"));
    Ok(measured)
}

/// Bytes of resident memory for each idle connection.
pub(super) fn idle(stage: &Stage) -> Result<Measured> {
    let connections = CONNECTIONS.min(descriptor_limit() / 4);
    let path = stage.servers.get(SMALL).path;
    let mut all = Measured::default();
    for _ in 0..ROUNDS {
        let contenders = stage.secure_contenders()?;
        all.append(interleaved(&contenders, 1, |contender| {
            let job =
                |at_once| Job { address: contender.address, mode: Mode::Held, path: path.clone(), at_once };
            drop(job(FIRST).hold(stage)?);
            pass(PAUSE);
            let before = contender.resident()?;
            let held = job(connections as usize).hold(stage)?;
            pass(PAUSE);
            let after = contender.resident()?;
            drop(held);
            match after.checked_sub(before) {
                Some(grown) if grown > 0 => Ok(grown as f64 / connections as f64),
                _ => Err(format!("memory has not grown from {before} bytes").into()),
            }
        })?);
    }
    all.notes
        .push(format!("{connections} connections, each had one request; {ROUNDS} rounds with new processes"));
    Ok(all)
}
