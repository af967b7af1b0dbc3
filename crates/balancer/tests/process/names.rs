//! What the balancer says of names.

use crate::harness::Balancer;

#[test]
fn a_name_that_is_not_found_is_said_with_its_variable() {
    let balancer = Balancer::listening("no-such-host.invalid:8080,127.0.0.1:1", &[]);
    balancer.says("BALANCER_UPSTREAM: `no-such-host.invalid` is not found: ");
}
