//! TLS to servers. The cases of plain HTTP that concern servers are held over TLS as they are written; beside them, what only TLS
//! can do wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

#[path = "../protocol/blame.rs"]
mod blame;
#[path = "../protocol/bound.rs"]
mod bound;
#[path = "../protocol/chunked.rs"]
mod chunked;
#[path = "../protocol/exchange.rs"]
mod exchange;
#[path = "../protocol/integrity.rs"]
mod integrity;
#[path = "../protocol/lasting.rs"]
mod lasting;
#[path = "../protocol/letting_go.rs"]
mod letting_go;
#[path = "../protocol/odd_responses.rs"]
mod odd_responses;
#[path = "../protocol/own_errors.rs"]
mod own_errors;
#[path = "../protocol/pace.rs"]
mod pace;
#[path = "../protocol/request_body.rs"]
mod request_body;
#[path = "../protocol/responses.rs"]
mod responses;
#[path = "../protocol/reuse_and_retry.rs"]
mod reuse_and_retry;
#[path = "../protocol/slowness.rs"]
mod slowness;
#[path = "../protocol/upgrade.rs"]
mod upgrade;
#[path = "../protocol/vanishing.rs"]
mod vanishing;

#[expect(dead_code, reason = "the authority is needed, and no client")]
#[path = "../tls/client.rs"]
mod client;

mod ends;
mod handshakes;
mod identities;
mod trust;
