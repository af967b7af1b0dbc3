//! The peers, `HAProxy` and nginx, as processes beside the containers, configured as the matrix says.

use std::{
    fmt::Write as _,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    Result,
    set::{Server, TRAFFIC, pass},
};

/// Who else can balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Tuned for failover: see [`haproxy`].
    Haproxy,
    /// With its defaults but for two timeouts: see [`nginx`].
    Nginx,
}

/// A running peer. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Child,
    address: SocketAddr,
}

/// The longest a peer may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Haproxy, Self::Nginx];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    fn program(self) -> PathBuf {
        // Debian installs both where an ordinary user's path does not lead.
        Path::new("/usr/sbin").join(self.name().to_lowercase())
    }
}

impl Proxy {
    /// Starts a peer before these servers.
    pub(crate) fn start(peer: Peer, servers: &[Server], scratch: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (configuration, arguments) = match peer {
            Peer::Haproxy => (haproxy(address, servers), ["-db", "-f"]),
            Peer::Nginx => (nginx(address, servers, scratch), ["-e", "stderr"]),
        };
        let file = scratch.join(format!("{}.conf", peer.name()));
        fs::write(&file, configuration)?;
        // The kernel ends the peer with this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(peer.program()).args(arguments);
        if peer == Peer::Nginx {
            command.arg("-c");
        }
        let process = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let proxy = Self { process, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > PATIENCE {
                let program = peer.program();
                return Err(format!("{} does not listen; is it installed?", program.display()).into());
            }
            pass(Duration::from_millis(20));
        }
        Ok(proxy)
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // By a signal that lets nginx end its workers.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// Tuned: fast checks, and every retry that it knows to be safe enough.
fn haproxy(address: SocketAddr, servers: &[Server]) -> String {
    let mut text = format!(
        "global\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 1s\n  timeout server 5s\n  timeout client 60s\n  option redispatch 1\n  \
         retries 3\n  retry-on conn-failure empty-response response-timeout\n  option httpchk GET /readyz\n  \
         default-server check inter 1s fall 2\n\
         listen traffic\n  bind {address}\n  balance leastconn\n"
    );
    for (number, address) in endpoints(servers) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  server server-{number} {address}");
    }
    text
}

/// The defaults, but for two timeouts.
fn nginx(address: SocketAddr, servers: &[Server], scratch: &Path) -> String {
    let mut upstream = String::new();
    for (_, address) in endpoints(servers) {
        let _ = write!(upstream, "server {address}; ");
    }
    let scratch = scratch.display();
    format!(
        "daemon off;\nworker_processes auto;\npid {scratch}/nginx.pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {scratch}/body;\n  proxy_temp_path {scratch}/proxy;\n  \
         fastcgi_temp_path {scratch}/fastcgi;\n  uwsgi_temp_path {scratch}/uwsgi;\n  scgi_temp_path {scratch}/scgi;\n  \
         keepalive_requests 100000000;\n  upstream servers {{ {upstream}}}\n  server {{\n    listen {address};\n    \
         location / {{ proxy_pass http://servers; proxy_connect_timeout 1s; proxy_read_timeout 5s; }}\n  }}\n}}\n"
    )
}

fn endpoints(servers: &[Server]) -> impl Iterator<Item = (usize, SocketAddr)> {
    let address = |server: &Server| -> IpAddr { server.address };
    servers
        .iter()
        .enumerate()
        .map(move |(index, server)| (index + 1, SocketAddr::new(address(server), TRAFFIC)))
}
