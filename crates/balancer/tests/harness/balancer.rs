//! The balancer as a process.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::message::Message;
use super::{Connection, PATIENCE, transport};

/// A running balancer; it ends with the test.
pub(crate) struct Balancer {
    process: Child,
    traffic: SocketAddr,
    admin: SocketAddr,
    /// Where clients connect with TLS, if they can.
    secured: Option<SocketAddr>,
    /// What the log said before the balancer listened.
    begin: String,
    log: Receiver<String>,
}

impl Balancer {
    /// Starts it with these settings (names without their prefix) and waits until it is ready and knows all its servers.
    ///
    /// Unless the settings say otherwise it has one worker, so that one idle connection to a server is every client's;
    /// it does not probe, so that a server sees nothing but what a test sends; and it keeps idle connections for longer than
    /// a test waits, so that one which ends was ended for what happened on it.
    pub(crate) fn start(upstream: &str, settings: &[(&str, &str)]) -> Self {
        let balancer = Self::listening(upstream, settings);
        let servers = upstream.split(',').count();
        // It is ready with the first that it knows.
        balancer.wait_until(|balancer| {
            let endpoints = balancer.admin("/api/endpoints");
            balancer.admin("/readyz").status() == 200
                && endpoints.text().matches("\"usable\":true").count() == servers
        });
        balancer
    }

    /// The same with one socket or two that this process holds, handed over as systemd does it. `names` is what
    /// `LISTEN_FDNAMES` says.
    pub(crate) fn handed_over(sockets: &[&TcpListener], names: &str, upstream: &str) -> Self {
        let balancer = Self::spawned(handing_over(sockets, names, upstream, &[]));
        balancer.wait_until(|balancer| balancer.admin("/readyz").status() == 200);
        balancer
    }

    /// What it says where it does not start with what was handed over.
    pub(crate) fn fails_with(sockets: &[&TcpListener], names: &str, settings: &[(&str, &str)]) -> String {
        let output = handing_over(sockets, names, "127.0.0.1:1", settings).output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The same for an upstream that may never be usable: waits only until it listens.
    pub(crate) fn listening(upstream: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawned(command(upstream, settings))
    }

    fn spawned(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let log = follow(process.stderr.take().unwrap());
        let (traffic, admin, secured, begin) = listening(&log);
        Self { process, traffic, admin, secured, begin, log }
    }

    /// The same without an upstream for what no route takes.
    pub(crate) fn without_default(settings: &[(&str, &str)]) -> Self {
        let mut command = command("", settings);
        command.env_remove("BALANCER_UPSTREAM");
        Self::spawned(command)
    }

    /// The same with settings of this file as well, which are taken out of what it gets otherwise.
    pub(crate) fn of_file(path: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = command("", settings);
        command.env_remove("BALANCER_UPSTREAM").env("BALANCER_SETTINGS", path);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .filter_map(|line| line.split_once('='))
            .for_each(|(name, _)| _ = command.env_remove(name));
        Self::spawned(command)
    }

    /// The same where its standard output and standard error are the caller's, who has to name addresses: nobody reads the
    /// log to find them.
    pub(crate) fn with_output(
        upstream: &str,
        settings: &[(&str, &str)],
        output: impl Into<Stdio>,
        log: impl Into<Stdio>,
    ) -> Self {
        let (traffic, admin) = (free(), free());
        let binds = [("BIND", traffic.to_string()), ("ADMIN_BIND", admin.to_string())];
        let binds = binds.iter().map(|(name, address)| (*name, address.as_str()));
        let settings: Vec<_> = settings.iter().copied().chain(binds).collect();
        let process = command(upstream, &settings).stdout(output).stderr(log).spawn().unwrap();
        let balancer =
            Self { process, traffic, admin, secured: None, begin: String::new(), log: channel().1 };
        balancer.wait_until(|balancer| {
            TcpStream::connect(balancer.admin).is_ok() && balancer.admin("/readyz").status() == 200
        });
        balancer
    }

    /// What it says about settings that it does not start with.
    pub(crate) fn refused(settings: &[(&str, &str)]) -> String {
        let output = command("127.0.0.1:1", settings).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// What it says where its settings are right and it cannot start all the same.
    pub(crate) fn fails(upstream: &str, settings: &[(&str, &str)]) -> String {
        let output = command(upstream, settings).output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// What `--check` says is wrong with settings.
    pub(crate) fn checked(settings: &[(&str, &str)]) -> Result<(), String> {
        let output = command("127.0.0.1:1", settings).arg("--check").output().unwrap();
        match output.status.code() {
            Some(0) => Ok(()),
            Some(64) => Err(String::from_utf8(output.stderr).unwrap()),
            _ => panic!("{output:?}"),
        }
    }

    /// A client's connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.traffic)
    }

    /// Where clients connect.
    pub(crate) fn traffic(&self) -> SocketAddr {
        self.traffic
    }

    /// Where clients connect with TLS.
    pub(crate) fn secured(&self) -> SocketAddr {
        self.secured.expect("no TLS is spoken")
    }

    /// What the admin interface answers at `path`.
    pub(crate) fn admin(&self, path: &str) -> Message {
        let mut connection = self.connect_admin();
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin));
        connection.message()
    }

    /// A connection to the admin interface.
    pub(crate) fn connect_admin(&self) -> Connection {
        Connection::to(self.admin)
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Asks it until the answer is yes.
    pub(crate) fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "what is waited for does not come to be");
        }
    }

    /// Waits until its log says this.
    pub(crate) fn says(&self, words: &str) {
        self.said(words);
    }

    /// The line that says it, which is not looked at again.
    pub(crate) fn said(&self, words: &str) -> String {
        if let Some(line) = self.begin.lines().find(|line| line.contains(words)) {
            return line.to_owned();
        }
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the log does not say {words:?}: {}", self.begin));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Whether its log has come to say this since it was last asked.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        self.log.try_iter().any(|line| line.contains(words))
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// How many ends of pipes it has open.
    pub(crate) fn pipe_ends(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap();
        // One that is closed in this moment leads nowhere.
        let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("pipe:")).count()
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap().count()
    }

    /// The bytes of memory that are its own.
    pub(crate) fn memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// The most bytes of memory that it ever had at once, with what is not its own.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What the kernel says of it, in bytes.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let said = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        said.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Asks it to leave (SIGTERM).
    pub(crate) fn leave(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// What it says until it has left.
    pub(crate) fn last_words(&self) -> Vec<String> {
        std::iter::from_fn(|| self.log.recv_timeout(PATIENCE).ok()).collect()
    }

    /// Waits until it has left: its exit status.
    pub(crate) fn left(mut self) -> Option<i32> {
        // Its log ends with it.
        while self.log.recv_timeout(PATIENCE).is_ok() {}
        let process = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty()).unwrap();
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "it does not leave");
        self.process.wait().unwrap().code()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "its log, beside the failure of the test")]
            self.log.iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

fn command(upstream: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_balancer"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // The balancer ends with this process, whatever becomes of it.
    command.env("EVENKEEL_PARENT", std::process::id().to_string());
    let usual = [
        ("BIND", "127.0.0.1:0"),
        ("ADMIN_BIND", "127.0.0.1:0"),
        ("WORKERS", "1"),
        ("PROBE", "off"),
        ("SERVER_IDLE", "1m"),
    ];
    for (name, value) in
        usual.iter().chain(&transport::settings()).chain(settings).chain(&[("UPSTREAM", upstream)])
    {
        command.env(format!("BALANCER_{name}"), value);
    }
    command
}

/// The command behind a shell, which is what can give a process descriptors by number: the first socket is its standard input, the
/// second its standard output, and both become what `LISTEN_FDS` means, 3 and 4. The balancer takes the shell's place, and so
/// has the number of process that `LISTEN_PID` says.
fn handing_over(sockets: &[&TcpListener], names: &str, upstream: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("/bin/sh");
    let balancer = self::command(upstream, settings);
    command.env_clear().envs(balancer.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names);
    let place = "exec 3<&0 4>&1 </dev/null >/dev/null; LISTEN_PID=$$ exec \"$0\"";
    command.arg("-c").arg(place).arg(balancer.get_program()).stderr(Stdio::piped());
    let mut places = sockets.iter().map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command.stdin(places.next().unwrap_or_else(Stdio::null));
    command.stdout(places.next().unwrap_or_else(Stdio::null));
    command
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Reads the log to its end, so that the balancer never waits for a reader.
fn follow(log: ChildStderr) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Fails when the test is over; the rest is read all the same.
            let _ = sender.send(line);
        }
    });
    lines
}

/// The addresses that the balancer says it listens on, and what it says before.
fn listening(log: &Receiver<String>) -> (SocketAddr, SocketAddr, Option<SocketAddr>, String) {
    let address = |line: &str, name: &str| {
        let rest = line.split(name).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let mut said = String::new();
    while let Ok(line) = log.recv_timeout(PATIENCE) {
        let secured = address(&line, " tls=");
        if let (Some(traffic), Some(admin)) =
            (address(&line, " traffic=").or(secured), address(&line, " admin="))
        {
            return (traffic, admin, secured, said);
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("the balancer does not listen:\n{said}");
}
