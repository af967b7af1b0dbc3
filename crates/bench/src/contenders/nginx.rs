//! nginx as a proxy.

use std::{net::SocketAddr, path::Path};

use crate::servers::temporary_paths;

/// One worker, connections to clients and servers that stay, buffers as they are by default. Its open version has no
/// active probes.
pub(super) fn configuration(address: SocketAddr, servers: &[SocketAddr], directory: &Path) -> String {
    let upstream: Vec<_> = servers.iter().map(|server| format!("    server {server};\n")).collect();
    format!(
        "daemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log /dev/null;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_max_body_size 0;\n  {temporary}\n  \
         upstream servers {{\n{upstream}    keepalive 128;\n    keepalive_requests 1000000000;\n  }}\n  \
         server {{\n    listen {address} backlog=4096;\n    location / {{\n      proxy_pass http://servers;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    }}\n  }}\n}}\n",
        directory = directory.display(),
        upstream = upstream.concat(),
        temporary = temporary_paths(directory),
    )
}
