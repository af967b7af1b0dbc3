//! The set while it runs: starts the members, shows who ends, starts those again if asked, and ends all of them in order.
//!
//! ```text
//!            ┌──────── restart, when its pause is over ────────┐
//!            ▼                                                 │
//! Running ──ends──▶ restart=on, not the client? ──yes──▶ Pausing
//!                                  └──no──▶ Ended
//! ```

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use evenkeel_service::Shutdown;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    Trouble,
    addresses::Claims,
    binaries::Binaries,
    child::{Child, Ended},
    output::Output,
    plan::{Addresses, Kind, Member, Plan},
    ready,
    restart::Patience,
    settings::Settings,
    table::table,
    token,
};

/// How long a member may take to leave before it is killed. Servers promise 8 s; the balancer waits for requests that run.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the set until it is asked to end, or nothing of it is left.
pub(crate) async fn run(
    plan: Plan,
    claims: Claims,
    binaries: &Binaries,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Trouble> {
    let shutdown = Shutdown::on_signal()
        .map_err(|error| Trouble::unavailable(format!("manager: cannot wait for signals: {error}")))?;
    // Room for every member to end at the same moment.
    let (ended, mut endings) = mpsc::channel(plan.members.len());
    let balancer = plan.balancer().cloned();
    let mut set = Set {
        seats: plan.members.into_iter().map(Seat::new).collect(),
        binaries,
        output,
        ended,
        restart: settings.restart,
    };
    drop(claims);
    set.start_all()?;
    output.say(&set.table());

    let admin = balancer.as_ref().and_then(|balancer| balancer.addresses).map(|addresses| addresses.admin);
    let mut balancer_ready = std::pin::pin!(ready::wait(admin));
    let mut announced = false;
    while set.is_alive() {
        tokio::select! {
            () = shutdown.requested() => break,
            Some(ended) = endings.recv() => set.on_ended(ended),
            () = set.pause_over() => set.start_due(),
            () = &mut balancer_ready, if !announced => {
                announced = true;
                set.announce(balancer.as_ref());
            }
        }
    }
    if !set.is_alive() {
        output.say("nothing of the set is left; the lines above say why");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if set.stop(&mut endings).await { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Set<'a> {
    seats: Vec<Seat>,
    binaries: &'a Binaries,
    output: Output,
    ended: mpsc::Sender<Ended>,
    restart: bool,
}

/// A member's place in the set, taken or not.
struct Seat {
    member: Member,
    state: State,
    patience: Patience,
}

enum State {
    /// Not started yet: the client, until the balancer is ready.
    Waiting,
    Running(Child),
    /// Ended; starts again at this moment.
    Pausing(Instant),
    Ended,
}

impl Seat {
    fn new(member: Member) -> Self {
        Self { member, state: State::Waiting, patience: Patience::default() }
    }
}

impl Set<'_> {
    /// Starts everything but the client.
    fn start_all(&mut self) -> Result<(), Trouble> {
        for place in 0..self.seats.len() {
            if self.seats[place].member.kind != Kind::Client {
                self.start(place).map_err(|error| {
                    let name = &self.seats[place].member.name;
                    Trouble::unavailable(format!("manager: {name} cannot be started: {error}"))
                })?;
            }
        }
        Ok(())
    }

    fn start(&mut self, place: usize) -> io::Result<u32> {
        let seat = &mut self.seats[place];
        let child = Child::start(place, &seat.member, self.binaries, self.output, self.ended.clone())?;
        let pid = child.pid;
        seat.state = State::Running(child);
        Ok(pid)
    }

    /// Says that requests are welcome, and lets the client begin.
    fn announce(&mut self, balancer: Option<&Member>) {
        if let Some((balancer, Addresses { traffic, admin })) =
            balancer.and_then(|balancer| Some((balancer, balancer.addresses?)))
        {
            self.output.say(&format!("ready: curl http://{traffic}/\n{}", token::page(balancer, admin)));
        }
        let client = self.seats.iter().position(|seat| seat.member.kind == Kind::Client);
        if let Some(place) = client {
            let started = self.start(place).map_err(|error| error.to_string());
            self.output.say(&match started {
                Ok(pid) => format!("client started, pid {pid}"),
                Err(error) => format!("client cannot be started: {error}"),
            });
            if matches!(self.seats[place].state, State::Waiting) {
                self.seats[place].state = State::Ended;
            }
        }
    }

    fn on_ended(&mut self, Ended { place, how, ran }: Ended) {
        let seat = &mut self.seats[place];
        let name = &seat.member.name;
        let how = describe(&how);
        // The client is a job: its end is what it is for.
        if self.restart && seat.member.kind != Kind::Client {
            let pause = seat.patience.next(ran);
            seat.state = State::Pausing(Instant::now() + pause);
            self.output.say(&format!("{name} ended: {how}; starts again in {pause:?}"));
        } else {
            seat.state = State::Ended;
            self.output.say(&format!("{name} ended: {how}"));
        }
    }

    /// Waits until a pause is over; forever where nobody pauses.
    fn pause_over(&self) -> impl Future<Output = ()> + use<> {
        let pauses = self.seats.iter().filter_map(|seat| match seat.state {
            State::Pausing(until) => Some(until),
            _ => None,
        });
        let first = pauses.min();
        async move {
            match first {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        for place in 0..self.seats.len() {
            if !matches!(self.seats[place].state, State::Pausing(until) if until <= now) {
                continue;
            }
            match self.start(place) {
                Ok(pid) => {
                    let name = &self.seats[place].member.name;
                    self.output.say(&format!("{name} runs again, pid {pid}"));
                }
                Err(error) => {
                    let seat = &mut self.seats[place];
                    let pause = seat.patience.next(Duration::ZERO);
                    seat.state = State::Pausing(now + pause);
                    self.output
                        .say(&format!("{} cannot be started: {error}; again in {pause:?}", seat.member.name));
                }
            }
        }
    }

    /// Ends the client, then the balancer, then the servers, each when those before it have left. `false` when one of them
    /// had to be killed.
    async fn stop(&mut self, endings: &mut mpsc::Receiver<Ended>) -> bool {
        self.restart = false;
        let mut in_order = true;
        for kind in [Kind::Client, Kind::Balancer, Kind::Server] {
            self.running(kind).for_each(|(_, child)| child.leave());
            let deadline = Instant::now() + GRACE;
            while self.running(kind).next().is_some() {
                if let Ok(Some(ended)) = timeout_at(deadline, endings.recv()).await {
                    self.on_ended(ended);
                    continue;
                }
                in_order = false;
                for (name, child) in self.running(kind) {
                    self.output.say(&format!("{name} does not leave within {GRACE:?}: killed"));
                    child.kill();
                }
                while self.running(kind).next().is_some() {
                    let Some(ended) = endings.recv().await else { break };
                    self.on_ended(ended);
                }
            }
        }
        in_order
    }

    fn running(&self, kind: Kind) -> impl Iterator<Item = (&str, &Child)> {
        self.seats.iter().filter(move |seat| seat.member.kind == kind).filter_map(|seat| match &seat.state {
            State::Running(child) => Some((seat.member.name.as_str(), child)),
            _ => None,
        })
    }

    /// Whether a server or the balancer runs, or will.
    fn is_alive(&self) -> bool {
        let alive = |seat: &Seat| matches!(seat.state, State::Running(_) | State::Pausing(_));
        self.seats.iter().any(|seat| seat.member.kind != Kind::Client && alive(seat))
    }

    fn table(&self) -> String {
        table(self.seats.iter().map(|seat| {
            let pid = match &seat.state {
                State::Running(child) => Some(child.pid),
                _ => None,
            };
            (&seat.member, pid)
        }))
    }
}

/// How a process ended, in words.
fn describe(how: &io::Result<ExitStatus>) -> String {
    match how {
        Err(error) => format!("nobody knows how ({error})"),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}{}", signal_name(signal)),
            (None, None) => status.to_string(),
        },
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_as_status_or_signal() {
        assert_eq!(describe(&Ok(ExitStatus::from_raw(3 << 8))), "exit status 3");
        assert_eq!(describe(&Ok(ExitStatus::from_raw(9))), "signal 9 (SIGKILL)");
    }
}
