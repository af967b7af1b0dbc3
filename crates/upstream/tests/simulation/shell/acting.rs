//! What a worker does with a request: tells the machine what happened and does what it says.

use super::*;

impl Simulation {
    pub(super) fn arrive(&mut self) {
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
        let session = self.sessions.draw(id, &mut self.rng);
        let exchange = Exchange {
            number: id,
            worker: self.rng.usize(0..WORKERS),
            plan,
            key: self.rng.u64(0..500),
            session,
            pinned: session.and_then(|session| self.sessions.place(session)),
            arrived: self.now,
            attempts,
            tried: Tried::default(),
            tries: Vec::new(),
            waiting: None,
            looks_at: None,
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
    pub(super) fn feed(&mut self, on: On, event: impl FnOnce(TryNo) -> Event<'static>) {
        let Some(exchange) = self.exchanges.get(&on.exchange) else { return };
        if let Some(running) = exchange.tries.get(on.index).filter(|running| running.epoch == on.epoch) {
            self.tell(on.exchange, event(running.number));
        }
    }

    /// Tells the machine and does what it says, until it says nothing more.
    pub(super) fn tell(&mut self, id: u64, event: Event<'_>) {
        let spent = self.ledger.spending(self.upstream.budgets());
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
        assert_eq!(
            self.ledger.spending(self.upstream.budgets()),
            spent,
            "a budget pays for each retry and each hedge, and for nothing else"
        );
        self.wake_later(id);
        self.close_if_ended(id);
    }

    pub(super) fn act(&mut self, id: u64, action: Action) -> Vec<Event<'static>> {
        match action {
            Action::Try(number, why) => self.pick(id, number, why),
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
            Action::Reply(failure) => {
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    exchange.ending = Some(Ending::Failure(failure.kind));
                }
                Vec::new()
            }
        }
    }

    pub(super) fn pick(&mut self, id: u64, number: TryNo, why: Why) -> Vec<Event<'static>> {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Vec::new() };
        let want = Want {
            key: Some(exchange.key),
            pin: exchange.pinned.and_then(|place| self.sessions.pin(place)),
            trial: exchange.plan.hedgeable,
            plain_only: matches!(why, Why::Hedge | Why::Race),
        };
        let worker = &mut self.workers[exchange.worker];
        let overtakes = !self.upstream.queue().is_empty() && exchange.waiting.is_none() && why == Why::First;
        let picked = if overtakes {
            Err(Unavailable::AllBusy)
        } else {
            worker.picker.pick(&want, &exchange.tried, &mut || self.rng.u64(..), self.now)
        };
        let lease = match picked {
            Ok(lease) => lease,
            Err(Unavailable::AllBusy) => {
                if !overtakes {
                    Ledger::all_are_busy(&exchange.tried, &self.upstream);
                }
                return match why {
                    Why::First => self.join_queue(id, number),
                    _ => vec![Event::NoneLeft(Unavailable::AllBusy)],
                };
            }
            Err(why) => return vec![Event::NoneLeft(why)],
        };
        let picked = Picked { lease: &lease, why, exchange, orders: &self.orders, control: &self.control };
        self.ledger.picked(&picked, &self.upstream, self.now);
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

    /// The answer is decided. A held one is at hand; a stream ends with its body.
    pub(super) fn committed(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &exchange.tries[index];
        if let Some(session) = exchange.session {
            self.sessions.answered(session, self.servers[running.server].address);
        }
        if let Some(status) = running.status.filter(|_| running.held || running.whole) {
            exchange.ending = Some(Ending::Response(status));
        }
    }

    pub(super) fn settle(&mut self, id: u64, ending: Option<Ending>) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.ending = exchange.ending.or(ending);
        }
        self.close_if_ended(id);
    }

    pub(super) fn report(&mut self, id: u64, index: usize, evidence: Evidence) {
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

    pub(super) fn release(&mut self, id: u64, index: usize, outcome: Outcome) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        // Who waits in line has a number and no endpoint yet.
        let Some(lease) = exchange.tries.get_mut(index).and_then(|running| running.lease.take()) else {
            return;
        };
        let endpoint = lease.endpoint().id();
        self.ledger.released(endpoint);
        if let Some(evidence) = lease.finish(outcome, self.now) {
            self.seen.push(evidence);
            self.after(CHANNEL, Due::Evidence(endpoint, self.seen.len() - 1));
        }
        self.upstream.queue().call();
    }

    /// Sees to it that the machine is woken in time; what is set already is early enough for anything later.
    pub(super) fn wake_later(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(wake) = exchange.attempts.next_wake() else { return };
        if exchange.wakes_at.is_none_or(|set| wake < set) {
            exchange.wakes_at = Some(wake);
            self.after(wake.saturating_duration_since(self.now), Due::Wake(id));
        }
    }

    pub(super) fn wake(&mut self, id: u64) {
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

    pub(super) fn close_if_ended(&mut self, id: u64) {
        let Some(ending) = self.exchanges.get(&id).and_then(|exchange| exchange.ending) else { return };
        let tries = self.exchanges[&id].tries.len();
        (0..tries).for_each(|index| self.release(id, index, Outcome::Abandoned));
        if let Some(mut exchange) = self.exchanges.remove(&id) {
            if exchange.waiting.take().is_some() {
                self.ledger.left_line(&exchange, &self.upstream, self.now);
            }
            let total = self.upstream.settings().attempts.total;
            self.ledger.ended(&exchange, ending, total, self.now);
        }
    }
}
