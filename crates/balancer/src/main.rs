//! The HTTP load balancer.

fn main() {}
