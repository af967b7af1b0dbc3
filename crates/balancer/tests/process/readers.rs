//! Whoever reads the log, or the access log, may go away or stop reading: work goes on, and SIGTERM is heard.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Balancer, OK, Servers, Stage};

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

#[test]
fn an_access_log_that_is_a_pipe_waits_for_no_reader_and_misses_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let stage = Stage::with(&[("ACCESS_LOG", "text"), ("ACCESS_LOG_PATH", path.to_str().unwrap())]);
    for request in ["/before", "/after"] {
        let (mut client, _server) =
            stage.asked_and_answered(format!("GET {request} HTTP/1.1\r\nHost: h\r\n\r\n"), OK);
        assert_eq!(client.message().status(), 200);
        // Each time another reader, and between them none.
        let mut line = String::new();
        BufReader::new(File::open(&path).unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(&format!("GET {request}")), "{line}");
    }
}
