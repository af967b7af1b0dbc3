//! A server process that ends with its test.

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
};

use evenkeel_stage::{Lines, ended};
use rustix::process::{Pid, Signal, kill_process};

use crate::wire::{Connection, Response};

pub(crate) struct Server {
    child: Child,
    pub(crate) traffic: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Server {
    /// Starts a server with these settings, on free ports, and waits until it says where it listens.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = command()
            .env("SERVER_NAME", "alpha")
            .env("SERVER_BIND", "127.0.0.1:0")
            .env("SERVER_ADMIN_BIND", "127.0.0.1:0")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let listening = Lines::of(child.stderr.take().unwrap()).wait_for(" listening traffic=");
        Self { child, traffic: address(&listening, "traffic="), admin: address(&listening, "admin=") }
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Response {
        Connection::open(self.traffic).ask(request)
    }

    /// GET with these further header lines, each ended by CRLF.
    pub(crate) fn get(&self, target: &str, fields: &str) -> Response {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.traffic)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// How many it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        ended(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary under test, with nothing in its environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn address(line: &str, name: &str) -> SocketAddr {
    let (_, rest) = line.split_once(name).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
