//! What of a request goes on to a server, and as what, each test named by its protocol case.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod forwarding;
mod origin;
mod proxy;
