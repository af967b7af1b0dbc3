//! One running process: its output followed, its end awaited, its signals sent by the one task that knows whether it still
//! runs, so that a signal can never reach a stranger who was given the same pid.

use std::{
    io,
    process::{self, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use evenkeel_service::parent;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{io::BufReader, process::Command, sync::mpsc};

use crate::{
    binaries::Binaries,
    output::{Output, Speaker, Stream},
    plan::Member,
};

/// A process that was started. It ends when this is dropped, and when the manager ends in whatever way.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    signals: mpsc::UnboundedSender<Signal>,
}

/// A process that ended; all it said has been shown.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its place in the plan.
    pub(crate) place: usize,
    pub(crate) how: io::Result<ExitStatus>,
    pub(crate) ran: Duration,
}

impl Child {
    /// Starts the member at `place` in the plan and tells `ended` when it has ended.
    pub(crate) fn start(
        place: usize,
        member: &Member,
        binaries: &Binaries,
        output: Output,
        ended: mpsc::Sender<Ended>,
    ) -> io::Result<Self> {
        let mut command = Command::from(binaries.command(member));
        command
            .env(parent::VARIABLE, process::id().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches the manager alone, which then ends its children in order.
            .process_group(0)
            .kill_on_drop(true);
        let started = Instant::now();
        let mut process = command.spawn()?;
        let speaker = Speaker::new(&member.name, place);
        let said =
            process.stdout.take().map(|out| output.follow(speaker.clone(), Stream::Out, BufReader::new(out)));
        let complained =
            process.stderr.take().map(|err| output.follow(speaker, Stream::Err, BufReader::new(err)));
        let said = said.map(tokio::spawn);
        let complained = complained.map(tokio::spawn);
        let pid = process.id().unwrap_or_default();
        // At most three signals are sent to a process that is to end: SIGTERM, SIGCONT, SIGKILL.
        let (signals, mut orders) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let how = loop {
                tokio::select! {
                    how = process.wait() => break how,
                    Some(signal) = orders.recv() => send(&process, signal),
                }
            };
            for follower in [said, complained].into_iter().flatten() {
                // A follower does not panic; if it did, only the rest of the output would be lost.
                let _ = follower.await;
            }
            // Without a receiver the manager is on its way out, and nobody wants to know.
            let _ = ended.send(Ended { place, how, ran: started.elapsed() }).await;
        });
        Ok(Self { pid, signals })
    }

    /// Asks the process to leave; wakes it if it was stopped, or it could not hear.
    pub(crate) fn leave(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Ends the process without asking.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // Without a receiver the process has ended already.
        let _ = self.signals.send(signal);
    }
}

fn send(process: &tokio::process::Child, signal: Signal) {
    let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It can only have ended in between, and that is what was wanted.
        let _ = kill_process(pid, signal);
    }
}
