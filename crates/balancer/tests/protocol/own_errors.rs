//! P62 and P77: what the balancer says itself, when no server can.

use std::net::TcpStream;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::harness::{Balancer, Connection, Nobody, OK, SHORT, Servers, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// The next message is an error of the balancer's own, of this status and type, and gives nothing away.
fn expect_error(client: &mut Connection, stage_name: &str, status: u16, error: &str) {
    let answer = client.message();
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("proxy-status"), Some(format!("{stage_name}; error={error}").as_str()));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert!(answer.field("content-length").is_some() && answer.field("date").is_some(), "{answer:?}");
    assert_eq!(answer.field("retry-after").is_some(), status == 503, "{answer:?}");
    assert!(answer.text().contains(&format!("\"status\":{status}")), "{}", answer.text());
    for inside in ["127.0.0.1", "localhost", "192.0.2."] {
        assert!(!answer.text().contains(inside) && !answer.raw().contains(inside), "{answer:?}");
    }
}

const NAME: (&str, &str) = ("NAME", "even-1");

fn asking(balancer: &Balancer, request: &str) -> Connection {
    let mut client = balancer.connect();
    client.send(request);
    client
}

#[test]
fn p62_a_refused_connection_says_so() {
    let nobody = Nobody::new();
    let balancer = Balancer::start(&nobody.upstream(), &[NAME]);
    expect_error(&mut asking(&balancer, GET), "even-1", 503, "connection_refused");
}

#[test]
fn p62_a_connection_that_does_not_open_says_so() {
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    // Its queue has room for one; whoever comes later hears nothing.
    let _first = TcpStream::connect(address).unwrap();
    assert!(TcpStream::connect_timeout(&address, Duration::from_millis(50)).is_err());
    let balancer = Balancer::start(&address.to_string(), &[NAME, ("CONNECT_TIMEOUT", SHORT)]);
    expect_error(&mut asking(&balancer, GET), "even-1", 503, "connection_timeout");
}

#[test]
fn p62_a_connection_that_ends_without_an_answer_says_so() {
    let stage = Stage::with(&[NAME]);
    for end in [Connection::reset, drop] {
        let (mut client, server) = stage.answered("");
        end(server);
        expect_error(&mut client, "even-1", 502, "connection_terminated");
    }
}

#[test]
fn p62_an_answer_that_ends_inside_its_head_says_so() {
    let stage = Stage::with(&[NAME]);
    let (mut client, server) = stage.answered("HTTP/1.1 200 OK\r\nX-A");
    drop(server);
    expect_error(&mut client, "even-1", 502, "http_response_incomplete");
}

#[test]
fn p62_an_answer_that_does_not_come_says_so() {
    let stage = Stage::with(&[NAME, ("RESPONSE_TIMEOUT", SHORT)]);
    let (mut client, _server) = stage.answered("");
    expect_error(&mut client, "even-1", 504, "http_response_timeout");
}

#[test]
fn p62_an_answer_that_is_no_http_says_so() {
    let stage = Stage::with(&[NAME]);
    let (mut client, _server) = stage.answered("SSH-2.0-OpenSSH_9.2\r\n");
    expect_error(&mut client, "even-1", 502, "http_protocol_error");
}

#[test]
fn p62_a_request_that_is_refused_says_so() {
    let stage = Stage::with(&[NAME]);
    expect_error(&mut stage.client("GET / HTTP/1.1\r\n\r\n"), "even-1", 400, "http_request_error");
}

#[test]
fn p62_an_upstream_without_a_usable_server_says_so() {
    let nobody = Nobody::new();
    let balancer = Balancer::listening(&nobody.upstream(), &[NAME, ("PROBE", "tcp")]);
    expect_error(&mut asking(&balancer, GET), "even-1", 503, "destination_unavailable");
}

#[test]
fn p62_an_upstream_whose_name_has_no_address_says_so() {
    let balancer = Balancer::listening("name.invalid:80", &[NAME]);
    expect_error(&mut asking(&balancer, GET), "even-1", 503, "dns_error");
}

#[test]
fn p62_a_name_that_cannot_be_written_as_a_token_is_refused_as_a_setting() {
    for name in ["a b", "a;b", "a\"b", "even,1"] {
        let problems = Balancer::refused(&[("NAME", name)]);
        assert!(problems.contains("BALANCER_NAME: "), "{problems}");
    }
}

#[test]
fn p77_a_connection_beyond_the_limit_gets_503() {
    let stage = Stage::with(&[NAME, ("MAX_CONNECTIONS", "1")]);
    let (mut first, _server) = stage.answered(OK);
    assert_eq!(first.message().status(), 200);
    let mut second = stage.client(GET);
    expect_error(&mut second, "even-1", 503, "connection_limit_reached");
    assert_eq!(second.closed(), b"");
    stage.balancer.says("a client is turned away: 1 connections are all that BALANCER_MAX_CONNECTIONS");
}

#[test]
fn p77_a_request_beyond_the_queue_gets_503_at_once() {
    let stage = Stage::with(&[NAME, ("MAX_IN_FLIGHT", "1"), ("MAX_QUEUE", "0")]);
    let (mut first, mut server) = stage.answered("");
    expect_error(&mut stage.client(GET), "even-1", 503, "connection_limit_reached");
    stage.balancer.says("a request got 503: all servers have as many as BALANCER_MAX_IN_FLIGHT allows");
    server.send(OK);
    assert_eq!(first.message().status(), 200);
}

#[test]
fn p77_a_request_that_waited_too_long_in_the_queue_gets_503() {
    let stage = Stage::with(&[NAME, ("MAX_IN_FLIGHT", "1"), ("QUEUE_TIMEOUT", SHORT)]);
    let (mut first, mut server) = stage.answered("");
    expect_error(&mut stage.client(GET), "even-1", 503, "connection_limit_reached");
    stage.balancer.says("a request got 503: all servers have as many as BALANCER_MAX_IN_FLIGHT allows");
    let mut third = stage.client("GET /third HTTP/1.1\r\nHost: h\r\n\r\n");
    server.send(OK);
    assert_eq!(first.message().status(), 200);
    assert_eq!(server.message().line(), "GET /third HTTP/1.1", "its turn came in time");
    server.send(OK);
    assert_eq!(third.message().status(), 200);
}

#[test]
fn p77_an_error_of_a_server_passes_as_it_is() {
    let stage = Stage::new();
    for status in [500, 501, 503] {
        let (mut client, _server) = stage.answered(format!(
            "HTTP/1.1 {status} Its Own\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
        ));
        let response = client.message();
        assert_eq!((response.status(), response.text()), (status, "no"));
        assert_eq!(response.field("proxy-status"), None);
    }
}

#[test]
fn p77_a_401_is_never_sent_elsewhere() {
    let stage = Stage::of(2, &[]);
    let (mut client, _server) =
        stage.answered("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.message().status(), 401);
}

#[test]
fn p77_the_error_of_head_has_no_body() {
    let nobody = Nobody::new();
    let balancer = Balancer::start(&nobody.upstream(), &[NAME]);
    let mut client = asking(&balancer, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status(), 503);
    assert_ne!(head.field("content-length"), Some("0"));
    assert_eq!(client.closed(), b"");
}

#[test]
fn p77_the_connection_of_a_client_outlives_the_error_of_a_server() {
    let stage = Stage::with(&[NAME]);
    let (mut client, server) = stage.answered("");
    drop(server);
    expect_error(&mut client, "even-1", 502, "connection_terminated");
    client.send(GET);
    let mut fresh = stage.servers.accept();
    fresh.message();
    fresh.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn p77_a_leaving_balancer_answers_what_has_begun_and_tells_its_clients_to_go() {
    let stage = Stage::new();
    let (mut waiting, mut server) = stage.answered("");
    let Stage { servers, balancer } = stage;
    balancer.leave();
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 503);
    server.send(OK);
    let response = waiting.message();
    assert_eq!((response.status(), response.closes()), (200, true));
    assert_eq!(waiting.closed(), b"");
    drop(waiting);
    assert_eq!(balancer.left(), Some(0));
    drop::<Servers>(servers);
}
