//! What a client costs that is connected and asks nothing.

use std::time::Duration;

use evenkeel_stage::Connection;

use crate::{
    Result,
    contenders::{Contender, descriptor_limit},
    process::pass,
    rounds::{Measured, interleaved},
    servers::SMALL,
    stage::Stage,
};

/// How many connections, where the descriptor limit allows.
const CONNECTIONS: u64 = 5000;

/// What each process does first, so that what it needs once is not counted: so many connections, one after the other.
const FIRST: usize = 50;

/// Until what can be given back is given back.
const PAUSE: Duration = Duration::from_secs(3);

/// In each round processes are new: memory that one gave back to its allocator would not be counted again.
const ROUNDS: usize = 3;

/// Bytes of resident memory for each idle connection.
pub(super) fn idle(stage: &Stage) -> Result<Measured> {
    let connections = CONNECTIONS.min(descriptor_limit() / 4);
    let path = stage.servers.get(SMALL).path;
    let mut all = Measured::default();
    for _ in 0..ROUNDS {
        let contenders = stage.closest()?;
        let round = interleaved(&contenders, 1, |contender| for_each(contender, &path, connections))?;
        all.append(round);
    }
    all.notes
        .push(format!("{connections} connections, each had one request; {ROUNDS} rounds with new processes"));
    Ok(all)
}

fn for_each(contender: &Contender, path: &str, connections: u64) -> Result<f64> {
    for _ in 0..FIRST {
        connect(contender, path)?;
    }
    pass(PAUSE);
    let before = contender.resident()?;
    let mut idle = Vec::new();
    for _ in 0..connections {
        idle.push(connect(contender, path)?);
    }
    pass(PAUSE);
    let after = contender.resident()?;
    match after.checked_sub(before) {
        Some(grown) if grown > 0 => Ok(grown as f64 / idle.len() as f64),
        _ => Err(format!("memory has not grown from {before} bytes").into()),
    }
}

/// A connection that has had its request, and stays.
fn connect(contender: &Contender, path: &str) -> Result<Connection> {
    let mut connection = Connection::open(contender.address)?;
    let answer = connection.get(path, &[])?;
    if answer.status == 200 && !answer.is_last() {
        Ok(connection)
    } else {
        Err(format!("a connection was answered with {} and does not stay", answer.status).into())
    }
}
