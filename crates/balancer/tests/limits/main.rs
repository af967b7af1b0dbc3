//! What the balancer keeps from clients and what it says to them in a person's stead: networks, rates, connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, unused_imports, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod clients;
mod logged;
mod pages;
mod rules;
