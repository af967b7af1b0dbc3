//! The ordinary client: few requests, now and then on a connection of its own, each of which has to be answered rightly.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use evenkeel_stage::{Connection, PATIENCE, Tls};

use crate::{Result, pass};

/// How many ask at once.
const CLIENTS: usize = 4;

/// How long each waits between two requests.
const THINK: Duration = Duration::from_millis(10);

/// How many requests a connection has, as a visitor of a few pages.
const A_CONNECTION: u32 = 8;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When it was begun, its connection included.
    pub(crate) began: Instant,
    /// How long it took.
    pub(crate) took: Duration,
    /// Why it failed, where it did.
    pub(crate) failure: Option<String>,
}

/// Clients that ask.
#[derive(Debug)]
pub(crate) struct Ordinary {
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Request>>>,
}

impl Ordinary {
    /// Begins to ask.
    pub(crate) fn start(address: SocketAddr, tls: Option<&Tls>) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let clients = (0..CLIENTS)
            .map(|_| {
                let (enough, tls) = (enough.clone(), tls.cloned());
                thread::spawn(move || ask_until(&enough, address, tls.as_ref()))
            })
            .collect();
        Self { enough, clients }
    }

    /// Ends asking, and returns every request.
    pub(crate) fn end(self) -> Result<Vec<Request>> {
        self.enough.store(true, Relaxed);
        let mut requests = Vec::new();
        for client in self.clients {
            requests.extend(client.join().map_err(|_| "an ordinary client panicked")?);
        }
        Ok(requests)
    }
}

fn ask_until(enough: &AtomicBool, address: SocketAddr, tls: Option<&Tls>) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut kept = None;
    while !enough.load(Relaxed) {
        let began = Instant::now();
        let failure = ask(&mut kept, address, tls).err();
        requests.push(Request { began, took: began.elapsed(), failure });
        pass(THINK);
    }
    requests
}

/// The connection comes back where another request may follow on it.
fn ask(
    kept: &mut Option<(Connection, u32)>,
    address: SocketAddr,
    tls: Option<&Tls>,
) -> std::result::Result<(), String> {
    let (mut connection, used) = if let Some(kept) = kept.take() {
        kept
    } else {
        let opened = Connection::open_over(address, PATIENCE, tls);
        (opened.map_err(|error| format!("no connection: {error}"))?, 0)
    };
    let answer = connection.get("/whoami", &[]).map_err(|error| format!("no answer: {error}"))?;
    if answer.status != 200 {
        let reason = answer.field("proxy-status").unwrap_or_default().to_owned();
        return Err(format!("status {} {reason}", answer.status));
    }
    if used + 1 < A_CONNECTION && !answer.is_last() {
        *kept = Some((connection, used + 1));
    }
    Ok(())
}
