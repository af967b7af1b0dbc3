//! Who looks after the servers: look-ups, probes, orders, and the one history of their health.

pub(crate) mod certificates;
mod closers;
pub(crate) mod control;
pub(crate) mod lookups;
pub(crate) mod names;
pub(crate) mod naming;
pub(crate) mod orders;
pub(crate) mod pages;
pub(crate) mod probe;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod strangers;
pub(crate) mod trust;
pub(crate) mod unproven;
