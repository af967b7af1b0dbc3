//! The configurable HTTP server behind the balancer.

fn main() {}
