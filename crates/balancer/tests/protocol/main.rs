//! The protocol cases, each test named by its case, against the real balancer with a raw client before it and raw
//! servers behind it. `scripts/protocol` lists them with their results.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod blame;
mod bound;
mod chunked;
mod dates_and_statuses;
mod exchange;
mod forwarding;
mod giving_way;
mod integrity;
mod introduction;
mod large_responses;
mod lasting;
mod letting_go;
mod memory;
mod odd_responses;
mod own_errors;
mod pace;
mod request_body;
mod request_framing;
mod request_line;
mod responses;
mod reuse_and_retry;
mod slowness;
mod upgrade;
mod vanishing;
