//! Handshakes with servers: what keeps one from coming about, and that nothing of a request is lost or doubled by it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::client::Authority;
use crate::harness::transport::Greeting;
use crate::harness::{Balancer, Connection, OK, OK_CLOSE, SHORT, Servers, Stage};
use crate::identities::{ADDRESS, count, showing, speaking, stage, trusted};

const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nonce";

const UNTRUSTED: &str = "evenkeel_server_tls_handshakes_total{version=\"none\",outcome=\"untrusted\"}";
const REFUSED: &str = "evenkeel_server_tls_handshakes_total{version=\"none\",outcome=\"refused\"}";
const GONE: &str = "evenkeel_server_tls_handshakes_total{version=\"none\",outcome=\"gone\"}";
const RESUMED: &str = "evenkeel_server_tls_handshakes_total{version=\"1.3\",outcome=\"resumed\"}";
const FULL: &str = "evenkeel_server_tls_handshakes_total{version=\"1.3\",outcome=\"full\"}";
const RESUMED_12: &str = "evenkeel_server_tls_handshakes_total{version=\"1.2\",outcome=\"resumed\"}";

/// What may be wrong with the certificate of a server, and the word for it.
fn wrong(authority: &Authority) -> [(Greeting, &'static str); 4] {
    let now = SystemTime::now();
    let (day, year) = (Duration::from_hours(24), Duration::from_hours(24 * 365));
    [
        (showing(&authority.sign_until(ADDRESS, now - day)), "certificate expired"),
        (showing(&Authority::new().sign(ADDRESS)), "certificate not trusted"),
        (showing(&authority.sign("elsewhere.example")), "certificate for another name"),
        (showing(&authority.sign_between(ADDRESS, now + day, now + year)), "certificate not yet valid"),
    ]
}

#[test]
fn a_server_whose_certificate_will_not_do_is_told_apart_and_the_others_serve() {
    let authority = Authority::new();
    for (greeting, word) in wrong(&authority) {
        let greetings = vec![greeting, showing(&authority.sign(ADDRESS))];
        let stage = stage(&authority, greetings, &[("PROBE", "tcp")]);
        stage.balancer.wait_until(|balancer| balancer.admin("/api/endpoints").text().contains(word));
        for _ in 0..4 {
            let mut client = stage.client(POST);
            // Those on which nothing comes are probes.
            let (index, mut server) = loop {
                let (index, mut server) = stage.servers.accept_at_any();
                if !server.is_over() {
                    break (index, server);
                }
            };
            assert_eq!(index, 1, "{word}");
            assert_eq!(server.message().text(), "once");
            server.send(OK_CLOSE).finish();
            assert_eq!(client.message().status(), 200);
        }
        let endpoints = stage.balancer.admin("/api/endpoints");
        assert_eq!(endpoints.text().matches("\"usable\":true").count(), 1, "{}", endpoints.text());
    }
}

#[test]
fn what_is_wrong_with_a_certificate_and_what_to_do_is_in_the_log() {
    let authority = Authority::new();
    let words = [
        "its certificate has expired. Renew it on the server",
        "BALANCER_UPSTREAM_TLS_CA has to hold",
        "elsewhere.example. BALANCER_UPSTREAM_TLS_NAME says what to ask for instead",
        "One of the two clocks is wrong",
    ];
    for ((greeting, _), words) in wrong(&authority).into_iter().zip(words) {
        let servers = Servers::greeting(vec![greeting]);
        let file = trusted(&authority);
        let settings = [("UPSTREAM_TLS_CA", file.as_str()), ("PROBE", "http:/readyz")];
        Balancer::listening(&servers.upstream(), &settings).says(words);
    }
}

#[test]
fn a_request_moves_on_from_a_handshake_that_fails_whatever_its_method() {
    let authority = Authority::new();
    for (greeting, word) in wrong(&authority) {
        let stage = stage(&authority, vec![greeting, showing(&authority.sign(ADDRESS))], &[]);
        // Of two, one of each pair of requests is for the other.
        for _ in 0..2 {
            let mut client = stage.client(POST);
            let (index, mut server) = stage.servers.accept_at_any();
            assert_eq!(index, 1, "{word}");
            assert_eq!(server.message().text(), "once");
            server.send(OK_CLOSE).finish();
            assert_eq!(client.message().status(), 200, "{word}");
        }
        assert!(count(&stage.balancer, UNTRUSTED) >= 1, "{word}");
        stage.balancer.wait_until(|balancer| balancer.admin("/api/incidents").text().contains(word));
    }
}

#[test]
fn a_client_is_told_when_no_certificate_will_do() {
    let authority = Authority::new();
    for (greeting, word) in wrong(&authority) {
        let stage = stage(&authority, vec![greeting], &[]);
        let response = stage.client(POST).message();
        assert_eq!(response.status(), 503, "{word}");
        assert!(response.field("proxy-status").unwrap().contains("error=tls_certificate_error"), "{word}");
    }
}

#[test]
fn what_is_no_handshake_moves_a_request_as_well() {
    let authority = Authority::new();
    let refuses = |mut server: Connection| {
        server.exactly(1);
        server.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").finish();
    };
    let cuts = |mut server: Connection| {
        server.exactly(1);
        server.reset();
    };
    for (series, act) in [(REFUSED, &refuses as &dyn Fn(Connection)), (GONE, &cuts)] {
        let stage = stage(&authority, vec![Greeting::Plain, showing(&authority.sign(ADDRESS))], &[]);
        let mut at_first = 0;
        for _ in 0..2 {
            let mut client = stage.client(POST);
            let (index, mut server) = stage.servers.accept_at_any();
            if index == 0 {
                act(server);
                at_first += 1;
                server = stage.servers.accept();
            }
            assert_eq!(server.message().text(), "once");
            server.send(OK_CLOSE).finish();
            assert_eq!(client.message().status(), 200, "{series}");
        }
        assert_eq!(count(&stage.balancer, series), at_first);
        assert_eq!(at_first, 1);
    }
}

/// Asks twice, so that one request is for the first of two servers, which says nothing. How often that was asked; the other has
/// answered both.
fn asked_in_vain(stage: &Stage) -> usize {
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut client = stage.client(POST);
        let (index, mut server) = stage.servers.accept_at_any();
        if index == 0 {
            silent.push(server);
            server = stage.servers.accept();
        }
        assert_eq!(server.message().text(), "once");
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
    }
    silent.len()
}

#[test]
fn a_handshake_that_never_comes_is_raced_by_another_server() {
    let authority = Authority::new();
    // Longer than anything here is waited for.
    let settings = [("RACE", "on"), ("CONNECT_TIMEOUT", "5m")];
    let stage = stage(&authority, vec![Greeting::Plain, showing(&authority.sign(ADDRESS))], &settings);
    assert!(asked_in_vain(&stage) >= 1);
}

#[test]
fn a_handshake_that_never_comes_is_over_with_the_connect_timeout() {
    let authority = Authority::new();
    let stage = stage(
        &authority,
        vec![Greeting::Plain, showing(&authority.sign(ADDRESS))],
        &[("CONNECT_TIMEOUT", SHORT)],
    );
    assert_eq!(asked_in_vain(&stage), 1);
}

#[test]
fn sessions_are_resumed_on_whatever_worker_and_at_their_own_server() {
    let authority = Authority::new();
    let certificate = authority.sign("web.example");
    let greetings = (0..3).map(|_| showing(&certificate)).collect();
    let settings = [("UPSTREAM_TLS_NAME", "web.example"), ("WORKERS", "3"), ("POLICY", "round_robin")];
    let stage = stage(&authority, greetings, &settings);
    for _ in 0..12 {
        let mut client = stage.client(POST);
        let mut server = stage.servers.accept();
        assert_eq!(server.tls().server_name(), Some("web.example"));
        server.message();
        server.send(OK_CLOSE).finish();
        client.message();
    }
    // One of each server, whichever worker it was on.
    assert_eq!((count(&stage.balancer, FULL), count(&stage.balancer, RESUMED)), (3, 9));
}

#[test]
fn tls_1_2_is_spoken_and_resumed() {
    let authority = Authority::new();
    let greeting = speaking(&authority.sign(ADDRESS), &[&rustls::version::TLS12], None);
    let stage = stage(&authority, vec![greeting], &[]);
    for _ in 0..2 {
        let mut client = stage.client(POST);
        let mut server = stage.servers.accept();
        assert_eq!(server.message().text(), "once");
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
    }
    assert_eq!(count(&stage.balancer, RESUMED_12), 1);
}

#[test]
fn a_server_that_comes_back_with_another_certificate_is_believed_anew() {
    let authority = Authority::new();
    let stage = stage(&authority, vec![showing(&authority.sign(ADDRESS))], &[]);
    for _ in 0..2 {
        let mut client = stage.client(POST);
        let mut server = stage.servers.accept();
        server.message();
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
        // The tickets of the one before mean nothing to it.
        stage.servers.restart(0, showing(&authority.sign(ADDRESS)));
    }
    stage.servers.restart(0, showing(&Authority::new().sign(ADDRESS)));
    assert_eq!(stage.client(POST).message().status(), 503);
}

#[test]
fn a_ticket_does_not_outlive_the_certificate_that_came_before_it() {
    let authority = Authority::new();
    let ends = SystemTime::now() + Duration::from_secs(4);
    let Stage { servers, balancer } =
        stage(&authority, vec![showing(&authority.sign_until(ADDRESS, ends))], &[]);
    servers.answer_all(OK_CLOSE);
    let statuses = std::iter::repeat_with(|| balancer.connect().send(POST).message().status());
    let last = statuses.take_while(|status| *status == 200).count();
    assert!(last >= 2, "{last}");
    // Certificates know whole seconds.
    assert!(SystemTime::now() + Duration::from_secs(1) >= ends);
    assert!(count(&balancer, RESUMED) >= 1);
    assert_eq!(count(&balancer, UNTRUSTED), 1);
}

#[test]
fn a_server_that_has_renewed_its_certificate_is_not_held_to_the_one_before() {
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let authority = Authority::new();
        let ends = SystemTime::now() + Duration::from_secs(3);
        let before = speaking(&authority.sign_until(ADDRESS, ends), versions, None);
        let mut renewed = speaking(&authority.sign(ADDRESS), versions, None);
        if let (Greeting::Tls(before), Greeting::Tls(renewed)) = (&before, &mut renewed) {
            // It takes the tickets that it has given.
            Arc::get_mut(renewed).unwrap().ticketer = before.ticketer.clone();
        }
        let Stage { servers, balancer } = stage(&authority, vec![before], &[]);
        let restart = servers.restarting();
        servers.answer_all(OK_CLOSE);
        let ask = || balancer.connect().send(POST).message().status();
        assert_eq!((ask(), ask()), (200, 200));
        restart(0, renewed);
        // Certificates know whole seconds.
        while SystemTime::now() < ends + Duration::from_secs(1) {
            assert_eq!(ask(), 200);
        }
        assert_eq!((ask(), ask()), (200, 200));
        assert_eq!(count(&balancer, UNTRUSTED), 0);
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    clients.put("own", "balancer.example");
    let (certificate, key) = (clients.file("own.crt"), clients.file("own.key"));
    let settings = [
        ("UPSTREAM_TLS_CERTIFICATE", certificate.to_str().unwrap()),
        ("UPSTREAM_TLS_KEY", key.to_str().unwrap()),
    ];
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let greeting = speaking(&authority.sign(ADDRESS), versions, Some(&clients));
        let stage = stage(&authority, vec![greeting], &settings);
        let mut client = stage.client(POST);
        let mut server = stage.servers.accept();
        assert_eq!(server.message().text(), "once");
        assert!(server.tls().peer_certificates().is_some());
        server.send(OK).finish();
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn a_server_that_refuses_the_certificate_it_is_shown_has_executed_nothing() {
    let (authority, clients) = (Authority::new(), Authority::new());
    clients.put("own", "balancer.example");
    let (certificate, key) = (clients.file("own.crt"), clients.file("own.key"));
    let own = [
        ("UPSTREAM_TLS_CERTIFICATE", certificate.to_str().unwrap()),
        ("UPSTREAM_TLS_KEY", key.to_str().unwrap()),
    ];
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        for settings in [&own[..], &[]] {
            let refuses = speaking(&authority.sign(ADDRESS), versions, Some(&Authority::new()));
            let stage = stage(&authority, vec![refuses, showing(&authority.sign(ADDRESS))], settings);
            // Of two, one of each pair of requests is for the other.
            for _ in 0..2 {
                let mut client = stage.client(POST);
                let (index, mut server) = stage.servers.accept_at_any();
                assert_eq!((index, server.message().text()), (1, "once"));
                server.send(OK_CLOSE).finish();
                assert_eq!(client.message().status(), 200);
            }
            stage.balancer.wait_until(|balancer| balancer.admin("/api/incidents").text().contains("TLS"));
        }
    }
}

#[test]
fn a_server_that_wants_a_certificate_and_is_shown_none_fails_its_probes_and_says_why() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let greeting = speaking(&authority.sign(ADDRESS), versions, Some(&Authority::new()));
        let servers = Servers::greeting(vec![greeting]);
        let file = trusted(&authority);
        let settings = [("UPSTREAM_TLS_CA", file.as_str()), ("PROBE", "http:/readyz")];
        let balancer = Balancer::listening(&servers.upstream(), &settings);
        balancer.says("BALANCER_UPSTREAM_TLS_CERTIFICATE and BALANCER_UPSTREAM_TLS_KEY say which to show");
        assert!(balancer.admin("/api/endpoints").text().contains("TLS handshake refused"));
    }
}

#[test]
fn probes_speak_tls_as_requests_do() {
    let authority = Authority::new();
    let servers = Servers::greeting(vec![showing(&authority.sign(ADDRESS))]);
    let file = trusted(&authority);
    let upstream = servers.upstream();
    let answering = thread::spawn(move || {
        let mut server = servers.accept();
        let probe = server.message();
        server.send(OK_CLOSE).finish();
        (probe, servers)
    });
    let settings = [("UPSTREAM_TLS_CA", file.as_str()), ("PROBE", "http:/alive"), ("PROBE_TIMEOUT", "5s")];
    let balancer = Balancer::listening(&upstream, &settings);
    let (probe, _servers) = answering.join().unwrap();
    assert_eq!(probe.line(), "GET /alive HTTP/1.1");
    assert_eq!(probe.values("host"), [upstream.as_str()]);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
}

#[test]
fn a_probe_asks_for_the_name_that_the_certificate_has_to_be_for() {
    let authority = Authority::new();
    let servers = Servers::greeting(vec![showing(&authority.sign("web.internal"))]);
    let (file, upstream) = (trusted(&authority), servers.upstream());
    let port = upstream.rsplit_once(':').unwrap().1.to_owned();
    let answering = thread::spawn(move || {
        let mut server = servers.accept();
        let probe = server.message();
        server.send(OK_CLOSE).finish();
        (probe, servers)
    });
    let settings = [
        ("UPSTREAM_TLS_CA", file.as_str()),
        ("UPSTREAM_TLS_NAME", "web.internal"),
        ("PROBE", "http:/alive"),
        ("PROBE_TIMEOUT", "5s"),
    ];
    let _balancer = Balancer::listening(&upstream, &settings);
    let (probe, _servers) = answering.join().unwrap();
    assert_eq!(probe.values("host"), [format!("web.internal:{port}")]);
}
