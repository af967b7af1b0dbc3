//! What a process cannot do without: a task or a thread whose panic ends the process, loudly and with a status, so that
//! whoever supervises it starts another.
//!
//! Otherwise a panic is the loss of one task. That is right for a connection; but a balancer whose control task is gone goes
//! on without health, and one whose signals are no longer heard cannot even be asked to leave.

use std::{process, thread, time::Duration};

use crate::{exit, outlet};

/// How long the last lines of the log may keep the process.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// `work`, whose panic ends the process with [`exit::BROKEN`].
pub fn task<Work: Future>(part: &'static str, work: Work) -> impl Future<Output = Work::Output> + use<Work> {
    guarded(Guard { part, end: lost }, work)
}

/// Does `work` on this thread; its panic ends the process with [`exit::BROKEN`].
pub fn thread<T>(part: &'static str, work: impl FnOnce() -> T) -> T {
    let _guard = Guard { part, end: lost };
    work()
}

/// Ends the process because this part of it has failed.
pub fn lost(part: &'static str) {
    tracing::error!(part, "the process cannot go on without this part; it ends");
    outlet::finish(LAST_WORDS);
    process::exit(i32::from(exit::BROKEN));
}

async fn guarded<Work: Future>(guard: Guard, work: Work) -> Work::Output {
    let output = work.await;
    drop(guard);
    output
}

/// Dropped by a panic it ends the process; dropped in order, or with a runtime that ends, it does nothing.
struct Guard {
    part: &'static str,
    end: fn(&'static str),
}

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.end)(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static ENDED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    fn guard(part: &'static str) -> Guard {
        Guard { part, end: |part| ENDED.set(Some(part)) }
    }

    #[tokio::test]
    async fn only_a_panic_is_the_end() {
        assert_eq!(guarded(guard("answer"), async { 42 }).await, 42);
        let cancelled = tokio::spawn(guarded(guard("cancelled"), std::future::pending::<()>()));
        cancelled.abort();
        assert!(cancelled.await.unwrap_err().is_cancelled());
        assert_eq!(ENDED.get(), None);
        let broken = tokio::spawn(guarded(guard("broken"), async { panic!("as this test wants it") }));
        assert!(broken.await.unwrap_err().is_panic());
        assert_eq!(ENDED.get(), Some("broken"));
    }
}
