//! A try that waits in the line of [`Queue`] until an endpoint is below its limit.

use std::time::Instant;

use evenkeel_service::Rarely;
use evenkeel_upstream::attempt::{Event, TryNo, Why};
use evenkeel_upstream::{Place, Queue, Unavailable};
use tracing::warn;

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
        if let Ok(place) = joined {
            self.wait_in_queue(place, number, why, now);
        } else {
            tell_of_full(self.group.settings().name.as_deref(), now);
            self.tell(Event::NoneLeft(Unavailable::AllBusy), now);
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
                    if why == Unavailable::AllBusy {
                        tell_of_full(self.group.settings().name.as_deref(), now);
                    }
                    self.tell(Event::NoneLeft(why), now);
                }
            }
        }
    }
}

/// No server has done anything wrong, so nobody else tells of it.
#[cold]
fn tell_of_full(upstream: Option<&str>, now: Instant) {
    static FULL: Rarely = Rarely::new(1);
    if let Some(more) = FULL.admit(now) {
        let (of, upstream) = upstream.map_or(("", ""), |upstream| (" of ", upstream));
        warn!(
            "a request got 503: all servers{of}{upstream} have as many as BALANCER_MAX_IN_FLIGHT allows, and BALANCER_MAX_QUEUE requests \
             wait for them already, or it waited for BALANCER_QUEUE_TIMEOUT{more}"
        );
    }
}
