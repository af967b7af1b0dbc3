//! A try that waits in the line of [`Queue`] until an endpoint is below its limit.

use std::time::Instant;

use evenkeel_upstream::attempt::{Event, TryNo, Why};
use evenkeel_upstream::{Place, Queue, Unavailable};

use super::Exchange;
use super::caller::Caller;

/// A try that waits for an endpoint below its limit.
pub(super) struct Queued {
    pub(super) place: Place,
    number: TryNo,
    why: Why,
    pub(super) look_again: Instant,
}

impl<C: Caller> Exchange<'_, C> {
    pub(super) fn join_queue(&mut self, number: TryNo, why: Why, now: Instant) {
        let joined = self.group.served.upstream.queue().join(now);
        match joined {
            Ok(place) => {
                self.wait_in_queue(place, number, why, now);
            }
            Err(_) => self.tell(Event::NoneLeft(Unavailable::AllBusy), now),
        }
    }

    /// Until called; the first in line looks again by itself, and those behind it will be called when it leaves.
    fn wait_in_queue(&mut self, place: Place, number: TryNo, why: Why, now: Instant) {
        let look_again =
            if place.is_first() { place.deadline.min(now + Queue::LOOK_AGAIN) } else { place.deadline };
        self.course.queued = Some(Queued { place, number, why, look_again });
    }

    /// In the queue: the first in line looks again, and whoever has waited too long gives up.
    pub(super) fn look_from_queue(&mut self, now: Instant) {
        let Some(Queued { place, number, why, .. }) = self.course.queued.take() else { return };
        let picked = if place.is_first() { self.pick(number, why, now) } else { Err(Unavailable::AllBusy) };
        match picked {
            Err(Unavailable::AllBusy) if now < place.deadline => {
                self.wait_in_queue(place, number, why, now);
            }
            picked => {
                let timeout = self.group.settings().rules.admission.queue_timeout;
                self.scratch.account.queued = (now + timeout).saturating_duration_since(place.deadline);
                drop(place);
                if let Err(why) = picked {
                    self.tell(Event::NoneLeft(why), now);
                }
            }
        }
    }
}
