//! `HAProxy` as a proxy.

use std::net::SocketAddr;

use crate::identity::{GROUP, Identity, SUITE};

/// One thread, connections to clients and servers that stay, probes on, buffers as they are by default.
pub(super) fn configuration(
    address: SocketAddr,
    servers: &[SocketAddr],
    most_connections: u64,
    shown: Option<&Identity>,
) -> String {
    let tls = shown.map(|Identity { both, .. }| {
        let both = both.display();
        format!(" ssl crt {both} ssl-min-ver TLSv1.3 ciphersuites {SUITE} curves {GROUP} alpn http/1.1")
    });
    let tls = tls.unwrap_or_default();
    let servers: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(index, server)| format!("  server server-{} {server} check\n", index + 1))
        .collect();
    let servers = servers.concat();
    format!(
        "global\n  nbthread 1\n  maxconn {most_connections}\n\
         defaults\n  mode http\n  timeout connect 1s\n  timeout client 75s\n  timeout server 30s\n\
         listen traffic\n  bind {address} backlog 4096{tls}\n  balance roundrobin\n  option forwardfor\n  \
         option httpchk GET /readyz\n  http-reuse always\n{servers}"
    )
}
