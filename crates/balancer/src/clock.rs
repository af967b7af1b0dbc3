//! The clock of the data path. While a connection's task runs, time stands still: it is read when somebody first asks,
//! and once the task waits it goes on. What a task does between two waits takes microseconds, and a dozen readings of the
//! clock would be a good part of them.

use std::cell::Cell;
use std::pin::Pin;
use std::time::Instant;

#[derive(Clone, Copy)]
enum Reading {
    /// Read anew each time: no connection's task runs.
    Fresh,
    /// Nobody has asked yet.
    Unread,
    Taken(Instant),
}

thread_local! {
    static READING: Cell<Reading> = const { Cell::new(Reading::Fresh) };
}

/// What time it is.
pub(crate) fn now() -> Instant {
    match READING.get() {
        Reading::Taken(now) => now,
        Reading::Fresh => Instant::now(),
        Reading::Unread => {
            let now = Instant::now();
            READING.set(Reading::Taken(now));
            now
        }
    }
}

/// Runs a task for which time stands still between two waits. Boxed, because the runtime moves a task about when it is
/// spawned and when it ends, and that of a connection is large.
pub(crate) async fn still<T>(mut task: Pin<Box<impl Future<Output = T>>>) -> T {
    std::future::poll_fn(|cx| {
        READING.set(Reading::Unread);
        let _goes_on = GoesOn;
        task.as_mut().poll(cx)
    })
    .await
}

/// Also when the task panics.
struct GoesOn;

impl Drop for GoesOn {
    fn drop(&mut self) {
        READING.set(Reading::Fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks() -> bool {
        let before = now();
        while Instant::now() == before {}
        now() > before
    }

    #[tokio::test]
    async fn time_stands_still_until_the_task_waits() {
        still(Box::pin(async {
            let before = now();
            assert!(!ticks());
            assert_eq!(now(), before);
            tokio::task::yield_now().await;
            assert!(now() > before);
        }))
        .await;
        assert!(ticks());
    }
}
