//! Who gets how much, where requests come to several workers.

use crate::harness::{Balancer, OK_CLOSE, Servers};

#[test]
fn few_requests_over_many_workers_are_in_proportion_to_the_weights() {
    let servers = Servers::listen(3);
    let addresses = servers.upstream();
    let weighted: Vec<_> = addresses
        .split(',')
        .zip([3, 2, 1])
        .map(|(address, weight)| format!("{address};weight={weight}"))
        .collect();
    let balancer = Balancer::start(&weighted.join(","), &[("POLICY", "round_robin"), ("WORKERS", "4")]);
    let mut answered = [0; 3];
    for _ in 0..12 {
        let mut client = balancer.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let (index, mut server) = servers.accept_at_any();
        server.message();
        server.send(OK_CLOSE);
        assert_eq!(client.message().status(), 200);
        answered[index] += 1;
    }
    assert_eq!(answered, [6, 4, 2]);
}
