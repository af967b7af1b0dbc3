//! A response that is passed on as it comes, while the rest of the request may still go the other way.
//!
//! ```text
//! server ──fill──▶ received ──decode, verify──▶ framed for the client ──send──▶ client
//! ```
//! One buffer, or [a pipe](piped) in its place: what the client does not take is not read from the server. The last piece goes out
//! only after the digest, where one was promised, has been found right; otherwise the client's connection ends in a reset.

mod open_ended;
mod piped;
mod waits;

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use evenkeel_message::Framing;
use evenkeel_upstream::{Doubtful, ResponseFailure};
use evenkeel_wire::Buffer;

use super::Exchange;
use super::caller::{Caller, Placed};
use super::deliver::Source;
use super::timers::{Timer, Timers};
use crate::clock::now;
use crate::servers::digest::{Finding, Verification};
use crate::servers::pipes::LentPipe;
use crate::settings::verify::Verify;
use waits::{Stalled, Waits};

/// Why a response did not reach the client whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broke {
    /// The client went away, or took nothing for too long.
    Client,
    /// The server failed: its connection ended first, its framing is broken, or it sent nothing for too long of a response whose
    /// length it had said.
    Server(ResponseFailure),
    /// The server sent nothing for too long, and had not said that there would be more: that is no failure of its own.
    Silent,
    WrongDigest,
}

const TRUNCATED: Broke = Broke::Server(ResponseFailure::Truncated);

/// What a read asks for while a large body passes, bytes, where there is no [large buffer](crate::servers::large) for it.
const LARGE_READ: usize = 64 * 1024;

/// Small pieces in a coding that goes around them are copied together up to this size, so that each does not cost a system
/// call.
const COALESCED: usize = 16 * 1024;

impl<C: Caller> Exchange<'_, C> {
    /// Relays the body of the response whose head has been written, and says whether a digest of it was missing.
    pub(super) async fn relay(&mut self, source: &mut Source) -> Result<Finding, Broke> {
        let (worker, settings) = (self.group.worker.settings(), self.group.settings());
        let answer = &mut source.answer;
        let is_open_ended = open_ended::is_open_ended(&answer.head, answer.received.filled());
        let head = answer.head.len();
        answer.received.consume(head);
        let verification = answer.promised.verifier().map(Box::new);
        let patience = worker.patience();
        let waits = if is_open_ended {
            Waits::of_messages(settings.stream_timeout, patience, now())
        } else {
            Waits::new(worker.body_timeout, patience, now())
        };
        self.timers = Timers::default();
        let mut relay = Relay {
            exchange: self,
            source,
            verification,
            finding: Finding::Right,
            piece: 0..0,
            consumed: 0,
            ended: false,
            upload_broken: false,
            filled_up: false,
            small: None,
            pipe: None,
            waits,
            half_closed_at: None,
            taken_at: now(),
            doubtful: None,
        };
        poll_fn(|cx| relay.poll(cx)).await.map(|()| relay.finding)
    }
}

struct Relay<'a, 'b, C> {
    exchange: &'a mut Exchange<'b, C>,
    source: &'a mut Source,
    /// Boxed: two hash states are most of a kilobyte.
    verification: Option<Box<Verification>>,
    finding: Finding,
    /// Content in what has been received that goes out behind what is written, and how much of the buffer it and its framing take.
    piece: Range<usize>,
    consumed: usize,
    /// The response is complete but for what has not gone out yet.
    ended: bool,
    /// The server takes no more of the request.
    upload_broken: bool,
    /// The last read filled the buffer.
    filled_up: bool,
    /// The buffer whose place a large one has taken.
    small: Option<Buffer>,
    /// A pipe with content that goes out before all else; `None` where there is none.
    pipe: Option<LentPipe>,
    waits: Waits,
    /// When the client closed its sending side, and when it last took something.
    half_closed_at: Option<Instant>,
    taken_at: Instant,
    /// It may be gone: it has taken nothing since it closed its sending side.
    doubtful: Option<Doubtful>,
}

impl<C: Caller> Relay<'_, '_, C> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        loop {
            self.poll_upload(cx)?;
            if let Poll::Ready(done) = self.poll_download(cx) {
                return Poll::Ready(done);
            }
            if self.exchange.caller.is_half_closed() && self.poll_gives_way(cx).is_ready() {
                self.exchange.caller.abort();
                return Poll::Ready(Err(Broke::Client));
            }
            self.arm();
            ready!(self.exchange.caller.alarm().poll(cx));
            self.rang()?;
        }
    }

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        loop {
            ready!(self.poll_send_pipe(cx))?;
            self.decode()?;
            let data = &self.source.answer.received.filled()[self.piece.clone()];
            if self.exchange.caller.unsent() > 0 || !data.is_empty() {
                let mut moved = 0;
                let sent = self.exchange.caller.poll_send(cx, data, &mut moved);
                if moved > 0 {
                    self.taken_at = now();
                    self.waits.taken(moved, self.taken_at);
                }
                ready!(sent).map_err(|_| Broke::Client)?;
                self.went_out();
            } else if self.ended {
                return Poll::Ready(Ok(()));
            } else if !(self.is_piped() && ready!(self.poll_fill_pipe(cx))?) {
                ready!(self.poll_fill(cx))?;
            }
        }
    }

    /// Takes content out of what has been received and has it written for the client. Content that goes out as it is stays in
    /// the buffer.
    fn decode(&mut self) -> Result<(), Broke> {
        let garbage = Broke::Server(ResponseFailure::Garbage);
        let Exchange { group, caller, scratch, .. } = &mut *self.exchange;
        let limits = &group.worker.settings().limits;
        while !self.ended && self.piece.is_empty() && caller.unsent() < COALESCED {
            let received = &mut self.source.answer.received;
            let machine = &mut self.source.connection.machine;
            let piece = machine.body(received.filled(), limits).map_err(|_| garbage)?;
            let data = &received.filled()[piece.data.clone()];
            if let Some(verification) = &mut self.verification {
                verification.update(data);
            }
            group.worker.stats.bytes_out.add(data.len() as u64);
            scratch.account.sent += data.len() as u64;
            if caller.data(data) == Placed::Copied {
                received.consume(piece.consumed);
            } else {
                self.piece = piece.data;
                self.consumed = piece.consumed;
            }
            if piece.end {
                return self.end();
            }
            if piece.consumed == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The response is complete: nothing of its last piece has gone out yet, so a wrong digest can still be shown.
    fn end(&mut self) -> Result<(), Broke> {
        self.ended = true;
        let trailers = self.source.connection.machine.trailers();
        if let Some(verification) = self.verification.take() {
            self.finding = verification.finish(trailers);
        }
        let group = self.exchange.group;
        if self.finding == Finding::WrongDigest {
            if group.settings().verify == Verify::Enforce {
                return Err(Broke::WrongDigest);
            }
            group.worker.stats.wrong_digest.add(1);
        }
        match &group.worker.settings().rules.responses {
            None => self.exchange.caller.end(trailers),
            Some(rules) => self.exchange.caller.end(&rules.passing(trailers)),
        }
        Ok(())
    }

    fn went_out(&mut self) {
        self.source.answer.received.consume(std::mem::take(&mut self.consumed));
        self.piece = 0..0;
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        let received = &mut self.source.answer.received;
        let is_small = received.capacity() < LARGE_READ;
        // A buffer that came back full once says that more is waiting.
        if is_small && self.filled_up {
            self.small = self.exchange.group.large.put_for(received);
            received.reserve(LARGE_READ);
        } else {
            received.reserve((received.len() + 1).max(Buffer::ORDINARY));
        }
        match ready!(self.source.connection.stream.poll_fill(cx, received)) {
            Ok(0) => {
                self.source.connection.machine.end_of_input().map_err(|_| TRUNCATED)?;
                self.end()?;
            }
            Ok(_) => self.filled_up = received.free() == 0,
            Err(_) => return Poll::Ready(Err(TRUNCATED)),
        }
        self.server_moved();
        Poll::Ready(Ok(()))
    }

    /// The server has sent something, or its end.
    fn server_moved(&mut self) {
        let now = now();
        self.waits.moves(now);
        self.source.lease.flows(now);
    }

    /// The other direction: what the client still sends goes to the server, for as long as that takes it; and a client
    /// that vanishes is noticed.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Broke> {
        loop {
            let upload = &self.exchange.scratch.upload;
            if !self.upload_broken && !upload.is_complete_at(self.source.request_sent) {
                self.poll_send_upload(cx);
            }
            if self.upload_broken && !self.exchange.scratch.upload.is_ended() {
                return Ok(());
            }
            match self.exchange.poll_intake(cx, &[self.source.request_sent]) {
                Poll::Ready(Ok(moved)) => self.waits.received(moved, now()),
                Poll::Ready(Err(_)) => return Err(Broke::Client),
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn poll_send_upload(&mut self, cx: &mut Context<'_>) {
        let Source { connection, request_sent, .. } = &mut *self.source;
        let scratch = &mut *self.exchange.scratch;
        // The answer may be one that was kept while another attempt went on with the body.
        let Some((head, body)) = scratch.upload.unsent(&scratch.request, *request_sent) else {
            self.upload_broken = true;
            return;
        };
        let mut written = 0;
        let sent = connection.stream.poll_send(cx, head, body, &mut written);
        request_sent.advance(written);
        if written > 0 {
            self.waits.moves(now());
        }
        scratch.upload.follow([*request_sent]);
        // It has answered already; what it does not want to read is its own affair.
        self.upload_broken = matches!(sent, Poll::Ready(Err(_)));
    }

    /// Ready when a client that may be gone is to make room for another. What is sent to one that has gone ends in a reset.
    fn poll_gives_way(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken_at > *self.half_closed_at.get_or_insert_with(now) {
            self.doubtful = None;
            return Poll::Pending;
        }
        let queue = self.exchange.group.served.upstream.queue();
        self.doubtful.get_or_insert_with(|| queue.doubt(None)).poll_asked(cx)
    }

    fn arm(&mut self) {
        let now = now();
        let is_down_to_client = self.is_down_to_client();
        let senders = [self.source.request_sent];
        let upload = &self.exchange.scratch.upload;
        let wants_more = !self.upload_broken && upload.wants_more(senders);
        let is_read = (!self.upload_broken || upload.is_ended()) && self.exchange.is_read(&senders);
        let again = self.exchange.caller.is_asked_again_after();
        let timers = &mut self.exchange.timers;
        self.waits.arm(timers, is_down_to_client, wants_more, now);
        if is_read {
            timers.set(Timer::GoneCheck, None);
        } else {
            timers.start(Timer::GoneCheck, || now + again);
        }
        let next = timers.next();
        self.exchange.caller.alarm().set(next);
    }

    /// The alarm rang: a look at the client, and at how long nothing has moved.
    fn rang(&mut self) -> Result<(), Broke> {
        let now = now();
        if self.exchange.timers.rang(Timer::GoneCheck, now) && self.exchange.caller.is_gone() {
            return Err(Broke::Client);
        }
        match Stalled::by(&mut self.exchange.timers, now) {
            None => Ok(()),
            Some(Stalled::Client) => {
                // What the kernel still holds would wait for this client to take it.
                self.exchange.caller.abort();
                Err(Broke::Client)
            }
            Some(Stalled::Server) => {
                let promised = matches!(self.source.answer.head.framing(), Framing::Length(_));
                Err(if promised { Broke::Server(ResponseFailure::TimedOut) } else { Broke::Silent })
            }
        }
    }

    /// Whether the client has to take something before anything else can move.
    fn is_down_to_client(&self) -> bool {
        self.exchange.caller.unsent() > 0 || !self.piece.is_empty() || self.pipe.is_some()
    }
}

impl<C> Drop for Relay<'_, '_, C> {
    fn drop(&mut self) {
        if let Some(small) = self.small.take() {
            self.exchange.group.large.put_back(&mut self.source.answer.received, small);
        }
    }
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("its client went away"),
            Self::Server(why) => why.fmt(f),
            Self::Silent => f.write_str("nothing came of it for too long"),
            Self::WrongDigest => f.write_str("wrong digest"),
        }
    }
}
