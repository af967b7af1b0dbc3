//! P79: what a response says of when it was made, and statuses that no list has. P54: the demand for an upgrade.

use std::time::{Duration, SystemTime};

use crate::harness::{OK_CLOSE, Stage};

/// The `Date` of the client's answer to this response.
fn date_of(stage: &Stage, response: &str) -> Option<String> {
    let (mut client, _server) = stage.answered(response);
    client.head().field("date").map(str::to_owned)
}

#[test]
fn p79_a_response_without_date_gets_one() {
    let stage = Stage::new();
    for response in [
        OK_CLOSE,
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\n\r\nno",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ] {
        let before = SystemTime::now();
        let (mut client, _server) = stage.answered(response);
        let mut head = client.head();
        if head.status() == 103 {
            assert_eq!(head.field("date"), None, "an interim response needs none");
            head = client.head();
        }
        let date = httpdate::parse_http_date(head.field("date").unwrap()).unwrap();
        // It has whole seconds.
        assert!(date + Duration::from_secs(1) > before && date <= SystemTime::now(), "{head:?}");
    }
}

#[test]
fn p79_a_date_of_the_servers_own_is_kept_whatever_it_says() {
    let stage = Stage::new();
    for date in ["Tue, 15 Nov 1994 08:12:31 GMT", "yesterday"] {
        let response =
            format!("HTTP/1.1 200 OK\r\ndate: {date}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(date_of(&stage, &response).as_deref(), Some(date));
    }
}

#[test]
fn p79_a_status_from_600_to_999_is_passed_on() {
    let stage = Stage::new();
    for status in [600, 799, 999] {
        let (mut client, _server) = stage
            .answered(format!("HTTP/1.1 {status} Odd\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
        let answer = client.message();
        assert_eq!((answer.line(), answer.text()), (format!("HTTP/1.1 {status} Odd").as_str(), "no"));
    }
    let metrics = stage.balancer.admin("/metrics");
    assert!(metrics.text().contains("evenkeel_responses_total{class=\"5xx\"} 3\n"), "{}", metrics.text());
}

#[test]
fn p79_what_is_no_status_is_a_bad_answer() {
    let stage = Stage::new();
    for status in ["000", "099", "99", "1000", "2x0", "-20"] {
        let (mut client, _server) =
            stage.answered(format!("HTTP/1.1 {status} evil\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.message().status(), 502, "{status}");
    }
}

#[test]
fn p79_one_odd_status_in_fifty_ejects_nobody() {
    let stage = Stage::of(2, &[]);
    for number in 0..200 {
        let mut client = stage.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        let mut server = stage.servers.accept();
        server.message();
        if number % 50 == 49 {
            server.send("HTTP/1.1 600 Odd\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.message().status(), 600);
        } else {
            server.send(OK_CLOSE);
            assert_eq!(client.message().status(), 200);
        }
    }
    let endpoints = stage.balancer.admin("/api/endpoints");
    assert_eq!(endpoints.text().matches("\"usable\":true").count(), 2, "{}", endpoints.text());
    assert!(!endpoints.text().contains("ejected\""), "{}", endpoints.text());
}

#[test]
fn p54_a_demand_for_an_upgrade_says_to_what() {
    let stage = Stage::new();
    let response = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n";
    let (mut client, _server) = stage.answered(response);
    let answer = client.message();
    assert_eq!((answer.status(), answer.field("upgrade")), (426, Some("websocket")));
    assert_eq!(answer.field("connection"), Some("upgrade"));
}
