//! Standard output and standard error, for whoever must never wait for them.
//!
//! ```text
//! any thread ── whole lines ──▶ at most WAITING_BYTES ──taken as they are──▶ a thread of its own ──▶ the descriptor
//!                    └── no room: dropped and counted                             └── refused: counted
//! ```
//! While something is drawn there ([`Outlet::hold`]), lines wait, and what is drawn goes out in their place.
//!
//! A pipe whose reader does not read blocks whoever writes, and one whose reader is gone fails. Neither may end a process,
//! or keep it from leaving: so only this thread ever waits, and a failed write costs the lines and nothing else.

use std::env;
use std::io::{self, Stderr, Stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// The most bytes that wait for the reader. As many again may be in the hands of the thread that writes.
const WAITING_BYTES: usize = 1024 * 1024;

/// The place of lines that are to go out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// What is drawn while lines wait.
    drawn: Vec<u8>,
    /// What ends the drawing, while lines wait for that.
    held: Option<&'static [u8]>,
    /// The thread has bytes in its hands.
    writing: bool,
    /// Writes that came to an end, well or not.
    written: u64,
    lost: u64,
    /// Of the lost ones, those that nobody has been told of.
    unsaid: u64,
    /// Why a write failed last, other than for want of a reader.
    failure: Option<Errno>,
}

/// The standard error of this process.
pub fn stderr() -> &'static Outlet {
    static OUTLET: OnceLock<Outlet> = OnceLock::new();
    OUTLET.get_or_init(|| Outlet::to(io::stderr()))
}

/// The standard output of this process.
pub fn stdout() -> &'static Outlet {
    static OUTLET: OnceLock<Outlet> = OnceLock::new();
    OUTLET.get_or_init(|| Outlet::to(io::stdout()))
}

/// Whether colours are welcome on a terminal: `NO_COLOR` (<https://no-color.org>) asks for none.
pub fn is_coloured() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal can be drawn on, as far as `TERM` says.
pub fn is_drawable() -> bool {
    env::var_os("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb")
}

/// Waits until all that was put anywhere is out, as long as each `patience` brings it forward. What is drawn ends.
pub fn finish(patience: Duration) {
    stdout().finish(patience);
    stderr().finish(patience);
}

/// What lines can go to: a descriptor that is not locked by whoever writes to it.
trait Descriptor: Send + 'static {
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl Descriptor for Stdout {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Descriptor for Stderr {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Outlet {
    fn to(output: impl Descriptor) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        // Without a thread nothing is ever taken: its lines are lost, and whoever puts them goes on.
        let _ = thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || writer.write_for_ever(output.descriptor()));
        Self(shared)
    }

    /// Puts whole lines, line break included; drops and counts them when too much waits already.
    pub fn put(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting.len() + lines.len() > WAITING_BYTES {
            state.lose(lines);
            return;
        }
        state.waiting.extend_from_slice(lines);
        self.0.changed.notify_all();
    }

    /// Puts what the process was run for, however much already waits. Whoever calls this bounds how often.
    pub fn insist(&self, lines: &[u8]) {
        self.0.lock().waiting.extend_from_slice(lines);
        self.0.changed.notify_all();
    }

    /// From now on lines wait, however long, and what is drawn goes out in their place; `restore` ends that. One hold at a time.
    pub fn hold(&'static self, restore: &'static [u8]) -> Held {
        self.0.lock().held = Some(restore);
        Held(self)
    }

    /// Ends a hold, where there is one: what ends the drawing goes out, and then the lines that waited.
    fn release(&self) {
        let mut state = self.0.lock();
        if let Some(restore) = state.held.take() {
            let mut all = std::mem::take(&mut state.drawn);
            all.extend_from_slice(restore);
            all.append(&mut state.waiting);
            state.waiting = all;
            self.0.changed.notify_all();
        }
    }

    /// Whether all that was put is out, or lost.
    pub fn is_done(&self) -> bool {
        self.0.lock().is_done()
    }

    /// Lines that were dropped, or that the output did not take.
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Why some of it was not taken, where that is another reason than that nobody reads any more: a full disk.
    pub fn failure(&self) -> Option<io::Error> {
        self.0.lock().failure.map(io::Error::from)
    }

    /// Waits until all is out, as long as each `patience` brings it forward. False when something is left. A hold ends.
    pub fn finish(&self, patience: Duration) -> bool {
        self.release();
        let mut state = self.0.lock();
        while !state.is_done() {
            let before = state.written;
            let waited = self
                .0
                .changed
                .wait_timeout_while(state, patience, |state| !state.is_done() && state.written == before);
            let (now, over) = waited.unwrap_or_else(PoisonError::into_inner);
            if over.timed_out() {
                return false;
            }
            state = now;
        }
        true
    }
}

/// The right to draw where lines would go out; they wait until it is dropped.
#[derive(Debug)]
pub struct Held(&'static Outlet);

impl Held {
    /// Draws. False where the last drawing is not out yet, or the hold was ended by whoever ends the process: then nothing
    /// is drawn.
    pub fn draw(&self, bytes: &[u8]) -> bool {
        let mut state = self.0.0.lock();
        if state.held.is_none() || !state.drawn.is_empty() {
            return false;
        }
        state.drawn.extend_from_slice(bytes);
        self.0.0.changed.notify_all();
        true
    }

    /// Whether a drawing would go out now: a terminal may be slow, or stopped.
    pub fn is_ready(&self) -> bool {
        let state = self.0.0.lock();
        state.held.is_some() && state.drawn.is_empty() && !state.writing
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl State {
    fn is_done(&self) -> bool {
        !self.writing && self.waiting.is_empty() && self.drawn.is_empty()
    }

    /// What may go out now.
    fn due(&mut self) -> &mut Vec<u8> {
        if self.held.is_some() { &mut self.drawn } else { &mut self.waiting }
    }

    fn lose(&mut self, lines: &[u8]) {
        let count = lines.split_inclusive(|byte| *byte == b'\n').count() as u64;
        self.lost += count;
        self.unsaid += count;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, output: BorrowedFd<'_>) {
        let mut taken = Vec::new();
        loop {
            taken.clear();
            // One burst must not keep its memory for ever.
            taken.shrink_to(WAITING_BYTES / 16);
            self.take(&mut taken);
            let (rest, failure) = match write_all(output, &taken) {
                Ok(()) => (&[][..], None),
                Err((rest, error)) => (rest, Some(error).filter(|error| *error != Errno::PIPE)),
            };
            let unsaid = {
                let mut state = self.lock();
                state.writing = false;
                state.written += 1;
                state.lose(rest);
                state.failure = failure.or(state.failure);
                // Saying it where nothing comes through would only be lost as well.
                if rest.is_empty() { std::mem::take(&mut state.unsaid) } else { 0 }
            };
            self.changed.notify_all();
            if unsaid > 0 {
                tracing::warn!(lines = unsaid, "output was lost: whoever reads it was gone, or too slow");
            }
        }
    }

    /// Waits until there is something, and takes it.
    fn take(&self, taken: &mut Vec<u8>) {
        let waited = self.changed.wait_while(self.lock(), |state| state.due().is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(state.due(), taken);
        state.writing = true;
    }
}

/// Writes all of it, for as long as it takes; or says what the output refuses to take, and why.
fn write_all<'a>(output: BorrowedFd<'_>, mut bytes: &'a [u8]) -> Result<(), (&'a [u8], Errno)> {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(count) if count > 0 => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Somebody else who holds the same pipe or terminal has made it non-blocking for all.
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::from_borrowed_fd(output, PollFlags::OUT)];
                if let Err(error) = poll(&mut ready, None)
                    && error != Errno::INTR
                {
                    return Err((bytes, error));
                }
            }
            Ok(_) => return Err((bytes, Errno::IO)),
            Err(error) => return Err((bytes, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read as _, pipe};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    impl Descriptor for PipeWriter {
        fn descriptor(&self) -> BorrowedFd<'_> {
            self.as_fd()
        }
    }

    #[test]
    fn what_is_put_comes_out_in_order() {
        let (mut reader, writer) = pipe().unwrap();
        let outlet = Outlet::to(writer);
        outlet.put(b"one\n");
        outlet.put(b"two\n");
        assert!(outlet.finish(PATIENCE));
        let mut said = [0; 8];
        reader.read_exact(&mut said).unwrap();
        assert_eq!((&said, outlet.lost()), (b"one\ntwo\n", 0));
    }

    #[test]
    fn lines_wait_while_something_is_drawn_and_come_after_its_end() {
        let (mut reader, writer) = pipe().unwrap();
        let outlet: &'static Outlet = Box::leak(Box::new(Outlet::to(writer)));
        let held = outlet.hold(b"<end>");
        outlet.put(b"line\n");
        assert!(held.draw(b"<one>"));
        let mut said = [0; 5];
        reader.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"<one>");
        drop(held);
        let mut said = [0; 10];
        reader.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"<end>line\n");
        assert!(outlet.finish(PATIENCE));
    }

    #[test]
    fn whoever_ends_the_process_ends_what_is_drawn() {
        let (mut reader, writer) = pipe().unwrap();
        let outlet: &'static Outlet = Box::leak(Box::new(Outlet::to(writer)));
        let held = outlet.hold(b"<end>");
        outlet.put(b"line\n");
        assert!(outlet.finish(PATIENCE));
        let mut said = [0; 10];
        reader.read_exact(&mut said).unwrap();
        assert_eq!((&said, held.draw(b"more"), held.is_ready()), (b"<end>line\n", false, false));
    }

    #[test]
    fn a_reader_that_is_gone_costs_lines_and_nothing_else() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let outlet = Outlet::to(writer);
        for round in 1..=2 {
            outlet.put(b"one\ntwo\n");
            assert!(outlet.finish(PATIENCE), "nothing is left waiting");
            assert_eq!(outlet.lost(), 2 * round);
        }
    }

    #[test]
    fn a_reader_that_does_not_read_blocks_nobody_who_puts() {
        let (mut reader, writer) = pipe().unwrap();
        let outlet = Outlet::to(writer);
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let put = 4 * WAITING_BYTES / line.len();
        (0..put).for_each(|_| outlet.put(&line));
        assert!(!outlet.finish(Duration::from_millis(50)), "the pipe takes less than that");
        let lost = outlet.lost();
        assert!(lost > 0);
        // What was not dropped still comes, once somebody reads.
        let kept = (put as u64 - lost) as usize * line.len();
        let mut said = vec![0; kept];
        reader.read_exact(&mut said).unwrap();
        assert!(outlet.finish(PATIENCE));
        assert_eq!(outlet.lost(), lost);
        // What nobody may lose finds room even then.
        outlet.insist(b"last\n");
        let mut owed = [0; 5];
        reader.read_exact(&mut owed).unwrap();
        assert_eq!(&owed, b"last\n");
    }
}
