//! Envoy as a proxy.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::identity::{GROUP, Identity};

/// More than any load has under way: what is refused by a limit would not be measured.
const NO_LIMIT: u32 = 1_000_000;

/// Connections to clients and servers that stay, no access log, no probes; headers and numbers that the others do not add are off.
/// Its cipher suite of TLS 1.3 cannot be set: the load offers one only.
pub(super) fn configuration(address: SocketAddr, servers: &[SocketAddr], shown: Option<&Identity>) -> String {
    let endpoints: Vec<_> =
        servers.iter().map(|server| json!({ "endpoint": { "address": socket(*server) } })).collect();
    let mut chain = json!({ "filters": [{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager(),
    }] });
    if let Some(identity) = shown {
        chain["transport_socket"] = tls(identity);
    }
    let configuration = json!({ "static_resources": {
        "listeners": [{
            "name": "traffic",
            "address": socket(address),
            "tcp_backlog_size": 4096,
            "filter_chains": [chain],
        }],
        "clusters": [{
            "name": "servers",
            "type": "STATIC",
            "connect_timeout": "1s",
            "lb_policy": "ROUND_ROBIN",
            "circuit_breakers": { "thresholds": [{
                "max_connections": NO_LIMIT,
                "max_pending_requests": NO_LIMIT,
                "max_requests": NO_LIMIT,
            }] },
            "load_assignment": { "cluster_name": "servers", "endpoints": [{ "lb_endpoints": endpoints }] },
        }],
    } });
    configuration.to_string()
}

fn manager() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "traffic",
        "codec_type": "HTTP1",
        "use_remote_address": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "servers" } }],
        }] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                "suppress_envoy_headers": true,
                "dynamic_stats": false,
            },
        }],
    })
}

fn tls(Identity { certificate, key, .. }: &Identity) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_3",
                    "tls_maximum_protocol_version": "TLSv1_3",
                    "ecdh_curves": [GROUP],
                },
                "alpn_protocols": ["http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": { "filename": certificate },
                    "private_key": { "filename": key },
                }],
            },
        },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
