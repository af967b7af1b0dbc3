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
        self.comes();
    }

    /// One request more.
    pub(crate) fn comes(&mut self) {
        let (repeat, hedgeable) = match self.rng.u32(0..100) {
            0..60 => (Repeat::Freely, true),
            60..65 => (Repeat::Freely, false),
            65..75 => (Repeat::InTurn, false),
            _ => (Repeat::Never, false),
        };
        let id = self.next_exchange;
        self.next_exchange += 1;
        self.ledger.begun += 1;
        let session = self.sessions.draw(id, &mut self.rng);
        let pinned = session.and_then(|session| self.sessions.place(session));
        let worker = self.rng.usize(0..WORKERS);
        let affinity = self.affinity(worker, pinned);
        let plan = Plan { repeat, hedgeable, replayable: true, affinity };
        let attempts = Attempts::new(plan, &self.upstream.settings().attempts, self.now);
        let exchange = Exchange {
            number: id,
            worker,
            plan,
            client: Author::at(Ipv4Addr::from(self.rng.u32(1..=self.clients)).into()),
            key: self.rng.u64(0..500),
            session,
            pinned,
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

    /// What the request would lose elsewhere.
    fn affinity(&mut self, worker: usize, pinned: Option<SocketAddr>) -> Affinity {
        let pin = pinned.and_then(|place| self.sessions.pin(place));
        if pin.is_some_and(|pin| self.workers[worker].picker.keeps(pin)) {
            Affinity::Session
        } else if matches!(self.upstream.settings().policy, PolicySettings::ConsistentHash(_)) {
            Affinity::Cache
        } else {
            Affinity::None
        }
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
            Action::RunOn(number) => {
                self.leave_running(id, number.index());
                Vec::new()
            }
            Action::Commit(number) => {
                self.committed(id, number.index());
                Vec::new()
            }
            Action::Report(number, evidence) => {
                self.report(id, number, evidence);
                Vec::new()
            }
            Action::Examined(number, evidence, standing) => {
                let exchange = &self.exchanges[&id];
                let Some(endpoint) = exchange.attempts.endpoint(number) else { return Vec::new() };
                self.testify(endpoint, Testimony { evidence, author: exchange.client, standing });
                Vec::new()
            }
            Action::Reply(failure) => {
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    exchange.ending = Some(Ending::Failure(failure));
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
            plain_only: exchange.attempts.can_do_without(number),
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
        let picked =
            Picked { lease: &lease, number, why, exchange, orders: &self.orders, control: &self.control };
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
            usual: worker.picker.usual(endpoint, KIND),
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
        // The machine hears of the choice first: it may give up where the request was.
        self.after(Duration::ZERO, Due::Sends(On { exchange: id, index: number.index(), epoch: 0 }));
        vec![chosen]
    }

    /// The answer is decided. A held one is at hand; a stream ends with its body.
    pub(super) fn committed(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let running = &exchange.tries[index];
        let by = self.servers[running.server].address;
        self.ledger.sessions_moved += u64::from(exchange.pinned.is_some_and(|place| place != by));
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

    pub(super) fn report(&mut self, id: u64, number: TryNo, evidence: Evidence) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let Some(endpoint) = exchange.attempts.endpoint(number) else { return };
        let connecting = exchange.tries.get(number.index()).filter(|running| !running.connected);
        let finds_line_full = |running: &Running| {
            let lease = running.lease.as_ref();
            lease.is_some_and(|lease| lease.finds_line_full(running.began, self.now))
        };
        if evidence == Evidence::Silent && connecting.is_some_and(finds_line_full) {
            return;
        }
        let author = exchange.client;
        let known = self.workers[exchange.worker].picker.endpoint(endpoint);
        if known.is_some_and(|endpoint| endpoint.report(evidence, self.now)) {
            self.testify(endpoint, Testimony::alleged(evidence, author));
        }
    }

    /// On its way to the control task.
    pub(super) fn testify(&mut self, endpoint: EndpointId, testimony: impl Into<Testimony>) {
        self.seen.push(testimony.into());
        self.after(CHANNEL, Due::Evidence(endpoint, self.seen.len() - 1));
    }

    /// The answer that nobody waits for still shows how its server is.
    pub(super) fn leave_running(&mut self, id: u64, index: usize) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let (client, now) = (exchange.client, self.now);
        let Some(running) = exchange.tries.get_mut(index) else { return };
        let on = On { exchange: id, index, epoch: running.epoch };
        let silent_at = exchange.attempts.silent_at(running.number);
        if let Some(lease) = running.lease.take() {
            self.left.insert(on, Left { lease, sent: running.sent.unwrap_or(now), client });
            if let Some(at) = silent_at {
                self.after(at.saturating_duration_since(now), Due::RunsSilently(on));
            }
            self.after(self.upstream.settings().attempts.response_timeout, Due::RunsTooLong(on));
        }
    }

    pub(super) fn runs_silently(&mut self, on: On) {
        let Some(Left { lease, sent, client }) = self.left.get(&on) else { return };
        let (id, client) = (lease.endpoint().id(), *client);
        let heard = lease.endpoint().last_heard().is_some_and(|heard| heard > *sent);
        if !heard && lease.endpoint().report(Evidence::Silent, self.now) {
            self.testify(id, Testimony::alleged(Evidence::Silent, client));
        }
    }

    pub(super) fn let_go(&mut self, on: On, outcome: Outcome) {
        let Some(Left { lease, .. }) = self.left.remove(&on) else { return };
        let endpoint = lease.endpoint().id();
        self.ledger.released(endpoint);
        if let Some(evidence) = lease.finish(outcome, self.now) {
            self.testify(endpoint, evidence);
        }
        self.upstream.queue().call();
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
            self.testify(endpoint, evidence);
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
                conditions.push(picker.condition(running.number, lease, 0, self.now));
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
