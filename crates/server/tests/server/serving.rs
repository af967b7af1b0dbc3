//! What a server answers: data, identity, bytes, statuses, digests, conditions, credentials.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use evenkeel_digest::{Algorithm, Digest};

use crate::{process::Server, wire::Response};

#[test]
fn the_data_comes_as_it_was_given() {
    let server = Server::start(&[("SERVER_DATA", "{\"answer\": 42}")]);
    let response = server.get("/", "");
    assert_eq!((response.status, response.text()), (200, "{\"answer\": 42}"));
    assert_eq!(response.field("content-type"), Some("application/json"));
    assert_eq!(response.field("x-server"), Some("alpha"));
    assert_eq!(response.field("repr-digest"), response.field("content-digest"));
    assert!(response.is_intact());
}

#[test]
fn data_can_come_from_a_file_with_a_type_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page");
    std::fs::write(&file, "<p>hello").unwrap();
    let settings = [("SERVER_DATA_FILE", file.to_str().unwrap()), ("SERVER_CONTENT_TYPE", "text/html")];
    let response = Server::start(&settings).get("/", "");
    assert_eq!((response.text(), response.field("content-type")), ("<p>hello", Some("text/html")));
}

#[test]
fn every_answer_has_a_digest_that_is_right() {
    let server = Server::start(&[("SERVER_USERNAME", "student"), ("SERVER_PASSWORD", "evenkeel")]);
    let credentials = basic("student:evenkeel");
    for (target, fields, status) in [
        ("/", "", 401),
        ("/livez", "", 200),
        ("/readyz", "", 200),
        ("/", credentials.as_str(), 200),
        ("/whoami", &credentials, 200),
        ("/bytes/1000", &credentials, 200),
        ("/bytes/200KiB", &credentials, 200),
        ("/bytes/none", &credentials, 400),
        ("/status/204", &credentials, 204),
        ("/status/302", &credentials, 302),
        ("/status/503", &credentials, 503),
        ("/status/99", &credentials, 400),
        ("/delay/1ms", &credentials, 200),
        ("/delay/1h", &credentials, 400),
        ("/nowhere", &credentials, 404),
    ] {
        let response = server.get(target, fields);
        assert_eq!(response.status, status, "{target}");
        assert!(response.is_intact(), "{target}: {response:?}");
        assert_eq!(response.field("x-server"), Some("alpha"), "{target}");
    }
}

#[test]
fn the_algorithm_can_be_chosen_and_digests_turned_off() {
    let server = Server::start(&[("SERVER_DIGEST", "sha-512")]);
    for target in ["/", "/bytes/100KiB", "/nowhere"] {
        let response = server.get(target, "");
        assert!(response.field("content-digest").unwrap().starts_with("sha-512=:") && response.is_intact());
    }
    let server = Server::start(&[("SERVER_DIGEST", "off")]);
    for target in ["/", "/bytes/100KiB", "/nowhere"] {
        let response = server.get(target, "");
        assert_eq!((response.field("content-digest"), response.field("repr-digest")), (None, None));
    }
}

#[test]
fn p60_a_part_has_a_digest_of_its_own_and_that_of_the_whole() {
    let server = Server::start(&[]);
    for (target, length) in [("/bytes/1000", 1000), ("/bytes/300KiB", 300 << 10)] {
        let whole = server.get(target, "");
        assert_eq!(whole.body.len(), length);
        let last = length - 2;
        let part = server.get(target, &format!("range: bytes=1-{last}\r\n"));
        assert_eq!(part.status, 206);
        assert_eq!(part.field("content-range"), Some(format!("bytes 1-{last}/{length}").as_str()));
        assert_eq!(part.body, whole.body[1..=last]);
        assert!(part.is_intact());
        assert_eq!(part.field("repr-digest"), whole.field("content-digest"));
        assert_ne!(part.field("content-digest"), whole.field("content-digest"));
    }
}

#[test]
fn p60_head_tells_the_length_and_the_digest_of_what_get_would_send() {
    let server = Server::start(&[]);
    let nothing = Digest::of(Algorithm::Sha256, b"").field_value();
    for target in ["/", "/bytes/300KiB"] {
        let get = server.get(target, "");
        let mut connection = server.connect();
        let head = connection.ask(&format!("HEAD {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(head.field("content-length"), get.field("content-length"), "{target}");
        assert_eq!(head.field("repr-digest"), get.field("content-digest"), "{target}");
        assert_eq!(head.field("content-digest"), Some(nothing.as_str()), "{target}");
        // Nothing of a body came: the next response begins right after the head.
        assert_eq!(connection.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
    }
}

#[test]
fn nobody_gets_a_digest_of_a_gibibyte_for_a_line() {
    const LONG: &str = "/bytes/1GiB";
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut ask =
        |line: &str, fields: &str| connection.ask(&format!("{line} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    let tag = {
        let head = ask(&format!("HEAD {LONG}"), "");
        assert_eq!((head.status, head.field("content-length")), (200, Some("1073741824")));
        assert_eq!(head.field("repr-digest"), None);
        head.field("etag").unwrap().to_owned()
    };
    let unmodified = ask(&format!("GET {LONG}"), &format!("if-none-match: {tag}\r\n"));
    assert_eq!((unmodified.status, unmodified.field("repr-digest")), (304, None));
    let part = ask(&format!("GET {LONG}"), "range: bytes=5-6\r\n");
    assert_eq!((part.status, part.field("repr-digest")), (206, None));
    assert!(part.is_intact());
}

#[test]
fn a_long_digest_that_is_known_is_told_for_nothing() {
    let server = Server::start(&[]);
    let whole = server.get("/bytes/2MiB", "");
    let head = server.connect().ask("HEAD /bytes/2MiB HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(head.field("repr-digest"), whole.field("content-digest"));
    assert_eq!(
        server.get("/bytes/2MiB", "range: bytes=5-6\r\n").field("repr-digest"),
        whole.field("content-digest")
    );
}

#[test]
fn conditions_and_impossible_ranges_are_answered() {
    let server = Server::start(&[]);
    let whole = server.get("/", "");
    let tag = whole.field("etag").unwrap();
    let unmodified = server.get("/", &format!("if-none-match: {tag}\r\n"));
    assert_eq!((unmodified.status, unmodified.field("etag")), (304, Some(tag)));
    assert_eq!(unmodified.field("repr-digest"), whole.field("content-digest"));
    assert_eq!(server.get("/", "if-match: \"other\"\r\n").status, 412);
    let beyond = server.get("/bytes/10", "range: bytes=10-\r\n");
    assert_eq!((beyond.status, beyond.field("content-range")), (416, Some("bytes */10")));
    assert!(beyond.is_intact());
}

#[test]
fn all_servers_make_the_same_bytes_of_the_same_seed() {
    let (one, other) = (Server::start(&[]), Server::start(&[("SERVER_SEED", "9")]));
    let bytes = |server: &Server, target: &str| server.get(target, "").body;
    assert_eq!(bytes(&one, "/bytes/1000"), bytes(&other, "/bytes/1000"));
    assert_ne!(bytes(&one, "/bytes/1000"), bytes(&one, "/bytes/1000?seed=1"));
    assert_eq!(bytes(&one, "/bytes/100KiB")[..1000], bytes(&one, "/bytes/1000"));
}

#[test]
fn what_is_only_read_refuses_other_methods() {
    let server = Server::start(&[]);
    for target in ["/", "/whoami", "/bytes/1", "/readyz", "/ws"] {
        let response = server.ask(&format!("DELETE {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!((response.status, response.field("allow")), (405, Some("GET, HEAD, OPTIONS")), "{target}");
    }
}

#[test]
fn whoami_shows_the_request_but_not_the_credentials() {
    let server = Server::start(&[]);
    let fields = format!("x-request-id: 7\r\n{}", basic("a:secret"));
    let json = server.get("/whoami?x=1", &fields).json();
    assert_eq!((&json["server"], &json["request"]["target"]), (&"alpha".into(), &"/whoami?x=1".into()));
    assert_eq!(json["address"], server.traffic.to_string());
    let headers = json["request"]["headers"].as_array().unwrap();
    assert!(headers.contains(&serde_json::json!(["x-request-id", "7"])));
    assert!(headers.contains(&serde_json::json!(["authorization", "…"])));
    let text = server.get("/whoami", "accept: text/plain\r\nx-request-id: 7\r\n");
    assert!(text.text().starts_with("Server: alpha\n") && text.text().contains("\nx-request-id: 7\n"));
}

#[test]
fn p78_the_right_credentials_are_let_in_and_the_rest_is_asked() {
    let server = Server::start(&[("SERVER_USERNAME", "jürgen"), ("SERVER_PASSWORD", "a:b")]);
    assert_eq!(server.get("/", &basic("jürgen:a:b")).status, 200);
    for wrong in ["jürgen:a", "student:a:b", ":", "nocolon"] {
        let response: Response = server.get("/", &basic(wrong));
        assert_eq!(response.status, 401, "{wrong}");
        let challenge = "Basic realm=\"evenkeel\", charset=\"UTF-8\"";
        assert_eq!(response.field("www-authenticate"), Some(challenge), "{wrong}");
    }
    assert_eq!(server.get("/", &basic("jürgen:a:b").repeat(2)).status, 400);
}

#[test]
fn a_connection_serves_several_requests_even_when_a_body_was_not_wanted() {
    let server = Server::start(&[("SERVER_USERNAME", "a"), ("SERVER_PASSWORD", "b")]);
    let mut connection = server.connect();
    let credentials = basic("a:b");
    let refused = connection.ask("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!((refused.status, refused.field("connection")), (401, None));
    let post = format!("POST /status/503 HTTP/1.1\r\nhost: a\r\n{credentials}content-length: 5\r\n\r\nhello");
    assert_eq!(connection.ask(&post).status, 503);
    assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: a\r\n{credentials}\r\n")).status, 200);
}

#[test]
fn metrics_count_what_was_answered() {
    let server = Server::start(&[]);
    server.get("/status/418", "");
    let metrics = crate::wire::Connection::open(server.admin).ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        metrics.text().contains("evenkeel_server_responses_total{status=\"418\"} 1\n"),
        "{}",
        metrics.text()
    );
    assert!(metrics.text().contains("evenkeel_server_leaving 0\n"));
}

#[test]
fn options_says_what_there_is() {
    let server = Server::start(&[]);
    for target in ["*", "/", "/whoami", "/livez"] {
        let response = server.ask(&format!("OPTIONS {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(response.status, 204, "{target}");
        assert!(response.field("allow").unwrap().contains("GET, HEAD"), "{target}");
    }
    assert_eq!(server.ask("OPTIONS /nothing HTTP/1.1\r\nhost: a\r\n\r\n").status, 404);
}

#[test]
fn an_upgrade_in_http_1_0_is_ignored() {
    let server = Server::start(&[]);
    for (target, status) in [("/ws", "400"), ("/", "200")] {
        let mut connection = server.connect();
        connection.send(format!(
            "GET {target} HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let answer = String::from_utf8(connection.rest().unwrap()).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
}

#[test]
fn a_websocket_sends_back_what_it_gets() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.send(
        "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let (status, fields) = connection.head();
    assert_eq!(status, 101);
    // The example of RFC 6455 §1.3.
    assert!(fields.contains(&("sec-websocket-accept".into(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into())));
    // A masked text frame, "Hello" under the key 37 fa 21 3d (RFC 6455 §5.7), comes back unmasked.
    connection.send([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    let mut frame = Vec::new();
    connection.exactly(7, &mut frame).unwrap();
    assert_eq!(frame, b"\x81\x05Hello");
}

pub(crate) fn basic(text: &str) -> String {
    format!("authorization: Basic {}\r\n", BASE64_STANDARD.encode(text))
}
