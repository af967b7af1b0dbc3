//! What a worker does with a request while all endpoints are busy: it waits in line and looks again.

use super::*;

impl Simulation {
    /// To the end of the line, unless it waits there already or every place is taken.
    pub(super) fn join_queue(&mut self, id: u64, number: TryNo) -> Vec<Event<'static>> {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Vec::new() };
        if exchange.waiting.is_some() {
            return vec![Event::NoneLeft(Unavailable::AllBusy)];
        }
        let Ok(place) = self.workers[exchange.worker].queue.join(self.now) else {
            self.ledger.turned_away(&self.upstream);
            return vec![Event::NoneLeft(Unavailable::AllBusy)];
        };
        self.ledger.joined_line(exchange.worker, id);
        exchange.waiting = Some((place, number));
        self.after(Queue::LOOK_AGAIN, Due::QueueLook(id));
        Vec::new()
    }

    pub(super) fn look_in_queue(&mut self, id: u64) {
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
            self.ledger.left_line(exchange, &self.upstream, self.now);
            self.workers[exchange.worker].queue.leave(place);
        }
        for event in events {
            self.tell(id, event);
        }
    }
}
