//! The HTTP load balancer, in rooms:
//!
//! ```text
//! run ──▶ clients ──▶ exchange ──▶ servers ──▶ records, settings
//!    └──▶ watch, admin ──────────────┘
//! ```
//! Which endpoint and whether to try another is decided by `evenkeel_upstream`, what a message means by `evenkeel_message`; nothing here
//! decides either.

mod admin;
mod clients;
mod clock;
mod context;
mod exchange;
mod records;
mod run;
mod servers;
mod settings;
mod watch;

use std::process::ExitCode;

/// Runs the balancer as its arguments and the environment say.
pub fn main() -> ExitCode {
    evenkeel_service::start(&settings::COMPONENT, settings::read, run::run)
}
