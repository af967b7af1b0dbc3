//! Requests from many connections at once, as long as a test likes, each answer checked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{Answer, Connection, PATIENCE};

/// At most this many failures are kept in words.
const KEPT_FAILURES: usize = 20;

/// A closed loop of GETs: each connection sends its next request when the last was answered.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    connections: Vec<JoinHandle<()>>,
}

/// What the requests came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Right answers by the server that gave them.
    pub by_server: BTreeMap<String, u64>,
    /// How many requests were never begun, because no connection could be opened.
    pub refused: u64,
    /// How many requests were begun and not answered rightly.
    pub failed: u64,
    /// The first of those, in words.
    pub failures: Vec<String>,
    /// The longest wait for a right answer.
    pub slowest: Duration,
}

/// How a request can fail.
enum Failure {
    Refused,
    Lost(String),
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
    answered: Condvar,
}

impl Tally {
    /// Panics unless every request was answered rightly.
    pub fn assert_nothing_failed(&self) {
        assert_eq!((self.refused, self.failed), (0, 0), "of {}: {:#?}", self.right(), self.failures);
    }

    /// How many requests were answered rightly.
    pub fn right(&self) -> u64 {
        self.by_server.values().sum()
    }
}

impl Load {
    /// Starts GETs of `path` on so many connections, with these fields on each request.
    pub fn start(address: SocketAddr, connections: usize, path: &str, fields: &[(&str, &str)]) -> Self {
        let shared = Arc::<Shared>::default();
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let connections = (0..connections)
            .map(|_| {
                let (shared, path, fields) = (shared.clone(), path.to_owned(), fields.clone());
                thread::spawn(move || {
                    let fields: Vec<_> =
                        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    keep_asking(&shared, address, &path, &fields);
                })
            })
            .collect();
        Self { shared, connections }
    }

    /// What came so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Waits until the tally is as wanted, looking at it after every answer. Panics where nothing is answered for a minute.
    pub fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Tally) -> bool) {
        let mut tally = self.shared.tally();
        while !wanted(&tally) {
            let wait =
                self.shared.answered.wait_timeout(tally, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            tally = wait.0;
            assert!(!wait.1.timed_out(), "nothing is answered while waiting for {what}: {tally:?}");
        }
    }

    /// Waits for so many more right answers.
    pub fn wait_for_more(&self, count: u64) {
        let goal = self.tally().right() + count;
        self.wait_for("more right answers", |tally| tally.right() >= goal);
    }

    /// Lets every request that runs finish and says what all came to.
    pub fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for connection in self.connections {
            connection.join().expect("a connection of the load panics only when this crate is wrong");
        }
        self.shared.tally().clone()
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, outcome: Result<(String, Duration), Failure>) {
        let mut tally = self.tally();
        match outcome {
            Ok((server, took)) => {
                *tally.by_server.entry(server).or_default() += 1;
                tally.slowest = tally.slowest.max(took);
            }
            Err(Failure::Refused) => tally.refused += 1,
            Err(Failure::Lost(reason)) => {
                tally.failed += 1;
                if tally.failures.len() < KEPT_FAILURES {
                    tally.failures.push(reason);
                }
            }
        }
        drop(tally);
        self.answered.notify_all();
    }
}

fn keep_asking(shared: &Shared, address: SocketAddr, path: &str, fields: &[(&str, &str)]) {
    let mut connection = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let outcome = ask(&mut connection, address, path, fields);
        if outcome.is_err() {
            connection = None;
        }
        shared.record(outcome.map(|server| (server, started.elapsed())));
    }
}

fn ask(
    kept: &mut Option<Connection>,
    address: SocketAddr,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<String, Failure> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(address).map_err(|_| Failure::Refused)?,
    };
    let answer =
        connection.get(path, fields).map_err(|error| Failure::Lost(format!("no answer: {error}")))?;
    judge(&answer).map_err(Failure::Lost)?;
    if !answer.is_last() {
        *kept = Some(connection);
    }
    Ok(answer.server().to_owned())
}

fn judge(answer: &Answer) -> Result<(), String> {
    if answer.status != 200 {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(format!("status {} from {}: {body}", answer.status, answer.server()));
    }
    answer.verify().map_err(|reason| format!("{reason} from {}", answer.server()))
}
