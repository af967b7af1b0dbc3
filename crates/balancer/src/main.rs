//! The HTTP load balancer.
//!
//! The way of a request: [`accept`] → [`connection`] → [`exchange`] (with [`request`] and [`intake`]) →
//! [`attempts`] (with one [`attempt_io`] each) → [`deliver`] or [`relay`]. Which endpoint and whether to try another is decided by
//! `evenkeel_upstream`, what bytes mean by `evenkeel_http1`; nothing here decides either.

mod accept;
mod access_log;
mod account;
mod admin;
mod affinity;
mod attempt_io;
mod attempts;
mod bound;
mod clock;
mod connection;
mod control;
mod date;
mod deliver;
mod events;
mod exchange;
mod idle;
mod intake;
mod introduction;
mod kind;
mod leaving;
mod ledger;
mod names;
mod observe;
mod orders;
mod pace;
mod parked;
mod probe;
mod relay;
mod reply;
mod request;
mod run;
mod runs_on;
mod settings;
mod trail;
mod trust;
mod tunnel;
mod upgrades;
mod upload;
mod verify;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_service::start(&settings::COMPONENT, settings::read, run::run)
}
