//! A client that runs until it is dropped, with metrics of its own.

use std::{net::SocketAddr, process::Command};

use evenkeel_stage::binary;

use crate::process::Process;

/// A running client. Dropping it ends it.
pub(crate) struct Client {
    /// Where its metrics are.
    pub(crate) admin: SocketAddr,
    _process: Process,
}

impl Client {
    /// Starts a client that asks `target` for what is there and, now and then, for what is not: that counts as a failure.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let mut process = Process::start(
            Command::new(binary("client"))
                .env_clear()
                .env("EVENKEEL_PARENT", std::process::id().to_string())
                .env("CLIENT_TARGET", format!("http://{target}"))
                .envs([("CLIENT_ADMIN_BIND", "127.0.0.1:0"), ("CLIENT_DURATION", "1h")])
                .envs([("CLIENT_RATE", "50"), ("CLIENT_MIX", "GET /;weight=4,GET /status/404")]),
        );
        let line = process.wait_for_line("listening admin=");
        let admin = line.rsplit_once('=').and_then(|(_, address)| address.parse().ok());
        Self { admin: admin.expect("the line ends with an address"), _process: process }
    }
}
