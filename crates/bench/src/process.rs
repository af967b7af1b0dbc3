//! A process of ours: on one core, ended by its id, and never longer than this one.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use evenkeel_stage::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// The longest a process may take until it answers, or until it has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// A running process. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// A command that will run on these cores. The kernel ends it with this process, however that ends.
pub(crate) fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores, "setpriv", "--pdeathsig", "TERM", "--"]).arg(program);
    command
}

impl Process {
    /// Starts it. What it says goes into a file of this name.
    pub(crate) fn start(name: &str, mut command: Command, scratch: &Path) -> Result<Self> {
        let log = scratch.join(format!("{}.log", name.replace(['/', ' '], "-")));
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().map_err(|error| format!("{name}: {error}; is taskset installed?"))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a GET of `path` at `address` is answered with 200.
    pub(crate) fn wait_until_it_answers(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        self.wait_until(path, || answers(address, path))
    }

    /// Waits until a GET of `path` is answered with 200, as whoever asks has it.
    pub(crate) fn wait_until(&mut self, path: &str, answers: impl Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        while !answers() {
            let ended = self.child.try_wait()?.is_some();
            if ended || began.elapsed() > PATIENCE {
                let words = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("{} does not answer {path} with 200\n{words}", self.name).into());
            }
            pass(LOOK);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // By a signal that lets nginx end its workers.
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                return self.child.kill();
            }
            pass(LOOK);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What cannot be ended now ends with this process.
        let _ = self.end();
        let _ = self.child.wait();
    }
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement lasts for a while: here time itself is the event"
)]
pub(crate) fn pass(duration: Duration) {
    thread::sleep(duration);
}

fn answers(address: SocketAddr, path: &str) -> bool {
    let answer =
        Connection::open_within(address, PATIENCE).and_then(|mut connection| connection.get(path, &[]));
    answer.is_ok_and(|answer| answer.status == 200)
}
