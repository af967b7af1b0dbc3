//! Runs the whole set as processes on one machine, without Docker: servers with different settings, the balancer before
//! them and, on request, the client.
//!
//! ```text
//! settings ──▶ plan (who, with which variables) ──▶ binaries, checked ──▶ set (start, watch, restart, stop)
//! ```
//!
//! The manager is a parent, not a controller: it gives each child a clean environment and an address, shows what they
//! say, and ends them in order. It takes no part in a request, so killing a child shows what the balancer does about
//! it, not what the manager does.

mod addresses;
mod binaries;
mod child;
mod output;
mod plan;
mod ready;
mod restart;
mod set;
mod settings;
mod table;
mod token;

use std::process::ExitCode;

use evenkeel_service::exit;

use crate::{addresses::Claims, output::Output, plan::Plan, settings::Settings};

fn main() -> ExitCode {
    evenkeel_service::start(&settings::COMPONENT, Settings::read, |settings| {
        let output = Output::new();
        match run(&settings, output) {
            Ok(status) => status,
            Err(Trouble { status, lines }) => {
                for line in &lines {
                    output.complain(line);
                }
                ExitCode::from(status)
            }
        }
    })
}

/// Why the set does not run: one line a reason, and the exit status they mean.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    status: u8,
    lines: Vec<String>,
}

impl Trouble {
    /// A setting is wrong.
    fn usage(lines: Vec<String>) -> Self {
        Self { status: exit::USAGE, lines }
    }

    /// Something the set needs is not there.
    fn unavailable(line: String) -> Self {
        Self { status: exit::UNAVAILABLE, lines: vec![line] }
    }
}

fn run(settings: &Settings, output: Output) -> Result<ExitCode, Trouble> {
    let binaries = binaries::find(output)?;
    // What is wrong with the settings outweighs a port that somebody else has: judged first, without taking any.
    let token = token::file();
    binaries.check(&Plan::new(settings, token.as_deref(), addresses::pretend())?)?;
    let mut claims = Claims::default();
    let plan = Plan::new(settings, token.as_deref(), |address| claims.claim(address))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::unavailable(format!("manager: no runtime: {error}")))?;
    runtime.block_on(set::run(plan, claims, &binaries, settings, output))
}
