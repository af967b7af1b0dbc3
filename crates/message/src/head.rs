//! Heads: the start line and the fields of a message, as spans into the bytes that hold them.

pub(crate) mod authentication;
pub(crate) mod connection;
pub(crate) mod fields;
pub(crate) mod name;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod target;
