//! What is attacked: the real balancer in its cell, and two servers that are none of the attacker's business.

use std::{
    env,
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use evenkeel_stage::{Connection, Tls};

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

/// For whom the balancer's certificate is.
pub(crate) const NAME: &str = "balancer";

/// How many servers there are.
const SERVERS: usize = 2;

/// A running set. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Set {
    /// Where the balancer takes requests; over TLS where the attack does.
    pub(crate) traffic: SocketAddr,
    /// Who signs the certificate that is shown there, in PEM; empty where none is.
    authority: Vec<u8>,
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
        let mut authority = Vec::new();
        if attack.is_secured {
            let directory = scratch.join("certificates");
            let making =
                Command::new(beside.with_file_name("certificates")).arg(&directory).arg(NAME).output()?;
            if !making.status.success() {
                return Err(format!("no certificates: {}", String::from_utf8_lossy(&making.stderr)).into());
            }
            authority = fs::read(directory.join("ca.crt"))?;
            command.env("BALANCER_TLS_BIND", "127.0.0.1:0").env("BALANCER_TLS_CERTIFICATES", directory);
        }
        command.envs(attack.settings.iter().copied());
        let mut balancer = Process::start("balancer", command, scratch)?;
        let (plain, admin) = balancer.addresses()?;
        let traffic = if attack.is_secured { balancer.address("tls=")? } else { plain };
        let set = Self { traffic, authority, admin, balancer, _servers: servers, _peers: peers };
        set.wait_until_it_serves()?;
        Ok(set)
    }

    /// The balancer's process.
    pub(crate) fn balancer_pid(&self) -> u32 {
        self.balancer.child.id()
    }

    /// What an attack has before it, until this moment.
    pub(crate) fn field(&self, until: Instant) -> Field {
        let (traffic, admin, authority) = (self.traffic, self.admin, self.authority.clone());
        Field { traffic, authority, admin, until, spared: AtomicU64::new(0) }
    }

    /// Whom the ordinary client believes; `None` where it speaks plain HTTP.
    pub(crate) fn tls(&self) -> Result<Option<Tls>> {
        let is_secured = !self.authority.is_empty();
        Ok(is_secured.then(|| Tls::new(&self.authority, NAME)).transpose()?)
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
        Ok((self.address("traffic=")?, self.address("admin=")?))
    }

    fn address(&mut self, name: &str) -> Result<SocketAddr> {
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log)?;
            let named = log.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse().ok());
            if let Some(address) = named {
                return Ok(address);
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
