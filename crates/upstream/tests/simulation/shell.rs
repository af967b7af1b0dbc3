//! The shell that opens no connection: two workers, one control task, and everything that is on its way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_upstream::attempt::{Action, Attempts, Condition, Event, Plan, Repeat, TryNo, Verdict, Why};
use evenkeel_upstream::{
    ConnectFailure, Control, EndpointId, Evidence, Outcome, Picker, PolicySettings, ProbeResult, Queue,
    ResponseFailure, Settings, Tried, Unavailable, Upstream, Want,
};

use crate::check::Ledger;
use crate::exchange::{Ending, Exchange, Running};
use crate::servers::{Fate, Server, State};

const MS: Duration = Duration::from_millis(1);
const WORKERS: usize = 2;
/// Between something seen by a worker and the control task's hearing of it.
const CHANNEL: Duration = Duration::from_micros(200);
/// One way through the network.
const WAY: Duration = Duration::from_micros(200);
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
    Refused(On),
    Executes(Sent),
    Head(On, FateNo),
    BodyEnds(On, FateNo),
    Stale(On),
    ClientGone(u64),
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
    rng: fastrand::Rng,
    begun: Instant,
    workers: Vec<Worker>,
    exchanges: BTreeMap<u64, Exchange>,
    next_exchange: u64,
    due: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    next_due: u64,
    seen: Vec<Evidence>,
    probes: BTreeMap<ProbeNo, (ProbeResult, Duration)>,
    /// What frozen servers will do when they thaw.
    frozen: Vec<(usize, Due)>,
}

struct Worker {
    picker: Picker,
    queue: Queue,
    /// Idle connections: server, endpoint generation, server incarnation.
    idle: Vec<(usize, u32, u32)>,
}

const FATES: [Fate; 5] = [Fate::Right, Fate::Corrupt, Fate::Truncated, Fate::Reset, Fate::Stalled];

impl Simulation {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    pub(crate) fn new(policy: PolicySettings, seed: u64) -> Self {
        Self::with(Settings { policy, ..Settings::default() }, seed, Instant::now())
    }

    fn with(settings: Settings, seed: u64, now: Instant) -> Self {
        let spec = "server:8080".parse().expect("a spec");
        let (upstream, control) = Upstream::new(spec, settings, now);
        let worker =
            |_| Worker { picker: Picker::new(&upstream), queue: Queue::new(&upstream), idle: Vec::new() };
        let workers = (0..WORKERS).map(worker).collect();
        let mut simulation = Self {
            now,
            servers: (0..3).map(Server::new).collect(),
            ledger: Ledger::default(),
            upstream,
            control,
            rate: 100,
            rng: fastrand::Rng::with_seed(seed),
            begun: now,
            workers,
            exchanges: BTreeMap::new(),
            next_exchange: 0,
            due: BinaryHeap::new(),
            next_due: 0,
            seen: Vec::new(),
            probes: BTreeMap::new(),
            frozen: Vec::new(),
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
            self.ledger.leases_balance(&self.upstream);
        }
        self.now = end;
    }

    /// No more arrivals; what has begun must end.
    pub(crate) fn end(&mut self) {
        self.rate = 0;
        self.run(Duration::from_secs(70));
        assert!(self.exchanges.is_empty(), "{} requests never end", self.exchanges.len());
        assert_eq!(self.ledger.begun, self.ledger.ended);
        assert_eq!(self.upstream.waiting(), 0, "places in the queue do not balance");
        self.ledger.budgets_are_kept(self.now - self.begun);
    }

    /// A server's state changes, and everything that is open to it feels it.
    pub(crate) fn set_state(&mut self, server: usize, state: State) {
        let before = std::mem::replace(&mut self.servers[server].state, state);
        let breaks = match (before, state) {
            // A process that is gone closes its connections; an address that is gone closes nothing.
            (_, State::Refusing) => true,
            (State::Refusing | State::Gone, _) => {
                self.servers[server].incarnation += 1;
                false
            }
            _ => false,
        };
        if breaks {
            self.break_connections(server);
        }
        if self.servers[server].is_working() {
            let thawed: Vec<_> = self.frozen.extract_if(.., |(of, _)| *of == server).collect();
            for (_, due) in thawed {
                self.after(MS, due);
            }
        }
    }

    /// Killed as Docker does it: FIN on everything that is open, and then nothing answers at its address.
    pub(crate) fn kill(&mut self, server: usize) {
        self.set_state(server, State::Refusing);
        self.servers[server].state = State::Gone;
    }

    fn break_connections(&mut self, server: usize) {
        self.servers[server].incarnation += 1;
        let broken: Vec<On> = self
            .running()
            .filter(|(_, running)| running.server == server && running.connected)
            .map(|(on, _)| on)
            .collect();
        for on in broken {
            self.breaks(on, ResponseFailure::Closed);
        }
        let address = self.servers[server].address;
        for worker in &mut self.workers {
            let before = worker.idle.len();
            worker.idle.retain(|&(of, ..)| of != server);
            let endpoint = self.control.find(address).and_then(|id| worker.picker.endpoint(id).cloned());
            if let Some(endpoint) = endpoint.filter(|_| worker.idle.len() < before)
                && endpoint.report(Evidence::IdleClosed)
            {
                self.control.evidence(endpoint.id(), Evidence::IdleClosed, self.now);
            }
        }
        self.start_probes();
    }

    fn running(&self) -> impl Iterator<Item = (On, &Running)> {
        self.exchanges.iter().flat_map(|(&exchange, state)| {
            let tries = state.tries.iter().enumerate().filter(|(_, running)| running.lease.is_some());
            tries.map(move |(index, running)| (On { exchange, index, epoch: running.epoch }, running))
        })
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
                self.control.take_changes().for_each(drop);
                self.after(20 * MS, Due::Tick);
            }
            Due::Resolve => {
                let listed: Vec<SocketAddr> =
                    self.servers.iter().filter(|server| server.listed).map(|server| server.address).collect();
                self.control.resolved(0, Ok(&listed), self.now);
                self.start_probes();
                self.after(self.control.resolution_interval(), Due::Resolve);
            }
            Due::Wake(id) => self.wake(id),
            Due::QueueLook(id) => self.look_in_queue(id),
            Due::Connected(on) => self.connected(on),
            Due::Refused(on) => {
                self.gives_up(on, |number| Event::ConnectFailed(number, ConnectFailure::Refused));
            }
            Due::Executes(sent) => self.executes(sent, due),
            Due::Head(on, fate) => self.head(on, fate, due),
            Due::BodyEnds(on, fate) => self.body_ends(on, FATES[fate], due),
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
            let (result, took) = self.servers[server].probe(probe.timeout);
            self.next_due += 1;
            let number = self.next_due;
            self.probes.insert(number, (result, took));
            self.after(took, Due::Probed(probe.endpoint, number));
        }
    }

    fn arrive(&mut self) {
        if self.rate == 0 {
            return;
        }
        let mean = Duration::from_secs(1) / self.rate;
        let pause = mean * self.rng.u32(20..180) / 100;
        self.after(pause, Due::Arrival);
        let plan = match self.rng.u32(0..100) {
            0..60 => Plan { repeat: Repeat::Freely, hedgeable: true, replayable: true },
            60..70 => Plan { repeat: Repeat::Freely, hedgeable: false, replayable: true },
            70..75 => Plan { repeat: Repeat::InTurn, hedgeable: false, replayable: true },
            _ => Plan { repeat: Repeat::Never, hedgeable: false, replayable: true },
        };
        let id = self.next_exchange;
        self.next_exchange += 1;
        self.ledger.begun += 1;
        let attempts = Attempts::new(plan, &self.upstream.settings().attempts, self.now);
        let exchange = Exchange {
            worker: self.rng.usize(0..WORKERS),
            plan,
            key: self.rng.u64(0..500),
            arrived: self.now,
            attempts,
            tried: Tried::default(),
            tries: Vec::new(),
            waiting: None,
            wakes_at: None,
            ending: None,
        };
        if plan.repeat == Repeat::Never {
            self.ledger.executions.insert(id, 0);
        }
        self.exchanges.insert(id, exchange);
        if self.rng.u32(0..200) == 0 {
            let soon = MS * self.rng.u32(1..10);
            self.after(soon, Due::ClientGone(id));
        }
        self.tell(id, Event::Start);
    }

    /// An event of a try, if it still concerns it.
    fn feed(&mut self, on: On, event: impl FnOnce(TryNo) -> Event<'static>) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        if let Some(running) = exchange.tries.get(on.index).filter(|running| running.epoch == on.epoch) {
            self.tell(on.exchange, event(running.number));
        }
    }

    fn time_bodies_out(&mut self) {
        let late = |running: &Running| running.head_at.is_some_and(|at| self.now - at > BODY_TIMEOUT);
        let late: Vec<On> = self.running().filter(|(_, running)| late(running)).map(|(on, _)| on).collect();
        for on in late {
            self.breaks(on, ResponseFailure::TimedOut);
        }
    }

    /// A try has come to nothing before an answer.
    fn gives_up(&mut self, on: On, event: impl FnOnce(TryNo) -> Event<'static>) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        if exchange.tries.get(on.index).is_some_and(|running| running.epoch == on.epoch) {
            self.release(on.exchange, on.index, Outcome::Failure);
            self.feed(on, event);
        }
    }

    /// A connection breaks while something of it is still awaited.
    fn breaks(&mut self, on: On, why: ResponseFailure) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        let Some(running) = exchange.tries.get(on.index) else { return };
        if running.epoch != on.epoch || running.lease.is_none() || running.whole {
            return;
        }
        let committed = exchange.attempts.committed().is_some_and(|number| number.index() == on.index);
        self.release(on.exchange, on.index, Outcome::Failure);
        self.feed(on, |number| Event::Broken(number, why));
        self.settle(on.exchange, committed.then_some(Ending::Truncated));
    }

    /// Tells the machine and does what it says, until it says nothing more.
    fn tell(&mut self, id: u64, event: Event<'_>) {
        let mut actions = VecDeque::new();
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            actions.extend(exchange.attempts.on(event, self.upstream.budgets(), self.now));
        }
        while let Some(action) = actions.pop_front() {
            for event in self.act(id, action) {
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    actions.extend(exchange.attempts.on(event, self.upstream.budgets(), self.now));
                }
            }
        }
        self.wake_later(id);
        self.close_if_ended(id);
    }

    fn act(&mut self, id: u64, action: Action) -> Vec<Event<'static>> {
        match action {
            Action::Try(number, why) => {
                self.ledger.tried(why);
                self.pick(id, number, why)
            }
            Action::Reconnect(number) => {
                self.connect(id, number.index());
                Vec::new()
            }
            Action::Cancel(number) => {
                self.release(id, number.index(), Outcome::Abandoned);
                Vec::new()
            }
            Action::Commit(number) => {
                self.committed(id, number.index());
                Vec::new()
            }
            Action::Report(number, evidence) => {
                self.report(id, number.index(), evidence);
                Vec::new()
            }
            Action::Reply(_) => {
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    exchange.ending = Some(Ending::Failure);
                }
                Vec::new()
            }
        }
    }

    fn pick(&mut self, id: u64, number: TryNo, why: Why) -> Vec<Event<'static>> {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Vec::new() };
        let want = Want {
            key: Some(exchange.key),
            pin: None,
            trial: exchange.plan.hedgeable,
            plain_only: matches!(why, Why::Hedge | Why::Race),
        };
        let worker = &mut self.workers[exchange.worker];
        let overtakes = !worker.queue.is_empty() && exchange.waiting.is_none() && why == Why::First;
        let picked = if overtakes {
            Err(Unavailable::AllBusy)
        } else {
            worker.picker.pick(&want, &exchange.tried, &mut || self.rng.u64(..), self.now)
        };
        let lease = match picked {
            Ok(lease) => lease,
            Err(Unavailable::AllBusy) if why == Why::First && exchange.waiting.is_none() => {
                let Ok(place) = worker.queue.join(self.now) else {
                    return vec![Event::NoneLeft(Unavailable::AllBusy)];
                };
                exchange.waiting = Some((place, number));
                self.after(Queue::LOOK_AGAIN, Due::QueueLook(id));
                return Vec::new();
            }
            Err(why) => return vec![Event::NoneLeft(why)],
        };
        self.ledger.picked(&lease, &self.upstream, exchange);
        let endpoint = lease.endpoint();
        exchange.tried.add(endpoint.id());
        let server =
            self.servers.iter().position(|server| server.address == endpoint.address()).expect("a server");
        let generation = endpoint.generation();
        worker.idle.retain(|&(of, of_generation, _)| of != server || of_generation == generation);
        let idle = worker.idle.iter().position(|&(of, ..)| of == server);
        let incarnation = idle.map_or(self.servers[server].incarnation, |at| worker.idle.swap_remove(at).2);
        let chosen = Event::Chosen {
            number,
            endpoint: endpoint.id(),
            usual: endpoint.usual(),
            reused: idle.is_some(),
        };
        exchange.tries.push(Running {
            number,
            lease: Some(lease),
            server,
            incarnation,
            epoch: 0,
            connected: idle.is_some(),
            began: self.now,
            sent: None,
            status: None,
            head_at: None,
            held: false,
            whole: false,
        });
        if idle.is_none() {
            self.connect(id, number.index());
            return vec![chosen];
        }
        self.send(id, number.index());
        vec![chosen, Event::ByteSent(number), Event::RequestSent(number)]
    }

    fn connect(&mut self, id: u64, index: usize) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &mut exchange.tries[index];
        running.epoch += 1;
        (running.connected, running.began) = (false, now);
        let server = &self.servers[running.server];
        running.incarnation = server.incarnation;
        let on = On { exchange: id, index, epoch: running.epoch };
        match server.state {
            State::Up | State::Leaving | State::Frozen => self.after(2 * WAY, Due::Connected(on)),
            State::Refusing => self.after(2 * WAY, Due::Refused(on)),
            State::Gone => {}
        }
    }

    fn connected(&mut self, on: On) {
        let Some(exchange) = self.exchanges.get_mut(&on.exchange) else { return };
        let Some(running) = exchange.tries.get_mut(on.index).filter(|running| running.epoch == on.epoch)
        else {
            return;
        };
        running.connected = true;
        if let Some(lease) = &running.lease {
            lease.connected(self.now - running.began);
        }
        self.feed(on, Event::Connected);
        self.send(on.exchange, on.index);
        self.feed(on, Event::ByteSent);
        self.feed(on, Event::RequestSent);
    }

    /// The request is on its way to the server.
    fn send(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &mut exchange.tries[index];
        if running.lease.is_none() {
            return;
        }
        running.sent = Some(self.now);
        let on = On { exchange: id, index, epoch: running.epoch };
        let sent = Sent { exchange: id, server: running.server, incarnation: running.incarnation };
        let server = &self.servers[sent.server];
        let closed = sent.incarnation != server.incarnation;
        let latency = server.latency;
        let fate = server.fate(&mut self.rng);
        Ledger::sent(exchange);
        if closed {
            self.after(WAY, Due::Stale(on));
        } else {
            self.after(WAY, Due::Executes(sent));
            let jitter = self.rng.u32(80..150);
            let fate = FATES.iter().position(|&other| other == fate).unwrap_or(0);
            self.after(2 * WAY + latency * jitter / 100, Due::Head(on, fate));
        }
    }

    /// The server takes the request up, whether or not anybody still waits for the answer.
    fn executes(&mut self, sent: Sent, due: Due) {
        let server = &self.servers[sent.server];
        if sent.incarnation != server.incarnation {
            return;
        }
        if server.is_working() {
            self.ledger.executed(sent.exchange);
        } else {
            self.frozen.push((sent.server, due));
        }
    }

    /// The try that something arrives for: on a connection that is still open, with a server that works. What a
    /// frozen server would send comes when it thaws.
    fn arrives(&mut self, on: On, due: Due) -> Option<&mut Running> {
        let exchange = self.exchanges.get_mut(&on.exchange)?;
        let running = exchange.tries.get_mut(on.index).filter(|running| running.epoch == on.epoch)?;
        let server = &self.servers[running.server];
        if running.incarnation != server.incarnation || running.lease.is_none() {
            return None;
        }
        if !server.is_working() {
            self.frozen.push((running.server, due));
            return None;
        }
        Some(running)
    }

    fn head(&mut self, on: On, fate: FateNo, due: Due) {
        let (now, held) = (self.now, self.rng.u32(0..10) > 0);
        let body = MS / 2 * self.rng.u32(0..4);
        let Some(running) = self.arrives(on, due) else { return };
        if FATES[fate] == Fate::Stalled {
            return;
        }
        let server = running.server;
        let status = self.servers[server].status;
        let Some(running) = self.arrives(on, due) else { return };
        let sent = running.sent.unwrap_or(now);
        if let Some(lease) = &mut running.lease {
            lease.head_received(status, now - sent, now);
        }
        (running.status, running.held, running.head_at) = (Some(status), held, Some(now));
        self.feed(on, |number| Event::Head { number, status, held });
        self.after(body, Due::BodyEnds(on, fate));
    }

    fn body_ends(&mut self, on: On, fate: Fate, due: Due) {
        let bytes = self.rng.u64(..);
        let Some(running) = self.arrives(on, due) else { return };
        match fate {
            Fate::Truncated => return self.breaks(on, ResponseFailure::Truncated),
            Fate::Reset => return self.breaks(on, ResponseFailure::Reset),
            Fate::Right | Fate::Stalled | Fate::Corrupt => running.whole = true,
        }
        let status = running.status.unwrap_or(0);
        let attempts = &self.exchanges[&on.exchange].attempts;
        let committed = attempts.committed().is_some_and(|number| number.index() == on.index);
        let (verdict, outcome, ending) = if fate == Fate::Corrupt {
            (Verdict::WrongDigest(bytes), Outcome::Failure, Ending::Truncated)
        } else {
            (Verdict::Right, Outcome::Success, Ending::Response(status))
        };
        self.keep_idle(on);
        // Before the machine hears of it: what it then says may end the exchange, and with it every lease.
        self.release(on.exchange, on.index, outcome);
        self.feed(on, |number| Event::Whole(number, verdict));
        self.settle(on.exchange, committed.then_some(ending));
    }

    fn keep_idle(&mut self, on: On) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        let running = &exchange.tries[on.index];
        let Some(lease) = &running.lease else { return };
        let idle = (running.server, lease.endpoint().generation(), running.incarnation);
        self.workers[exchange.worker].idle.push(idle);
    }

    /// The answer is decided. A held one is at hand; a stream ends with its body.
    fn committed(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &exchange.tries[index];
        if let Some(status) = running.status.filter(|_| running.held || running.whole) {
            exchange.ending = Some(Ending::Response(status));
        }
    }

    fn settle(&mut self, id: u64, ending: Option<Ending>) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.ending = exchange.ending.or(ending);
        }
        self.close_if_ended(id);
    }

    fn report(&mut self, id: u64, index: usize, evidence: Evidence) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let server = exchange.tries[index].server;
        let Some(endpoint) = self.control.find(self.servers[server].address) else { return };
        let worker = &mut self.workers[exchange.worker];
        let news = worker.picker.endpoint(endpoint).is_some_and(|endpoint| endpoint.report(evidence));
        if news {
            self.seen.push(evidence);
            self.after(CHANNEL, Due::Evidence(endpoint, self.seen.len() - 1));
        }
    }

    fn release(&mut self, id: u64, index: usize, outcome: Outcome) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(lease) = exchange.tries[index].lease.take() else { return };
        let endpoint = lease.endpoint().id();
        self.ledger.released(endpoint);
        if let Some(evidence) = lease.finish(outcome, self.now) {
            self.seen.push(evidence);
            self.after(CHANNEL, Due::Evidence(endpoint, self.seen.len() - 1));
        }
    }

    /// Sees to it that the machine is woken in time; what is set already is early enough for anything later.
    fn wake_later(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(wake) = exchange.attempts.next_wake() else { return };
        if exchange.wakes_at.is_none_or(|set| wake < set) {
            exchange.wakes_at = Some(wake);
            self.after(wake.saturating_duration_since(self.now), Due::Wake(id));
        }
    }

    fn wake(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.wakes_at = None;
        if exchange.attempts.next_wake().is_none_or(|wake| wake > self.now) {
            return self.wake_later(id);
        }
        let picker = &mut self.workers[exchange.worker].picker;
        let mut conditions: Vec<Condition> = Vec::new();
        for running in &exchange.tries {
            if let Some(lease) = &running.lease {
                conditions.push(picker.condition(running.number, lease, self.now));
            }
        }
        self.tell(id, Event::Woke(&conditions));
    }

    fn look_in_queue(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some((place, number)) = &exchange.waiting else { return };
        let (number, queue) = (*number, &mut self.workers[exchange.worker].queue);
        let events = if self.now >= place.deadline {
            vec![Event::NoneLeft(Unavailable::AllBusy)]
        } else if queue.is_first(place) {
            match self.pick(id, number, Why::First).as_slice() {
                [Event::NoneLeft(Unavailable::AllBusy)] => Vec::new(),
                events => events.to_vec(),
            }
        } else {
            Vec::new()
        };
        if events.is_empty() {
            return self.after(Queue::LOOK_AGAIN, Due::QueueLook(id));
        }
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && let Some((place, _)) = exchange.waiting.take()
        {
            self.workers[exchange.worker].queue.leave(place);
        }
        for event in events {
            self.tell(id, event);
        }
    }

    fn close_if_ended(&mut self, id: u64) {
        let Some(ending) = self.exchanges.get(&id).and_then(|exchange| exchange.ending) else { return };
        let tries = self.exchanges[&id].tries.len();
        (0..tries).for_each(|index| self.release(id, index, Outcome::Abandoned));
        if let Some(mut exchange) = self.exchanges.remove(&id) {
            if let Some((place, _)) = exchange.waiting.take() {
                self.workers[exchange.worker].queue.leave(place);
            }
            let total = self.upstream.settings().attempts.total;
            self.ledger.ended(&exchange, ending, total, self.now);
        }
    }
}
