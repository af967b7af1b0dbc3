//! The access log: one structured line a request, written by a thread of its own.
//!
//! ```text
//! worker 1 ── line ──▶ its lines ─┐
//! worker 2 ── line ──▶ its lines ─┴── taken at 256 KiB, or after 100 ms ──▶ writer ──▶ standard output or a file
//! ```
//! A worker only appends to memory. The writer exchanges the buffer for an empty one, in a few instructions, and never
//! holds it while it writes, so an output that blocks stalls nobody: the buffers fill up to [`BUFFERED_BYTES`], and lines beyond that
//! are dropped and counted.
//!
//! A line names the path of a request and not its query, and no field but Host, the request id and the trace id: what clients
//! keep secret is not in it.

mod line;
mod lines;
mod names;
mod output;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_service::tracing::warn;

use crate::clock::now;
use crate::records::account::Account;
use crate::records::roster::Roster;
use crate::settings::access_log::{AccessLogSettings, Format};
use line::Clock;
use lines::Lines;
use names::Names;
use output::Output;

/// The most bytes of one worker that wait for the writer.
const BUFFERED_BYTES: usize = 4 * 1024 * 1024;

/// When a worker calls the writer before its time: at a quarter of it, calling the writer cost a hundredth of all.
const FULL_BUFFER: usize = 256 * 1024;

/// How long a line waits at most before the writer takes it.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The access log of the process.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: Format,
    sample: u64,
    lost: Arc<AtomicU64>,
    writer: SyncSender<ToWriter>,
}

type Buffer = Arc<Mutex<Lines>>;

#[derive(Debug)]
enum ToWriter {
    /// There is another worker.
    Worker(Buffer),
    /// A buffer is rather full.
    Take,
    /// Write what there is, then answer.
    Finish(SyncSender<()>),
}

impl AccessLog {
    /// Opens the output and starts the writer.
    pub(crate) fn start(settings: &AccessLogSettings) -> io::Result<Self> {
        let output = Output::open(settings.path.as_deref())?;
        let lost = Arc::new(AtomicU64::new(0));
        // A worker announces itself once; nobody waits long.
        let (writer, commands) = mpsc::sync_channel(16);
        let writers_lost = lost.clone();
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || Writer { output, lost: writers_lost, buffers: Vec::new() }.run(&commands))?;
        Ok(Self { format: settings.format, sample: settings.sample, lost, writer })
    }

    /// A worker's own end of it.
    pub(crate) fn worker(&self) -> WorkerLog {
        let buffer = Buffer::default();
        // The writer lives as long as the process.
        let _ = self.writer.send(ToWriter::Worker(buffer.clone()));
        WorkerLog {
            format: self.format,
            sample: self.sample,
            turn: Cell::new(0),
            clock: RefCell::new(Clock::new(now())),
            names: RefCell::new(Names::new(match self.format {
                Format::Text => line::named_text,
                Format::Json => line::named_json,
            })),
            buffer,
            lost: self.lost.clone(),
            writer: self.writer.clone(),
        }
    }

    /// Lines that were dropped, or that the output did not take.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits a bounded time until all lines are written.
    pub(crate) fn finish(&self) {
        let (done, finished) = mpsc::sync_channel(1);
        if self.writer.try_send(ToWriter::Finish(done)).is_err() || finished.recv_timeout(LAST_LINES).is_err()
        {
            warn!("the access log's output takes nothing; its last lines are lost");
        }
    }
}

/// One worker's end of the access log.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    format: Format,
    sample: u64,
    turn: Cell<u64>,
    clock: RefCell<Clock>,
    names: RefCell<Names>,
    buffer: Buffer,
    lost: Arc<AtomicU64>,
    writer: SyncSender<ToWriter>,
}

/// A request that has ended.
pub(crate) struct Entry<'a> {
    /// The other end of its connection, or whom the PROXY protocol names.
    pub(crate) peer: SocketAddr,
    /// The request's head as it went to the servers, or what was kept of it; empty where it could not be read.
    pub(crate) head: &'a [u8],
    /// Bytes of the request's body.
    pub(crate) received: u64,
    pub(crate) account: &'a Account,
    /// How long it took, as of `now`.
    pub(crate) took: Duration,
    pub(crate) now: Instant,
}

impl WorkerLog {
    /// Logs a request, if it is its turn or anything unusual happened to it.
    pub(crate) fn write(&self, entry: &Entry<'_>, roster: &Roster) {
        if !entry.account.is_remarkable() && !self.is_next() {
            return;
        }
        let mut lines = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lines.len();
        if before >= BUFFERED_BYTES {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut clock = self.clock.borrow_mut();
        let time = clock.show(entry.now);
        let names = &mut self.names.borrow_mut();
        match self.format {
            Format::Text => line::text(&mut lines, time, entry, names, roster),
            Format::Json => line::json(&mut lines, time, entry, names, roster),
        }
        if before < FULL_BUFFER && lines.len() >= FULL_BUFFER {
            drop(lines);
            // A writer that is called already, or that waits for its output, comes by itself.
            let _ = self.writer.try_send(ToWriter::Take);
        }
    }

    /// Whether it is the turn of an ordinary request.
    fn is_next(&self) -> bool {
        let turn = self.turn.get();
        self.turn.set(if turn + 1 >= self.sample { 0 } else { turn + 1 });
        self.sample > 0 && turn == 0
    }
}

struct Writer {
    output: Output,
    lost: Arc<AtomicU64>,
    buffers: Vec<Buffer>,
}

impl Writer {
    fn run(mut self, commands: &mpsc::Receiver<ToWriter>) {
        let mut spare = Vec::new();
        loop {
            match commands.recv_timeout(INTERVAL) {
                Ok(ToWriter::Worker(buffer)) => self.buffers.push(buffer),
                Ok(ToWriter::Finish(done)) => {
                    self.write_all(&mut spare);
                    // Who asked may have stopped waiting.
                    let _ = done.send(());
                }
                Ok(ToWriter::Take) | Err(RecvTimeoutError::Timeout) => self.write_all(&mut spare),
                Err(RecvTimeoutError::Disconnected) => return self.write_all(&mut spare),
            }
        }
    }

    /// Takes what each worker has, and writes it.
    fn write_all(&mut self, spare: &mut Vec<u8>) {
        self.output.reopen_if_moved();
        for buffer in &self.buffers {
            let count = buffer.lock().unwrap_or_else(PoisonError::into_inner).take(spare);
            if !spare.is_empty() && !self.output.write(spare) {
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
            spare.clear();
            // One burst must not keep its memory for ever.
            spare.shrink_to(2 * FULL_BUFFER);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use std::fs;

    use super::*;

    const HEAD: &[u8] = b"GET /a?token=hunter2 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0\r\n\
        Cookie: session=hunter2\r\nX-Request-Id: r-1\r\n\r\n";

    fn start(directory: &std::path::Path, format: Format, sample: u64) -> (AccessLog, PathBuf) {
        let path = directory.join("access.log");
        let settings = AccessLogSettings { format, sample, path: Some(path.clone()) };
        (AccessLog::start(&settings).unwrap(), path)
    }

    fn write(log: &WorkerLog, account: &Account) {
        let peer = "10.1.2.3:4567".parse().unwrap();
        let entry = Entry { peer, head: HEAD, received: 0, account, took: Duration::ZERO, now: now() };
        log.write(&entry, &Roster::default());
    }

    fn usual() -> Account {
        let mut account = Account::default();
        account.open();
        let id = HEAD.len() - "r-1\r\n\r\n".len();
        account.identify(id..id + 3, HEAD);
        account.status = 200;
        account
    }

    #[test]
    fn every_request_is_a_line_when_the_log_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let (log, path) = start(directory.path(), Format::Json, 1);
        let (one, other) = (log.worker(), log.worker());
        write(&one, &usual());
        write(&other, &usual());
        log.finish();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["request_id"], "r-1");
        }
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn lines_are_whole_and_in_their_order_however_often_the_writer_comes_meanwhile() {
        const LINES: u64 = 10_000;
        let directory = tempfile::tempdir().unwrap();
        let (log, path) = start(directory.path(), Format::Text, 1);
        let (worker, account) = (log.worker(), usual());
        for number in 0..LINES {
            let peer = "10.1.2.3:4567".parse().unwrap();
            let (received, took) = (number, Duration::ZERO);
            worker.write(
                &Entry { peer, head: HEAD, received, account: &account, took, now: now() },
                &Roster::default(),
            );
        }
        log.finish();
        let text = fs::read_to_string(path).unwrap();
        assert!(text.len() > 2 * FULL_BUFFER);
        let mut numbers = 0..;
        for line in text.lines() {
            let number = numbers.next().unwrap();
            let whole =
                line.contains(&format!("Z 10.1.2.3:4567 \"GET /a\" status=200 end=complete in={number} "));
            assert!(whole && line.ends_with(" id=r-1"), "{number}: {line}");
        }
        assert_eq!(numbers.start, LINES);
    }

    #[test]
    fn no_secret_of_a_client_reaches_the_log() {
        for format in [Format::Text, Format::Json] {
            let directory = tempfile::tempdir().unwrap();
            let (log, path) = start(directory.path(), format, 1);
            write(&log.worker(), &usual());
            log.finish();
            let text = fs::read_to_string(path).unwrap();
            assert!(text.contains("/a") && !text.contains("hunter2") && !text.contains("c2VjcmV0"), "{text}");
        }
    }

    #[test]
    fn sampling_keeps_what_went_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let (log, path) = start(directory.path(), Format::Text, 3);
        let worker = log.worker();
        for _ in 0..6 {
            write(&worker, &usual());
        }
        let mut broken = usual();
        broken.status = 503;
        write(&worker, &broken);
        log.finish();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.matches(" status=200 ").count(), 2, "{text}");
        assert_eq!(text.matches(" status=503 ").count(), 1, "{text}");
    }

    #[test]
    fn an_output_that_takes_nothing_costs_lines_and_stalls_nobody() {
        let buffer = Buffer::default();
        buffer.lock().unwrap().put(&vec![b'x'; BUFFERED_BYTES]);
        let worker = WorkerLog {
            format: Format::Text,
            sample: 1,
            turn: Cell::new(0),
            clock: RefCell::new(Clock::new(now())),
            names: RefCell::new(Names::new(line::named_text)),
            buffer: buffer.clone(),
            lost: Arc::default(),
            writer: mpsc::sync_channel(0).0,
        };
        write(&worker, &usual());
        assert_eq!(worker.lost.load(Ordering::Relaxed), 1);
        assert_eq!(buffer.lock().unwrap().len(), BUFFERED_BYTES);
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (log, path) = start(directory.path(), Format::Text, 1);
        let worker = log.worker();
        write(&worker, &usual());
        log.finish();
        let moved = directory.path().join("access.log.1");
        fs::rename(&path, &moved).unwrap();
        write(&worker, &usual());
        log.finish();
        assert_eq!(fs::read_to_string(moved).unwrap().lines().count(), 1);
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
    }
}
