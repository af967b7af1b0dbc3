//! The load: keep-alive connections in a closed loop, from wrk, or from our own client where wrk is missing.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use evenkeel_stage::Connection;

use crate::{Result, contenders::Contender, process::pinned, stage::Stage};

mod client;
pub(crate) mod tls;
mod wrk;

pub(crate) use client::Open;

/// One kind of request: a GET, or a POST where it brings something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// What it asks for.
    pub(crate) path: String,
    /// How many bytes it brings.
    pub(crate) body: usize,
    /// Whether each has a connection of its own.
    pub(crate) fresh: bool,
    /// How many at a time, as most: of what is large, many do not end in the time there is.
    pub(crate) at_once: usize,
}

/// What a load came to. Every request of it was answered, and none with a status from 400.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Done {
    /// How many requests.
    pub(crate) requests: u64,
    /// How many in a second.
    pub(crate) per_second: f64,
}

impl Request {
    /// A GET on connections that stay.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), body: 0, fresh: false, at_once: usize::MAX }
    }

    /// The same, each on a connection of its own.
    pub(crate) fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }

    /// The same, and not more than so many at a time.
    pub(crate) fn at_once(self, most: usize) -> Self {
        Self { at_once: most, ..self }
    }

    fn connections(&self, stage: &Stage) -> usize {
        stage.options.connections.min(self.at_once)
    }

    fn method(&self) -> &'static str {
        if self.body == 0 { "GET" } else { "POST" }
    }
}

/// Loads `address` for so long; each connection sends its next request when the last was answered. An answer that is none,
/// or an error, is an error here: who answers wrongly is fast at nothing.
pub(crate) fn closed(
    stage: &Stage,
    address: SocketAddr,
    request: &Request,
    length: Duration,
) -> Result<Done> {
    let cores = stage.cores.load.to_string();
    match &stage.tools.wrk {
        Some(wrk) => wrk::closed(stage, wrk, &cores, address, request, length),
        None => client::closed(stage, &cores, address, request, length),
    }
}

/// Asks each once: the answer has to be 200, and as long as through every other.
pub(crate) fn check(contenders: &[Contender], request: &Request) -> Result<()> {
    let body = vec![b'x'; request.body];
    let mut known = None;
    for Contender { name, address, .. } in contenders {
        let answer = Connection::open(*address)?.request(request.method(), &request.path, &[], &body)?;
        let length = answer.body.len();
        if answer.status != 200 || *known.get_or_insert(length) != length {
            let path = &request.path;
            return Err(format!("{name} answers {path} with {} and {length} bytes", answer.status).into());
        }
    }
    Ok(())
}

/// Runs it to its end and returns what it said.
fn finish(command: &mut Command) -> Result<String> {
    let ran = command.output()?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.status.success() {
        return Ok(said);
    }
    Err(format!("the load ended with {}: {said}{}", ran.status, String::from_utf8_lossy(&ran.stderr)).into())
}
