//! Heads: the start line and the fields of a message, as spans into the bytes they were parsed from.

pub(crate) mod connection;
pub(crate) mod fields;
pub(crate) mod name;
pub(crate) mod progress;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod target;
