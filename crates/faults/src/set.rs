//! One Compose project for one scenario: three servers, the balancer or another proxy before them, and the faults that
//! can be done to each.
//!
//! The clients reach the containers by their own addresses on the bridge: published ports would add a proxy of Docker's,
//! which a fault of the network does not spare.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use evenkeel_stage::{Connection, Tls, basic, root};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Result,
    composition::{Composition, PAIR},
    proxy::Proxy,
    stage::Stage,
    told::Listener,
    witness::{Testimony, WITNESS, Witness},
};

/// The port of requests, of every container.
pub(crate) const TRAFFIC: u16 = 8080;
const ADMIN: u16 = 9090;

/// The longest wait for something that has to come, such as a container that becomes ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// What a server takes for an answer where nothing goes wrong, as `faults.yml` sets it.
const USUAL: &str = "delay=2ms";

/// How many servers a set begins with.
pub(crate) const SERVERS: usize = 3;

/// A running set. Dropping it removes its containers, its network and its processes.
#[derive(Debug)]
pub(crate) struct Set {
    project: String,
    composition: Composition,
    variables: Vec<(&'static str, String)>,
    /// The servers it began with.
    pub(crate) servers: Vec<Server>,
    front: Front,
    /// Whom clients believe, where TLS is spoken.
    tls: Option<Tls>,
    /// Containers that Compose does not know.
    strangers: Vec<String>,
    witness: Option<Witness>,
}

/// One server's container.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// What Docker calls it.
    pub(crate) container: String,
    /// What `X-Server` says.
    pub(crate) name: String,
    /// Where it is on the bridge.
    pub(crate) address: IpAddr,
}

/// What stands before the servers.
#[derive(Debug)]
enum Front {
    Balancer {
        container: String,
        address: IpAddr,
    },
    /// Two balancers at the holder's address.
    Pair(IpAddr),
    Peer(Proxy),
}

/// What the balancer says about one of its endpoints.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Endpoint {
    /// Whether it takes new requests.
    pub(crate) usable: bool,
    /// Attempts so far.
    pub(crate) attempts: u64,
    /// Attempts that run.
    pub(crate) in_flight: u64,
    /// Ejections so far.
    pub(crate) ejections: u64,
}

/// What the balancer says about its settings file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settled {
    /// How often others were taken up.
    pub(crate) reloads: u64,
    /// Why those in the file are not.
    pub(crate) problems: Vec<String>,
}

impl Set {
    /// Brings a set up and waits until every server takes requests. `variables` are those of `faults.yml`.
    pub(crate) fn up(stage: &Stage, variables: &[(&'static str, &str)]) -> Result<Self> {
        Self::of(Composition::OneBalancer, stage, variables)
    }

    /// The same with two balancers on one port, those of `docker-compose.holder.yml`.
    pub(crate) fn up_with_holder(stage: &Stage) -> Result<Self> {
        Self::of(Composition::TwoBalancers, stage, &[])
    }

    fn of(composition: Composition, stage: &Stage, variables: &[(&'static str, &str)]) -> Result<Self> {
        let mut variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.push(("FAULTS_JOURNALS", stage.journals.display().to_string()));
        variables.push(("FAULTS_REPORTS", stage.reports.display().to_string()));
        variables.push(("FAULTS_SETTINGS", stage.settings.display().to_string()));
        variables.push(("FAULTS_WITNESS", WITNESS.to_owned()));
        variables.push(("FAULTS_WITNESS_RATE", stage.witness.to_string()));
        if let Some((directory, _)) = &stage.tls {
            variables.push(("FAULTS_CERTIFICATES", directory.display().to_string()));
        }
        let nowhere = Front::Balancer { container: String::new(), address: IpAddr::from([0, 0, 0, 0]) };
        let project = stage.project.clone();
        let mut set = Self {
            project,
            composition,
            variables,
            servers: Vec::new(),
            front: nowhere,
            tls: stage.tls.as_ref().map(|(_, tls)| tls.clone()),
            strangers: Vec::new(),
            witness: None,
        };
        let alone = ["up", "--detach", "--no-build", "server"];
        set.compose(if stage.peer.is_some() { &alone } else { composition.up() })?;
        set.servers = set.list("server")?;
        if let Some(peer) = stage.peer {
            for server in &set.servers {
                set.wait("the servers", || Ok(is_ready(server.address)))?;
            }
            set.front = Front::Peer(Proxy::start(peer, &set.servers, &stage.scratch)?);
        } else {
            let door = set.list(composition.door())?.pop();
            let door = door.ok_or_else(|| format!("the balancer ended\n{}", set.last_words()))?;
            set.front = match composition {
                Composition::OneBalancer => {
                    Front::Balancer { container: door.container, address: door.address }
                }
                Composition::TwoBalancers => Front::Pair(door.address),
            };
            set.wait("every server to be usable", || {
                Ok(set.endpoints().is_ok_and(|all| all.iter().filter(|one| one.1.usable).count() == SERVERS))
            })?;
            set.call_witness(&stage.reports)?;
        }
        Ok(set)
    }

    /// Ends the witness and asks what it has to say. There is none where a peer balances.
    pub(crate) fn testimony(&self) -> Result<Option<Testimony>> {
        self.witness.as_ref().map(Witness::testify).transpose()
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.front {
            Front::Balancer { address, .. } | Front::Pair(address) => SocketAddr::new(*address, TRAFFIC),
            Front::Peer(proxy) => proxy.address(),
        }
    }

    /// Whom clients believe, where TLS is spoken.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// A client's connection.
    pub(crate) fn connect(&self, patience: Duration) -> std::io::Result<Connection> {
        Connection::open_over(self.address(), patience, self.tls())
    }

    /// The balancer's container.
    pub(crate) fn balancer(&self) -> Result<&str> {
        match &self.front {
            Front::Balancer { container, .. } => Ok(container),
            Front::Pair(_) | Front::Peer(_) => Err("this scenario is about one balancer itself".into()),
        }
    }

    /// The server that faults strike.
    pub(crate) fn victim(&self) -> &Server {
        &self.servers[0]
    }

    /// `docker network disconnect`: the server falls silent, its connections stay open.
    pub(crate) fn disconnect(&self, server: &Server) -> Result<()> {
        let network = format!("{}_evenkeel", self.project);
        docker(&["network", "disconnect", &network, &server.container]).map(drop)
    }

    /// Sets what goes wrong at every server, beside the delay that all have.
    pub(crate) fn break_all_with(&self, rules: &str) -> Result<()> {
        self.servers.iter().try_for_each(|server| server.break_with(rules))
    }

    /// Takes back what goes wrong at the servers.
    pub(crate) fn mend_all(&self) -> Result<()> {
        self.servers.iter().try_for_each(|server| server.put_faults(USUAL))
    }

    /// Begins to listen to what the balancer tells of its endpoints.
    pub(crate) fn listen(&self) -> Result<Listener> {
        Listener::start(self.admin()?)
    }

    /// `docker compose up --detach` with a balancer that has this variable of `faults.yml` changed. Whatever reaches it by its
    /// address finds the new one there.
    pub(crate) fn change_balancer(&mut self, variable: &'static str, value: &str) -> Result<()> {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.to_owned()));
        let (old, before) = (self.balancer()?.to_owned(), self.address().ip());
        self.compose(&["up", "--detach", "--no-build", "--no-deps", "balancer"])?;
        let new = self.list("balancer")?.pop().ok_or("Compose started no new balancer")?;
        if new.container == old {
            return Err("Compose found nothing changed about the balancer".into());
        }
        if new.address != before {
            return Err(format!("the new balancer is at {}, the old one was at {before}", new.address).into());
        }
        self.front = Front::Balancer { container: new.container, address: new.address };
        Ok(())
    }

    /// `docker compose up --detach --wait` with one balancer after the other that has this variable of `faults.holder.yml`
    /// changed.
    pub(crate) fn change_pair(&mut self, variable: &'static str, value: &str) -> Result<()> {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.to_owned()));
        for balancer in PAIR {
            let container = || self.compose(&["ps", "--quiet", balancer]);
            let old = container()?;
            self.compose(&["up", "--detach", "--no-build", "--no-deps", "--wait", balancer])?;
            if container()? == old {
                return Err(format!("Compose found nothing changed about the {balancer} balancer").into());
            }
        }
        Ok(())
    }

    /// Brings the number of servers to `count` and returns those there are then.
    pub(crate) fn scale(&self, count: usize) -> Result<Vec<Server>> {
        let scale = format!("server={count}");
        self.compose(&[
            "up",
            "--detach",
            "--no-build",
            "--no-recreate",
            "--no-deps",
            "--scale",
            &scale,
            "server",
        ])?;
        self.list("server")
    }

    /// Removes one server and starts another in its place, at another address: a stranger takes the old one.
    pub(crate) fn recreate_elsewhere(&mut self, server: &Server) -> Result<Server> {
        docker(&["stop", &server.container])?;
        docker(&["rm", &server.container])?;
        let stranger = self.compose(&["run", "--detach", "--no-deps", "server"])?;
        self.strangers.push(stranger.lines().last().unwrap_or_default().to_owned());
        let servers = self.scale(SERVERS)?;
        let known = |one: &Server| self.servers.iter().any(|other| other.container == one.container);
        let new = servers.into_iter().find(|one| !known(one)).ok_or("Compose started no new server")?;
        if new.address == server.address {
            return Err(format!("the new server got the old address {}", new.address).into());
        }
        Ok(new)
    }

    /// The balancer's endpoints, by address.
    pub(crate) fn endpoints(&self) -> Result<Vec<(IpAddr, Endpoint)>> {
        let told: Value = serde_json::from_str(&self.ask_admin("/api/endpoints")?)?;
        let endpoints = told["endpoints"].as_array().ok_or("the balancer tells no endpoints")?;
        endpoints.iter().map(Endpoint::of).collect()
    }

    /// What the balancer says about one server; nothing where it has forgotten it.
    pub(crate) fn endpoint(&self, server: &Server) -> Result<Endpoint> {
        let endpoints = self.endpoints()?;
        Ok(endpoints
            .into_iter()
            .find(|(address, _)| *address == server.address)
            .map(|one| one.1)
            .unwrap_or_default())
    }

    /// Waits until `done`, asking again and again. `what` is for the error.
    pub(crate) fn wait(&self, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<Duration> {
        let began = Instant::now();
        while !done()? {
            if began.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} for {what}\n{}", self.last_words()).into());
            }
            pass(LOOK);
        }
        Ok(began.elapsed())
    }

    /// Starts the client and waits until requests of its run have passed the balancer.
    fn call_witness(&mut self, reports: &Path) -> Result<()> {
        self.compose(&["up", "--detach", "--no-build", "--no-deps", "client"])?;
        let container = self.compose(&["ps", "--all", "--quiet", "client"])?;
        self.witness = Some(Witness::new(container, reports));
        self.wait("the client to begin", || {
            let told = self.ask_admin(&format!("/ledger?run={WITNESS}"))?;
            Ok(told.lines().any(|line| line.contains("\"attempts\"")))
        })?;
        Ok(())
    }

    /// Has the balancer read its settings file at once: the status that it answers with, and what it says.
    pub(crate) fn reload(&self) -> Result<(u16, String)> {
        let token = std::fs::read_to_string(root().join("secrets/admin-token"))?;
        let fields = [("Authorization", &*format!("Bearer {}", token.trim_end()))];
        let mut connection = Connection::open_within(self.admin()?, PATIENCE)?;
        let answer = connection.request("POST", "/api/reload", &fields, b"")?;
        Ok((answer.status, String::from_utf8(answer.body)?))
    }

    /// What the balancer's state says of its settings.
    pub(crate) fn settled(&self) -> Result<Settled> {
        let told: Value = serde_json::from_str(&self.ask_admin("/api/state")?)?;
        Ok(serde_json::from_value(told["settled"].clone())?)
    }

    /// What the balancer's admin interface says.
    fn ask_admin(&self, path: &str) -> Result<String> {
        let answer = Connection::open_within(self.admin()?, Duration::from_secs(1))?.get(path, &[])?;
        Ok(String::from_utf8(answer.body)?)
    }

    fn admin(&self) -> Result<SocketAddr> {
        match &self.front {
            // Of two, the first one's.
            Front::Balancer { address, .. } | Front::Pair(address) => Ok(SocketAddr::new(*address, ADMIN)),
            Front::Peer(_) => Err("only the balancer has an admin interface".into()),
        }
    }

    /// What the containers said last, for an error.
    fn last_words(&self) -> String {
        self.compose(&["logs", "--no-color", "--tail", "10"]).unwrap_or_default()
    }

    fn list(&self, service: &str) -> Result<Vec<Server>> {
        let containers = self.compose(&["ps", "--quiet", service])?;
        containers.lines().map(Server::of).collect()
    }

    fn compose(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("docker");
        command
            .args(["compose", "--progress", "quiet", "--project-name", &self.project])
            .args(["--project-directory".into(), root()]);
        for file in self.composition.files(self.tls.is_some()) {
            command.args(["--file".into(), root().join(file)]);
        }
        command.args(arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        finish(&mut command)
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        // What cannot be removed here is left to the script, which removes the whole project at the end.
        for stranger in &self.strangers {
            let _ = docker(&["rm", "--force", stranger]);
        }
        // A frozen container does not even end.
        for server in &self.servers {
            let _ = docker(&["unpause", &server.container]);
        }
        let _ = self.compose(&["kill"]);
        let _ = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "1"]);
    }
}

impl Server {
    fn of(container: &str) -> Result<Self> {
        let format = "{{.Config.Hostname}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let told = docker(&["inspect", "--format", format, container])?;
        let (name, address) = told.split_once(' ').ok_or("docker inspect tells no address")?;
        let address = address.parse().map_err(|_| format!("{container} has no address"))?;
        Ok(Self { container: container.to_owned(), name: name.to_owned(), address })
    }

    /// Sets what goes wrong at this server, beside the delay that all have.
    pub(crate) fn break_with(&self, rules: &str) -> Result<()> {
        self.put_faults(&format!("{USUAL},{rules}"))
    }

    fn put_faults(&self, rules: &str) -> Result<()> {
        let mut connection = Connection::open(SocketAddr::new(self.address, ADMIN))?;
        let answer = connection.request("PUT", "/faults", &[], rules.as_bytes())?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("{rules}: {status} {}", String::from_utf8_lossy(&answer.body)).into()),
        }
    }
}

impl Endpoint {
    fn of(told: &Value) -> Result<(IpAddr, Self)> {
        let address = told["address"].as_str().and_then(|text| text.parse::<SocketAddr>().ok());
        let number = |name: &str| told[name].as_u64().ok_or_else(|| format!("an endpoint without {name}"));
        let endpoint = Self {
            usable: told["usable"].as_bool().unwrap_or_default(),
            attempts: number("attempts")?,
            in_flight: number("in_flight")?,
            ejections: number("ejections")?,
        };
        Ok((address.ok_or("an endpoint without an address")?.ip(), endpoint))
    }
}

/// The `Authorization` that the set's servers take.
pub(crate) fn authorization() -> Result<String> {
    let password = std::fs::read_to_string(root().join("secrets/password"))?;
    Ok(basic("student", password.trim_end()))
}

/// Runs `docker` and returns what it printed.
pub(crate) fn docker(arguments: &[&str]) -> Result<String> {
    finish(Command::new("docker").args(arguments))
}

/// Runs a command in a container's network, which only root may enter.
pub(crate) fn in_network_of(container: &str, command: &[&str]) -> Result<String> {
    let pid = pid(container)?.to_string();
    finish(Command::new("nsenter").args(["--net", "--target", &pid]).args(command))
}

/// A container's process, as this machine numbers it.
pub(crate) fn pid(container: &str) -> Result<u32> {
    Ok(docker(&["inspect", "--format", "{{.State.Pid}}", container])?.parse()?)
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let open = directory
        .read_dir()
        .map_err(|error| format!("{}: {error}; run this as root", directory.display()))?;
    Ok(open.count())
}

/// How much memory a process has in use, in KiB.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "a fault lasts for a while: here time itself is the event")]
pub(crate) fn pass(duration: Duration) {
    thread::sleep(duration);
}

fn is_ready(address: IpAddr) -> bool {
    let answer = Connection::open_within(SocketAddr::new(address, TRAFFIC), Duration::from_secs(1))
        .and_then(|mut connection| connection.get("/readyz", &[]));
    answer.is_ok_and(|answer| answer.status == 200)
}

fn finish(command: &mut Command) -> Result<String> {
    let ran = command.output()?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).trim_end().to_owned());
    }
    let arguments = command.get_args().map(|one| one.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let program = command.get_program().to_string_lossy();
    Err(format!("{program} {arguments}: {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr).trim_end())
        .into())
}
