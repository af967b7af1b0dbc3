//! P45 in numbers: clients that vanish in every phase leave no connection, no request in flight and no descriptor.

use crate::harness::{Balancer, Connection, OK_CLOSE, Stage};

/// How many clients vanish in each of the phases.
const EACH: usize = 250;

const UPLOAD: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";

/// A client that is about to vanish, and the server's connection that has to end then.
type Phase = fn(&Stage) -> (Connection, Option<Connection>);

const PHASES: [Phase; 5] = [
    |stage| (stage.client("GET / HTTP/1.1\r\nHo"), None),
    |stage| (stage.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"), None),
    |stage| {
        let client = stage.client(format!("{UPLOAD}some of it"));
        let mut server = stage.servers.accept();
        server.through(b"some of it");
        (client, Some(server))
    },
    |stage| {
        let (client, server) = stage.answered("");
        (client, Some(server))
    },
    |stage| {
        let (mut client, server) =
            stage.answered("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nsome of it");
        client.through(b"some of it");
        (client, Some(server))
    },
];

#[test]
fn p45_clients_that_vanish_leave_nothing_behind() {
    let stage = Stage::new();
    let (mut client, server) = stage.answered(OK_CLOSE);
    assert_eq!(client.message().status(), 200);
    drop((client, server));
    stage.balancer.wait_until(is_at_rest);
    let before = stage.balancer.descriptors();
    for phase in PHASES {
        for turn in 0..EACH {
            let (client, server) = phase(&stage);
            let leave = if turn % 2 == 0 { Connection::reset } else { drop };
            leave(client);
            if let Some(mut server) = server.filter(|_| turn % 2 == 0) {
                server.end();
            }
        }
    }
    stage.balancer.wait_until(is_at_rest);
    stage.balancer.wait_until(|balancer| balancer.descriptors() <= before);
    stage.assert_untouched("all of them");
}

/// No client is connected, and no request is in flight.
fn is_at_rest(balancer: &Balancer) -> bool {
    let metrics = balancer.admin("/metrics");
    let in_flight = metrics.text().lines().filter(|line| line.starts_with("evenkeel_endpoint_in_flight{"));
    metrics.text().contains("\nevenkeel_connections_open 0\n")
        && in_flight.clone().all(|line| line.ends_with(" 0"))
}
