//! What somebody without the token can do to the balancer through its admin port: nothing that its clients notice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, unused_imports, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

use evenkeel_service::admin::CONNECTIONS;
use harness::{Connection, Stage};
use rustix::process::{Resource, Rlimit, prlimit};

const TOKEN: [(&str, &str); 1] = [("ADMIN_TOKEN", "canary-token-6f1d")];

/// More connections than the balancer has descriptors.
const FLOOD: usize = 400;

fn change(fields: &str) -> String {
    format!(
        "POST /api/endpoints/127.0.0.1:1/weight HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: 13\r\n\r\n"
    )
}

/// So many connections on which each of these beginnings was sent in turn.
fn flood(stage: &Stage, beginnings: &[&str]) -> Vec<Connection> {
    let each = beginnings.iter().cycle().take(FLOOD);
    each.map(|beginning| {
        let mut connection = stage.balancer.connect_admin();
        // One that had to give way already is as good.
        connection.try_send(beginning);
        connection
    })
    .collect()
}

#[test]
fn requests_that_are_never_finished_take_neither_traffic_nor_probes_down() {
    let stage = Stage::with(&TOKEN);
    let before = stage.balancer.descriptors();
    let limit = Some(u64::try_from(FLOOD / 2).unwrap());
    prlimit(Some(stage.balancer.pid()), Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    let whole_head = change("");
    let _flood = flood(&stage, &["", "POST /api", &whole_head, "GET /metrics HTTP/1.1\r\nHost: a\r\nX: "]);
    // At once: in a few seconds the deadlines would have closed them as well. A few are for the server and the traffic.
    let open = stage.balancer.descriptors();
    assert!(open <= before + CONNECTIONS + 8, "{open}, {before} before");
    for _ in 0..5 {
        stage.forwarded("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(stage.balancer.admin("/readyz").status(), 200);
    }
}

#[test]
fn whoever_has_no_token_is_not_waited_for() {
    let stage = Stage::with(&TOKEN);
    for (fields, status) in
        [("", 401), ("Authorization: Bearer wrong\r\n", 401), ("Origin: http://a\r\n", 403)]
    {
        let mut connection = stage.balancer.connect_admin();
        // The body never comes.
        connection.send(change(fields));
        let answer = connection.message();
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert!(answer.closes());
    }
}

#[test]
fn streams_leave_room_for_others_and_give_their_places_back() {
    let stage = Stage::with(&TOKEN);
    let ask = || {
        let mut connection = stage.balancer.connect_admin();
        connection.send("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let status = connection.head().status();
        (connection, status)
    };
    let readers: Vec<_> = (0..CONNECTIONS / 4).map(|_| ask()).collect();
    assert!(readers.iter().all(|(_, status)| *status == 200));
    assert_eq!(ask().1, 503);
    assert_eq!(stage.balancer.admin("/readyz").status(), 200);
    drop(readers);
    stage.balancer.wait_until(|_| ask().1 == 200);
}

#[test]
fn a_connection_ends_with_its_answer() {
    let stage = Stage::with(&TOKEN);
    let mut connection = stage.balancer.connect_admin();
    connection.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = connection.message();
    assert!(answer.status() == 200 && answer.closes());
    assert_eq!(connection.closed(), b"");
}

#[test]
fn the_token_of_the_demonstration_is_warned_of() {
    let stage = Stage::with(&[("ADMIN_TOKEN", "evenkeel")]);
    stage.balancer.says("BALANCER_ADMIN_TOKEN is that of the demonstration, which everybody knows");
}
