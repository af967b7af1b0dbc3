//! Who is measured: nginx, `HAProxy`, Envoy, Caddy, the balancer and further builds of it, each a proxy on one core before the same servers.
//!
//! To add one: a file with its configuration, and a line in [`Stage::contenders`].

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Resource, getrlimit};

use crate::{
    Result,
    identity::Identity,
    kernel,
    load::tls::once,
    ports,
    process::{Process, pinned},
    servers::{SMALL, Servers, own_environment},
    stage::Stage,
};

mod caddy;
mod envoy;
mod haproxy;
mod nginx;

/// What the balancer is called.
pub(crate) const OWN: &str = "Evenkeel";
/// What nginx is called.
pub(crate) const NGINX: &str = "nginx";
/// What `HAProxy` is called.
pub(crate) const HAPROXY: &str = "HAProxy";
/// What Envoy is called.
pub(crate) const ENVOY: &str = "Envoy";
/// What Caddy is called.
pub(crate) const CADDY: &str = "Caddy";

/// Whom the page compares the balancer with, in the order of its columns.
pub(crate) const PEERS: [&str; 4] = [NGINX, HAPROXY, ENVOY, CADDY];

/// What the others have not, or have off as well.
const OFF: [(&str, &str); 2] = [("BALANCER_ACCESS_LOG", "off"), ("BALANCER_LEDGER", "off")];

/// More than any load opens.
const MOST_CONNECTIONS: u64 = 8000;
/// Descriptors that are not of connections.
const RESERVE: u64 = 200;

/// A running proxy. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Contender {
    /// What it is called in the table.
    pub(crate) name: String,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    /// Of a balancer of ours: where its admin interface is.
    pub(crate) admin: Option<SocketAddr>,
    process: Process,
}

/// A build of the balancer and how it is set, beside what holds for all.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// What it is called in the table.
    pub(crate) name: String,
    /// The binary.
    pub(crate) program: PathBuf,
    /// On which cores.
    pub(crate) cores: String,
    /// Further variables, which come last.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Contender {
    /// The time that it has had on a core.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        kernel::cpu_time(self.process.id())
    }

    /// The memory that it has in use, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        kernel::resident(self.process.id())
    }

    /// nginx with its defaults, but that connections stay.
    pub(crate) fn nginx(stage: &Stage, program: &Path, shown: Option<&Identity>) -> Result<Self> {
        let directory = stage.scratch().join("nginx");
        fs::create_dir_all(&directory)?;
        let address = ports::free()?;
        let configuration = nginx::configuration(address, &stage.servers.addresses, &directory, shown);
        let mut command = pinned(&stage.cores.proxy.to_string(), program);
        command.args(["-e", "stderr", "-c"]);
        Self::peer(stage, NGINX, command, ("nginx.conf", &configuration), address, shown)
    }

    /// `HAProxy` with its defaults, but that connections stay.
    pub(crate) fn haproxy(stage: &Stage, program: &Path, shown: Option<&Identity>) -> Result<Self> {
        let address = ports::free()?;
        let configuration =
            haproxy::configuration(address, &stage.servers.addresses, most_connections(), shown);
        let mut command = pinned(&stage.cores.proxy.to_string(), program);
        command.args(["-db", "-f"]);
        Self::peer(stage, HAPROXY, command, ("haproxy.conf", &configuration), address, shown)
    }

    /// Envoy with one worker.
    pub(crate) fn envoy(stage: &Stage, program: &Path, shown: Option<&Identity>) -> Result<Self> {
        let address = ports::free()?;
        let configuration = envoy::configuration(address, &stage.servers.addresses, shown);
        let mut command = pinned(&stage.cores.proxy.to_string(), program);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]);
        Self::peer(stage, ENVOY, command, ("envoy.json", &configuration), address, shown)
    }

    /// Caddy on one thread that runs its code.
    pub(crate) fn caddy(stage: &Stage, program: &Path, shown: Option<&Identity>) -> Result<Self> {
        let address = ports::free()?;
        let configuration = caddy::configuration(address, &stage.servers.addresses, shown);
        let mut command = pinned(&stage.cores.proxy.to_string(), program);
        command.env("GOMAXPROCS", "1").env("HOME", stage.scratch()).args(["run", "--config"]);
        Self::peer(stage, CADDY, command, ("caddy.json", &configuration), address, shown)
    }

    fn peer(
        stage: &Stage,
        name: &str,
        mut command: Command,
        (file, configuration): (&str, &str),
        address: SocketAddr,
        shown: Option<&Identity>,
    ) -> Result<Self> {
        let file = stage.scratch().join(file);
        fs::write(&file, configuration)?;
        command.arg(file);
        let process = Process::start(name, command, stage.scratch())?;
        let peer = Self { name: name.to_owned(), address, admin: None, process };
        match shown {
            None => peer.ready(&stage.servers),
            Some(identity) => peer.ready_securely(&stage.servers, identity),
        }
    }

    /// A balancer of ours with its defaults, but without access log and ledger, which the others have not.
    pub(crate) fn own(stage: &Stage, build: Build, servers: &Servers) -> Result<Self> {
        Self::start_own(stage, build, servers, |_| Vec::new())?.ready(servers)
    }

    /// The same, and clients come over TLS alone.
    pub(crate) fn own_secure(stage: &Stage, build: Build) -> Result<Self> {
        let certificates = stage.identity.directory.display().to_string();
        let variables = |address: SocketAddr| {
            vec![
                ("BALANCER_BIND", "off".to_owned()),
                ("BALANCER_TLS_BIND", address.to_string()),
                ("BALANCER_TLS_CERTIFICATES", certificates.clone()),
            ]
        };
        Self::start_own(stage, build, &stage.servers, variables)?
            .ready_securely(&stage.servers, &stage.identity)
    }

    fn start_own(
        stage: &Stage,
        build: Build,
        servers: &Servers,
        variables: impl Fn(SocketAddr) -> Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let (address, admin) = (ports::free()?, ports::free()?);
        let upstream: Vec<_> = servers.addresses.iter().map(ToString::to_string).collect();
        let mut command = pinned(&build.cores, &build.program);
        own_environment(&mut command, "BALANCER", address, admin);
        command
            .env("BALANCER_UPSTREAM", upstream.join(","))
            .envs(known_by(&build.program, &OFF)?)
            .envs(variables(address))
            .envs(build.variables);
        let process = Process::start(&build.name, command, stage.scratch())?;
        Ok(Self { name: build.name, address, admin: Some(admin), process })
    }

    /// The loop that passes bytes on, which is no balancer.
    pub(crate) fn bare(stage: &Stage, name: &str) -> Result<Self> {
        let address = ports::free()?;
        let mut command = pinned(&stage.cores.proxy.to_string(), &stage.tools.bare);
        command.arg(address.to_string()).args(stage.servers.addresses.iter().map(ToString::to_string));
        let process = Process::start(name, command, stage.scratch())?;
        Self { name: name.to_owned(), address, admin: None, process }.ready(&stage.servers)
    }

    fn ready(mut self, servers: &Servers) -> Result<Self> {
        let path = servers.get(SMALL).path;
        self.process.wait_until_it_answers(self.address, &path)?;
        Ok(self)
    }

    fn ready_securely(mut self, servers: &Servers, identity: &Identity) -> Result<Self> {
        let path = servers.get(SMALL).path;
        self.process.wait_until(&path, || once(self.address, &identity.certificate, &path).is_ok())?;
        Ok(self)
    }
}

/// The variables that a build has: an older one may lack some, and refuses what it does not know.
fn known_by(
    program: &Path,
    variables: &'static [(&'static str, &'static str)],
) -> Result<impl Iterator<Item = (&'static str, &'static str)>> {
    let help = Command::new(program).arg("--help").output();
    let help = help.map_err(|error| format!("{}: {error}", program.display()))?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    Ok(variables.iter().copied().filter(move |(name, _)| help.contains(name)))
}

/// How many connections a proxy may have that needs two descriptors for each, as most.
fn most_connections() -> u64 {
    (descriptor_limit().saturating_sub(RESERVE) / 2).min(MOST_CONNECTIONS)
}

/// How many descriptors a process may have open.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
