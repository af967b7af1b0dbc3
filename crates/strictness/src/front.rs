//! Who stands before the recorder: the balancer or a peer, as a process with as little configuration as it runs with.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// Who can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The balancer of this workspace, built beside this program.
    Evenkeel,
    /// Debian's `HAProxy`.
    Haproxy,
    /// Debian's nginx.
    Nginx,
}

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Front {
    process: Child,
    address: SocketAddr,
}

/// The longest one may take until it forwards an ordinary request.
const PATIENCE: Duration = Duration::from_secs(20);

impl Kind {
    /// All of them; the first is the one that is judged.
    pub(crate) const ALL: [Self; 3] = [Self::Evenkeel, Self::Haproxy, Self::Nginx];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "Evenkeel",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    fn program(self) -> Result<PathBuf> {
        Ok(match self {
            Self::Evenkeel => env::current_exe()?.with_file_name("balancer"),
            // Debian installs both where an ordinary user's path does not lead.
            Self::Haproxy => "/usr/sbin/haproxy".into(),
            Self::Nginx => "/usr/sbin/nginx".into(),
        })
    }
}

impl Front {
    /// Starts one before this server, and waits until it forwards.
    pub(crate) fn start(kind: Kind, server: SocketAddr, scratch: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let program = kind.program()?;
        // The kernel ends it with this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(&program).stdout(Stdio::null()).stderr(Stdio::null());
        let file = scratch.join(format!("{}.conf", kind.name()));
        match kind {
            Kind::Evenkeel => {
                command.env("BALANCER_BIND", address.to_string()).env("BALANCER_ADMIN_BIND", "127.0.0.1:0");
                command.env("BALANCER_UPSTREAM", server.to_string()).env("BALANCER_PROBE", "off");
            }
            Kind::Haproxy => {
                fs::write(&file, haproxy(address, server))?;
                command.arg("-db").arg("-f").arg(&file);
            }
            Kind::Nginx => {
                fs::write(&file, nginx(address, server, scratch))?;
                command.args(["-e", "stderr", "-c"]).arg(&file);
            }
        }
        let front = Self { process: command.spawn()?, address };
        let began = Instant::now();
        while !front.forwards() {
            if began.elapsed() > PATIENCE {
                return Err(format!("{} does not forward; is it installed?", program.display()).into());
            }
            thread::yield_now();
        }
        Ok(front)
    }

    /// A client's connection.
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn forwards(&self) -> bool {
        let ask = || -> Result<bool> {
            let mut stream = self.connect()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer.starts_with(b"HTTP/1.1 200"))
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // By a signal that lets nginx end its workers.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn haproxy(address: SocketAddr, server: SocketAddr) -> String {
    format!(
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 10s\n  timeout server 10s\n\
         listen traffic\n  bind {address}\n  server recorder {server}\n"
    )
}

/// HTTP/1.1 to the server, which its manual recommends, and the client's Host: with its defaults a comparison of framing
/// would be one of HTTP/1.0.
fn nginx(address: SocketAddr, server: SocketAddr, scratch: &Path) -> String {
    let scratch = scratch.display();
    format!(
        "daemon off;\nworker_processes 1;\npid {scratch}/nginx.pid;\nevents {{ }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {scratch}/body;\n  proxy_temp_path {scratch}/proxy;\n  fastcgi_temp_path {scratch}/fastcgi;\n  \
         uwsgi_temp_path {scratch}/uwsgi;\n  scgi_temp_path {scratch}/scgi;\n  upstream recorder {{ server {server}; keepalive 8; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://recorder;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_set_header Host $http_host;\n    }}\n  }}\n}}\n"
    )
}
