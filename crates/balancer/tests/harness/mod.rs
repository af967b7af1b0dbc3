//! The real balancer between a raw client and raw servers, all three in the hands of one test.
//!
//! ```text
//! test ──Connection──▶ balancer (the process) ──▶ Servers ──Connection──▶ the same test
//! ```
//! A test writes bytes at one end and reads them at the other, step by step, so the order of events is the order of its
//! lines. Every wait is for an event and fails after [`PATIENCE`].

mod balancer;
mod connection;
pub(crate) mod message;
mod servers;
mod stage;
pub(crate) mod transport;

use std::time::Duration;

pub(crate) use balancer::Balancer;
pub(crate) use connection::Connection;
pub(crate) use servers::{Nobody, Servers};
pub(crate) use stage::{OK, OK_CLOSE, Stage};

/// The longest that a test waits for anything. Reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A deadline of the balancer's that a test waits for: long enough for a busy machine to keep what is within it.
pub(crate) const SHORT: &str = "400ms";
