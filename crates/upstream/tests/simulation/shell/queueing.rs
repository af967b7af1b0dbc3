//! What a worker does with a request while all endpoints are busy: it waits in line until it is called.

use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use super::*;

/// The requests that were called, in this order.
pub(super) type Called = Arc<Mutex<VecDeque<u64>>>;

/// What a call rings: that of one request.
struct Bell {
    id: u64,
    called: Called,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.called.lock().expect("one thread plays").push_back(self.id);
    }
}

impl Simulation {
    /// To the end of the line, unless it waits there already or every place is taken.
    pub(super) fn join_queue(&mut self, id: u64, number: TryNo) -> Vec<Event<'static>> {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Vec::new() };
        if exchange.waiting.is_some() {
            return vec![Event::NoneLeft(Unavailable::AllBusy)];
        }
        let Ok(place) = self.upstream.queue().join(self.now) else {
            self.ledger.turned_away(&self.upstream);
            return vec![Event::NoneLeft(Unavailable::AllBusy)];
        };
        self.ledger.joined_line(id);
        exchange.waiting = Some((place, number));
        self.wait_in_queue(id);
        Vec::new()
    }

    /// Those who were called look, and by leaving may call the next.
    pub(super) fn answer_calls(&mut self) {
        loop {
            let called = self.called.lock().expect("one thread plays").pop_front();
            let Some(id) = called else { return };
            self.look_in_queue(id);
        }
    }

    /// What was set for a moment at which it no longer means to look concerns nobody.
    pub(super) fn look_again(&mut self, id: u64) {
        if self.exchanges.get(&id).is_some_and(|exchange| exchange.looks_at == Some(self.now)) {
            self.look_in_queue(id);
        }
    }

    fn wait_in_queue(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some((place, _)) = &exchange.waiting else { return };
        let waker = Waker::from(Arc::new(Bell { id, called: Arc::clone(&self.called) }));
        if place.poll_called(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
        let again = if place.is_first() { self.now + Queue::LOOK_AGAIN } else { place.deadline };
        exchange.looks_at = Some(again);
        self.after(again - self.now, Due::QueueLook(id));
    }

    fn look_in_queue(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some((place, number)) = &exchange.waiting else { return };
        let number = *number;
        let events = if self.now >= place.deadline {
            vec![Event::NoneLeft(Unavailable::AllBusy)]
        } else if place.is_first() {
            match self.pick(id, number, Why::First).as_slice() {
                [Event::NoneLeft(Unavailable::AllBusy)] => Vec::new(),
                events => events.to_vec(),
            }
        } else {
            Vec::new()
        };
        if events.is_empty() {
            return self.wait_in_queue(id);
        }
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && exchange.waiting.take().is_some()
        {
            self.ledger.left_line(exchange, &self.upstream, self.now);
        }
        for event in events {
            self.tell(id, event);
        }
    }
}
