//! What a server sees of a probe.

use crate::harness::{Balancer, Nobody, OK_CLOSE, Servers};

/// The server, and the request line and Host of the first probe that it got.
fn probed(settings: &[(&str, &str)]) -> (String, String, String) {
    let servers = Servers::listen(1);
    let settings: Vec<_> = settings.iter().copied().chain([("PROBE", "http:/ready")]).collect();
    let _balancer = Balancer::listening(&servers.upstream(), &settings);
    let mut probe = servers.accept();
    let head = probe.head();
    probe.send(OK_CLOSE);
    (servers.upstream(), head.line().to_owned(), head.field("host").unwrap().to_owned())
}

#[test]
fn a_probe_asks_for_the_host_that_is_set_and_else_for_the_address() {
    let (address, line, host) = probed(&[]);
    assert_eq!((line.as_str(), host), ("GET /ready HTTP/1.1", address));
    let (_, _, host) = probed(&[("PROBE_HOST", "www.example.com")]);
    assert_eq!(host, "www.example.com");
}

#[test]
fn a_host_that_no_request_may_have_is_refused() {
    let said = Balancer::refused(&[("PROBE_HOST", "http://www.example.com")]);
    assert!(said.starts_with("BALANCER_PROBE_HOST: `http://www.example.com` is not a host"), "{said}");
}

#[test]
fn a_server_that_never_passed_a_probe_is_told_of_with_what_to_do() {
    let nobody = Nobody::new();
    let balancer = Balancer::listening(&nobody.upstream(), &[("PROBE", "tcp")]);
    balancer.says(
        "has passed no probe yet and serves nobody: connection refused. Nobody listens at that address",
    );
}
