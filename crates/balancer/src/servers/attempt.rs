//! One attempt on its connection: opening, sending, waiting for the head, holding a small response until it is whole.
//! It says what happened; what follows from it is decided by [`evenkeel_upstream::Attempts`].
//!
//! ```text
//! opening ──▶ sending ──▶ awaiting a head ──▶ holding ──▶ whole
//!    (a connection that was idle starts here)     └──▶ parked: the body is left for whoever relays it
//! ```

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use evenkeel_message::{Limits, Method, ResponseError};
use evenkeel_upstream::attempt::{TryNo, Verdict};
use evenkeel_upstream::{ConnectFailure, Lease, Outcome, Response, ResponseFailure};
use evenkeel_wire::{Buffer, TlsFailure};

use crate::clock::now;
use crate::servers::answer::Answer;
use crate::servers::digest;
use crate::servers::group::Group;
use crate::servers::idle::ServerConnection;
use crate::servers::opening::{Opening, connect_failure, open, tls_failure};
use crate::servers::status;
use crate::servers::upload::{Position, Upload};

/// An attempt that has not ended.
pub(crate) struct Attempt {
    pub(crate) number: TryNo,
    pub(crate) lease: Lease,
    /// Boxed, and the box reused: an attempt is moved about, and this is the most of it.
    pub(crate) answer: Box<Answer>,
    line: Line,
    /// How much of the request has been written.
    sent: Position,
    progress: Progress,
    /// When the connection was asked for or, later, when the request was written: what the next time is counted from.
    since: Instant,
    /// The request's head with another number in X-Attempt than 1.
    own_head: Option<Vec<u8>>,
}

enum Line {
    Opening(Opening),
    Open { connection: Box<ServerConnection>, reused: bool },
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing of the request has been written.
    Unsent,
    /// Some of it has.
    Sending,
    /// All of it has, or the server takes no more.
    Sent,
    /// A final head has come, and the body is left alone.
    Parked,
    /// A final head has come, and the body of this many bytes is awaited.
    Holding(usize),
    /// The response is whole.
    Whole,
}

/// What happened to an attempt.
pub(crate) enum Happened {
    Connected,
    ConnectFailed(ConnectFailure),
    /// The first bytes of the request are on their way.
    ByteSent,
    RequestSent,
    /// An idle connection turned out to be closed before any byte of a response.
    Stale {
        bytes_sent: bool,
    },
    /// An interim response (1xx) is in the answer: pass it on, then call [`Attempt::interim_done`].
    Interim,
    Head {
        status: u16,
        held: bool,
    },
    Whole(Verdict),
    Broken(ResponseFailure),
    /// The server refuses whom it takes this balancer for, and has done nothing with the request.
    NotProcessed(ConnectFailure),
}

/// What an attempt needs to know of its request.
pub(crate) struct Asked<'a> {
    pub(crate) method: Method,
    /// The one protocol that the client wants to change to, if that is allowed.
    pub(crate) upgrade: Option<&'a str>,
    pub(crate) head: &'a [u8],
    pub(crate) limits: &'a Limits,
    /// A response with a body up to this size is held, bytes.
    pub(crate) hold: usize,
    /// Whether digests are looked at.
    pub(crate) verify: bool,
}

impl Attempt {
    /// An attempt on a connection that was idle.
    pub(crate) fn on_idle(
        number: TryNo,
        lease: Lease,
        connection: Box<ServerConnection>,
        answer: Box<Answer>,
        now: Instant,
    ) -> Self {
        Self::new(number, lease, Line::Open { connection, reused: true }, answer, now)
    }

    /// An attempt that opens a connection first.
    pub(crate) fn on_fresh(
        number: TryNo,
        lease: Lease,
        answer: Box<Answer>,
        group: &Group,
        now: Instant,
    ) -> Self {
        let line = Line::Opening(open(group, lease.endpoint()));
        Self::new(number, lease, line, answer, now)
    }

    fn new(number: TryNo, lease: Lease, line: Line, answer: Box<Answer>, now: Instant) -> Self {
        Self {
            number,
            lease,
            answer,
            line,
            sent: Position::default(),
            progress: Progress::Unsent,
            since: now,
            own_head: None,
        }
    }

    /// Opens a fresh connection to the same endpoint, after the idle one turned out to be stale.
    pub(crate) fn reconnect(&mut self, group: &Group, now: Instant) {
        self.line = Line::Opening(open(group, self.lease.endpoint()));
        self.sent = Position::default();
        self.progress = Progress::Unsent;
        self.since = now;
        self.answer.received.clear();
    }

    /// Leaves a connection that was idle and on which the server says that it closes. `false`, and nothing changes, if it is
    /// no such connection.
    pub(crate) fn leave_stale(&mut self) -> bool {
        let stale = matches!(self.line, Line::Open { reused: true, .. }) && self.answer.head.closes();
        if stale {
            self.line = Line::Gone;
        }
        stale
    }

    /// Whether a connection is still being opened.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.line, Line::Opening(_))
    }

    /// The connection, when the attempt is over and it may be of further use.
    pub(crate) fn into_connection(self) -> Option<(Box<ServerConnection>, Box<Answer>, Lease)> {
        match self.line {
            Line::Open { connection, .. } => Some((connection, self.answer, self.lease)),
            Line::Opening(_) | Line::Gone => None,
        }
    }

    /// Goes on past an interim response.
    pub(crate) fn interim_done(&mut self) {
        self.answer.received.consume(self.answer.head.len());
    }

    /// Writes this attempt's number into a head of its own, where it is not the first.
    pub(crate) fn number_in_head(&mut self, head: &[u8], attempt_at: usize) {
        if self.number.index() > 0 {
            let mut own = head.to_vec();
            own[attempt_at] = b'0' + self.number.number();
            self.own_head = Some(own);
        }
    }

    /// The head of a response has come: counts the time it took since the request was written, and says what it says of its
    /// server and how long it took.
    pub(crate) fn head_received(&mut self, status: u16, now: Instant) -> (Response, Duration) {
        let took = self.waited(now);
        let response = status::says(status, self.lease.is_accused());
        self.lease.head_received(response, took, now);
        (response, took)
    }

    /// From when on it waits for what comes next: since the whole request was written, for the head of the response.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// How long it has waited for what comes next: a connection or, later, the head of a response.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// The storage of its response, and its lease.
    pub(crate) fn into_answer(self) -> (Box<Answer>, Lease) {
        (self.answer, self.lease)
    }

    /// How much has come of its response, while it is held.
    pub(crate) fn received(&self) -> usize {
        self.answer.received.len()
    }

    /// How much of the request has been written.
    pub(crate) fn sent(&self) -> Position {
        self.sent
    }

    /// How far it has come, if it goes on sending.
    pub(crate) fn sending_at(&self) -> Option<Position> {
        (self.progress < Progress::Sent).then_some(self.sent)
    }

    /// Drives the attempt until something happened.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Asked<'_>,
        upload: &Upload,
    ) -> Poll<Happened> {
        if let Line::Opening(opening) = &mut self.line {
            let opened = ready!(opening.as_mut().poll(cx));
            let now = now();
            match opened {
                Ok(stream) => {
                    self.lease.connected(now.saturating_duration_since(self.since));
                    let generation = self.lease.endpoint().generation();
                    let connection = Box::new(ServerConnection::fresh(stream, generation));
                    self.line = Line::Open { connection, reused: false };
                    return Poll::Ready(Happened::Connected);
                }
                Err(error) => {
                    self.line = Line::Gone;
                    return Poll::Ready(Happened::ConnectFailed(connect_failure(&error)));
                }
            }
        }
        if self.progress < Progress::Sent
            && let Poll::Ready(happened) = self.poll_send(cx, asked, upload)
        {
            return Poll::Ready(happened);
        }
        self.poll_receive(cx, asked)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, asked: &Asked<'_>, upload: &Upload) -> Poll<Happened> {
        let Line::Open { connection, .. } = &mut self.line else { return Poll::Pending };
        if self.sent.is_start() {
            connection.machine.begin(asked.method, asked.upgrade);
        }
        let whole_head = self.own_head.as_deref().unwrap_or(asked.head);
        let Some((head, body)) = upload.unsent(whole_head, self.sent) else {
            // Left behind: it gets no more of the request, and may answer all the same.
            self.progress = Progress::Sent;
            return Poll::Pending;
        };
        let mut written = 0;
        let sent = connection.stream.poll_send(cx, head, body, &mut written);
        self.sent.advance(written);
        let is_first = self.progress == Progress::Unsent && !self.sent.is_start();
        match sent {
            // The server takes no more; it may have answered all the same, so the reading goes on.
            Poll::Ready(Err(_)) => {
                self.progress = Progress::Sent;
                // What it took before may have been executed.
                if is_first {
                    return Poll::Ready(Happened::ByteSent);
                }
            }
            Poll::Ready(Ok(())) if upload.is_complete_at(self.sent) => {
                self.progress = Progress::Sent;
                self.since = now();
                return Poll::Ready(Happened::RequestSent);
            }
            _ if is_first => {
                self.progress = Progress::Sending;
                return Poll::Ready(Happened::ByteSent);
            }
            _ => {}
        }
        Poll::Pending
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, asked: &Asked<'_>) -> Poll<Happened> {
        loop {
            if matches!(self.progress, Progress::Parked | Progress::Whole) {
                return Poll::Pending;
            }
            if let Some(happened) = self.look(asked) {
                return Poll::Ready(happened);
            }
            let Line::Open { connection, .. } = &mut self.line else { return Poll::Pending };
            let received = &mut self.answer.received;
            received.make_room(match self.progress {
                Progress::Holding(total) => total.max(Buffer::ORDINARY),
                // A head that never ends is refused at its limit.
                _ => usize::MAX,
            });
            match ready!(connection.stream.poll_fill(cx, received)) {
                Ok(0) => return Poll::Ready(self.ended(false)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(self.failed(&error)),
            }
        }
    }

    /// Looks at what has been received, without reading more.
    fn look(&mut self, asked: &Asked<'_>) -> Option<Happened> {
        let Line::Open { connection, .. } = &mut self.line else { return None };
        let Answer { received, head, promised, body } = &mut *self.answer;
        if let Progress::Holding(total) = self.progress {
            if received.len() < total {
                return None;
            }
            let range = head.len()..total;
            self.progress = Progress::Whole;
            return Some(match connection.machine.body(&received.filled()[range.clone()], asked.limits) {
                Ok(_) => {
                    let verdict = promised.verdict(&received.filled()[range.clone()]);
                    *body = Some(range);
                    Happened::Whole(verdict)
                }
                Err(_) => Happened::Broken(ResponseFailure::Garbage),
            });
        }
        if received.is_empty() {
            return None;
        }
        match connection.machine.head(received.filled(), head, asked.limits) {
            Ok(None) => None,
            Ok(Some(_)) if head.is_informational() => Some(Happened::Interim),
            // The rest of the body would be read as the other protocol.
            Ok(Some(_)) if head.status() == 101 && self.progress < Progress::Sent => {
                Some(Happened::Broken(ResponseFailure::Garbage))
            }
            Ok(Some(length)) => {
                if asked.verify {
                    promised.read(head, received.filled());
                } else {
                    promised.forget();
                }
                let held = digest::body_to_hold(head, asked.hold);
                self.progress = held.map_or(Progress::Parked, |body| Progress::Holding(length + body));
                Some(Happened::Head { status: head.status(), held: held.is_some() })
            }
            Err(ResponseError::ClosedBeforeHead | ResponseError::ClosedInHead | ResponseError::Truncated) => {
                None
            }
            Err(_) => Some(Happened::Broken(ResponseFailure::Garbage)),
        }
    }

    #[cold]
    fn failed(&mut self, error: &io::Error) -> Happened {
        use evenkeel_wire::TlsFailure::{CertificateRefused, CertificateRequired};
        let is_first =
            matches!(self.line, Line::Open { reused: false, .. }) && self.answer.received.is_empty();
        match TlsFailure::of(error) {
            Some(refused @ (CertificateRequired | CertificateRefused(_))) if is_first => {
                self.line = Line::Gone;
                Happened::NotProcessed(ConnectFailure::Tls(tls_failure(refused)))
            }
            // Over TLS an end without a word of parting says no more than FIN does.
            _ => self.ended(error.kind() != io::ErrorKind::UnexpectedEof),
        }
    }

    /// The server closed (FIN) or reset (RST) before the answer was whole.
    fn ended(&mut self, reset: bool) -> Happened {
        let line = std::mem::replace(&mut self.line, Line::Gone);
        let began = !self.answer.received.is_empty() || matches!(self.progress, Progress::Holding(_));
        match line {
            Line::Open { reused: true, .. } if !began => {
                Happened::Stale { bytes_sent: !self.sent.is_start() }
            }
            _ if began => Happened::Broken(ResponseFailure::Truncated),
            _ if reset => Happened::Broken(ResponseFailure::Reset),
            _ => Happened::Broken(ResponseFailure::Closed),
        }
    }
}

/// A connect that has waited for so long was lost, or dropped by a full line. Once it is asked again it would take a place there from
/// a request, and a server that has one worker would wait for what nobody sends.
pub(crate) const WORTH_OPENING: Duration = Duration::from_millis(500);

/// Lets a connection that lost its race open on: it may serve the next request. Bounded by the connect timeout.
pub(crate) fn open_for_later(group: &Rc<Group>, attempt: Attempt) {
    let Line::Opening(opening) = attempt.line else { return };
    let (group, lease) = (group.clone(), attempt.lease);
    group.answers.give_back(attempt.answer);
    tokio::task::spawn_local(async move {
        let endpoint = lease.endpoint().clone();
        let generation = endpoint.generation();
        let _ = group.finish(lease, Outcome::Abandoned, now());
        if let Ok(stream) = opening.await {
            group.worker.stats.opened.add(1);
            let connection = Box::new(ServerConnection::fresh(stream, generation));
            group.idle.put(endpoint.id(), endpoint.generation(), connection, now());
        }
    });
}
