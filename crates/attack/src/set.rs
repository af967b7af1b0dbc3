//! What is attacked: the real balancer in its cell, and two servers that are none of the attacker's business.

use std::{
    env,
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use evenkeel_stage::Connection;

use crate::{
    Result,
    attacks::{Attack, Behind},
    cell::Cell,
    crowd::Field,
    pass,
    peer::Peer,
};

/// The longest a process may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many servers there are.
const SERVERS: usize = 2;

/// A running set. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Set {
    /// Where the balancer takes requests.
    pub(crate) traffic: SocketAddr,
    admin: SocketAddr,
    balancer: Process,
    _servers: Vec<Process>,
    _peers: Vec<Peer>,
}

impl Set {
    /// Starts what this attack is for, and waits until it serves.
    pub(crate) fn start(attack: &Attack, cell: &Cell, scratch: &Path) -> Result<Self> {
        let beside = env::current_exe()?;
        let (mut servers, mut peers, mut upstream) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..SERVERS {
            if attack.behind == Behind::Peers {
                let peer = Peer::start()?;
                upstream.push(peer.address.to_string());
                peers.push(peer);
                continue;
            }
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "--"]).arg(beside.with_file_name("server"));
            command.env_clear().envs([
                ("SERVER_BIND", "127.0.0.1:0"),
                ("SERVER_ADMIN_BIND", "127.0.0.1:0"),
                ("SERVER_LEAVE_AFTER", "1ms"),
            ]);
            let mut server = Process::start(&format!("server-{number}"), command, scratch)?;
            upstream.push(server.addresses()?.0.to_string());
            servers.push(server);
        }
        let mut command = cell.command(&beside.with_file_name("balancer"));
        command.env_clear().envs([
            ("BALANCER_BIND", "127.0.0.1:0"),
            ("BALANCER_ADMIN_BIND", "127.0.0.1:0"),
            ("BALANCER_UPSTREAM", &upstream.join(",")),
            ("BALANCER_GRACE", "1ms"),
        ]);
        command.envs(attack.settings.iter().copied());
        let mut balancer = Process::start("balancer", command, scratch)?;
        let (traffic, admin) = balancer.addresses()?;
        let set = Self { traffic, admin, balancer, _servers: servers, _peers: peers };
        set.wait_until_it_serves()?;
        Ok(set)
    }

    /// The balancer's process.
    pub(crate) fn balancer_pid(&self) -> u32 {
        self.balancer.child.id()
    }

    /// What an attack has before it, until this moment.
    pub(crate) fn field(&self, until: Instant) -> Field {
        Field { traffic: self.traffic, admin: self.admin, until }
    }

    fn wait_until_it_serves(&self) -> Result<()> {
        let began = Instant::now();
        while Connection::open(self.admin).and_then(|mut admin| admin.get("/readyz", &[]))?.status != 200 {
            if began.elapsed() > PATIENCE {
                return Err("the balancer does not become ready".into());
            }
            pass(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A component of the set. Dropping it ends it.
#[derive(Debug)]
struct Process {
    child: Child,
    log: std::path::PathBuf,
}

impl Process {
    fn start(name: &str, mut command: Command, scratch: &Path) -> Result<Self> {
        let log = scratch.join(format!("{name}.log"));
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn().map_err(|error| format!("{name}: {error}"))?, log })
    }

    /// Where it takes requests and where its admin interface is, as its log says once it listens.
    fn addresses(&mut self) -> Result<(SocketAddr, SocketAddr)> {
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log)?;
            let named =
                |name: &str| log.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse().ok());
            if let (Some(traffic), Some(admin)) = (named("traffic="), named("admin=")) {
                return Ok((traffic, admin));
            }
            if self.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                return Err(format!("{} tells no addresses:\n{log}", self.log.display()).into());
            }
            pass(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to be told that it leaves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
