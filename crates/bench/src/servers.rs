//! The servers behind every contender: three ports of a loop that costs as little as it can, three of one nginx, or three processes
//! of our own server.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use crate::{
    Result,
    load::Request,
    ports,
    process::{Process, pinned},
    tools::Tools,
};

/// How many there are.
const COUNT: usize = 3;

/// Running servers. Dropping them ends them.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Where they take requests.
    pub(crate) addresses: Vec<SocketAddr>,
    kind: Kind,
    _processes: Vec<Process>,
}

/// Whose servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A loop that does nothing but answer: it leaves most of its core to the load.
    Loop,
    /// nginx.
    Nginx,
    /// Our own server.
    Own,
}

impl Servers {
    /// Starts servers of this kind, which answer what [`Servers::get`] and [`Servers::post`] ask for.
    pub(crate) fn start(kind: Kind, tools: &Tools, cores: &str, scratch: &Path) -> Result<Self> {
        match kind {
            Kind::Loop => Self::answers(&tools.answers, cores, scratch),
            Kind::Nginx => {
                let nginx = tools.nginx.as_deref().ok_or("--servers nginx: nginx is not installed")?;
                Self::nginx(nginx, cores, scratch)
            }
            Kind::Own => Self::own(&tools.server, "off", cores, scratch),
        }
    }

    fn answers(program: &Path, cores: &str, scratch: &Path) -> Result<Self> {
        let addresses = free_addresses()?;
        let mut command = pinned(cores, program);
        command.args(FILES.map(|(name, length)| format!("{name}={length}")));
        command.args(addresses.iter().map(ToString::to_string));
        Self::ready(Kind::Loop, addresses, Process::start("servers", command, scratch)?)
    }

    fn nginx(program: &Path, cores: &str, scratch: &Path) -> Result<Self> {
        let directory = scratch.join("servers");
        let files = directory.join("files");
        fs::create_dir_all(&files)?;
        for (name, length) in FILES {
            fs::write(files.join(name), "x".repeat(length))?;
        }
        let addresses = free_addresses()?;
        let configuration = directory.join("nginx.conf");
        fs::write(&configuration, nginx(&addresses, &directory))?;
        let mut command = pinned(cores, program);
        command.args(["-e", "stderr", "-c"]).arg(configuration);
        Self::ready(Kind::Nginx, addresses, Process::start("servers", command, scratch)?)
    }

    /// All ports of one process, as soon as each answers.
    fn ready(kind: Kind, addresses: Vec<SocketAddr>, mut process: Process) -> Result<Self> {
        for address in &addresses {
            process.wait_until_it_answers(*address, "/readyz")?;
        }
        Ok(Self { addresses, kind, _processes: vec![process] })
    }

    /// Three processes of our own server, with this setting of `SERVER_DIGEST`.
    pub(crate) fn own(program: &Path, digest: &str, cores: &str, scratch: &Path) -> Result<Self> {
        let addresses = free_addresses()?;
        let mut processes = Vec::new();
        for address in &addresses {
            let mut command = pinned(cores, program);
            own_environment(&mut command, "SERVER", *address, ports::free()?);
            // Nobody is left to be told that it leaves.
            command.envs([("SERVER_DIGEST", digest), ("SERVER_LEAVE_AFTER", "1ms")]);
            let mut process = Process::start(&format!("server {address}"), command, scratch)?;
            process.wait_until_it_answers(*address, "/readyz")?;
            processes.push(process);
        }
        Ok(Self { addresses, kind: Kind::Own, _processes: processes })
    }

    /// What stands behind all.
    pub(crate) fn words(&self, tools: &Tools) -> String {
        match self.kind {
            Kind::Loop => "a loop that only answers".to_owned(),
            Kind::Nginx => format!("nginx {}", tools.versions().remove("nginx").unwrap_or_default()),
            Kind::Own => "our own servers".to_owned(),
        }
    }

    /// A GET that is answered with so many bytes.
    pub(crate) fn get(&self, answer: usize) -> Request {
        Request::get(match self.kind {
            Kind::Loop | Kind::Nginx => format!("/{}", file(answer)),
            Kind::Own => format!("/bytes/{answer}"),
        })
    }

    /// A POST of so many bytes that is answered when all have come: with as many, or with few.
    pub(crate) fn post(&self, body: usize, echoed: bool) -> Request {
        let path = match (self.kind, echoed) {
            (Kind::Loop | Kind::Nginx, true) => format!("/take/{}", file(body)),
            (Kind::Loop | Kind::Nginx, false) => format!("/take/{}", file(SMALL)),
            (Kind::Own, true) => "/echo".to_owned(),
            (Kind::Own, false) => "/upload".to_owned(),
        };
        Request { body, ..Request::get(path) }
    }
}

/// A small answer, in bytes.
pub(crate) const SMALL: usize = 60;

/// What the loop and nginx have, by name and length.
const FILES: [(&str, usize); 4] = [("small", SMALL), ("1k", 1 << 10), ("10k", 10 << 10), ("1m", 1 << 20)];

fn file(length: usize) -> &'static str {
    FILES.iter().find(|(_, of)| *of == length).map_or("no-such-file", |(name, _)| name)
}

/// Adds the variables of one of our own processes, and nothing else of this one's.
pub(crate) fn own_environment(command: &mut Command, prefix: &str, address: SocketAddr, admin: SocketAddr) {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env(format!("{prefix}_BIND"), address.to_string())
        .env(format!("{prefix}_ADMIN_BIND"), admin.to_string())
        .env(format!("{prefix}_WORKERS"), "1");
}

fn free_addresses() -> Result<Vec<SocketAddr>> {
    (0..COUNT).map(|_| ports::free()).collect()
}

/// A small answer comes from memory and a larger one from a file. A POST is read whole before it is answered: `mirror` waits for
/// it, a file refuses the method, and that refusal is turned into the file.
fn nginx(addresses: &[SocketAddr], directory: &Path) -> String {
    let listen: Vec<_> =
        addresses.iter().map(|address| format!("    listen {address} backlog=4096;\n")).collect();
    let files = directory.join("files");
    let files = files.display();
    let small = "x".repeat(SMALL);
    let take: Vec<_> = FILES
        .iter()
        .map(|(name, _)| {
            format!(
                "    location = /take/{name} {{ alias {files}/{name}; mirror /nowhere; error_page 405 =200 /{name}; }}\n"
            )
        })
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log /dev/null;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 300s;\n  \
         client_max_body_size 0;\n  client_body_buffer_size 2m;\n  sendfile on;\n  tcp_nopush on;\n  {temporary}\n  \
         server {{\n{listen}    root {files};\n    default_type application/octet-stream;\n    \
         location = /small {{ return 200 \"{small}\"; }}\n    location = /readyz {{ return 200 \"ready\"; }}\n    \
         location = /nowhere {{ internal; return 204; }}\n{take}  }}\n}}\n",
        directory = directory.display(),
        listen = listen.concat(),
        take = take.concat(),
        temporary = temporary_paths(directory),
    )
}

/// Where nginx may put what it does not hold in memory.
pub(crate) fn temporary_paths(directory: &Path) -> String {
    let directory = directory.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("{kind}_temp_path {directory}/{kind};")).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_that_is_asked_for_is_a_file() {
        for (name, length) in FILES {
            assert_eq!(file(length), name);
        }
    }
}
