//! The set as processes: the manager and its children, on ports of their own.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use evenkeel_service::parent;
use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, binary, ended, root};

/// A running manager. Dropping it kills it, and the kernel its children.
#[derive(Debug)]
pub struct Processes {
    manager: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// The servers and, last, the balancer, as the manager's table shows them.
    pub members: Vec<Member>,
}

/// One line of the manager's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the manager calls it.
    pub name: String,
    /// Its process.
    pub pid: i32,
    /// Where it takes requests.
    pub traffic: SocketAddr,
    /// Its admin interface.
    pub admin: SocketAddr,
}

impl Processes {
    /// Starts a set of so many servers with these variables of the manager, and waits until it is ready.
    pub fn start(servers: usize, variables: &[(&str, &str)]) -> Self {
        let mut set = Self::spawn(servers, variables);
        set.wait_for_line("| ready: ");
        set
    }

    /// Starts a set without waiting for more than its table.
    pub fn spawn(servers: usize, variables: &[(&str, &str)]) -> Self {
        let any = "127.0.0.1:0";
        let mut command = Command::new(binary("manager"));
        command
            .current_dir(root())
            .env_clear()
            .env(parent::VARIABLE, std::process::id().to_string())
            .env("MANAGER_SERVERS", servers.to_string())
            .envs([("MANAGER_BALANCER_BIND", any), ("MANAGER_BALANCER_ADMIN_BIND", any)]);
        for number in 1..=servers {
            command.env(format!("MANAGER_SERVER_{number}_BIND"), any);
            command.env(format!("MANAGER_SERVER_{number}_ADMIN_BIND"), any);
        }
        let mut manager = command
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the manager can be started");
        let (sender, lines) = mpsc::channel();
        pass_lines(manager.stdout.take(), sender.clone());
        pass_lines(manager.stderr.take(), sender);
        let mut set = Self { manager, lines, seen: Vec::new(), members: Vec::new() };
        while set.members.len() <= servers {
            let line = set.wait_for_line("http://127.0.0.1:");
            set.members.extend(Member::of_line(&line));
        }
        set
    }

    /// The address of the balancer.
    pub fn balancer(&self) -> SocketAddr {
        self.member("balancer").traffic
    }

    /// The member of this name, as the table showed it.
    pub fn member(&self, name: &str) -> &Member {
        self.members
            .iter()
            .find(|member| member.name == name)
            .unwrap_or_else(|| panic!("{name}: {:?}", self.members))
    }

    /// The process of the manager itself.
    pub fn manager(&self) -> i32 {
        i32::try_from(self.manager.id()).expect("a pid fits")
    }

    /// Waits for the next line that contains `part`, of the manager or of a child.
    pub fn wait_for_line(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line
                .unwrap_or_else(|_| panic!("no line with {part:?} came after:\n{}", self.seen.join("\n")));
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Interrupts the manager as Ctrl-C does; how it ended, and all lines that came.
    pub fn end(self) -> (ExitStatus, Vec<String>) {
        signal(self.manager(), Signal::INT);
        self.ended()
    }

    /// Interrupts the manager when nobody reads what it and its children say any more.
    pub fn end_unheard(&mut self) {
        // Each reader goes away with the next line that it finds.
        self.lines = mpsc::channel().1;
        signal(self.manager(), Signal::INT);
    }

    /// How the manager ended, once it has.
    pub fn status(&mut self) -> ExitStatus {
        ended(&mut self.manager)
    }

    /// Waits for the manager's end; how it ended, and all lines that came.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>) {
        // The channel closes when every process that could write has ended.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        let status = ended(&mut self.manager);
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.manager.kill();
        let _ = self.manager.wait();
    }
}

impl Member {
    fn of_line(line: &str) -> Option<Self> {
        let (_, row) = line.split_once("| ")?;
        let mut cells = row.split_whitespace();
        Some(Self {
            name: cells.next()?.to_owned(),
            pid: cells.next()?.parse().ok()?,
            traffic: cells.next()?.strip_prefix("http://")?.parse().ok()?,
            admin: cells.next()?.strip_prefix("http://")?.parse().ok()?,
        })
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self::signal(self.pid, signal);
    }
}

fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process has a pid");
    kill_process(pid, signal).expect("the process is there and ours");
}

fn pass_lines(from: Option<impl Read + Send + 'static>, to: Sender<String>) {
    let from = from.expect("the stream is piped");
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_from_its_line_of_the_table() {
        let line = "manager   | server-1  4711  http://127.0.0.1:8081  http://127.0.0.1:9091";
        let member = Member {
            name: "server-1".to_owned(),
            pid: 4711,
            traffic: "127.0.0.1:8081".parse().unwrap(),
            admin: "127.0.0.1:9091".parse().unwrap(),
        };
        assert_eq!(Member::of_line(line), Some(member));
        assert_eq!(Member::of_line("server-1  | listening on http://127.0.0.1:8081"), None);
    }
}
