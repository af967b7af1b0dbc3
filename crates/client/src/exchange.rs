//! One request on one connection, from the pool or freshly opened, judged and timed.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use evenkeel_wire::{ClientConnection, ConnectError, ResponseFailure};

use crate::addresses::{self, Addresses};
use crate::clock;
use crate::outcome::{Failure, Kind, Phase, Shaken};
use crate::request::{Connections, Request, Template};
use crate::tls::{self, Secure};
use crate::verify::{self, Answer, DigestCheck, Judge};
use crate::workload::Entry;

/// Connections that wait for their next request, the last one used first: so that few are used when few are needed,
/// and the others end before the target closes them.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    connections: RefCell<Vec<(ClientConnection, Instant)>>,
}

impl Idle {
    /// How long a connection may wait. Servers close idle connections after a few seconds or more, and a request
    /// that crosses such a close on the wire would count against a target that did nothing wrong.
    const LONGEST: Duration = Duration::from_secs(2);

    fn take(&self, now: Instant) -> Option<ClientConnection> {
        let mut connections = self.connections.borrow_mut();
        while let Some((mut connection, since)) = connections.pop() {
            if now.saturating_duration_since(since) > Self::LONGEST {
                // Those below it have waited longer.
                connections.clear();
                return None;
            }
            if connection.reusable() {
                return Some(connection);
            }
        }
        None
    }

    fn put(&self, connection: ClientConnection, now: Instant) {
        self.connections.borrow_mut().push((connection, now));
    }
}

/// How requests are sent: what all exchanges of a run share.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Where to connect to.
    pub(crate) addresses: Addresses,
    /// How connections are secured, where they are.
    pub(crate) secure: Option<Secure>,
    /// Connections kept.
    pub(crate) idle: Idle,
    /// Whether they are kept at all.
    pub(crate) connections: Connections,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// How long opening a connection may take.
    pub(crate) connect_timeout: Duration,
    /// Which digests are verified.
    pub(crate) verify: DigestCheck,
}

/// What is known of an exchange so far. It outlives a timeout, which so knows what was waited for.
#[derive(Debug)]
pub(crate) struct Trace {
    /// What happens now, or happened last.
    pub(crate) phase: Phase,
    /// How long opening the connection took.
    pub(crate) connect: Option<Duration>,
    /// How TLS came about on it.
    pub(crate) handshake: Option<Shaken>,
    /// When the head was there.
    pub(crate) head: Option<Instant>,
    /// What the head said.
    pub(crate) answer: Option<Answer>,
    /// Body bytes received.
    pub(crate) received: u64,
    /// Head and beginning of the body, where it is to be shown.
    pub(crate) sample: Option<Sample>,
}

/// A response as it came, for people to look at.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The head, the empty line included.
    pub(crate) head: Vec<u8>,
    /// The beginning of the body.
    pub(crate) body: Vec<u8>,
    limit: usize,
}

impl Sample {
    /// Room for `limit` bytes of a body.
    pub(crate) fn new(limit: usize) -> Self {
        Self { head: Vec::new(), body: Vec::new(), limit }
    }

    fn piece(&mut self, piece: &[u8]) {
        let room = self.limit.saturating_sub(self.body.len());
        self.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

impl Trace {
    /// Nothing has happened yet.
    pub(crate) fn new(sample: Option<Sample>) -> Self {
        Self {
            phase: Phase::Resolve,
            connect: None,
            handshake: None,
            head: None,
            answer: None,
            received: 0,
            sample,
        }
    }
}

impl Sender {
    /// Sends the request and judges its response, within the timeout.
    pub(crate) async fn exchange(
        &self,
        template: &Template,
        request: &Request<'_>,
        entry: &Entry,
        trace: &mut Trace,
    ) -> Result<(), Failure> {
        match tokio::time::timeout(self.timeout, self.attempt(template, request, entry, trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(trace)),
        }
    }

    async fn attempt(
        &self,
        template: &Template,
        request: &Request<'_>,
        entry: &Entry,
        trace: &mut Trace,
    ) -> Result<(), Failure> {
        let mut connection = match self.idle.take(clock::now()) {
            Some(connection) => connection,
            None => self.connect(trace).await?,
        };
        let kept = trace.connect.is_none();

        trace.phase = Phase::Send;
        let sent = send(&mut connection, template, request).await;
        // A target may refuse a body before it has come in whole: its answer counts, not the broken pipe.
        if sent.is_ok() {
            trace.phase = Phase::Wait;
        }
        let head = connection.response().await;
        let status = match (head, sent) {
            (Ok(head), _) => head.status(),
            // Why a connection over TLS broke may have come before it did.
            (Err(failure), sent) => {
                match sent.err().filter(|_| !matches!(failure, ResponseFailure::Tls(_))) {
                    None => return Err(no_head(&failure, kept)),
                    Some(error) => return Err(Failure::new(Phase::Send, Kind::Reset, error.to_string())),
                }
            }
        };
        trace.head = Some(clock::now());
        trace.phase = Phase::Body;
        if let Some(sample) = &mut trace.sample {
            sample.head.extend_from_slice(connection.head_bytes());
        }
        let answer = trace.answer.insert(Answer::read(status, verify::fields(connection.head_bytes())));

        let mut judge = Judge::new(entry, request, answer, self.verify);
        loop {
            let piece = connection.piece().await.map_err(|failure| no_body(&failure, judge.received()))?;
            let Some(piece) = piece else { break };
            judge.piece(piece);
            trace.received = judge.received();
            if let Some(sample) = &mut trace.sample {
                sample.piece(piece);
            }
        }
        trace.phase = Phase::Verify;
        let outcome = judge.finish(connection.trailers());
        if self.connections == Connections::KeepAlive && connection.reusable() {
            self.idle.put(connection, clock::now());
        }
        outcome
    }

    async fn connect(&self, trace: &mut Trace) -> Result<ClientConnection, Failure> {
        let begun = clock::now();
        let addresses = self.addresses.in_turn(begun).await;
        let addresses =
            addresses.map_err(|error| Failure::new(Phase::Resolve, Kind::Unresolved, error.to_string()))?;
        trace.phase = Phase::Connect;
        let opening = clock::now();
        let mut stream = addresses::first_of(&addresses, self.connect_timeout).await.map_err(|error| {
            let kind = match error.failure() {
                None => Kind::Unresolved,
                Some(ConnectError::Refused) => Kind::Refused,
                Some(ConnectError::Unreachable(_)) => Kind::Unreachable,
                Some(ConnectError::TimedOut | ConnectError::Unanswered) => Kind::ConnectTimeout,
                Some(ConnectError::Local(_)) => Kind::Local,
                Some(ConnectError::Tls(_)) => Kind::Handshake,
            };
            Failure::new(Phase::Connect, kind, error.to_string())
        })?;
        if let Some(secure) = &self.secure {
            trace.phase = Phase::Handshake;
            let left = self.connect_timeout.saturating_sub(clock::now().saturating_duration_since(opening));
            trace.handshake = Some(secure.shake(&mut stream, left).await?);
        }
        trace.connect = Some(clock::now().saturating_duration_since(begun));
        Ok(ClientConnection::new(stream))
    }

    fn timed_out(&self, trace: &Trace) -> Failure {
        let kind = match trace.phase {
            Phase::Resolve => Kind::Unresolved,
            Phase::Connect => Kind::ConnectTimeout,
            Phase::Handshake => Kind::HandshakeTimeout,
            Phase::Send | Phase::Wait => Kind::NoResponse,
            Phase::Body | Phase::Verify => Kind::Stalled,
        };
        Failure::new(
            trace.phase,
            kind,
            format!("given up after {:?}, {} bytes of the body received", self.timeout, trace.received),
        )
    }
}

async fn send(
    connection: &mut ClientConnection,
    template: &Template,
    request: &Request<'_>,
) -> std::io::Result<()> {
    connection.send(template.method, &request.head, request.filler).await?;
    if request.tail.is_empty() { Ok(()) } else { connection.send_more(&request.tail).await }
}

fn no_head(failure: &ResponseFailure, kept: bool) -> Failure {
    let whose = if kept { "on a kept connection" } else { "on a fresh connection" };
    let kind = match failure {
        ResponseFailure::Tls(failure) => return tls::failed(Phase::Wait, failure),
        ResponseFailure::Closed | ResponseFailure::Truncated => Kind::Closed,
        ResponseFailure::Reset(_) => Kind::Reset,
        ResponseFailure::Malformed(_) => Kind::Malformed,
    };
    Failure::new(Phase::Wait, kind, format!("{failure}, {whose}"))
}

fn no_body(failure: &ResponseFailure, received: u64) -> Failure {
    let kind = match failure {
        ResponseFailure::Closed | ResponseFailure::Truncated => Kind::Truncated,
        ResponseFailure::Reset(_) | ResponseFailure::Tls(_) => Kind::Reset,
        ResponseFailure::Malformed(_) => Kind::Malformed,
    };
    Failure::new(Phase::Body, kind, format!("{failure} after {received} bytes"))
}
