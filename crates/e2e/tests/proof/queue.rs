//! More at a time than the server may have: they wait in line, and the line moves as fast as places become free.

use super::run::{Journals, Run};

#[test]
fn a_long_line_moves_as_fast_as_the_server_answers() {
    let journals = Journals::new();
    // By looking every 5 ms who is next, a worker would serve a few hundred a second, and the last in a line of 600 would
    // have its 503 before its turn.
    let one_at_a_time = [
        ("MANAGER_BALANCER_MAX_IN_FLIGHT", "1"),
        ("MANAGER_BALANCER_QUEUE_TIMEOUT", "1s"),
        ("MANAGER_BALANCER_WORKERS", "1"),
    ];
    let set = journals.set(1, &one_at_a_time);
    let variables = [("CLIENT_REQUESTS", "3000"), ("CLIENT_CONCURRENCY", "600"), ("CLIENT_MIX", "GET /")];
    let report = Run::start(&set, &journals, &variables).report();
    assert_eq!(report["requests"]["right"], 3000, "{:#}", report["first_failures"]);
    assert_eq!(report["proof"]["verdict"], "proved", "{:#}", report["proof"]);
}
