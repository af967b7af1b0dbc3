//! Many keep-alive clients in a closed loop, half of them GET, half of them POST or a quarter each method, and a record of
//! every request.
//!
//! Each request has an id of its own, and its answer has to contain it: an answer meant for another client, or for an
//! earlier request, is found out like a byte that is wrong. A large one is told by its tag.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use evenkeel_digest::{Algorithm, CONTENT_DIGEST, Digest};
use evenkeel_stage::{Answer, Connection, Tls};

use crate::{Result, set::pass};

/// How long a client tries to connect; then the balancer is not there, and no request was begun.
const CONNECT: Duration = Duration::from_millis(250);

/// Between two such trials.
const AGAIN: Duration = Duration::from_millis(5);

/// What clients do first and nobody counts: connections are opened, the usual times learnt.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long all is well before the fault strikes: about as long as most faults are looked at, because the slowest of many
/// requests is slower than the slowest of a few.
const BEFORE: Duration = Duration::from_secs(7);

/// The length of a large body: too long for the balancer to hold, 256 KiB.
const LARGE: usize = 256 << 10;

/// What the clients do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where they connect.
    pub(crate) address: SocketAddr,
    /// Whom they believe, where they speak TLS.
    pub(crate) tls: Option<Tls>,
    /// How many there are.
    pub(crate) clients: usize,
    /// How long each waits between two requests.
    pub(crate) think: Duration,
    /// What they ask for.
    pub(crate) work: Work,
    /// What they say to the servers.
    pub(crate) authorization: String,
    /// What the journals know the run by.
    pub(crate) run: String,
}

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Bodies below a kilobyte.
    Small,
    /// Every other client moves bodies of 256 KiB, which are passed on as they come.
    Mixed,
    /// Bodies below a kilobyte; a quarter of the clients each GET, POST, PUT and DELETE.
    EveryMethod,
    /// The same, and each client has a session: a cookie that keeps it at its server.
    Sessions,
}

/// One request as its client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Unique in its run.
    pub(crate) id: String,
    /// How it was asked.
    pub(crate) method: Method,
    /// When it was sent.
    pub(crate) began: Instant,
    /// How long it took to its last byte, or to its end in failure.
    pub(crate) took: Duration,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// What its answer did to the client's session.
    pub(crate) bond: Bond,
}

/// The methods of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Safe: may be sent again, also on suspicion.
    Get,
    /// Not idempotent.
    Post,
    /// Idempotent: may be sent again, once the first try is known to have failed.
    Put,
    /// Likewise.
    Delete,
}

/// What an answer does to a session that a server keeps in its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// Nothing: it goes on, or there is none.
    Kept,
    /// It begins.
    Begun,
    /// It is lost: another server answered, which knows nothing of it.
    Moved { from: String, to: String, with_another_cookie: bool },
    /// The server is the same, and the client was given another cookie.
    Replaced,
}

/// A session as its client knows it.
#[derive(Clone, Debug)]
struct Session {
    /// `Cookie`, as it goes out.
    cookie: String,
    /// The server that answered first, and has it in its memory.
    home: String,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The right answer, from the server of this name.
    Right { server: String },
    /// Another status than 200.
    Status { status: u16, retry_after: bool },
    /// The connection ended, or was silent for too long, before the answer was whole.
    Broken(String),
    /// An answer that looked whole and was not the right one.
    Wrong(String),
    /// No connection could be opened: nothing was begun.
    Refused,
}

/// A load that runs.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Record>>>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// When it began.
    pub(crate) from: Instant,
    /// When it ended.
    pub(crate) until: Instant,
}

impl Load {
    /// Starts the clients.
    pub(crate) fn start(plan: &Plan) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let clients = (0..plan.clients)
            .map(|number| {
                let client = Client::new(plan, number);
                let stop = stop.clone();
                thread::spawn(move || client.ask_until(&stop))
            })
            .collect();
        Self { stop, clients }
    }

    /// Lets the load settle, then run undisturbed: the time that all else is compared with.
    pub(crate) fn settle(&self) -> Span {
        pass(WARM_UP);
        self.go_on(BEFORE)
    }

    /// Lets the load run so long.
    #[expect(
        clippy::unused_self,
        reason = "time passes for a load that runs: whoever has it has not ended it"
    )]
    pub(crate) fn go_on(&self, how_long: Duration) -> Span {
        let from = Instant::now();
        pass(how_long);
        Span::since(from)
    }

    /// Ends the load, once every request that runs has ended, and returns all of them.
    pub(crate) fn end(self) -> Result<Vec<Record>> {
        self.stop.store(true, Relaxed);
        let mut records = Vec::new();
        for client in self.clients {
            records.extend(client.join().map_err(|_| "a client of the load panicked")?);
        }
        Ok(records)
    }
}

impl Span {
    /// From `from` to now.
    pub(crate) fn since(from: Instant) -> Self {
        Self { from, until: Instant::now() }
    }

    /// Without so much of its beginning.
    pub(crate) fn after(self, skipped: Duration) -> Self {
        Self { from: self.from + skipped, ..self }
    }

    /// How long it is.
    pub(crate) fn length(self) -> Duration {
        self.until.saturating_duration_since(self.from)
    }
}

impl Method {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Record {
    /// When it ended.
    pub(crate) fn ended(&self) -> Instant {
        self.began + self.took
    }

    /// Whether it was begun and not answered rightly.
    pub(crate) fn is_lost(&self) -> bool {
        !matches!(self.outcome, Outcome::Right { .. } | Outcome::Refused)
    }
}

/// One client: one connection at a time, one method.
struct Client {
    plan: Plan,
    number: usize,
    method: Method,
    large: bool,
    session: Option<Session>,
    /// Of the next large body that is asked for.
    seed: u64,
    connection: Option<Connection>,
}

impl Client {
    fn new(plan: &Plan, number: usize) -> Self {
        let methods: &[Method] = match plan.work {
            Work::Small | Work::Mixed => &[Method::Get, Method::Post],
            Work::EveryMethod | Work::Sessions => &[Method::Get, Method::Post, Method::Put, Method::Delete],
        };
        let method = methods[number % methods.len()];
        let large = plan.work == Work::Mixed && number % 4 >= 2;
        let seed = (number as u64) << 32;
        Self { plan: plan.clone(), number, method, large, session: None, seed, connection: None }
    }

    fn ask_until(mut self, stop: &AtomicBool) -> Vec<Record> {
        let mut records = Vec::new();
        while !stop.load(Relaxed) {
            let id = format!("{}.{}.{}", self.plan.run, self.number, records.len());
            let began = Instant::now();
            let (outcome, bond) = self.ask(&id);
            if outcome == Outcome::Refused {
                pass(AGAIN);
            }
            let took = began.elapsed();
            records.push(Record { id, method: self.method, began, took, outcome, bond });
            if !self.plan.think.is_zero() {
                pass(self.plan.think);
            }
        }
        records
    }

    fn ask(&mut self, id: &str) -> (Outcome, Bond) {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open_over(self.plan.address, CONNECT, self.plan.tls.as_ref()) {
                Ok(connection) => connection,
                Err(_) => return (Outcome::Refused, Bond::Kept),
            },
        };
        let mut fields = vec![
            ("Authorization", self.plan.authorization.as_str()),
            ("X-Request-Id", id),
            ("X-Evenkeel-Run", &self.plan.run),
        ];
        if let Some(session) = &self.session {
            fields.push(("Cookie", &session.cookie));
        }
        let (answer, expected) = match self.method {
            Method::Get if self.large => {
                self.seed += 1;
                let path = format!("/bytes/{LARGE}?seed={}", self.seed);
                (connection.get(&path, &fields), Expected::Seed(self.seed))
            }
            Method::Get => {
                let target = format!("/whoami?{id}");
                let answer = connection.get(&target, &fields);
                (answer, Expected::Containing(format!("\"{target}\"").into_bytes()))
            }
            Method::Post | Method::Put | Method::Delete => {
                let mut body = id.as_bytes().to_vec();
                if self.large {
                    body = body.repeat(LARGE / id.len());
                }
                // What is promised is promised back, also where it is sent back while it comes.
                let digest = Digest::of(Algorithm::Sha256, &body).field_value();
                let fields = [fields.as_slice(), &[(CONTENT_DIGEST, &digest)]].concat();
                (connection.request(self.method.name(), "/echo", &fields, &body), Expected::Exactly(body))
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return (Outcome::Broken(error.to_string()), Bond::Kept),
        };
        if !answer.is_last() {
            self.connection = Some(connection);
        }
        let bond = if self.plan.work == Work::Sessions { self.keep_session(&answer) } else { Bond::Kept };
        (judge(&answer, &expected), bond)
    }

    /// Begins a session with the first cookie; later answers must leave it as it is.
    fn keep_session(&mut self, answer: &Answer) -> Bond {
        let given = answer.field("set-cookie").and_then(|field| field.split(';').next());
        let answered = answer.server();
        let bond = match &self.session {
            None if given.is_some() => Bond::Begun,
            // The balancer's own answers come from no server; they are lost requests, and cost no session.
            Some(session) if answer.status == 200 && session.home != answered => Bond::Moved {
                from: session.home.clone(),
                to: answered.to_owned(),
                with_another_cookie: given.is_some(),
            },
            Some(_) if given.is_some() => Bond::Replaced,
            None | Some(_) => Bond::Kept,
        };
        // As a browser does: what was given last goes out, and leads to whoever it was made for.
        if let Some(cookie) = given {
            self.session = Some(Session { cookie: cookie.to_owned(), home: answered.to_owned() });
        }
        bond
    }
}

enum Expected {
    Exactly(Vec<u8>),
    Containing(Vec<u8>),
    Seed(u64),
}

fn judge(answer: &Answer, expected: &Expected) -> Outcome {
    if answer.status != 200 {
        return Outcome::Status { status: answer.status, retry_after: answer.field("retry-after").is_some() };
    }
    let is_right = match expected {
        Expected::Exactly(body) => answer.body == *body,
        Expected::Containing(part) => answer.body.windows(part.len()).any(|window| window == part),
        Expected::Seed(seed) => {
            answer.body.len() == LARGE && answer.field("etag") == Some(&format!("\"{seed:x}-{LARGE:x}\""))
        }
    };
    if !is_right {
        return Outcome::Wrong(format!("not the answer to this request, from {}", answer.server()));
    }
    match answer.verify() {
        Ok(()) => Outcome::Right { server: answer.server().to_owned() },
        Err(reason) => Outcome::Wrong(format!("{reason} from {}", answer.server())),
    }
}
