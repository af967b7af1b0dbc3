//! What is kept of what happened: accounts of requests, the access log, the ledger, events and metrics.

pub(crate) mod access_log;
pub(crate) mod account;
pub(crate) mod events;
pub(crate) mod incidents;
pub(crate) mod ledger;
pub(crate) mod mark;
pub(crate) mod metrics;
pub(crate) mod mishap;
pub(crate) mod reloads;
pub(crate) mod roster;
pub(crate) mod story;
pub(crate) mod trail;
