//! One timer for a connection, moved without touching the timer wheel.
//!
//! A deadline that is set for every request and nearly never reached would cost two operations on the runtime's
//! timer wheel a request. So the alarm leaves a timer that is armed earlier than wanted where it is; when that
//! fires, it arms again for the moment wanted by then. A connection that is busy pays one firing a deadline's length.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A deadline that can be moved cheaply.
#[derive(Debug, Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    wanted: Option<Instant>,
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
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wanted.into())));
        if sleep.deadline().into_std() > wanted {
            sleep.as_mut().reset(wanted.into());
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline().into_std() >= wanted {
                self.wanted = None;
                // A timer that has fired cannot be polled again: the next use makes a new one.
                self.sleep = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(wanted.into());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_later_deadline_does_not_ring_at_the_earlier_one() {
        let begin = tokio::time::Instant::now().into_std();
        let mut alarm = Alarm::new();
        alarm.set(Some(begin + Duration::from_millis(10)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(begin + Duration::from_millis(500)));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(tokio::time::Instant::now().into_std() - begin, Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_rings_at_once_when_it_comes() {
        let begin = tokio::time::Instant::now().into_std();
        let mut alarm = Alarm::new();
        alarm.set(Some(begin + Duration::from_mins(1)));
        poll_fn(|cx| {
            assert!(alarm.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        alarm.set(Some(begin + Duration::from_millis(50)));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(tokio::time::Instant::now().into_std() - begin, Duration::from_millis(50));
    }
}
