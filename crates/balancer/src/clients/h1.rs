//! Clients that speak HTTP/1.0 and HTTP/1.1.

pub(crate) mod connection;
pub(crate) mod intake;
