//! What it costs to be watched: the live page open, metrics scraped each second, the access log on.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use evenkeel_stage::Connection;

use crate::{
    Result,
    contenders::{Build, Contender},
    rounds::Measured,
    servers::SMALL,
    stage::Stage,
};

use super::throughput;

/// Nobody looks.
pub(super) const UNSEEN: &str = "unseen";
/// Everybody looks.
pub(super) const WATCHED: &str = "watched";

/// How many times more rounds than others play: what differs by a few per cent drowns in the noise of three.
const FINER: usize = 10;

/// Between two scrapes.
const SCRAPE: Duration = Duration::from_secs(1);

/// Requests per CPU-second.
pub(super) fn watched(stage: &Stage) -> Result<Measured> {
    let log = stage.scratch().join("access.log").display().to_string();
    let watched = Build {
        variables: vec![
            ("BALANCER_ACCESS_LOG", "text".to_owned()),
            ("BALANCER_ACCESS_LOG_PATH", log.clone()),
        ],
        ..stage.build(WATCHED)
    };
    let unseen = Contender::own(stage, stage.build(UNSEEN), &stage.servers)?;
    let watched = Contender::own(stage, watched, &stage.servers)?;
    let admin = watched.admin.ok_or("the balancer has no admin interface")?;
    let onlooker = Onlooker::start(admin)?;
    let rounds = stage.options.rounds * FINER;
    let mut measured = throughput::within(stage, &[unseen, watched], &stage.servers.get(SMALL), 1, rounds)?;
    let seen = onlooker.end()?;
    let logged = std::fs::metadata(&log)?.len();
    measured.notes.push(format!(
        "{} bytes of events, {} scrapes, {} MiB of access log",
        seen.events,
        seen.scrapes,
        logged >> 20
    ));
    Ok(measured)
}

/// Someone who looks at the page and scrapes.
struct Onlooker {
    page: TcpStream,
    events: JoinHandle<Result<u64>>,
    stop: Sender<()>,
    scrapes: JoinHandle<Result<u64>>,
}

/// What was seen.
struct Seen {
    /// Bytes that the page was sent.
    events: u64,
    /// How often metrics were read.
    scrapes: u64,
}

impl Onlooker {
    fn start(admin: SocketAddr) -> Result<Self> {
        let mut page = TcpStream::connect(admin)?;
        page.write_all(format!("GET /api/events HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes())?;
        let reader = page.try_clone()?;
        let (stop, stopped) = mpsc::channel();
        Ok(Self {
            page,
            events: thread::spawn(move || follow(reader)),
            stop,
            scrapes: thread::spawn(move || {
                let mut count = 0;
                while stopped.recv_timeout(SCRAPE) == Err(RecvTimeoutError::Timeout) {
                    scrape(admin)?;
                    count += 1;
                }
                Ok(count)
            }),
        })
    }

    /// Stops looking. Who was not told anything has measured nothing.
    fn end(self) -> Result<Seen> {
        self.page.shutdown(Shutdown::Both)?;
        drop(self.stop);
        let events = self.events.join().map_err(|_| "whoever looked at the page panicked")??;
        let scrapes = self.scrapes.join().map_err(|_| "whoever scraped panicked")??;
        if events == 0 || scrapes == 0 {
            return Err(format!("{events} bytes of events and {scrapes} scrapes were seen").into());
        }
        Ok(Seen { events, scrapes })
    }
}

/// Reads what the page would be pushed. Its end before that of the measurement shows in how little came.
fn follow(mut page: TcpStream) -> Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match page.read(&mut buffer)? {
            0 => return Ok(bytes),
            count => bytes += count as u64,
        }
    }
}

fn scrape(admin: SocketAddr) -> Result<()> {
    let answer = Connection::open(admin)?.get("/metrics", &[])?;
    if answer.status == 200 { Ok(()) } else { Err(format!("/metrics: {}", answer.status).into()) }
}
