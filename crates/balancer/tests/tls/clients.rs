//! Clients that show certificates, and those that do not.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, kill_process};
use rustls::ClientConfig;

use crate::client::{Authority, Client, Files, Shows};
use crate::harness::OK_CLOSE;
use crate::harness::message::Head;
use crate::{GET, Secured};

/// A balancer that asks for certificates of `authority`, and what is set beside that.
fn asking(clients: &Authority, settings: &[(&str, &str)]) -> Secured {
    let authority = Authority::new();
    authority.put("shop", "shop.example");
    // The usual name of it, beside the others: without a key it is nothing that is shown.
    authority.place("ca.crt", clients.pem());
    let ca = authority.file("ca.crt");
    let settings = [&[("TLS_CLIENT_CA", ca.to_str().unwrap())], settings].concat();
    Secured::of(authority, &settings)
}

/// The same with a list that says that these are revoked.
fn asking_with_list(clients: &Authority, revoked: &str) -> Secured {
    let authority = Authority::new();
    authority.put("shop", "shop.example");
    authority.place("clients.pem", clients.pem());
    authority.place("revoked.pem", revoked);
    let (ca, list) = (authority.file("clients.pem"), authority.file("revoked.pem"));
    let settings = [("TLS_CLIENT_CA", ca.to_str().unwrap()), ("TLS_CLIENT_CRL", list.to_str().unwrap())];
    Secured::of(authority, &settings)
}

fn showing(secured: &Secured, files: &Files) -> Arc<ClientConfig> {
    secured.authority.trusted_by(rustls::ALL_VERSIONS, Some(Shows::new(files)))
}

/// Connects and asks for something that a server answers.
fn ask(secured: &Secured, config: &Arc<ClientConfig>, request: &str) -> (Client, Head) {
    let mut client = Client::to(secured.stage.balancer.secured(), config, "shop.example").unwrap();
    let seen = ask_again(secured, &mut client, request);
    (client, seen)
}

fn ask_again(secured: &Secured, client: &mut Client, request: &str) -> Head {
    client.send(request);
    let mut server = secured.stage.servers.accept();
    let seen = server.head();
    server.send(OK_CLOSE).finish();
    client.through("\r\n\r\nok");
    seen
}

/// Whether a client comes in. In TLS 1.3 it hears that it does not when it reads.
fn comes_in(secured: &Secured, config: &Arc<ClientConfig>) -> bool {
    let Ok(mut client) = Client::to(secured.stage.balancer.secured(), config, "shop.example") else {
        return false;
    };
    // No server is asked: it is answered here.
    client.send("OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
    client.end().0.starts_with(b"HTTP/1.1 204 ")
}

fn refused(secured: &Secured, why: &str) -> u64 {
    let outcome = format!("outcome=\"client_certificate_{why}\"");
    secured.count(&format!("evenkeel_tls_handshakes_total{{version=\"none\",{outcome}}}"))
}

/// Waits until so many have been: a client hears it before it is counted.
fn counts(secured: &Secured, why: &str, count: u64) {
    secured.stage.balancer.wait_until(|_| refused(secured, why) == count);
}

/// Tries until a handshake is refused because of a list. Who shook hands just before the list was read is told 403 instead.
fn shuts_out(secured: &Secured, revoked: &Arc<ClientConfig>) {
    secured.stage.balancer.wait_until(|_| !comes_in(secured, revoked) && refused(secured, "revoked") > 0);
}

fn read_again(secured: &Secured) {
    kill_process(secured.stage.balancer.pid(), Signal::HUP).unwrap();
}

/// The status of what a client is told that may ask nothing more, before its connection is closed.
fn turned_away(client: &mut Client) -> u16 {
    client.send(GET);
    let told = String::from_utf8(client.end().0).unwrap();
    assert!(told.contains("\r\nConnection: close\r\n"), "{told}");
    told["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

/// A certificate as RFC 9440 has it.
fn encoded(files: &Files, index: usize) -> String {
    let pem: Vec<_> = files.chain.split("-----").collect();
    format!(":{}:", pem[4 * index + 2].replace(['\r', '\n'], ""))
}

const TOMORROW: Duration = Duration::from_hours(24);

#[test]
fn servers_are_told_which_certificate_a_client_has_shown_and_by_nobody_else() {
    let clients = Authority::new();
    let secured = asking(&clients, &[]);
    let files = clients.sign("client.example");
    let config = showing(&secured, &files);
    let claim =
        "GET / HTTP/1.1\r\nHost: shop.example\r\nClient-Cert: :AA==:\r\nClient-Cert-Chain: :AA==:\r\n\r\n";
    for is_resumed in [false, true] {
        let (mut client, seen) = ask(&secured, &config, claim);
        assert_eq!(client.is_resumed(), is_resumed);
        assert_eq!(seen.values("client-cert"), [encoded(&files, 0)]);
        assert_eq!(seen.field("client-cert-chain"), None);
        // Also when it has been quiet for longer than a connection keeps its task.
        client.tcp().set_read_timeout(Some(Duration::from_millis(1_200))).unwrap();
        let _ = client.end();
        client.tcp().set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        let seen = ask_again(&secured, &mut client, GET);
        assert_eq!(seen.values("client-cert"), [encoded(&files, 0)]);
    }
}

#[test]
fn a_chain_goes_on_beside_the_certificate() {
    let clients = Authority::new();
    let secured = asking(&clients, &[]);
    let files = clients.sign_through("client.example");
    let (_, seen) = ask(&secured, &showing(&secured, &files), GET);
    assert_eq!(seen.values("client-cert"), [encoded(&files, 0)]);
    assert_eq!(seen.values("client-cert-chain"), [encoded(&files, 1)]);
}

#[test]
fn whoever_shows_no_certificate_that_holds_is_refused_counted_and_told_of() {
    let clients = Authority::new();
    let revoked = clients.sign("revoked.example");
    let secured = asking_with_list(&clients, &clients.revoke(&[&revoked], SystemTime::now() + TOMORROW));
    let expired = clients.sign_until("expired.example", SystemTime::now() - Duration::from_secs(10));
    let of_another = Authority::new().sign("client.example");
    for (why, files) in [("unknown", &of_another), ("expired", &expired), ("revoked", &revoked)] {
        assert!(!comes_in(&secured, &showing(&secured, files)), "{why}");
        counts(&secured, why, 1);
    }
    for (count, version) in [(1, &rustls::version::TLS12), (2, &rustls::version::TLS13)] {
        assert!(!comes_in(&secured, &secured.authority.trusted(&[version])));
        counts(&secured, "missing", count);
    }
    secured.stage.balancer.says("no handshake: ");
    assert!(comes_in(&secured, &showing(&secured, &clients.sign("client.example"))));
    // Of who has signed this one, there is no list.
    assert!(!comes_in(&secured, &showing(&secured, &clients.sign_through("client.example"))));
    counts(&secured, "unchecked", 1);
}

#[test]
fn whoever_is_refused_hears_it_also_while_saying_more() {
    let secured = asking(&Authority::new(), &[]);
    let config = secured.authority.trusted(&[&rustls::version::TLS13]);
    let client = Client::to(secured.stage.balancer.secured(), &config, "shop.example").unwrap();
    let mut tcp = client.tcp();
    tcp.write_all(&vec![0; 1 << 20]).unwrap();
    let mut told = Vec::new();
    tcp.read_to_end(&mut told).unwrap();
    assert!(!told.is_empty());
    counts(&secured, "missing", 1);
}

#[test]
fn a_list_that_has_ended_vouches_for_nobody() {
    let clients = Authority::new();
    let ended = clients.revoke(&[], SystemTime::now() - Duration::from_secs(10));
    let secured = asking_with_list(&clients, &ended);
    secured.stage.balancer.says("a list of BALANCER_TLS_CLIENT_CRL has ended");
    assert!(!comes_in(&secured, &showing(&secured, &clients.sign("client.example"))));
    counts(&secured, "unchecked", 1);
}

#[test]
fn where_certificates_are_optional_a_client_may_come_without_but_not_with_any() {
    let clients = Authority::new();
    let secured = asking(&clients, &[("TLS_CLIENT_AUTH", "optional")]);
    let claim = "GET / HTTP/1.1\r\nHost: shop.example\r\nClient-Cert: :AA==:\r\n\r\n";
    let (_, seen) = ask(&secured, &secured.config, claim);
    assert_eq!(seen.field("client-cert"), None);
    let files = clients.sign("client.example");
    let (_, seen) = ask(&secured, &showing(&secured, &files), GET);
    assert_eq!(seen.values("client-cert"), [encoded(&files, 0)]);
    assert!(!comes_in(&secured, &showing(&secured, &Authority::new().sign("client.example"))));
}

#[test]
fn a_new_authority_is_taken_up_and_nobody_resumes_what_the_old_one_vouched_for() {
    let (old, new) = (Authority::new(), Authority::new());
    let secured = asking(&old, &[]);
    let before = showing(&secured, &old.sign("client.example"));
    let (mut connected, _) = ask(&secured, &before, GET);
    let (resumed, _) = ask(&secured, &before, GET);
    assert!(resumed.is_resumed());
    secured.authority.place("ca.crt", new.pem());
    // Nobody tells it: it looks.
    let after = showing(&secured, &new.sign("client.example"));
    secured.stage.balancer.wait_until(|_| comes_in(&secured, &after));
    assert!(!comes_in(&secured, &before));
    // Who is in, is so on the word of the old one.
    assert_eq!(turned_away(&mut connected), 403);
    // What cannot be used changes nothing.
    let failures = secured.count("evenkeel_certificate_reload_failures_total");
    secured.authority.place("ca.crt", "no authority");
    read_again(&secured);
    let failed = || secured.count("evenkeel_certificate_reload_failures_total") > failures;
    secured.stage.balancer.wait_until(|_| failed());
    assert!(comes_in(&secured, &after));
}

#[test]
fn whoever_is_revoked_asks_nothing_more_on_a_connection_that_is_open() {
    let clients = Authority::new();
    let ends = SystemTime::now() + TOMORROW;
    let secured = asking_with_list(&clients, &clients.revoke(&[], ends));
    let (revoked, other) = (clients.sign("client.example"), clients.sign("other.example"));
    let (mut client, _) = ask(&secured, &showing(&secured, &revoked), GET);
    let (mut unharmed, _) = ask(&secured, &showing(&secured, &other), GET);
    secured.authority.place("revoked.pem", clients.revoke(&[&revoked], ends));
    read_again(&secured);
    shuts_out(&secured, &showing(&secured, &revoked));
    let told = || secured.count("evenkeel_requests_turned_away_total{reason=\"certificate\"}");
    let before = told();
    assert_eq!(turned_away(&mut client), 403);
    ask_again(&secured, &mut unharmed, GET);
    assert_eq!(told(), before + 1);
}

#[test]
fn whoever_is_revoked_does_not_resume() {
    let clients = Authority::new();
    let ends = SystemTime::now() + TOMORROW;
    let secured = asking_with_list(&clients, &clients.revoke(&[], ends));
    let files = clients.sign("client.example");
    let config = showing(&secured, &files);
    assert!(comes_in(&secured, &config));
    secured.authority.place("revoked.pem", clients.revoke(&[&files], ends));
    read_again(&secured);
    shuts_out(&secured, &config);
}

#[test]
fn a_certificate_ends_also_for_who_resumes_and_its_successor_comes_in() {
    let clients = Authority::new();
    let secured = asking(&clients, &[]);
    let ends = SystemTime::now() + Duration::from_secs(8);
    let shows = Shows::new(&clients.sign_until("client.example", ends));
    let config = secured.authority.trusted_by(rustls::ALL_VERSIONS, Some(shows.clone()));
    let lasting = showing(&secured, &clients.sign("lasting.example"));
    ask(&secured, &lasting, GET);
    ask(&secured, &config, GET);
    assert!(ask(&secured, &config, GET).0.is_resumed());
    secured.stage.balancer.wait_until(|_| !comes_in(&secured, &config));
    assert!(SystemTime::now() >= ends, "it is refused before its end");
    counts(&secured, "expired", 1);
    // With the tickets that it still has.
    shows.change(&clients.sign("client.example"));
    let (client, _) = ask(&secured, &config, GET);
    assert!(!client.is_resumed());
    assert!(ask(&secured, &lasting, GET).0.is_resumed(), "somebody else's ticket is as good as before");
}
