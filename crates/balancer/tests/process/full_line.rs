//! A server whose line of connections that wait to be taken is full: it lives, and answers nobody who comes anew.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::harness::{Balancer, Connection, OK, OK_CLOSE};

/// A lost segment is asked for again after a second. No connection is opened beside the ones that requests need.
const SETTINGS: [(&str, &str); 4] =
    [("PROBE", "off"), ("CONNECT_TIMEOUT", "1s"), ("RACE", "off"), ("HEDGE", "off")];

/// Listens with the shortest line there is.
fn listen() -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Connects until that is no longer answered.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    std::iter::from_fn(|| connect().ok()).collect()
}

fn ask(client: &mut Connection) {
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
}

fn server(balancer: &Balancer) -> Value {
    let all: Value = serde_json::from_str(balancer.admin("/api/endpoints").text()).unwrap();
    all["endpoints"][0].clone()
}

/// A balancer whose only server works on a request and whose line is full, and a second request that waits for a connection.
struct Waiting {
    balancer: Balancer,
    listener: TcpListener,
    in_line: Vec<TcpStream>,
    server: Connection,
    at_work: Connection,
    late: Connection,
}

fn waiting() -> Waiting {
    let (listener, address) = listen();
    let balancer = Balancer::start(&address.to_string(), &SETTINGS);
    let mut at_work = balancer.connect();
    ask(&mut at_work);
    let mut server = Connection::of(listener.accept().unwrap().0);
    server.message();
    let in_line = fill(address);
    let mut late = balancer.connect();
    ask(&mut late);
    balancer.wait_until(|balancer| self::server(balancer)["attempts"] == 2);
    Waiting { balancer, listener, in_line, server, at_work, late }
}

#[test]
fn a_request_waits_for_a_connection_while_others_are_answered() {
    let Waiting { balancer, listener, in_line, mut server, mut at_work, mut late } = waiting();
    // For longer than two connects may take.
    for _ in 0..25 {
        server.send(OK);
        assert_eq!(at_work.message().status(), 200);
        assert!(late.is_silent_for(Duration::from_millis(100)), "{:?}", late.message());
        ask(&mut at_work);
        server.message();
    }
    let is_healthy = |server: &Value| server["state"] == "healthy" && server["suspect"] == false;
    let now = self::server(&balancer);
    assert!(is_healthy(&now) && now["ejections"] == 0, "{now}");
    drop(in_line);
    let mut taken = std::iter::from_fn(|| Some(Connection::of(listener.accept().unwrap().0)));
    let mut server = taken.find_map(|mut taken| (!taken.is_over()).then_some(taken)).unwrap();
    server.message();
    server.send(OK_CLOSE);
    assert_eq!(late.message().status(), 200);
}

#[test]
fn a_connect_fails_where_nobody_is_answered_meanwhile() {
    let mut waiting = waiting();
    let answer = waiting.late.message();
    assert_eq!(answer.status(), 503);
    assert!(answer.head.raw().contains("connection_timeout"), "{answer:?}");
}

#[test]
fn a_connect_that_lost_its_race_after_long_takes_no_place_in_a_full_line() {
    let lines = [listen(), listen()];
    let upstream = lines.each_ref().map(|(_, address)| address.to_string()).join(",");
    let settings = [("PROBE", "off"), ("CONNECT_TIMEOUT", "10s"), ("HEDGE", "off")];
    let balancer = Balancer::start(&upstream, &settings);
    let mut in_line = lines.each_ref().map(|(_, address)| fill(*address));
    let mut client = balancer.connect();
    ask(&mut client);
    balancer.wait_until(|balancer| {
        let all: Value = serde_json::from_str(balancer.admin("/api/endpoints").text()).unwrap();
        all["endpoints"].as_array().unwrap().iter().all(|server| server["attempts"] == 1)
    });
    let mut take = |index: usize| {
        let left = in_line[index].drain(..).count();
        (0..left).for_each(|_| drop(lines[index].0.accept().unwrap()));
    };
    take(0);
    // It is asked again after a second.
    let mut server = Connection::of(lines[0].0.accept().unwrap().0);
    server.message();
    server.send(OK_CLOSE);
    assert_eq!(client.message().status(), 200);
    take(1);
    let other = Socket::from(lines[1].0.try_clone().unwrap());
    other.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    assert_eq!(other.accept().map(|_| ()).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
