//! What other settings do, and to whom.

use crate::harness::{Connection, Nobody, OK, OK_CLOSE, Servers};
use crate::{GET, Settled};

/// The line that names these servers.
fn upstream(servers: &Servers) -> String {
    format!("UPSTREAM={}", servers.upstream())
}

#[test]
fn a_request_ends_under_what_it_began_with_and_the_next_begins_under_what_is_new() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "RESPONSE_SET=X-Set: one"]);
    let mut client = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    settled.change(&[&upstream, "RESPONSE_SET=X-Set: two"]);
    server.send(OK);
    assert_eq!(client.message().field("x-set"), Some("one"));
    client.send(GET);
    server.message();
    server.send(OK);
    assert_eq!(client.message().field("x-set"), Some("two"), "on the same two connections");
}

#[test]
fn an_upstream_comes_and_goes_and_who_is_on_it_ends_there() {
    let (web, api) = (Servers::listen(1), Servers::listen(1));
    let (alone, own) = (upstream(&web), format!("UPSTREAM_API={}", api.upstream()));
    let settled = Settled::with(&[&alone]);
    let is_served = |by: &Servers, client: &mut Connection| {
        let mut server = by.accept();
        server.message();
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
    };
    is_served(&web, &mut settled.ask("/api"));
    settled.change(&[&alone, &own, "UPSTREAM_API_ROUTE=/api"]);
    is_served(&api, &mut settled.ask("/api"));
    is_served(&web, &mut settled.ask("/other"));
    settled.says("\"upstream\":\"default\"");
    let mut last = settled.ask("/api");
    let mut server = api.accept();
    server.message();
    settled.change(&[&alone]);
    is_served(&web, &mut settled.ask("/api"));
    assert!(!settled.balancer.admin("/api/endpoints").text().contains(&api.upstream()));
    server.send(OK_CLOSE).finish();
    assert_eq!(last.message().status(), 200, "it had begun there");
    settled.balancer.says(&format!("{} of api is gone", api.upstream()));
    is_served(&web, &mut settled.ask("/api"));
}

#[test]
fn routes_and_redirects_are_those_of_the_new_settings() {
    let (web, api) = (Servers::listen(1), Servers::listen(1));
    let (alone, own) = (upstream(&web), format!("UPSTREAM_API={}", api.upstream()));
    let settled = Settled::with(&[&alone, &own, "UPSTREAM_API_ROUTE=/api", "REDIRECT=/old -> /new"]);
    api.answer_all(OK_CLOSE);
    let seen = |path: &str| {
        let answer = settled.ask(path).message();
        (answer.status(), answer.field("location").map(str::to_owned))
    };
    assert_eq!(seen("/old"), (308, Some("/new".to_owned())));
    settled.change(&[&alone, &own, "UPSTREAM_API_ROUTE=/old", "REDIRECT=/api -> /old;302"]);
    assert_eq!(seen("/api"), (302, Some("/old".to_owned())));
    assert_eq!(seen("/old"), (200, None));
    settled.says("\"name\":\"api\",\"routes\":[\"/old\"]");
}

#[test]
fn servers_are_changed_and_who_is_on_the_old_ones_ends_there() {
    let (old, new) = (Servers::listen(1), Servers::listen(1));
    let settled = Settled::with(&[&upstream(&old)]);
    let mut client = settled.ask("/");
    let mut server = old.accept();
    server.message();
    settled.change(&[&upstream(&new)]);
    // The old one serves until the new one is found.
    settled.balancer.wait_until(|balancer| {
        let endpoints = balancer.admin("/api/endpoints");
        endpoints.text().matches("\"usable\":true").count() == 1 && endpoints.text().contains(&new.upstream())
    });
    let mut next = settled.ask("/");
    let mut other = new.accept();
    other.message();
    other.send(OK_CLOSE).finish();
    assert_eq!(next.message().status(), 200);
    server.send(OK_CLOSE).finish();
    assert_eq!(client.message().status(), 200);
}

#[test]
fn a_name_that_nobody_has_costs_no_request() {
    let servers = Servers::listen(1);
    let settled = Settled::with(&[&upstream(&servers)]);
    settled.change(&["UPSTREAM=nobody.invalid:80"]);
    settled.balancer.says("BALANCER_UPSTREAM: `nobody.invalid` is not found");
    let mut client = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    server.send(OK_CLOSE).finish();
    assert_eq!(client.message().status(), 200);
}

#[test]
fn a_server_that_has_yet_to_start_costs_no_request() {
    let servers = Servers::listen(1);
    let settled = Settled::with(&[&upstream(&servers), "PROBE=tcp", "PROBE_INTERVAL=50ms"]);
    servers.answer_all(OK_CLOSE);
    settled.change(&[&format!("UPSTREAM={}", Nobody::new().upstream()), "PROBE=tcp", "PROBE_INTERVAL=50ms"]);
    settled.balancer.says("has passed no probe yet and serves nobody");
    assert_eq!(settled.ask("/").message().status(), 200);
}

#[test]
fn what_is_known_of_a_server_and_the_connections_to_it_outlive_other_settings_of_its_upstream() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "POLICY=least_requests"]);
    let mut client = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    server.send(OK);
    client.message();
    settled.change(&[&upstream, "POLICY=round_robin", "RESPONSE_TIMEOUT=3s", "MAX_IN_FLIGHT=7"]);
    let endpoints = settled.balancer.admin("/api/endpoints");
    assert!(endpoints.text().contains("\"policy\":\"round_robin\""), "{}", endpoints.text());
    assert!(endpoints.text().contains("\"attempts\":1,"), "{}", endpoints.text());
    assert!(endpoints.text().contains("\"successes\":1,"), "{}", endpoints.text());
    client.send(GET);
    server.message();
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn a_timeout_is_that_of_the_settings_under_which_the_request_began() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "RESPONSE_TIMEOUT=1m", "ATTEMPTS=1"]);
    let mut patient = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    settled.change(&[&upstream, "RESPONSE_TIMEOUT=300ms", "ATTEMPTS=1"]);
    let mut hasty = settled.ask("/");
    let mut silent = servers.accept();
    silent.message();
    assert_eq!(hasty.message().status(), 504);
    server.send(OK);
    assert_eq!(patient.message().status(), 200);
}

#[test]
fn a_quiet_client_is_waited_for_as_long_as_the_new_settings_say() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "IDLE_TIMEOUT=1h", "FIRST_BYTE_TIMEOUT=1h"]);
    servers.answer_all(OK);
    settled.ask("/").message();
    settled.change(&[&upstream, "IDLE_TIMEOUT=300ms", "FIRST_BYTE_TIMEOUT=1h"]);
    let mut client = settled.ask("/");
    client.message();
    assert_eq!(client.closed(), b"");
}

#[test]
fn an_upstream_that_comes_back_while_a_request_is_on_it_is_the_one_from_before() {
    let (web, api) = (Servers::listen(1), Servers::listen(1));
    let (alone, own) = (upstream(&web), format!("UPSTREAM_API={}", api.upstream()));
    let both = [&alone, own.as_str(), "UPSTREAM_API_ROUTE=/api"];
    let settled = Settled::with(&both);
    let mut client = settled.ask("/api");
    let mut server = api.accept();
    server.message();
    settled.change(&[&alone]);
    settled.change(&both);
    let endpoints = settled.balancer.admin("/api/endpoints");
    assert!(endpoints.text().contains("\"in_flight\":1,"), "{}", endpoints.text());
    server.send(OK_CLOSE).finish();
    assert_eq!(client.message().status(), 200);
    let endpoints = settled.balancer.admin("/api/endpoints");
    assert!(endpoints.text().contains("\"attempts\":1,"), "{}", endpoints.text());
    settled.change(&[&alone]);
    settled.balancer.says(&format!("{} of api is gone", api.upstream()));
}

#[test]
fn a_value_in_a_file_of_its_own_is_read_again_when_somebody_asks() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "a-key-of-sixteen").unwrap();
    let named = format!("STICKY_KEY_FILE={}", key.path().display());
    let settled = Settled::with(&[&upstream, "STICKY_COOKIE=pin", &named]);
    servers.answer_all(OK_CLOSE);
    let cookie = || settled.ask("/").message().field("set-cookie").unwrap().to_owned();
    let before = cookie();
    assert!(settled.reload().text().contains("\"changes\":[]"));
    assert_eq!(cookie(), before);
    std::fs::write(key.path(), "another-key-of-sixteen").unwrap();
    assert!(settled.reload().text().contains("which holds something else"));
    assert_ne!(cookie(), before);
}

#[test]
fn nothing_of_an_upstream_stays_when_it_is_gone() {
    let (web, api) = (Servers::listen(1), Servers::listen(1));
    let (alone, own) = (upstream(&web), format!("UPSTREAM_API={}", api.upstream()));
    let settled = Settled::beside(&[("WORKERS", "2")], &[&alone]);
    api.answer_all(OK);
    let serves_alone = |settled: &Settled| {
        settled.change(&[&alone, &own, "UPSTREAM_API_ROUTE=/api"]);
        assert_eq!(settled.ask("/api").message().status(), 200);
        settled.change(&[&alone]);
    };
    serves_alone(&settled);
    let descriptors = settled.balancer.descriptors();
    for _ in 0..10 {
        serves_alone(&settled);
    }
    settled.balancer.wait_until(|balancer| balancer.descriptors() <= descriptors);
}

#[test]
fn a_rate_goes_on_while_it_is_the_same_and_begins_anew_where_it_is_another() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::beside(&[("WORKERS", "2")], &[&upstream, "RATE=1/h;burst=2"]);
    servers.answer_all(OK_CLOSE);
    let status = || settled.ask("/").message().status();
    assert_eq!(status(), 200);
    settled.change(&[&upstream, "RATE=1/h;burst=2", "DENY=192.0.2.0/24"]);
    assert_eq!([status(), status()], [200, 429]);
    settled.change(&[&upstream, "RATE=2/h;burst=3"]);
    assert_eq!([status(), status(), status(), status()], [200, 200, 200, 429]);
    settled.change(&[&upstream]);
    assert_eq!([status(), status()], [200, 200]);
    settled.change(&[&upstream, "DENY=127.0.0.0/8"]);
    assert_eq!([status(), status()], [403, 403], "on both workers");
}

#[test]
fn the_most_connections_of_a_client_and_of_all_are_changed() {
    let servers = Servers::listen(1);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "MAX_CONNECTIONS=1"]);
    let mut first = settled.ask("/");
    servers.accept().message();
    assert_eq!(settled.ask("/").message().status(), 503);
    settled.change(&[&upstream, "MAX_CONNECTIONS=9", "CLIENT_CONNECTIONS=1"]);
    let _second = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    // The first came while nobody was counted.
    assert_eq!(settled.ask("/").message().status(), 429);
    assert_eq!(settled.metric("evenkeel_connections_limit"), 9);
    settled.change(&[&upstream]);
    let mut third = settled.ask("/");
    let mut server = servers.accept();
    server.message();
    server.send(OK_CLOSE).finish();
    assert_eq!(third.message().status(), 200);
    first.finish();
}

#[test]
fn a_session_goes_on_under_the_key_that_was_drawn_at_the_start() {
    let servers = Servers::listen(2);
    let upstream = upstream(&servers);
    let settled = Settled::with(&[&upstream, "STICKY_COOKIE=pin"]);
    let mut client = settled.ask("/");
    let (pinned, mut server) = servers.accept_at_any();
    server.message();
    server.send(OK_CLOSE).finish();
    let cookie = client.message().field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    settled.change(&[&upstream, "STICKY_COOKIE=pin", "POLICY=round_robin"]);
    for _ in 0..4 {
        let mut client = settled.balancer.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n"));
        let (at, mut server) = servers.accept_at_any();
        server.message();
        server.send(OK_CLOSE).finish();
        client.message();
        assert_eq!(at, pinned);
    }
}
