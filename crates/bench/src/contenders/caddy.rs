//! Caddy as a proxy.

use std::net::SocketAddr;

use serde_json::json;

use crate::identity::{GROUP, Identity};

/// Connections to clients and servers that stay, no access log, no probes; it asks servers for nothing compressed and is asked
/// nothing over an interface of its own. Its cipher suite of TLS 1.3 cannot be set: the load offers one only.
pub(super) fn configuration(address: SocketAddr, servers: &[SocketAddr], shown: Option<&Identity>) -> String {
    let upstreams: Vec<_> = servers.iter().map(|server| json!({ "dial": server.to_string() })).collect();
    let mut traffic = json!({
        "listen": [address.to_string()],
        "protocols": ["h1"],
        "automatic_https": { "disable": true },
        "routes": [{ "handle": [{
            "handler": "reverse_proxy",
            "upstreams": upstreams,
            "load_balancing": { "selection_policy": { "policy": "round_robin" } },
            "transport": {
                "protocol": "http",
                "compression": false,
                "keep_alive": { "enabled": true, "max_idle_conns_per_host": 128 },
            },
        }] }],
    });
    let mut apps = json!({});
    if let Some(Identity { certificate, key, .. }) = shown {
        traffic["tls_connection_policies"] = json!([{
            "protocol_min": "tls1.3",
            "protocol_max": "tls1.3",
            "curves": [GROUP.to_lowercase()],
            "alpn": ["http/1.1"],
        }]);
        apps["tls"] =
            json!({ "certificates": { "load_files": [{ "certificate": certificate, "key": key }] } });
    }
    apps["http"] = json!({ "servers": { "traffic": traffic } });
    let configuration = json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "logging": { "logs": { "default": { "level": "ERROR" } } },
        "apps": apps,
    });
    configuration.to_string()
}
