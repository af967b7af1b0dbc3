//! P45 in numbers: ten thousand clients that vanish, in every phase a client can be in, leave no connection, no request in
//! flight, no descriptor, no thread and no memory.

use crate::harness::{Balancer, Connection, OK_CLOSE, Stage};

/// How many are there at a time before they vanish: as many in each phase as fit into a descriptor limit of 1024.
const AT_A_TIME: usize = 40 * PHASES.len();

/// How often. All in all that is 10,080 clients.
const WAVES: usize = 42;

/// How much more memory the balancer may have at the end than after the first wave. A client that left a kilobyte behind
/// would come to twice as much.
const MORE_MEMORY: u64 = 5 << 20;

const UPLOAD: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";

/// A client that is about to vanish, and the server's connection that has to end then.
type Phase = fn(&Stage) -> (Connection, Option<Connection>);

const PHASES: [Phase; 6] = [
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
    |stage| {
        let (mut client, _) = stage.answered(OK_CLOSE);
        assert_eq!(client.message().status(), 200);
        (client, None)
    },
];

#[test]
fn p45_ten_thousand_clients_that_vanish_leave_nothing_behind() {
    let stage = Stage::new();
    let balancer = &stage.balancer;
    vanish(&stage);
    balancer.wait_until(is_at_rest);
    let before = Holdings::of(balancer);
    for _ in 1..WAVES {
        vanish(&stage);
    }
    balancer.wait_until(is_at_rest);
    balancer.wait_until(|balancer| balancer.descriptors() <= before.descriptors);
    stage.assert_untouched("all of them");
    let after = Holdings::of(balancer);
    told(&before, &after);
    assert_eq!(after.threads, before.threads);
    assert!(after.memory < before.memory + MORE_MEMORY, "{after:?} were {before:?}");
}

/// What the balancer has while no client is there.
#[derive(Debug)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    /// In bytes.
    memory: u64,
}

impl Holdings {
    fn of(balancer: &Balancer) -> Self {
        Self { descriptors: balancer.descriptors(), threads: balancer.threads(), memory: balancer.memory() }
    }
}

/// Clients in all phases are there at once, and then they are not: every second one by force.
fn vanish(stage: &Stage) {
    let there: Vec<_> = PHASES.iter().cycle().take(AT_A_TIME).map(|phase| phase(stage)).collect();
    for (turn, (client, server)) in there.into_iter().enumerate() {
        // Each phase is left in both ways.
        let is_forced = (turn / PHASES.len()).is_multiple_of(2);
        let leave = if is_forced { Connection::reset } else { drop };
        leave(client);
        if let Some(mut server) = server.filter(|_| is_forced) {
            server.end();
        }
    }
}

/// No client is connected, and no request is in flight.
pub(crate) fn is_at_rest(balancer: &Balancer) -> bool {
    let metrics = balancer.admin("/metrics");
    let in_flight = metrics.text().lines().filter(|line| line.starts_with("evenkeel_endpoint_in_flight{"));
    metrics.text().contains("\nevenkeel_connections_open 0\n")
        && in_flight.clone().all(|line| line.ends_with(" 0"))
}

#[expect(clippy::print_stderr, reason = "the figures, for who asks for them with --nocapture")]
fn told(before: &Holdings, after: &Holdings) {
    eprintln!("{} clients vanished: {before:?} became {after:?}", WAVES * AT_A_TIME);
}
