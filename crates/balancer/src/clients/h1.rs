//! Clients that speak HTTP/1.0 and HTTP/1.1.

#[cfg(test)]
mod allocations;
pub(crate) mod attendants;
mod caller;
pub(crate) mod client;
pub(crate) mod connection;
mod mistaken;
pub(crate) mod storage;
