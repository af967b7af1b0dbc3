//! What every binary shares: settings from the environment (and a file, where one is named), logs, shutdown, the healthcheck subcommand.
//!
//! A binary declares itself as a [`Component`] (its prefix and its [`Variable`]s) and hands [`start`] two functions:
//! one that turns a [`Reading`] into its own settings, one that runs with them.
//!
//! ```no_run
//! use std::{net::SocketAddr, process::ExitCode};
//! use evenkeel_service::{Component, Reading, Reported, Variable};
//!
//! const COMPONENT: Component = Component {
//!     name: "echo",
//!     about: "Answers with what it is sent.",
//!     prefix: "ECHO_",
//!     variables: &[Variable::new("ADMIN_BIND", "0.0.0.0:9090", "where /readyz is answered")],
//!     health: Some("ADMIN_BIND"),
//! };
//!
//! struct Settings {
//!     admin: SocketAddr,
//! }
//!
//! fn read(reading: &mut Reading) -> Result<Settings, Reported> {
//!     let admin = reading.value("ADMIN_BIND");
//!     // Every variable is read before the first `?`, so that all problems are reported at once.
//!     Ok(Settings { admin: admin? })
//! }
//!
//! fn main() -> ExitCode {
//!     evenkeel_service::start(&COMPONENT, read, |settings| {
//!         evenkeel_service::tracing::info!(admin = %settings.admin, "ready");
//!         ExitCode::SUCCESS
//!     })
//! }
//! ```
//!
//! Inside a component nothing reads the environment again: its types cannot be wrong.

#[cfg(feature = "admin")]
pub mod admin;
mod command;
mod component;
pub mod descriptors;
mod environment;
pub mod exit;
mod file;
mod healthcheck;
mod logs;
pub mod outlet;
pub mod parent;
mod problem;
mod rarely;
mod reading;
mod secret;
mod setting;
mod settings_file;
pub mod shutdown;
pub mod vital;

pub use command::start;
pub use component::{Component, Variable};
pub use environment::{is_injected, nearest};
pub use healthcheck::reachable;
pub use problem::{Problem, Problems, Reported};
pub use rarely::{More, Rarely};
pub use reading::{Reading, member_variable};
pub use secret::Secret;
pub use setting::{Setting, Size, in_range, not};
pub use shutdown::Shutdown;
pub use tracing;
