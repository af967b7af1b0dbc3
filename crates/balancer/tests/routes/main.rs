//! Several upstreams behind one balancer: which request goes to which, and that they leave one another alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod apart;
mod redirects;
mod ways;

use harness::message::Message;
use harness::{Balancer, Connection, OK_CLOSE, Servers};

/// A server of the upstream that takes what no route does, and one of `api`.
struct Two {
    web: Servers,
    api: Servers,
    balancer: Balancer,
}

impl Two {
    /// `api` with these routes, and these further settings.
    fn new(routes: &str, settings: &[(&str, &str)]) -> Self {
        let (web, api) = (Servers::listen(1), Servers::listen(1));
        let servers = api.upstream();
        let own = [("UPSTREAM_API", servers.as_str()), ("UPSTREAM_API_ROUTE", routes)];
        let settings: Vec<_> = own.into_iter().chain(settings.iter().copied()).collect();
        let balancer = Balancer::listening(&web.upstream(), &settings);
        balancer.wait_until(|balancer| usable(balancer) == 2);
        Self { web, api, balancer }
    }

    fn ask(&self, host: &str, path: &str) -> Connection {
        let mut client = self.balancer.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client
    }

    /// A request that one of these servers gets and answers: as it gets it.
    fn served(&self, by: &Servers, host: &str, path: &str) -> Message {
        let mut client = self.ask(host, path);
        let mut server = by.accept();
        let seen = server.message();
        server.send(OK_CLOSE).finish();
        assert_eq!(client.message().status(), 200);
        seen
    }

    /// A request that the balancer answers itself.
    fn answered(&self, host: &str, path: &str) -> Message {
        self.ask(host, path).message()
    }
}

fn usable(balancer: &Balancer) -> usize {
    balancer.admin("/api/endpoints").text().matches("\"usable\":true").count()
}

/// Tells an endpoint something through the admin interface.
fn tell(balancer: &Balancer, token: &str, path: &str) -> Message {
    let mut admin = balancer.connect_admin();
    admin.send(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ));
    admin.message()
}
