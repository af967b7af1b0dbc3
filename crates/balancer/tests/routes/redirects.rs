//! Requests that are sent elsewhere, with one upstream and with several.

use serde_json::Value;

use crate::Two;
use crate::harness::message::Message;
use crate::harness::{Balancer, Stage};

const REDIRECTED: &str = "evenkeel_requests_redirected_total{reason=\"route\"}";

fn count(balancer: &Balancer, series: &str) -> u64 {
    let metrics = balancer.admin("/metrics");
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(series).map(str::to_owned));
    value.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
}

fn ask(stage: &Stage, host: &str, path: &str) -> Message {
    stage.client(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).message()
}

#[test]
fn a_host_and_a_path_are_sent_elsewhere_and_the_rest_is_served() {
    let moved = "www.shop.example -> https://shop.example, shop.example/old -> /new;302";
    let stage = Stage::with(&[("REDIRECT", moved)]);
    let mut client = stage.balancer.connect();
    // The connection lasts.
    for (host, path, status, location) in [
        ("WWW.shop.example:80", "/a?b", 308, "https://shop.example/a?b"),
        ("shop.example", "/old/x?y", 302, "/new/x?y"),
        ("www.shop.example", "/", 308, "https://shop.example/"),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.message();
        assert_eq!((answer.status(), answer.field("location")), (status, Some(location)));
        assert_eq!(answer.field("cache-control"), None, "how long it holds is for the user to say");
    }
    let seen = stage.forwarded("GET /older HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(seen.line(), "GET /older HTTP/1.1");
    assert_eq!(count(&stage.balancer, REDIRECTED), 3);
    assert_eq!(count(&stage.balancer, "evenkeel_responses_total{class=\"3xx\"}"), 3);
    assert_eq!(count(&stage.balancer, "evenkeel_attempts_total{reason=\"first\"}"), 1);
}

#[test]
fn nobody_is_sent_to_a_host_of_the_requests_own_choice() {
    let stage = Stage::with(&[("REDIRECT", "/gone -> /;307")]);
    for path in [
        "/gone//evil.example",
        "/gone/\\evil.example",
        "/gone/%2fevil.example",
        "/%67one/x",
        "/gone/..//evil.example",
    ] {
        let answer = ask(&stage, "shop.example", path);
        assert_eq!((answer.status(), answer.field("location")), (400, None), "{path}");
    }
    let answer = ask(&stage, "evil.example", "/gone/x");
    assert_eq!((answer.status(), answer.field("location")), (307, Some("/x")));
    assert_eq!(count(&stage.balancer, REDIRECTED), 1);
}

#[test]
fn a_request_with_a_body_is_sent_elsewhere_without_it() {
    let stage = Stage::with(&[("REDIRECT", "/old -> /new")]);
    let head = "POST /old HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
    let answer = stage.client(format!("{head}not all of it")).message();
    assert_eq!((answer.status(), answer.closes()), (308, true));
}

#[test]
fn the_answer_gains_what_is_set_and_keeps_where_it_leads() {
    let set = "X-Frame-Options: DENY\nCache-Control: max-age=60\nLocation: /elsewhere";
    let stage = Stage::with(&[("REDIRECT", "/old -> /new"), ("RESPONSE_SET", set)]);
    let answer = ask(&stage, "h", "/old");
    assert_eq!(answer.values("x-frame-options"), ["DENY"]);
    assert_eq!(answer.values("cache-control"), ["max-age=60"]);
    assert_eq!(answer.values("location"), ["/new"]);
}

#[test]
fn a_client_that_may_not_come_is_sent_nowhere() {
    let stage = Stage::with(&[("REDIRECT", "/old -> /new"), ("DENY", "127.0.0.0/8")]);
    assert_eq!(ask(&stage, "h", "/old").status(), 403);
}

#[test]
fn the_more_specific_of_a_redirect_and_an_upstreams_route_wins() {
    let two = Two::new(
        "/api, shop.example/old/kept",
        &[("REDIRECT", "/api/v1 -> /api/v2, shop.example/old -> /new")],
    );
    for (path, location) in [("/api/v1/x", "/api/v2/x"), ("/old/x", "/new/x")] {
        assert_eq!(two.answered("shop.example", path).field("location"), Some(location));
    }
    assert_eq!(two.served(&two.api, "shop.example", "/api/v3").line(), "GET /api/v3 HTTP/1.1");
    assert_eq!(two.served(&two.api, "shop.example", "/old/kept").line(), "GET /old/kept HTTP/1.1");
    assert_eq!(two.served(&two.web, "other.example", "/old/x").line(), "GET /old/x HTTP/1.1");
}

#[test]
fn redirects_are_told_of_and_a_single_upstream_has_no_name_for_their_sake() {
    let stage = Stage::with(&[
        ("REDIRECT", "/old -> /new;301"),
        ("ACCESS_LOG", "json"),
        ("ACCESS_LOG_PATH", "/dev/stderr"),
    ]);
    assert_eq!(ask(&stage, "h", "/old/x?secret").status(), 301);
    stage.balancer.says("\"path\":\"/old/x\",\"status\":301,\"end\":\"redirected\"");
    let told =
        |balancer: &Balancer| -> Value { serde_json::from_str(balancer.admin("/api/state").text()).unwrap() };
    stage.balancer.wait_until(|balancer| told(balancer)["totals"]["redirected"] == 1);
    let told = told(&stage.balancer);
    assert_eq!(told["redirects"][0], "/old -> /new;301");
    assert_eq!((told.get("upstreams"), told["endpoints"][0].get("upstream")), (None, None));
}
