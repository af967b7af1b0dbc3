//! Signals that do something to other servers.

use rustix::process::{Signal, kill_process};

use crate::harness::{OK, Stage};

#[test]
fn a_signal_that_has_no_effect_here_ends_nothing_that_runs() {
    let stage = Stage::new();
    let (mut client, mut server) = stage.asked_and_answered("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "");
    for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
        kill_process(stage.balancer.pid(), signal).unwrap();
        stage.balancer.says(&format!("{name} changes nothing"));
    }
    server.send(OK);
    assert_eq!(client.message().status(), 200);
    stage.balancer.leave();
    assert_eq!(stage.balancer.left(), Some(0));
}
