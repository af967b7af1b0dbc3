//! The load: keep-alive connections in a closed loop, from wrk, or from our own client where wrk is missing.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use crate::{Result, process::pinned, stage::Stage};

mod client;
mod wrk;

pub(crate) use client::Open;

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// GET, or POST where there is a body.
    pub(crate) path: String,
    /// How many bytes it brings.
    pub(crate) body: usize,
    /// Whether each has a connection of its own.
    pub(crate) fresh: bool,
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
        Self { path: path.into(), body: 0, fresh: false }
    }

    /// The same, each on a connection of its own.
    pub(crate) fn fresh(self) -> Self {
        Self { fresh: true, ..self }
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

/// Runs it to its end and returns what it said.
fn finish(command: &mut Command) -> Result<String> {
    let ran = command.output()?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.status.success() {
        return Ok(said);
    }
    Err(format!("the load ended with {}: {said}{}", ran.status, String::from_utf8_lossy(&ran.stderr)).into())
}
