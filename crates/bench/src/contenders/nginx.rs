//! nginx as a proxy.

use std::{net::SocketAddr, path::Path};

use crate::{
    identity::{GROUP, Identity, SUITE},
    servers::temporary_paths,
};

/// One worker, connections to clients and servers that stay, buffers as they are by default. Its open version has no
/// active probes.
pub(super) fn configuration(
    address: SocketAddr,
    servers: &[SocketAddr],
    directory: &Path,
    shown: Option<&Identity>,
) -> String {
    let (ssl, tls) = shown.map(tls).unwrap_or_default();
    let upstream: Vec<_> = servers.iter().map(|server| format!("    server {server};\n")).collect();
    format!(
        "daemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log /dev/null;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_max_body_size 0;\n  {temporary}\n  \
         upstream servers {{\n{upstream}    keepalive 128;\n    keepalive_requests 1000000000;\n  }}\n  \
         server {{\n    listen {address}{ssl} backlog=4096;\n{tls}    location / {{\n      proxy_pass http://servers;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    }}\n  }}\n}}\n",
        directory = directory.display(),
        upstream = upstream.concat(),
        temporary = temporary_paths(directory),
    )
}

/// What a listener over TLS has behind its address, and the lines that say with what.
fn tls(Identity { certificate, key, .. }: &Identity) -> (&'static str, String) {
    let lines = format!(
        "    ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.3;\n    \
         ssl_conf_command Ciphersuites {SUITE};\n    ssl_ecdh_curve {GROUP};\n",
        certificate.display(),
        key.display(),
    );
    (" ssl", lines)
}
