//! Two balancers on one port (`BALANCER_REUSEPORT`): one takes over from the other.

use std::thread;

use crate::harness::{Balancer, Connection, OK_CLOSE, Servers};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Clients that come while both are there, and those that come while one leaves.
const CLIENTS: usize = 60;

fn served(balancer: &Balancer) -> u64 {
    let scrape = balancer.admin("/metrics");
    let line = scrape.text().lines().find_map(|line| line.strip_prefix("evenkeel_requests_total "));
    line.unwrap().parse().unwrap()
}

#[test]
fn two_share_a_port_and_when_one_leaves_the_other_has_every_client() {
    let servers = Servers::listen(1);
    let upstream = servers.upstream();
    let first = Balancer::start(&upstream, &[("REUSEPORT", "on")]);
    let address = first.traffic();
    let bind = address.to_string();
    let second = Balancer::start(&upstream, &[("REUSEPORT", "on"), ("BIND", &bind)]);
    thread::spawn(move || {
        loop {
            let mut server = servers.accept();
            server.message();
            server.send(OK_CLOSE);
        }
    });
    let ask = || Connection::to(address).send(GET).message().status();
    for _ in 0..CLIENTS {
        assert_eq!(ask(), 200);
    }
    // The kernel chooses by the client's port: that all of them had fallen to one would be a wonder.
    let (by_first, by_second) = (served(&first), served(&second));
    assert!(by_first > 0 && by_second > 0, "{by_first} and {by_second}");
    assert_eq!(by_first + by_second, CLIENTS as u64);
    first.leave();
    for _ in 0..CLIENTS {
        assert_eq!(ask(), 200);
    }
    assert_eq!(first.left(), Some(0));
    let before = served(&second);
    for _ in 0..CLIENTS {
        assert_eq!(ask(), 200);
    }
    assert_eq!(served(&second), before + CLIENTS as u64);
}

#[test]
fn a_port_that_is_not_shared_is_one_balancers_alone() {
    let servers = Servers::listen(1);
    let first = Balancer::start(&servers.upstream(), &[("REUSEPORT", "on")]);
    let bind = first.traffic().to_string();
    let said = Balancer::fails(&servers.upstream(), &[("BIND", &bind)]);
    assert!(said.contains("BALANCER_BIND: cannot listen on"), "{said}");
}
