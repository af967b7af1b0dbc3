//! What the process itself lacks is no server's fault.

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use crate::harness::{OK, OK_CLOSE, Stage};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_lack_of_descriptors_is_told_and_laid_to_no_server() {
    let stage = Stage::new();
    let (mut client, server) = stage.asked_and_answered(GET, OK_CLOSE);
    assert_eq!(client.message().status(), 200);
    drop(server);
    // What is open stays open.
    let none = Rlimit { current: Some(1), ..getrlimit(Resource::Nofile) };
    let before = prlimit(Some(stage.balancer.pid()), Resource::Nofile, none).unwrap();
    let lacking = client.send(GET).message();
    assert_eq!(lacking.status(), 503);
    assert!(lacking.field("proxy-status").unwrap().ends_with("; error=proxy_internal_error"));
    stage.balancer.says("no connection to a server can be opened");
    prlimit(Some(stage.balancer.pid()), Resource::Nofile, before).unwrap();
    client.send(GET);
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}
