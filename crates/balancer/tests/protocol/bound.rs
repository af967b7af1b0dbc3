//! P72: a connection on which a user has authenticated (NTLM, Negotiate) is that client's and nobody else's.

use crate::harness::{Connection, OK, Stage};

const CHALLENGE: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
     WWW-Authenticate: Digest realm=\"b\", ntlm\r\nContent-Length: 0\r\n\r\n";

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n")
}

/// Alice, who has authenticated in two steps on one of the server's connections, and that connection.
fn alice(stage: &Stage) -> (Connection, Connection) {
    let mut alice = stage.client(get("/alice", ""));
    let mut server = stage.servers.accept();
    server.message();
    server.send(CHALLENGE);
    assert_eq!(alice.message().status(), 401);
    alice.send(get("/alice/1", "Authorization: NTLM TlRMTVNTUAAB\r\n"));
    assert_eq!(server.message().line(), "GET /alice/1 HTTP/1.1", "on the same connection");
    server.send(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(alice.message().status(), 401);
    alice.send(get("/alice/2", "Authorization: NTLM TlRMTVNTUAAD\r\n"));
    assert_eq!(server.message().line(), "GET /alice/2 HTTP/1.1", "on the same connection");
    server.send(OK);
    assert_eq!(alice.message().text(), "ok");
    (alice, server)
}

/// Whoever comes next gets another connection.
fn bob(stage: &Stage) -> (Connection, Connection) {
    let bob = stage.client(get("/bob", ""));
    let mut server = stage.servers.accept();
    assert_eq!(server.message().line(), "GET /bob HTTP/1.1", "on a connection of its own");
    (bob, server)
}

#[test]
fn p72_a_connection_on_which_a_user_has_authenticated_is_kept_for_that_client_alone() {
    let stage = Stage::new();
    let (mut alice, mut hers) = alice(&stage);
    let (mut bob, mut his) = bob(&stage);
    his.send(OK);
    assert_eq!(bob.message().text(), "ok");
    // Without credentials: the connection is what says who she is.
    for n in 3..6 {
        alice.send(get(&format!("/alice/{n}"), ""));
        assert_eq!(hers.message().line(), format!("GET /alice/{n} HTTP/1.1"));
        hers.send(OK);
        assert_eq!(alice.message().text(), "ok");
    }
    alice.finish();
    assert_eq!(hers.end().0, b"", "it ends with her connection");
    assert_eq!(alice.closed(), b"");
}

#[test]
fn p72_it_is_kept_while_its_client_is_quiet_for_longer_than_a_task_is() {
    let stage = Stage::new();
    let (mut alice, mut hers) = alice(&stage);
    assert!(alice.is_silent_for(std::time::Duration::from_millis(1500)));
    alice.send(get("/alice/3", ""));
    assert_eq!(hers.message().line(), "GET /alice/3 HTTP/1.1");
    hers.send(OK);
    assert_eq!(alice.message().text(), "ok");
}

#[test]
fn p72_a_request_with_such_credentials_binds_whatever_the_answer() {
    for scheme in ["NTLM", "negotiate"] {
        let stage = Stage::new();
        let (mut alice, hers) =
            stage.asked_and_answered(get("/", &format!("Authorization: {scheme} YII=\r\n")), OK);
        assert_eq!(alice.message().text(), "ok");
        let (_bob, his) = bob(&stage);
        drop((hers, his));
    }
}

#[test]
fn p72_other_credentials_bind_nothing() {
    let stage = Stage::new();
    let (mut alice, mut server) =
        stage.asked_and_answered(get("/", "Authorization: Basic dXNlcjpwYXNz\r\n"), OK);
    assert_eq!(alice.message().text(), "ok");
    let mut bob = stage.client(get("/bob", ""));
    assert_eq!(server.message().line(), "GET /bob HTTP/1.1", "on the same connection");
    server.send(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"NTLM\"\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(bob.message().status(), 401);
    alice.send(get("/alice", ""));
    assert_eq!(server.message().line(), "GET /alice HTTP/1.1", "on the same connection");
}

#[test]
fn p72_what_a_bound_connection_breaks_off_is_not_sent_elsewhere() {
    let stage = Stage::of(2, &[]);
    let (mut alice, mut hers) = alice(&stage);
    alice.send(get("/alice/3", ""));
    hers.message();
    hers.reset();
    assert_eq!(alice.message().status(), 502, "elsewhere she would be nobody");
    stage.assert_untouched("a request of a user on a connection");
}

#[test]
fn p72_a_bound_connection_that_has_ended_in_the_meantime_is_not_used() {
    let stage = Stage::new();
    let (mut alice, hers) = alice(&stage);
    drop(hers);
    alice.send(get("/alice/3", ""));
    let mut other = stage.servers.accept();
    assert_eq!(other.message().line(), "GET /alice/3 HTTP/1.1");
    other.send(CHALLENGE);
    assert_eq!(alice.message().status(), 401, "she has to say again who she is");
}

#[test]
fn p72_its_client_does_not_keep_a_leaving_balancer_by_being_quiet() {
    let stage = Stage::with(&[("GRACE", "1m"), ("IDLE_TIMEOUT", "1m")]);
    let (mut alice, mut hers) = alice(&stage);
    stage.balancer.leave();
    assert_eq!(alice.closed(), b"");
    assert_eq!(hers.end().0, b"");
    assert_eq!(stage.balancer.left(), Some(0));
}
