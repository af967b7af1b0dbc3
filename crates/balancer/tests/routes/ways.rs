//! Which request goes where.

use crate::harness::{Balancer, Nobody, OK, Servers, Stage};
use crate::{Two, usable};

#[test]
fn host_and_path_decide() {
    let two = Two::new("api.example, /api", &[]);
    assert_eq!(two.served(&two.api, "api.example", "/").line(), "GET / HTTP/1.1");
    assert_eq!(two.served(&two.api, "API.example.:8080", "/x").line(), "GET /x HTTP/1.1");
    assert_eq!(two.served(&two.api, "shop.example", "/api/x?y").line(), "GET /api/x?y HTTP/1.1");
    assert_eq!(two.served(&two.web, "shop.example", "/apis").line(), "GET /apis HTTP/1.1");
}

#[test]
fn requests_of_one_connection_go_to_several_upstreams() {
    let two = Two::new("/api", &[]);
    let mut client = two.balancer.connect();
    for (path, servers) in [("/", &two.web), ("/api", &two.api), ("/a", &two.web), ("/api/b", &two.api)] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let mut server = servers.accept();
        assert_eq!(server.message().line(), format!("GET {path} HTTP/1.1"));
        server.send(crate::OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn a_prefix_that_is_stripped_is_told_beside_the_path() {
    let two = Two::new("/api;strip", &[]);
    for (asked, seen) in [("/api/x?y", "/x?y"), ("/api", "/"), ("/api?y", "/?y"), ("/api/", "/")] {
        let message = two.served(&two.api, "h", asked);
        assert_eq!(message.line(), format!("GET {seen} HTTP/1.1"));
        assert_eq!(message.field("x-forwarded-prefix"), Some("/api"));
    }
    assert_eq!(two.served(&two.web, "h", "/x").field("x-forwarded-prefix"), None);
}

#[test]
fn nobody_but_a_trusted_proxy_says_which_prefix_was_stripped() {
    let two = Two::new("/api;strip", &[]);
    let mut client = two.balancer.connect();
    client.send("GET /api/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-Prefix: /evil\r\n\r\n");
    let mut server = two.api.accept();
    assert_eq!(server.message().values("x-forwarded-prefix"), ["/api"]);
    server.send(OK);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn a_path_that_servers_could_take_for_another_upstreams_is_refused() {
    let two = Two::new("/api", &[]);
    for path in [
        "/%61pi/x",
        "/x/../api",
        "/api/../x",
        "/api/%2e%2e/x",
        "/api/..%2fx",
        "//api",
        "/api;v=1",
        "/api/..;/x",
    ] {
        let answer = two.answered("h", path);
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.text().contains("can be read in more than one way"), "{}", answer.text());
    }
    // Nothing of them has reached a server; and beyond the part that decides anything goes.
    assert_eq!(two.served(&two.web, "h", "/after").line(), "GET /after HTTP/1.1");
    assert_eq!(two.served(&two.api, "h", "/api/a%2fb//c;d").line(), "GET /api/a%2fb//c;d HTTP/1.1");
}

#[test]
fn with_one_upstream_a_path_may_be_written_in_any_way() {
    let stage = Stage::new();
    for path in ["/x/../api", "/api/%2e%2e/x", "//api", "/api;v=1"] {
        assert_eq!(
            stage.forwarded(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).line(),
            format!("GET {path} HTTP/1.1")
        );
    }
}

#[test]
fn what_no_route_takes_is_not_found_where_there_is_no_upstream_for_it() {
    let api = Servers::listen(1);
    let own = api.upstream();
    let balancer = Balancer::without_default(&[("UPSTREAM_API", &own), ("UPSTREAM_API_ROUTE", "/api")]);
    balancer.wait_until(|balancer| usable(balancer) == 1);
    let mut client = balancer.connect();
    client.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = client.message();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert!(answer.text().contains("Nothing is served at this host and path."), "{}", answer.text());
}

#[test]
fn mistakes_are_told_all_at_once() {
    let said = Balancer::refused(&[("UPSTREAM_POLICY", "peak_ewma"), ("UPSTREAM_API_POLICY", "peak_ewma")]);
    assert!(
        said.contains("BALANCER_UPSTREAM_POLICY: is no upstream; for all upstreams write BALANCER_POLICY"),
        "{said}"
    );
    assert!(said.contains("BALANCER_UPSTREAM_API_POLICY: there is no BALANCER_UPSTREAM_API"), "{said}");
}

#[test]
fn a_name_that_is_not_found_is_said_with_the_variable_of_its_upstream() {
    let nobody = Nobody::new().upstream();
    let settings = [("UPSTREAM_API", "no-such-host.invalid:80"), ("UPSTREAM_API_ROUTE", "/api")];
    Balancer::listening(&nobody, &settings)
        .says("BALANCER_UPSTREAM_API: `no-such-host.invalid` is not found: ");
}
