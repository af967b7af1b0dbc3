//! TLS in front of the real balancer, by a client that takes nothing that is not in order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, unused_imports, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod clients;
mod ends;
mod handshakes;
mod https;
mod reload;
mod renewal;
mod requests;

use std::sync::Arc;

use rustls::ClientConfig;

use client::{Authority, Client};
use harness::Stage;

const GET: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// A balancer that speaks TLS for `shop.example`, and who signed its certificate.
struct Secured {
    stage: Stage,
    authority: Authority,
    config: Arc<ClientConfig>,
}

impl Secured {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        authority.put("shop", "shop.example");
        Self::of(authority, settings)
    }

    fn of(authority: Authority, settings: &[(&str, &str)]) -> Self {
        let tls = [("TLS_BIND", "127.0.0.1:0"), ("TLS_CERTIFICATES", authority.path())];
        let stage = Stage::with(&[&tls[..], settings].concat());
        let config = authority.trusted(rustls::ALL_VERSIONS);
        Self { stage, authority, config }
    }

    fn connect(&self) -> Client {
        Client::to(self.stage.balancer.secured(), &self.config, "shop.example").unwrap()
    }

    /// What the metrics say of this series.
    fn count(&self, series: &str) -> u64 {
        let metrics = self.stage.balancer.admin("/metrics");
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(series).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
    }
}
