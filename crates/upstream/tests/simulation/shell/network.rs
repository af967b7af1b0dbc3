//! Connections, requests and responses on their way, and what a change of a server does to them.

use super::*;

impl Simulation {
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

    pub(super) fn break_connections(&mut self, server: usize) {
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
        let left =
            |(on, Left { lease, .. }): (&On, &Left)| (lease.endpoint().address() == address).then_some(*on);
        let left: Vec<On> = self.left.iter().filter_map(left).collect();
        for on in left {
            self.let_go(on, Outcome::Failure);
        }
        for worker in &mut self.workers {
            let before = worker.idle.len();
            worker.idle.retain(|&(of, ..)| of != server);
            let endpoint = self.control.find(address).and_then(|id| worker.picker.endpoint(id).cloned());
            if let Some(endpoint) = endpoint.filter(|_| worker.idle.len() < before)
                && endpoint.report(Evidence::IdleClosed, self.now)
            {
                self.control.evidence(endpoint.id(), Evidence::IdleClosed, self.now);
            }
        }
        self.start_probes();
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (On, &Running)> {
        self.exchanges.iter().flat_map(|(&exchange, state)| {
            let tries = state.tries.iter().enumerate().filter(|(_, running)| running.lease.is_some());
            tries.map(move |(index, running)| (On { exchange, index, epoch: running.epoch }, running))
        })
    }

    pub(super) fn time_bodies_out(&mut self) {
        let late = |running: &Running| running.head_at.is_some_and(|at| self.now - at > BODY_TIMEOUT);
        let late: Vec<On> = self.running().filter(|(_, running)| late(running)).map(|(on, _)| on).collect();
        for on in late {
            self.breaks(on, ResponseFailure::TimedOut);
        }
    }

    /// A try has come to nothing before an answer.
    pub(super) fn gives_up(&mut self, on: On, event: impl FnOnce(TryNo) -> Event<'static>) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        if exchange.tries.get(on.index).is_some_and(|running| running.epoch == on.epoch) {
            self.release(on.exchange, on.index, Outcome::Failure);
            self.feed(on, event);
        }
    }

    /// A connection breaks while something of it is still awaited.
    pub(super) fn breaks(&mut self, on: On, why: ResponseFailure) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        let Some(running) = exchange.tries.get(on.index) else { return };
        if running.epoch != on.epoch || running.lease.is_none() || running.whole {
            return;
        }
        if exchange.attempts.committed() == Some(running.number) {
            return self.delivered(on, Delivery::Broken(why), Ending::Truncated);
        }
        self.release(on.exchange, on.index, Outcome::Failure);
        self.feed(on, |number| Event::Broken(number, why));
        self.close_if_ended(on.exchange);
    }

    /// The answer's way to the client has ended.
    fn delivered(&mut self, on: On, how: Delivery, ending: Ending) {
        let Some(exchange) = self.exchanges.get_mut(&on.exchange) else { return };
        let number = exchange.tries[on.index].number;
        let Delivered { outcome, evidence } = exchange.attempts.delivered(how, self.now);
        self.release(on.exchange, on.index, outcome);
        if let Some(evidence) = evidence {
            self.report(on.exchange, number, evidence);
        }
        self.settle(on.exchange, Some(ending));
    }

    pub(super) fn connect(&mut self, id: u64, index: usize) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &mut exchange.tries[index];
        running.epoch += 1;
        (running.connected, running.began) = (false, now);
        running.incarnation = self.servers[running.server].incarnation;
        let on = On { exchange: id, index, epoch: running.epoch };
        self.asks_for_a_connection(on, 0);
    }

    /// As systems do it: whoever is not answered asks again after one second, two more, four more.
    pub(super) fn asks_for_a_connection(&mut self, on: On, before: u32) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        let Some(running) = exchange.tries.get(on.index) else { return };
        if running.epoch != on.epoch || running.lease.is_none() {
            return;
        }
        let server = &self.servers[running.server];
        match server.state {
            State::Up if server.is_line_full(self.now) => {
                self.after(SYN_TIMEOUT * 2u32.pow(before), Due::AsksAgain(on, before + 1));
            }
            State::Up | State::Leaving | State::Frozen => self.after(2 * WAY, Due::Connected(on)),
            State::Refusing => self.after(2 * WAY, Due::Refused(on)),
            State::Gone => {}
        }
    }

    pub(super) fn connected(&mut self, on: On) {
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
        self.sends(on);
    }

    /// The whole request at once.
    pub(super) fn sends(&mut self, on: On) {
        let running = self.exchanges.get(&on.exchange).and_then(|exchange| exchange.tries.get(on.index));
        if running.is_some_and(|running| running.epoch == on.epoch && running.lease.is_some()) {
            self.send(on.exchange, on.index);
            self.feed(on, Event::ByteSent);
            self.feed(on, Event::RequestSent);
        }
    }

    /// The request is on its way to the server.
    pub(super) fn send(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &mut exchange.tries[index];
        if running.lease.is_none() {
            return;
        }
        running.sent = Some(self.now);
        let on = On { exchange: id, index, epoch: running.epoch };
        let sent = Sent { exchange: id, server: running.server, incarnation: running.incarnation };
        let server = &mut self.servers[sent.server];
        let closed = sent.incarnation != server.incarnation;
        let time = server.works_for(&mut self.rng);
        let time = if closed { time } else { server.takes_up(time, self.now) };
        // Whoever answers the hostile client fails.
        let hostile = self.hostile.filter(|_| exchange.client == hostile_client());
        let fate = match hostile {
            Some(faults) => faults.fate(&mut self.rng),
            None => server.fate(&mut self.rng),
        };
        Ledger::sent(exchange);
        if closed {
            self.after(WAY, Due::Stale(on));
        } else {
            self.after(WAY, Due::Executes(sent));
            let fate = FATES.iter().position(|&other| other == fate).unwrap_or(0);
            self.after(2 * WAY + time, Due::Head(on, fate));
        }
    }

    /// The server takes the request up, whether or not anybody still waits for the answer.
    pub(super) fn executes(&mut self, sent: Sent, due: Due) {
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
    pub(super) fn arrives(&mut self, on: On, due: Due) -> Option<&mut Running> {
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

    pub(super) fn head(&mut self, on: On, fate: FateNo, due: Due) {
        if self.left.contains_key(&on) {
            return self.head_of_what_ran_on(on, fate, due);
        }
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
        let mut response = says(status, false);
        if let Some(lease) = &mut running.lease {
            response = says(status, lease.is_accused());
            lease.head_received(response, now - sent, now);
        }
        (running.status, running.held, running.head_at) = (Some(status), held, Some(now));
        if response.is_good() {
            let worker = self.exchanges[&on.exchange].worker;
            self.workers[worker].picker.learn(KIND, now - sent);
        }
        self.feed(on, |number| Event::Head { number, response, status, held });
        self.after(body, Due::BodyEnds(on, fate));
    }

    fn head_of_what_ran_on(&mut self, on: On, fate: FateNo, due: Due) {
        let address = self.left[&on].lease.endpoint().address();
        let of = self.servers.iter().position(|server| server.address == address).expect("a server");
        let (status, latency, now) = (self.servers[of].status, self.servers[of].latency, self.now);
        if !self.servers[of].is_working() {
            self.frozen.push((of, due));
        } else if FATES[fate] != Fate::Stalled {
            if let Some(Left { lease, .. }) = self.left.get_mut(&on) {
                lease.head_received(says(status, false), latency, now);
            }
            self.let_go(on, Outcome::Success);
        }
    }

    pub(super) fn body_ends(&mut self, on: On, fate: Fate, due: Due) {
        let bytes = self.rng.u64(..);
        let Some(running) = self.arrives(on, due) else { return };
        match fate {
            Fate::Truncated => return self.breaks(on, ResponseFailure::Truncated),
            Fate::Reset => return self.breaks(on, ResponseFailure::Reset),
            Fate::Right | Fate::Stalled | Fate::Corrupt => running.whole = true,
        }
        let status = running.status.unwrap_or(0);
        let number = running.number;
        self.keep_idle(on);
        if self.exchanges[&on.exchange].attempts.committed() == Some(number) {
            let (how, ending) = match fate {
                Fate::Corrupt => (Delivery::WrongDigest, Ending::Truncated),
                _ => (Delivery::Whole, Ending::Response(status)),
            };
            return self.delivered(on, how, ending);
        }
        let (verdict, outcome) = match fate {
            Fate::Corrupt => (Verdict::WrongDigest(bytes), Outcome::Failure),
            _ => (Verdict::Right, Outcome::Success),
        };
        // Before the machine hears of it: what it then says may end the exchange, and with it every lease.
        self.release(on.exchange, on.index, outcome);
        self.feed(on, |number| Event::Whole(number, verdict));
        self.close_if_ended(on.exchange);
    }

    pub(super) fn keep_idle(&mut self, on: On) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        let running = &exchange.tries[on.index];
        let Some(lease) = &running.lease else { return };
        let idle = (running.server, lease.endpoint().generation(), running.incarnation);
        self.workers[exchange.worker].idle.push(idle);
    }
}

/// What a status says of its server.
fn says(status: u16, accused: bool) -> Response {
    match status {
        502..=504 => Response::Unable,
        500 if accused => Response::Unable,
        500.. => Response::Error,
        _ => Response::Good,
    }
}

/// The client that asks for failures, where there is one.
fn hostile_client() -> Author {
    Author::at(Ipv4Addr::from(1).into())
}
