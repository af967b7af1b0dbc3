//! A slow server is not a dead one: silence asks the probe, and moves nothing by itself.

use crate::harness::{Connection, OK, OK_CLOSE, Stage};

const GET: &str = "GET /quick HTTP/1.1\r\nHost: h\r\n\r\n";

/// Requests that wait at one server while the other answers clients of its own.
struct Waiting {
    client: Connection,
    slow: Connection,
}

/// Sends a request, waits until the balancer counts its server as silent, and gives what is going on.
fn waiting(stage: &Stage, request: &str) -> Waiting {
    let client = stage.client(request);
    let (index, mut slow) = stage.servers.accept_at_any();
    assert_eq!(slow.message().field("x-attempt"), Some("1"));
    // Silence is one only beside others that answer.
    quick(stage, index);
    stage.balancer.wait_until(|_| silences(stage) == 1);
    Waiting { client, slow }
}

/// A request of another client, which the other server answers.
fn quick(stage: &Stage, slow: usize) {
    let mut other = stage.client(GET);
    let (index, mut server) = stage.servers.accept_at_any();
    assert_ne!(index, slow);
    assert_eq!(server.message().line(), "GET /quick HTTP/1.1");
    server.send(OK_CLOSE);
    assert_eq!(other.message().status(), 200);
}

fn silences(stage: &Stage) -> usize {
    failures(stage, "silent")
}

/// Failures of a class, of all servers.
fn failures(stage: &Stage, class: &str) -> usize {
    let metrics = stage.balancer.admin("/metrics");
    let of_class = format!("class=\"{class}\"}} ");
    let counts =
        metrics.text().lines().filter_map(|line| line.rsplit_once(&of_class)?.1.parse::<usize>().ok());
    counts.sum()
}

/// Attempts ever begun, of all servers.
fn attempts(stage: &Stage) -> usize {
    let answer = stage.balancer.admin("/api/endpoints");
    let all: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let endpoints = all["endpoints"].as_array().unwrap();
    endpoints.iter().map(|endpoint| endpoint["attempts"].as_u64().unwrap() as usize).sum()
}

#[test]
fn p73_a_request_whose_server_is_slow_is_executed_once_whatever_it_is() {
    for (request, settings) in [
        ("DELETE /item/7 HTTP/1.1\r\nHost: h\r\n\r\n", &[][..]),
        ("PUT /item/7 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", &[]),
        ("GET /export HTTP/1.1\r\nHost: h\r\n\r\n", &[]),
        ("GET /export HTTP/1.1\r\nHost: h\r\n\r\n", &[("HEDGE", "off")]),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", &[]),
    ] {
        let stage = Stage::of(2, settings);
        let Waiting { mut client, mut slow } = waiting(&stage, request);
        slow.send("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        assert_eq!(client.message().status(), 201, "{request}");
        assert_eq!(attempts(&stage), 2, "{request}");
    }
}

#[test]
fn p75_a_put_moves_when_the_response_timeout_is_over() {
    let stage = Stage::of(2, &[("RESPONSE_TIMEOUT", "300ms")]);
    let mut client = stage.client("PUT /item HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    let (first, mut slow) = stage.servers.accept_at_any();
    slow.message();
    let (second, mut server) = stage.servers.accept_at_any();
    assert_ne!(first, second);
    assert_eq!(server.message().field("x-attempt"), Some("2"));
    assert_eq!(slow.closed(), b"", "it is in one place at a time");
    server.send(OK_CLOSE);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn p75_a_response_that_never_comes_is_laid_to_its_server() {
    let stage = Stage::of(2, &[("RESPONSE_TIMEOUT", "100ms")]);
    let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    let mut slow = stage.servers.accept();
    slow.message();
    assert_eq!(client.message().status(), 504);
    stage.balancer.wait_until(|_| failures(&stage, "response") == 1);
}

#[test]
fn p73_how_far_repeating_goes_is_a_setting() {
    const DELETE: &str = "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (setting, request, again) in
        [("idempotent", DELETE, true), ("safe", DELETE, false), ("safe", GET, true), ("never", GET, false)]
    {
        let stage = Stage::of(2, &[("REPEAT", setting)]);
        let mut client = stage.client(request);
        let (_, mut first) = stage.servers.accept_at_any();
        first.message();
        drop(first);
        if again {
            let (_, mut second) = stage.servers.accept_at_any();
            second.message();
            second.send(OK_CLOSE);
        }
        assert_eq!(client.message().status(), if again { 200 } else { 502 }, "{setting}: {request}");
    }
}

#[test]
fn a_session_stays_at_its_server_while_that_is_slow() {
    let stage = Stage::of(2, &[("STICKY_COOKIE", "at"), ("STICKY_KEY", "a key of sixteen characters")]);
    let mut client = stage.client("GET /login HTTP/1.1\r\nHost: h\r\n\r\n");
    let (home, mut server) = stage.servers.accept_at_any();
    server.message();
    server.send(OK_CLOSE);
    let login = client.message();
    let cookie = login.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();

    let page = format!("GET /page HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n");
    client.send(&page);
    let (index, mut slow) = stage.servers.accept_at_any();
    assert_eq!(index, home);
    slow.message();
    quick(&stage, home);
    stage.balancer.wait_until(|_| silences(&stage) == 1);
    // Suspect or not, the next request of the session goes there as well.
    let mut next = stage.client(&page);
    let (index, mut server) = stage.servers.accept_at_any();
    assert_eq!(index, home);
    server.message();
    server.send(OK_CLOSE);
    assert_eq!(next.message().field("set-cookie"), None);
    slow.send(OK);
    let page = client.message();
    assert_eq!((page.status(), page.field("set-cookie")), (200, None));
}

#[test]
fn a_hedged_request_runs_on_at_its_slow_server_and_its_connection_serves_the_next() {
    let stage = Stage::of(2, &[("HEDGE_BUDGET", "100")]);
    let settle = |mut client: Connection| assert_eq!(client.message().status(), 200);
    let ask =
        |number: usize| stage.client(format!("GET /quick HTTP/1.1\r\nHost: h\r\nNumber: {number}\r\n\r\n"));
    // On a busy machine one that was answered may have been hedged as well: that attempt comes before the next request.
    let attempt_of = |number: usize| loop {
        let (_, mut server) = stage.servers.accept_at_any();
        if server.is_over() {
            continue;
        }
        let seen = server.message();
        if seen.field("number") == Some(&number.to_string()) {
            return (server, seen.field("x-attempt").unwrap().to_owned());
        }
        server.send(OK_CLOSE);
    };
    // What is usual for its kind has to be known, and the budget be earned.
    for number in 0..40 {
        let client = ask(number);
        attempt_of(number).0.send(OK_CLOSE);
        settle(client);
    }
    let client = ask(40);
    let (mut slow, first) = attempt_of(40);
    let (mut quick, second) = attempt_of(40);
    assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
    quick.send(OK_CLOSE);
    settle(client);
    let in_flight = || stage.balancer.admin("/api/endpoints").text().matches("\"in_flight\":1").count();
    assert_eq!(in_flight(), 1, "its server is still at work");
    slow.send(OK);
    stage.balancer.wait_until(|_| in_flight() == 0);
    // The other server has no idle connection: whoever is picked there would have to be accepted.
    let clients = [stage.client(GET), stage.client(GET)];
    let (_, mut fresh) = stage.servers.accept_at_any();
    for server in [&mut slow, &mut fresh] {
        server.message();
        server.send(OK_CLOSE);
    }
    clients.into_iter().for_each(settle);
}
