//! Whoever reads the log, or the access log, may go away or stop reading: work goes on, and SIGTERM is heard.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::Stdio;

use crate::harness::{Balancer, OK, Servers};

/// What a pipe holds that nobody reads.
const FULL: usize = 64 * 1024;

const ACCESS_LOG: &[(&str, &str)] = &[("ACCESS_LOG", "text")];

/// The usual request, one to which something happens that is logged, and the end.
fn works_and_leaves(balancer: Balancer, servers: &Servers) {
    for _ in 0..3 {
        let mut client = balancer.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let mut server = servers.accept();
        server.message();
        server.send(OK).finish();
        assert_eq!(client.message().status(), 200);
        let mut client = balancer.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut server = servers.accept();
        server.message();
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\ncut off").finish();
        client.reset_by_peer();
    }
    assert!(balancer.admin("/api/endpoints").text().contains("127.0.0.1"));
    balancer.leave();
    assert_eq!(balancer.left(), Some(0));
}

/// A pipe that has no reader any more.
fn broken() -> PipeWriter {
    pipe().unwrap().1
}

/// A pipe that takes nothing, as long as what is returned with it exists.
fn full() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'x'; FULL]).unwrap();
    (reader, writer)
}

#[test]
fn a_lost_reader_of_the_log_ends_nothing() {
    let servers = Servers::listen(1);
    let balancer = Balancer::with_output(&servers.upstream(), ACCESS_LOG, Stdio::null(), broken());
    works_and_leaves(balancer, &servers);
}

#[test]
fn a_reader_of_the_log_that_does_not_read_blocks_nothing() {
    let servers = Servers::listen(1);
    let (_unread, log) = full();
    let balancer = Balancer::with_output(&servers.upstream(), ACCESS_LOG, Stdio::null(), log);
    works_and_leaves(balancer, &servers);
}

#[test]
fn a_lost_reader_of_the_access_log_ends_nothing() {
    let servers = Servers::listen(1);
    let balancer = Balancer::with_output(&servers.upstream(), ACCESS_LOG, broken(), Stdio::null());
    works_and_leaves(balancer, &servers);
}

#[test]
fn a_reader_of_both_logs_that_does_not_read_blocks_nothing() {
    let servers = Servers::listen(1);
    let ((_unread, output), (_too, log)) = (full(), full());
    let balancer = Balancer::with_output(&servers.upstream(), ACCESS_LOG, output, log);
    works_and_leaves(balancer, &servers);
}
