//! One alarm for a connection, moved without touching a timer.
//!
//! A deadline that is set for every request and nearly never reached would cost two operations on the runtime's
//! timers a request. So an alarm that is set to a later moment leaves what rings for it where it is, and that sees then for which
//! moment it is set by now. The alarms of a thread [ring together](ring_together), where it says so; others have a timer each.

mod together;
mod wheel;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

pub use together::ring_together;
use together::{Together, of_this_thread};
use wheel::Key;

/// A deadline that can be moved cheaply.
#[derive(Default)]
pub struct Alarm {
    wanted: Option<Instant>,
    bell: Option<Bell>,
}

/// What rings.
enum Bell {
    Own(Pin<Box<Sleep>>),
    Shared { together: Rc<Together>, key: Key },
}

impl Alarm {
    /// An alarm that never rings until it is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings at `when`, whatever was set before; `None` never rings.
    pub fn set(&mut self, when: Option<Instant>) {
        self.wanted = when;
    }

    /// The moment it is set for.
    pub fn wanted(&self) -> Option<Instant> {
        self.wanted
    }

    /// Ready when the moment set has come; then it is unset. Registers the task's waker otherwise.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wanted) = self.wanted else { return Poll::Pending };
        let rung = match self.bell.get_or_insert_with(|| Bell::new(wanted)) {
            Bell::Shared { together, key } => together.poll_alarm(*key, wanted, cx),
            Bell::Own(sleep) => poll_own(sleep, wanted, cx),
        };
        if rung.is_ready() {
            self.wanted = None;
            // A timer that has fired cannot be polled again: the next use makes a new one.
            self.bell.take_if(|bell| matches!(bell, Bell::Own(_)));
        }
        rung
    }
}

impl Bell {
    fn new(wanted: Instant) -> Self {
        match of_this_thread() {
            Some(together) => Self::Shared { key: together.add(), together },
            None => Self::Own(Box::pin(tokio::time::sleep_until(wanted.into()))),
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if let Self::Shared { together, key } = self {
            together.remove(*key);
        }
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

fn poll_own(sleep: &mut Pin<Box<Sleep>>, wanted: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if sleep.deadline().into_std() > wanted {
        sleep.as_mut().reset(wanted.into());
    }
    while sleep.as_mut().poll(cx).is_ready() {
        if sleep.deadline().into_std() >= wanted {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(wanted.into());
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    /// Each with a timer of its own, and the runtime's clock, which these tests turn on.
    mod alone {
        use super::*;

        #[tokio::test(start_paused = true)]
        async fn a_later_deadline_does_not_ring_at_the_earlier_one() {
            a_later_one(PAUSED).await;
        }

        #[tokio::test(start_paused = true)]
        async fn an_earlier_deadline_rings_at_once_when_it_comes() {
            an_earlier_one(PAUSED).await;
        }

        #[tokio::test(start_paused = true)]
        async fn of_many_each_rings_when_it_is_to() {
            many(PAUSED).await;
        }

        /// A tick, and the runtime's.
        const PAUSED: Clock =
            Clock { now: || tokio::time::Instant::now().into_std(), late: Duration::from_millis(2) };
    }

    /// All of the thread, by the kernel's clock.
    mod together {
        use super::*;

        #[tokio::test]
        async fn a_later_deadline_does_not_ring_at_the_earlier_one() {
            ringing(a_later_one(REAL)).await;
        }

        #[tokio::test]
        async fn an_earlier_deadline_rings_when_it_comes() {
            ringing(an_earlier_one(REAL)).await;
        }

        #[tokio::test]
        async fn of_many_each_rings_when_it_is_to() {
            ringing(many(REAL)).await;
        }

        /// How late is up to the machine, but not a minute.
        const REAL: Clock = Clock { now: Instant::now, late: Duration::from_secs(20) };

        async fn ringing(test: impl Future<Output = ()>) {
            let mut ringing = std::pin::pin!(ring_together().unwrap());
            let mut test = std::pin::pin!(test);
            poll_fn(|cx| {
                assert!(ringing.as_mut().poll(cx).is_pending());
                test.as_mut().poll(cx)
            })
            .await;
        }
    }

    /// What time it is, and how late an alarm may be.
    #[derive(Clone, Copy)]
    struct Clock {
        now: fn() -> Instant,
        late: Duration,
    }

    impl Clock {
        fn assert_rung_at(self, begin: Instant, moment: Duration) {
            let after = (self.now)() - begin;
            let latest = moment.saturating_add(self.late);
            assert!((moment..=latest).contains(&after), "{after:?} for {moment:?}");
        }
    }

    async fn many(clock: Clock) {
        let begin = (clock.now)();
        let mut alarms: Vec<(u64, Alarm)> = (1..=300).map(|at| (at * at % 977, Alarm::new())).collect();
        for (at, alarm) in &mut alarms {
            alarm.set(Some(begin + Duration::from_millis(*at)));
        }
        poll_fn(|cx| {
            alarms.retain_mut(|(at, alarm)| {
                let rung = alarm.poll(cx).is_ready();
                if rung {
                    clock.assert_rung_at(begin, Duration::from_millis(*at));
                }
                !rung
            });
            if alarms.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn a_later_one(clock: Clock) {
        let begin = (clock.now)();
        let mut alarm = Alarm::new();
        alarm.set(Some(begin + Duration::from_millis(10)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(begin + Duration::from_millis(500)));
        poll_fn(|cx| alarm.poll(cx)).await;
        clock.assert_rung_at(begin, Duration::from_millis(500));
    }

    async fn an_earlier_one(clock: Clock) {
        let begin = (clock.now)();
        let mut alarm = Alarm::new();
        alarm.set(Some(begin + Duration::from_mins(1)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(begin + Duration::from_millis(50)));
        poll_fn(|cx| alarm.poll(cx)).await;
        clock.assert_rung_at(begin, Duration::from_millis(50));
    }
}
