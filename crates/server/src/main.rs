//! The configurable HTTP server behind the balancer: data, credentials, digests and, on demand, every kind of failure.
//!
//! A request passes these rooms: [`serve`] accepts it, [`exchange`] surrounds it (credentials, faults, journal, metrics),
//! one of [`routes`] answers it, [`stamp`] signs the answer (`X-Server`, digests). [`admin`] answers on a port of its own.

mod admin;
mod authentication;
mod data;
mod exchange;
mod faults;
mod journal;
mod observe;
mod pattern;
mod probed;
mod problem;
mod routes;
mod select;
mod serve;
mod settings;
mod stamp;
mod state;
mod tls;
mod upload;

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_service::start(&settings::COMPONENT, settings::read, serve::run)
}
