//! The protocol cases that this crate decides, each test named by its case, and the properties behind them.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod built;
mod chunked;
mod connections;
mod exchange;
mod passages;
mod proxy;
mod request_framing;
mod request_head;
mod responses;
mod splits;
