//! Who asks: the only room that knows versions of HTTP.

pub(crate) mod accept;
pub(crate) mod frontend;
pub(crate) mod h1;
pub(crate) mod introduction;
pub(crate) mod parked;
pub(crate) mod tls;
