//! The shell that opens no connection: two workers, one control task, and everything that is on its way.

mod acting;
mod network;
mod orders;
mod queueing;
mod sessions;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use evenkeel_upstream::attempt::{
    Action, Affinity, Attempts, Condition, Delivered, Delivery, Event, Plan, Repeat, TryNo, Verdict, Why,
};
use evenkeel_upstream::{
    Author, ConnectFailure, Control, EndpointId, Evidence, Kind, Lease, Outcome, Picker, PolicySettings,
    ProbeResult, Queue, Response, ResponseFailure, Settings, Testimony, Tried, Unavailable, Upstream, Want,
};

use crate::check::{Ledger, Picked};
use crate::exchange::{Ending, Exchange, Running};
use crate::servers::{Fate, Faults, Server, State};
pub(crate) use orders::Orders;
use queueing::Called;
use sessions::Sessions;

const MS: Duration = Duration::from_millis(1);
const WORKERS: usize = 2;
/// All requests here are of one kind.
const KIND: Kind = Kind::new(7 << 32);
/// Between something seen by a worker and the control task's hearing of it.
const CHANNEL: Duration = Duration::from_micros(200);
/// One way through the network.
const WAY: Duration = Duration::from_micros(200);
/// After what time without an answer a connection is asked for again, at first.
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the shell waits for a body that does not progress.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Something on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Arrival,
    Tick,
    Resolve,
    Wake(u64),
    QueueLook(u64),
    Connected(On),
    /// For a connection, after so many times.
    AsksAgain(On, u32),
    /// On an idle connection.
    Sends(On),
    Refused(On),
    Executes(Sent),
    Head(On, FateNo),
    BodyEnds(On, FateNo),
    Stale(On),
    ClientGone(u64),
    /// A request that runs on has not been answered for longer than is usual.
    RunsSilently(On),
    /// It has run for long enough.
    RunsTooLong(On),
    Evidence(EndpointId, SeenNo),
    Probed(EndpointId, ProbeNo),
}

/// A try, as it was when something was sent on its way for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct On {
    exchange: u64,
    index: usize,
    epoch: u32,
}

/// A request on an open connection. It arrives whatever becomes of who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    exchange: u64,
    server: usize,
    incarnation: u32,
}

/// An index into [`FATES`], so that what is on its way can be ordered.
type FateNo = usize;
/// An index into what was seen.
type SeenNo = usize;
/// A key of what probes will hear.
type ProbeNo = u64;

/// Everything.
pub(crate) struct Simulation {
    pub(crate) now: Instant,
    pub(crate) servers: Vec<Server>,
    pub(crate) ledger: Ledger,
    pub(crate) upstream: Upstream,
    pub(crate) control: Control,
    pub(crate) rate: u32,
    /// How many clients there are; requests are shared among them by chance.
    pub(crate) clients: u32,
    /// What one of them asks of whoever answers it.
    pub(crate) hostile: Option<Faults>,
    orders: Orders,
    sessions: Sessions,
    rng: fastrand::Rng,
    begun: Instant,
    workers: Vec<Worker>,
    exchanges: BTreeMap<u64, Exchange>,
    next_exchange: u64,
    due: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    next_due: u64,
    seen: Vec<Testimony>,
    probes: BTreeMap<ProbeNo, (ProbeResult, Duration)>,
    /// What runs on at its server though another answered.
    left: BTreeMap<On, Left>,
    /// What frozen servers will do when they thaw.
    frozen: Vec<(usize, Due)>,
    called: Called,
}

struct Left {
    lease: Lease,
    sent: Instant,
    client: Author,
}

struct Worker {
    picker: Picker,
    /// Idle connections: server, endpoint generation, server incarnation.
    idle: Vec<(usize, u32, u32)>,
}

const FATES: [Fate; 5] = [Fate::Right, Fate::Corrupt, Fate::Truncated, Fate::Reset, Fate::Stalled];

impl Simulation {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let now = Instant::now();
        let spec = "server:8080,spare:8080;backup".parse().expect("a spec");
        let sessions = Sessions::new(settings.stickiness.clone());
        let (upstream, control) = Upstream::new(spec, settings, now);
        let worker = |_| Worker { picker: Picker::new(&upstream), idle: Vec::new() };
        let workers = (0..WORKERS).map(worker).collect();
        let mut simulation = Self {
            now,
            servers: (0..3).map(Server::new).collect(),
            ledger: Ledger::default(),
            upstream,
            control,
            rate: 100,
            clients: 20,
            hostile: None,
            orders: Orders::default(),
            sessions,
            rng: fastrand::Rng::with_seed(seed),
            begun: now,
            workers,
            exchanges: BTreeMap::new(),
            next_exchange: 0,
            due: BinaryHeap::new(),
            next_due: 0,
            seen: Vec::new(),
            probes: BTreeMap::new(),
            left: BTreeMap::new(),
            frozen: Vec::new(),
            called: Called::default(),
        };
        simulation.after(Duration::ZERO, Due::Resolve);
        simulation.after(Duration::ZERO, Due::Tick);
        // The first requests come when the first probes have passed.
        simulation.after(50 * MS, Due::Arrival);
        simulation
    }

    /// A generator for the scenario, from the same seed.
    pub(crate) fn chance(&mut self) -> fastrand::Rng {
        self.rng.fork()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            let Some(Reverse((at, _, due))) = self.due.pop() else { break };
            self.now = at;
            self.step(due);
            self.answer_calls();
            self.ledger.leases_balance(&self.upstream);
            self.ledger.lines_balance(&self.upstream);
        }
        self.now = end;
    }

    /// No more arrivals; what has begun must end.
    pub(crate) fn end(&mut self) {
        self.rate = 0;
        self.run(Duration::from_secs(70));
        assert!(self.exchanges.is_empty(), "{} requests never end", self.exchanges.len());
        assert_eq!(self.ledger.begun, self.ledger.ended);
        self.ledger.budgets_are_kept(self.now - self.begun, &self.upstream.settings());
    }

    fn after(&mut self, time: Duration, due: Due) {
        self.next_due += 1;
        self.due.push(Reverse((self.now + time, self.next_due, due)));
    }

    fn step(&mut self, due: Due) {
        match due {
            Due::Arrival => self.arrive(),
            Due::Tick => {
                self.control.tick(self.now);
                self.start_probes();
                self.time_bodies_out();
                self.hear_changes();
                self.after(20 * MS, Due::Tick);
            }
            Due::Resolve => {
                for (name, backup) in [false, true].into_iter().enumerate() {
                    let found = |server: &&Server| server.listed && server.backup == backup;
                    let found: Vec<SocketAddr> =
                        self.servers.iter().filter(found).map(|server| server.address).collect();
                    self.control.resolved(name, Ok(&found), self.now);
                }
                self.hear_changes();
                self.start_probes();
                self.after(self.control.resolution_interval(), Due::Resolve);
            }
            Due::Wake(id) => self.wake(id),
            Due::QueueLook(id) => self.look_again(id),
            Due::Connected(on) => self.connected(on),
            Due::AsksAgain(on, before) => self.asks_for_a_connection(on, before),
            Due::Sends(on) => self.sends(on),
            Due::Refused(on) => {
                self.gives_up(on, |number| Event::ConnectFailed(number, ConnectFailure::Refused));
            }
            Due::Executes(sent) => self.executes(sent, due),
            Due::Head(on, fate) => self.head(on, fate, due),
            Due::BodyEnds(on, fate) => self.body_ends(on, FATES[fate], due),
            Due::RunsSilently(on) => self.runs_silently(on),
            Due::RunsTooLong(on) => self.let_go(on, Outcome::Abandoned),
            Due::ClientGone(id) => {
                self.tell(id, Event::ClientGone);
                self.settle(id, Some(Ending::Nothing));
            }
            Due::Stale(on) => self.gives_up(on, |number| Event::Stale { number, bytes_sent: true }),
            Due::Evidence(id, seen) => {
                self.control.evidence(id, self.seen[seen], self.now);
                self.start_probes();
            }
            Due::Probed(id, number) => {
                let Some((result, took)) = self.probes.remove(&number) else { return };
                self.control.probed(id, result, took, self.now);
                self.start_probes();
            }
        }
    }

    fn start_probes(&mut self) {
        for probe in self.control.probes_due(self.now, &mut || self.rng.u64(..)) {
            let Some(server) = self.servers.iter().position(|server| server.address == probe.address) else {
                continue;
            };
            let (result, took) = self.servers[server].probe(probe.timeout, self.now);
            self.next_due += 1;
            let number = self.next_due;
            self.probes.insert(number, (result, took));
            self.after(took, Due::Probed(probe.endpoint, number));
        }
    }
}
