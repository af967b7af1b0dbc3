//! Whom the balancer trusts: how that is set, and how it changes.

use std::fs;

use crate::client::Authority;
use crate::harness::transport::Greeting;
use crate::harness::{Balancer, OK, OK_CLOSE, Servers, Stage};
use crate::identities::{ADDRESS, count, showing, stage, trusted};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const TOKEN: &str = "a-token-of-sixteen";
const RESUMED: &str = "evenkeel_server_tls_handshakes_total{version=\"1.3\",outcome=\"resumed\"}";

/// Has the balancer read its files now, and says what it says.
fn reload(stage: &Stage) -> String {
    let mut admin = stage.balancer.connect_admin();
    admin.send(format!(
        "POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    admin.message().text().to_owned()
}

fn answers(stage: &Stage) -> u16 {
    let mut client = stage.client(GET);
    let mut server = stage.servers.accept();
    server.message();
    server.send(OK_CLOSE).finish();
    client.message().status()
}

#[test]
fn another_authority_is_taken_up_whole_and_tickets_do_not_outlive_the_old_one() {
    let (old, new) = (Authority::new(), Authority::new());
    let stage = stage(&old, vec![showing(&old.sign(ADDRESS))], &[("ADMIN_TOKEN", TOKEN)]);
    assert_eq!((answers(&stage), answers(&stage)), (200, 200));
    assert_eq!(count(&stage.balancer, RESUMED), 1);
    let file = old.file("authority.pem");
    fs::write(&file, &new.pem()[..new.pem().len() / 2]).unwrap();
    let said = reload(&stage);
    assert!(said.contains("authority.pem") && said.contains("\"changed\":[]"), "{said}");
    assert_eq!(answers(&stage), 200, "what cannot be read changes nothing");
    assert!(count(&stage.balancer, "evenkeel_server_tls_reload_failures_total") >= 1);
    fs::write(&file, new.pem()).unwrap();
    let said = reload(&stage);
    assert!(said.contains("\"problems\":[]"), "{said}");
    assert_eq!(stage.client(GET).message().status(), 503, "its ticket was got under the old one");
    stage.servers.restart(0, showing(&new.sign(ADDRESS)));
    assert_eq!(answers(&stage), 200);
}

#[test]
fn another_name_in_the_settings_is_asked_for_from_then_on() {
    let servers = Servers::listen(1);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("balancer.env");
    let upstream = servers.upstream();
    let put = |name: &str, more: &str| {
        let text = format!("BALANCER_UPSTREAM={upstream}\nBALANCER_UPSTREAM_TLS_NAME={name}\n{more}");
        fs::write(&file, text).unwrap();
    };
    put(ADDRESS, "");
    let balancer = Balancer::of_file(file.to_str().unwrap(), &[("ADMIN_TOKEN", TOKEN)]);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
    let stage = Stage { servers, balancer };
    let (mut client, mut server) = stage.answered(OK);
    client.message();
    put(ADDRESS, "BALANCER_RETRY_BUDGET=10\n");
    assert!(reload(&stage).contains("RETRY_BUDGET"));
    client.send(GET);
    server.message();
    server.send(OK);
    assert_eq!(client.message().status(), 200, "what it was opened with goes still");
    put("other.example", "");
    assert!(reload(&stage).contains("UPSTREAM_TLS_NAME"));
    assert_eq!(stage.client(GET).message().status(), 503);
    put(ADDRESS, "");
    reload(&stage);
    assert_eq!(answers(&stage), 200);
}

#[test]
fn an_upstream_speaks_tls_by_settings_of_its_own() {
    let (common, own) = (Authority::new(), Authority::new());
    let web = Servers::greeting(vec![showing(&common.sign(ADDRESS))]);
    let api = Servers::greeting(vec![Greeting::Plain]);
    let pay = Servers::greeting(vec![showing(&own.sign("pay.example"))]);
    let (trusted_by_all, trusted_by_pay) = (trusted(&common), trusted(&own));
    let (at_api, at_pay) = (api.upstream(), pay.upstream());
    let settings = [
        ("UPSTREAM_TLS_CA", trusted_by_all.as_str()),
        ("UPSTREAM_API", &at_api),
        ("UPSTREAM_API_ROUTE", "/api"),
        ("UPSTREAM_API_TLS", "off"),
        ("UPSTREAM_PAY", &at_pay),
        ("UPSTREAM_PAY_ROUTE", "/pay"),
        ("UPSTREAM_PAY_TLS_CA", &trusted_by_pay),
        ("UPSTREAM_PAY_TLS_NAME", "pay.example"),
    ];
    let balancer = Balancer::listening(&web.upstream(), &settings);
    balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
    for (path, servers) in [("/", &web), ("/api", &api), ("/pay", &pay)] {
        let mut client = balancer.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let mut server = servers.accept();
        server.message();
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200, "{path}");
    }
}

#[test]
fn what_is_wrong_with_the_settings_is_said_all_at_once() {
    let authority = Authority::new();
    authority.put("own", "balancer.example");
    authority.put("other", "balancer.example");
    let file = trusted(&authority);
    let (certificate, key) = (authority.file("own.crt"), authority.file("other.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let refused = |settings: &[(&str, &str)]| {
        // The harness sets them for the cases that want servers over TLS.
        let none = [("UPSTREAM_TLS", "off")];
        Balancer::refused(&[&none, settings].concat())
    };
    let said = refused(&[("UPSTREAM_TLS", "insecure")]);
    assert!(said.contains("BALANCER_UPSTREAM_TLS: `insecure` does not exist"), "{said}");
    let said = refused(&[]);
    assert!(said.contains("BALANCER_UPSTREAM_TLS_CA: is set without TLS to servers"), "{said}");
    let wrong = [
        ("UPSTREAM_TLS", "on"),
        ("UPSTREAM_TLS_CA", key),
        ("UPSTREAM_TLS_CERTIFICATE", certificate),
        ("UPSTREAM_TLS_KEY", key),
        ("POLICY", "none"),
    ];
    let said = refused(&wrong);
    for words in [
        "BALANCER_UPSTREAM_TLS_CA: ",
        "there is no certificate in it",
        "BALANCER_UPSTREAM_TLS_CERTIFICATE: ",
        "do not fit",
        "BALANCER_POLICY: ",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let on = [("UPSTREAM_TLS", "on"), ("UPSTREAM_TLS_CA", file.as_str())];
    let said = refused(&[&on[..], &[("UPSTREAM_TLS_KEY", key)]].concat());
    assert!(said.contains("BALANCER_UPSTREAM_TLS_CERTIFICATE: is required with"), "{said}");
    let said = refused(&[on[0], ("UPSTREAM_TLS_CA", "/nowhere/ca.pem")]);
    assert!(said.contains("/nowhere/ca.pem cannot be read"), "{said}");
}
