//! Heads on their way through a proxy: what concerns one connection only is left out, what the proxy has to
//! say is added, everything else is copied as it came.

mod forwarding;
mod passage;
pub(crate) mod request;
pub(crate) mod response;
