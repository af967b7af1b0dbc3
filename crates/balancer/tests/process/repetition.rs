//! A trouble that repeats itself is said now and then.

use crate::harness::Stage;

#[test]
fn many_responses_cut_off_in_a_moment_are_few_lines() {
    const MANY: usize = 40;
    let stage = Stage::with(&[("HEDGE", "off")]);
    for _ in 0..MANY {
        let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\ncut off";
        let (mut client, mut server) = stage.asked_and_answered(request, cut_off);
        client.head();
        server.finish();
        client.reset_by_peer();
    }
    stage.balancer.leave();
    let said = stage.balancer.last_words();
    let lines = said.iter().filter(|line| line.contains("a response was cut off")).count();
    assert!((1..=MANY / 2).contains(&lines), "{lines} lines: {said:#?}");
}
