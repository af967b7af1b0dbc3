//! The server as a process, over real sockets: each test starts one on a free port and talks to it in HTTP/1.1.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

mod admin;
mod command;
mod failing;
mod journal;
mod leaving;
mod process;
mod serving;
mod tls;
mod uploading;
mod wire;
