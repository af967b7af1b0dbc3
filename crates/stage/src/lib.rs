//! The set, set up for whoever looks at it from outside: the tests of `e2e` and the tools `bench`, `faults` and `attack`. The
//! balancer's tests take one client from here, that asks for a renegotiation.
//!
//! ```text
//! Processes (the manager and its children) ─┐
//!                                           ├──▶ Load, Connection: what a client sees
//! Compose (containers, feature `docker`) ───┘
//! ```
//!
//! The requests are sent by a small client of this crate's own, on purpose: what judges the set must not share code
//! with it, except for the digest of a body.

mod binaries;
#[cfg(feature = "docker")]
mod compose;
mod http;
mod load;
mod patience;
mod ports;
mod processes;
mod renegotiation;
mod stream;

pub use binaries::{binary, root};
#[cfg(feature = "docker")]
pub use compose::{Compose, alone, build_images, docker};
pub use http::{Answer, Connection, Upload, basic};
pub use load::{Load, Tally};
pub use patience::{Lines, PATIENCE, ended, finished, output, until};
pub use ports::free_addresses;
pub use processes::{Member, Processes};
pub use renegotiation::Renegotiation;
pub use stream::{Stream, Tls};
