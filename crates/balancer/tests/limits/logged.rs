//! What the access log tells of requests that go no further, and of who asks.

use serde_json::Value;

use crate::harness::{Balancer, Stage};

const LOG: [(&str, &str); 2] = [("ACCESS_LOG", "json"), ("ACCESS_LOG_PATH", "/dev/stderr")];

fn stage(settings: &[(&str, &str)]) -> Stage {
    Stage::with(&[&LOG, settings].concat())
}

fn get(host: &str, path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
}

/// The line of the log about this path.
fn line(balancer: &Balancer, path: &str) -> Value {
    serde_json::from_str(&balancer.said(&format!("\"path\":\"{path}\""))).unwrap()
}

#[test]
fn a_client_that_a_trusted_proxy_names_stands_before_the_proxy() {
    let stage = stage(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    stage.forwarded(get("Shop.example:81", "/of-one", "X-Forwarded-For: 192.0.2.7\r\n"));
    let told = line(&stage.balancer, "/of-one");
    assert_eq!((&told["client"], &told["host"]), (&"192.0.2.7".into(), &"Shop.example:81".into()));
    assert!(told["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
}

#[test]
fn a_client_of_its_own_is_told_once_whoever_it_says_it_is() {
    let stage = stage(&[]);
    stage.forwarded(get("shop.example", "/of-two", "X-Forwarded-For: 192.0.2.7\r\n"));
    let told = line(&stage.balancer, "/of-two");
    assert!(told["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
    assert_eq!(told.get("peer"), None);
}

#[test]
fn what_goes_no_further_has_an_id_which_its_client_is_told() {
    let redirect = ("REDIRECT", "/old -> /new");
    let stage = stage(&[redirect, ("RATE", "3/h"), ("TRUSTED_PROXIES", "127.0.0.1"), ("DENY", "192.0.2.66")]);
    let from = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    for (path, client, status, end) in [
        ("/old/moved", "192.0.2.1", 308, "redirected"),
        ("/denied", "192.0.2.66", 403, "turned_away"),
        ("/%6fld", "192.0.2.1", 400, "refused"),
    ] {
        let answer = stage.client(get("shop.example", path, &from(client))).message();
        assert_eq!(answer.status(), status);
        let told = line(&stage.balancer, path);
        assert_eq!((&told["end"], &told["client"]), (&end.into(), &client.into()));
        assert_eq!(told["host"], "shop.example");
        assert_eq!(told["request_id"].as_str(), answer.field("x-request-id"), "{answer:?}");
        assert_eq!(told["request_id"].as_str().unwrap().len(), 32, "{told}");
    }
    // Its own is kept where it is sane.
    let own = format!("X-Request-Id: own-1\r\n{}", from("192.0.2.66"));
    let answer = stage.client(get("shop.example", "/own", &own)).message();
    assert_eq!(answer.field("x-request-id"), Some("own-1"));
    assert_eq!(line(&stage.balancer, "/own")["request_id"], "own-1");
    let insane = format!("X-Request-Id: a \"b\r\n{}", from("192.0.2.66"));
    let answer = stage.client(get("shop.example", "/insane", &insane)).message();
    assert_eq!(answer.field("x-request-id").map(str::len), Some(32));
}

#[test]
fn the_text_names_host_and_peer_as_well() {
    let settings =
        [("ACCESS_LOG", "text"), ("ACCESS_LOG_PATH", "/dev/stderr"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let stage = Stage::with(&settings);
    stage.forwarded(get("shop.example", "/of-three", "X-Forwarded-For: 2001:db8::7\r\n"));
    let line = stage.balancer.said(" 2001:db8::7 \"GET /of-three\" status=200");
    assert!(line.contains(" peer=127.0.0.1:") && line.contains(" host=shop.example id="), "{line}");
}

#[test]
fn a_request_as_usual_is_one_line_to_its_last_byte() {
    let shape = |line: &str| {
        let digits =
            |part: &str| part.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
        let mut shape = digits(line);
        while shape.contains("00") {
            shape = shape.replace("00", "0");
        }
        shape
    };
    for (format, expected) in [
        (
            "text",
            "0-0-0T0:0:0.0Z 0.0.0.0:0 \"GET /of-four\" status=0 end=complete in=0 out=0 took=0.0ms host=shop.example \
             id=own route=0.0.0.0:0/first/0/0.0ms",
        ),
        (
            "json",
            "{\"time\":\"0-0-0T0:0:0.0Z\",\"client\":\"0.0.0.0:0\",\"method\":\"GET\",\"host\":\"shop.example\",\
             \"path\":\"/of-four\",\"status\":0,\"end\":\"complete\",\"request_id\":\"own\",\"bytes_in\":0,\
             \"bytes_out\":0,\"duration_ms\":0.0,\"queued_ms\":0.0,\"masked\":false,\"attempts\":[{\
             \"endpoint\":\"0.0.0.0:0\",\"reason\":\"first\",\"outcome\":\"answered\",\"status\":0,\"reused\":false,\
             \"begun_ms\":0.0,\"took_ms\":0.0}]}",
        ),
    ] {
        let stage = Stage::with(&[("ACCESS_LOG", format), ("ACCESS_LOG_PATH", "/dev/stderr")]);
        stage.forwarded(get("shop.example", "/of-four?token=x", "X-Request-Id: own\r\n"));
        assert_eq!(shape(&stage.balancer.said("/of-four")), expected);
    }
}
