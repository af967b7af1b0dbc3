//! Requests whose client may be gone: it has closed its sending side, which one that waits for its answer may do, and which
//! is also all that is seen of one that has gone away. They are served like any other until somebody else has to wait. Then
//! they are given up first, one for each that waits; those that stand in line themselves, as soon as somebody stands behind
//! them.
//!
//! ```text
//! served ──doubt──▶ doubtful ──answered──▶ (dropped)
//!                      └──somebody waits──▶ asked ──poll_asked──▶ gives its place up
//! ```

use std::task::{Context, Poll, Waker};

use super::{Line, Place, Queue};

/// A request whose client may be gone, for as long as it waits for its answer.
#[derive(Debug)]
#[must_use = "a doubt that is dropped is none"]
pub struct Doubtful {
    queue: Queue,
    number: u64,
}

/// All of them, the first to be doubted first. At most one for each connection of a client.
#[derive(Default)]
pub(super) struct Doubts(Vec<Doubt>);

struct Doubt {
    number: u64,
    /// Its place in line, when it was doubted.
    place: Option<u64>,
    /// There is a client's connection to be had of it.
    connected: bool,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unasked,
    /// To give up what it has: a place at an endpoint for somebody in line, or whatever it is.
    Asked {
        for_line: bool,
    },
    /// It has heard that it was asked.
    GivesUp {
        for_line: bool,
    },
}

impl Queue {
    /// Says that the client of a request may be gone: of one that stands in line, or of one that has an endpoint.
    pub fn doubt(&self, place: Option<&Place>) -> Doubtful {
        let mut line = self.line();
        let number = line.number();
        if let Some(at) = place.and_then(|place| line.position(place.number)) {
            line.waiting[at].doubtful = true;
        }
        let place = place.map(|place| place.number);
        line.doubts.0.push(Doubt { number, place, connected: true, state: State::Unasked, waker: None });
        // Its own waker is not among them: it will look.
        let asked = line.make_way();
        self.measure(&line);
        drop(line);
        asked.iter().for_each(Waker::wake_by_ref);
        Doubtful { queue: self.clone(), number }
    }

    /// Says that nobody waits for the answer of an attempt that has an endpoint: it goes first, and has no client's connection.
    pub fn unneeded(&self) -> Doubtful {
        let mut line = self.line();
        let number = line.number();
        line.doubts
            .0
            .insert(0, Doubt { number, place: None, connected: false, state: State::Unasked, waker: None });
        let asked = line.make_way();
        self.measure(&line);
        drop(line);
        asked.iter().for_each(Waker::wake_by_ref);
        Doubtful { queue: self.clone(), number }
    }

    /// Asks one of the doubtful to give up, whoever waits: its connection is wanted. False when there is none.
    pub fn ask_one(&self) -> bool {
        let mut line = self.line();
        let wanted = |doubt: &&mut Doubt| doubt.connected && doubt.state == State::Unasked;
        let Some(doubt) = line.doubts.0.iter_mut().find(wanted) else {
            return false;
        };
        doubt.state = State::Asked { for_line: false };
        let waker = doubt.waker.take();
        drop(line);
        waker.as_ref().inspect(|waker| waker.wake_by_ref());
        true
    }
}

impl Line {
    /// Asks as many to give up as it takes for nobody to stand behind, or to wait for, a client that may be gone. Those asked
    /// are to be woken, best without the lock.
    pub(super) fn make_way(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        if self.doubts.0.is_empty() {
            return wakers;
        }
        let first = self.waiting.front().map(|waiting| waiting.number);
        let behind = self.waiting.iter().rposition(|waiting| !waiting.doubtful).unwrap_or_default();
        let mut at = 0;
        self.waiting.retain(|waiting| {
            at += 1;
            let stays = !waiting.doubtful || at > behind;
            if !stays {
                let in_line = |doubt: &&mut Doubt| doubt.place == Some(waiting.number);
                if let Some(doubt) = self.doubts.0.iter_mut().find(in_line) {
                    doubt.state = State::Asked { for_line: false };
                    wakers.extend(doubt.waker.take());
                }
            }
            stays
        });
        if self.waiting.front().map(|waiting| waiting.number) != first {
            // It may have been called already, and whoever is first now looks in its stead.
            wakers.extend(self.call());
        }
        let waiting = self.waiting.iter().filter(|waiting| !waiting.doubtful).count();
        let mut waiting = waiting.saturating_sub(self.given_up);
        for doubt in &mut self.doubts.0 {
            match doubt.state {
                _ if waiting == 0 => break,
                State::Asked { for_line: true } | State::GivesUp { for_line: true } => waiting -= 1,
                State::Unasked if !self.waiting.iter().any(|waiting| doubt.place == Some(waiting.number)) => {
                    doubt.state = State::Asked { for_line: true };
                    wakers.extend(doubt.waker.take());
                    waiting -= 1;
                }
                _ => {}
            }
        }
        wakers
    }
}

impl Doubtful {
    /// Ready when the request is to be given up, so that another can be served.
    pub fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut line = self.queue.line();
        let Some(doubt) = line.doubts.0.iter_mut().find(|doubt| doubt.number == self.number) else {
            return Poll::Pending;
        };
        match doubt.state {
            State::Asked { for_line } => {
                doubt.state = State::GivesUp { for_line };
                Poll::Ready(())
            }
            State::GivesUp { .. } => Poll::Ready(()),
            State::Unasked => {
                match &mut doubt.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Doubtful {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        let Some(at) = line.doubts.0.iter().position(|doubt| doubt.number == self.number) else { return };
        let doubt = line.doubts.0.remove(at);
        if doubt.state == (State::GivesUp { for_line: true }) && !line.waiting.is_empty() {
            line.given_up += 1;
        }
        // It had its answer before it heard that it was asked: another has to give up in its stead.
        let asked =
            if doubt.state == (State::Asked { for_line: true }) { line.make_way() } else { Vec::new() };
        self.queue.measure(&line);
        drop(line);
        asked.iter().for_each(Waker::wake_by_ref);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::settings::AdmissionSettings;

    fn queue(places: u32) -> Queue {
        Queue::new(AdmissionSettings { queue: places, ..AdmissionSettings::default() })
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn join(queue: &Queue) -> Place {
        queue.join(Instant::now()).unwrap()
    }

    #[test]
    fn what_nobody_waits_for_goes_first_and_has_no_connection_to_give() {
        let queue = queue(8);
        let (gone, unneeded) = (queue.doubt(None), queue.unneeded());
        let _waits = join(&queue);
        assert!(is_asked(&unneeded) && !is_asked(&gone));
        drop(gone);
        assert!(!queue.ask_one());
    }

    fn is_asked(doubtful: &Doubtful) -> bool {
        doubtful.poll_asked(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn nobody_gives_up_while_nobody_waits() {
        let queue = queue(8);
        let holds = queue.doubt(None);
        assert!(!is_asked(&holds));
    }

    #[test]
    fn one_gives_up_for_each_that_waits() {
        let queue = queue(8);
        let holds = [(); 3].map(|()| queue.doubt(None));
        let _first = join(&queue);
        assert_eq!(holds.each_ref().map(is_asked), [true, false, false]);
        let _second = join(&queue);
        let _third = join(&queue);
        let _fourth = join(&queue);
        assert!(is_asked(&holds[1]) && is_asked(&holds[2]));
    }

    #[test]
    fn one_that_is_doubted_while_others_wait_gives_up_at_once() {
        let queue = queue(8);
        let _waits = join(&queue);
        let (one, other) = (queue.doubt(None), queue.doubt(None));
        assert!(is_asked(&one) && !is_asked(&other));
    }

    #[test]
    fn in_line_one_gives_up_when_somebody_stands_behind_it() {
        let queue = queue(8);
        let ahead = join(&queue);
        let place = join(&queue);
        let doubtful = queue.doubt(Some(&place));
        assert!(!is_asked(&doubtful) && queue.len() == 2);
        let behind = join(&queue);
        assert!(is_asked(&doubtful) && queue.len() == 2);
        drop((place, doubtful, ahead));
        assert!(behind.is_first());
    }

    #[test]
    fn a_full_line_makes_room_for_who_is_there() {
        let queue = queue(2);
        let (one, other) = (join(&queue), join(&queue));
        let doubts = [queue.doubt(Some(&one)), queue.doubt(Some(&other))];
        let newcomer = join(&queue);
        assert!(doubts.iter().all(is_asked) && newcomer.is_first() && queue.len() == 1);
        let full = [join(&queue)];
        assert!(queue.join(newcomer.deadline).is_err(), "{full:?}");
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn another_gives_up_in_the_stead_of_one_that_had_its_answer() {
        let queue = queue(8);
        let (one, other) = (queue.doubt(None), queue.doubt(None));
        let _waits = join(&queue);
        drop(one);
        assert!(is_asked(&other));
        let third = queue.doubt(None);
        drop(other);
        assert!(!is_asked(&third), "the place that was given up is as good as taken");
    }

    #[test]
    fn what_one_gave_up_is_not_asked_of_another_until_somebody_has_come_for_it() {
        let queue = queue(8);
        let gives_up = queue.doubt(None);
        let waits = join(&queue);
        assert!(is_asked(&gives_up));
        drop(gives_up);
        let other = queue.doubt(None);
        assert!(!is_asked(&other), "one for one");
        let second = join(&queue);
        assert!(is_asked(&other), "and one for the next");
        drop((waits, other));
        let last = queue.doubt(None);
        assert!(!is_asked(&last));
        drop(second);
        let _waits = join(&queue);
        assert!(is_asked(&last), "nothing is owed to a line that was empty");
    }

    #[test]
    fn from_the_line_to_an_endpoint_the_doubt_remains() {
        let queue = queue(8);
        let place = join(&queue);
        let doubtful = queue.doubt(Some(&place));
        drop(place);
        let _waits = join(&queue);
        assert!(is_asked(&doubtful));
    }

    #[test]
    fn one_can_be_asked_for_its_connection() {
        let queue = queue(8);
        assert!(!queue.ask_one());
        let doubtful = queue.doubt(None);
        assert!(queue.ask_one() && is_asked(&doubtful) && !queue.ask_one());
    }
}
