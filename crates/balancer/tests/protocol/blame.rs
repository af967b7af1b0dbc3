//! Evidence has an author: nobody is blamed for what a client asked for.

use crate::harness::{OK_CLOSE, Stage};

const WRONG_CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nContent-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n\r\nok";
const ERROR_CLOSE: &str =
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";

/// Two servers behind a balancer that believes what the tests say about their clients' addresses.
fn stage() -> Stage {
    Stage::of(2, &[("TRUSTED_PROXIES", "127.0.0.0/8")])
}

fn request(method: &str, client: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\n\r\n")
}

/// Asks, and has each server that is asked answer as it does; the status in the end, and who was asked.
fn ask(stage: &Stage, request: &str, answers: [&str; 2], asked: usize) -> (u16, Vec<usize>) {
    let mut client = stage.client(request);
    let mut by = Vec::new();
    for _ in 0..asked {
        let (index, mut server) = stage.servers.accept_at_any();
        server.message();
        server.send(answers[index]);
        by.push(index);
    }
    (client.message().status(), by)
}

fn is_anybody_ejected(stage: &Stage) -> bool {
    stage.balancer.admin("/api/endpoints").text().contains("\"state\":\"ejected\"")
}

/// Both have answered well lately.
fn warm_up(stage: &Stage) {
    for _ in 0..20 {
        ask(stage, &request("GET", "10.0.0.9"), [OK_CLOSE; 2], 1);
    }
}

#[test]
fn one_client_that_cannot_be_cross_examined_ejects_nobody_and_two_do() {
    for (bad, status) in [(WRONG_CLOSE, 502), (ERROR_CLOSE, 500)] {
        let stage = stage();
        warm_up(&stage);
        let answers = [bad, OK_CLOSE];
        let mut failed = 0;
        for _ in 0..40 {
            let (seen, _) = ask(&stage, &request("POST", "10.0.0.1"), answers, 1);
            failed += usize::from(seen == status);
        }
        assert!(failed >= 10, "{failed}");
        assert!(!is_anybody_ejected(&stage), "{status}");
        let by_another = |client| {
            ask(&stage, &request("POST", &format!("10.0.0.{client}")), answers, 1);
            is_anybody_ejected(&stage)
        };
        assert!((2..40).any(by_another), "many clients say so: {status}");
    }
}

#[test]
fn one_client_is_enough_where_another_server_does_well_with_the_same() {
    let stage = stage();
    warm_up(&stage);
    for _ in 0..40 {
        let mut client = stage.client(request("GET", "10.0.0.1"));
        let (index, mut server) = stage.servers.accept_at_any();
        server.message();
        server.send([WRONG_CLOSE, OK_CLOSE][index]);
        if index == 0 {
            let (other, mut server) = stage.servers.accept_at_any();
            assert_eq!(other, 1);
            server.message();
            server.send(OK_CLOSE);
        }
        assert_eq!(client.message().status(), 200);
        if is_anybody_ejected(&stage) {
            return;
        }
    }
    panic!("it spoils its answers and serves on");
}

#[test]
fn what_all_servers_answer_alike_is_the_requests_own_doing() {
    let stage = stage();
    warm_up(&stage);
    // Whoever asks is another client each time, and each time both servers get it wrong.
    for number in 1..30 {
        let (status, by) = ask(&stage, &request("GET", &format!("10.0.1.{number}")), [WRONG_CLOSE; 2], 2);
        assert_eq!((status, by.len()), (502, 2));
    }
    assert!(!is_anybody_ejected(&stage));
}

#[test]
fn a_500_is_compared_with_another_servers_answer_once_its_server_answers_so_in_a_row() {
    let stage = stage();
    warm_up(&stage);
    let mut passed_on = 0;
    for _ in 0..60 {
        let mut client = stage.client(request("GET", "10.0.0.1"));
        let (index, mut server) = stage.servers.accept_at_any();
        server.message();
        server.send([ERROR_CLOSE, OK_CLOSE][index]);
        if index == 0 && passed_on >= 2 {
            let (other, mut server) = stage.servers.accept_at_any();
            assert_eq!(other, 1);
            server.message();
            server.send(OK_CLOSE);
        }
        match client.message().status() {
            200 => {}
            500 => {
                passed_on += 1;
                // The accusation reaches the workers before the next request does.
                let row = format!("class=\"status\"}} {passed_on}");
                stage.balancer.wait_until(|balancer| balancer.admin("/metrics").text().contains(&row));
            }
            other => panic!("{other}"),
        }
        if is_anybody_ejected(&stage) {
            assert_eq!(passed_on, 2, "the rest were masked");
            return;
        }
    }
    panic!("it answers 500 to everything and serves on");
}
