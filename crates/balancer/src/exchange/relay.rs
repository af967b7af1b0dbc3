//! A response that is passed on as it comes, while the rest of the request may still go the other way.
//!
//! ```text
//! server ──fill──▶ received ──decode, verify──▶ framed for the client ──send──▶ client
//! ```
//! One buffer: what the client does not take is not read from the server. The last piece goes out only after the digest,
//! where one was promised, has been found right; otherwise the client's connection ends in a reset.

mod open_ended;

use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use evenkeel_message::Framing;
use evenkeel_upstream::Doubtful;
use evenkeel_wire::Buffer;

use crate::clients::h1::connection::{Client, LOOK, Scratch};
use crate::clients::h1::intake;
use crate::clock::now;
use crate::context::Worker;
use crate::exchange::pace::Pace;
use crate::exchange::request::Request;
use crate::servers::attempt::Answer;
use crate::servers::digest::{Finding, Verification};
use crate::servers::idle::ServerConnection;
use crate::servers::upload::Position;
use crate::settings::verify::Verify;

/// Why a response did not reach the client whole.
pub(crate) enum Broke {
    /// The client went away, or took nothing for too long.
    Client,
    /// The server's connection ended first.
    Truncated,
    /// The server sent nothing for too long of a response whose length it had said.
    TimedOut,
    /// The server sent nothing for too long, and had not said that there would be more: that is no failure of its own.
    Silent,
    /// The server's framing is broken.
    Garbage,
    WrongDigest,
}

/// What a read asks for while a large body passes, bytes.
const LARGE: usize = 64 * 1024;

/// Small pieces in the chunked coding are copied together up to this size, so that each does not cost a system call.
const COALESCED: usize = 16 * 1024;

/// Relays the body of the response whose head is in `scratch.reply`, and says whether a digest of it was missing.
/// `request_sent` is how much of the request has been written to the server.
pub(crate) async fn relay(
    worker: &Rc<Worker>,
    client: &mut Client,
    scratch: &mut Scratch,
    request: &Request,
    connection: &mut ServerConnection,
    answer: &mut Answer,
    request_sent: &mut Position,
) -> Result<Finding, Broke> {
    let settings = worker.settings();
    let is_open_ended = open_ended::is_open_ended(&answer.head, answer.received.filled());
    let head = answer.head.len();
    answer.received.consume(head);
    let verification = answer.promised.verifier().map(Box::new);
    let mut relay = Relay {
        worker,
        client,
        scratch,
        request,
        connection,
        answer,
        verification,
        finding: Finding::Right,
        request_sent,
        piece: 0..0,
        consumed: 0,
        sent: 0,
        ended: false,
        upload_broken: false,
        filled_up: false,
        silence: if is_open_ended { settings.stream_timeout } else { settings.body_timeout },
        progress: now(),
        // Who answers with a stream of messages may be sent one as well.
        up: (!is_open_ended).then(|| Pace::new(settings.patience())),
        down: Pace::new(settings.patience()),
        look_at: None,
        half_closed_at: None,
        taken_at: now(),
        doubtful: None,
    };
    poll_fn(|cx| relay.poll(cx)).await.map(|()| relay.finding)
}

struct Relay<'a> {
    worker: &'a Worker,
    client: &'a mut Client,
    scratch: &'a mut Scratch,
    request: &'a Request,
    connection: &'a mut ServerConnection,
    answer: &'a mut Answer,
    /// Boxed: two hash states are most of a kilobyte.
    verification: Option<Box<Verification>>,
    finding: Finding,
    /// How much of the request has been written.
    request_sent: &'a mut Position,
    /// Content in `answer.received` that goes out behind `scratch.reply`, and how much of the buffer it and its framing take.
    piece: Range<usize>,
    consumed: usize,
    /// How much of `scratch.reply` and the piece has gone out.
    sent: usize,
    /// The response is complete but for what has not gone out yet.
    ended: bool,
    /// The server takes no more of the request.
    upload_broken: bool,
    /// The last read filled the buffer.
    filled_up: bool,
    /// How long the server may be silent, and since when it is.
    silence: Duration,
    progress: Instant,
    /// How fast the client sends the rest of its body, where it has to, and how fast it takes the response.
    up: Option<Pace>,
    down: Pace,
    /// When a client that is not read from is asked whether it is still there.
    look_at: Option<Instant>,
    /// When it closed its sending side, and when it last took something.
    half_closed_at: Option<Instant>,
    taken_at: Instant,
    /// It may be gone: it has taken nothing since it closed its sending side.
    doubtful: Option<Doubtful>,
}

impl Relay<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        loop {
            self.poll_upload(cx)?;
            if let Poll::Ready(done) = self.poll_download(cx) {
                return Poll::Ready(done);
            }
            if self.client.half_closed && self.poll_gives_way(cx).is_ready() {
                self.client.stream.reset_on_drop();
                return Poll::Ready(Err(Broke::Client));
            }
            self.arm();
            ready!(self.client.alarm.poll(cx));
            self.rang()?;
        }
    }

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        loop {
            self.decode()?;
            let data = &self.answer.received.filled()[self.piece.clone()];
            if !self.scratch.reply.is_empty() || !data.is_empty() {
                let before = self.sent;
                let sent = self.client.stream.poll_send(cx, &self.scratch.reply, data, &mut self.sent);
                if self.sent > before {
                    self.progress = now();
                    self.down.moved(self.sent - before, self.progress);
                    self.taken_at = self.progress;
                }
                ready!(sent).map_err(|_| Broke::Client)?;
                self.went_out();
            } else if self.ended {
                return Poll::Ready(Ok(()));
            } else {
                ready!(self.poll_fill(cx))?;
            }
        }
    }

    /// Takes content out of what has been received and frames it for the client. Content that goes out as it is stays in
    /// the buffer; content that needs chunk sizes around it is copied together with them.
    fn decode(&mut self) -> Result<(), Broke> {
        while !self.ended && self.piece.is_empty() && self.scratch.reply.len() < COALESCED {
            let limits = &self.worker.settings().limits;
            let received = self.answer.received.filled();
            let piece = self.connection.machine.body(received, limits).map_err(|_| Broke::Garbage)?;
            let data = &received[piece.data.clone()];
            if let Some(verification) = &mut self.verification {
                verification.update(data);
            }
            self.worker.stats.bytes_out.add(data.len() as u64);
            self.scratch.account.sent += data.len() as u64;
            let before = self.scratch.reply.len();
            self.client.machine.before_data(data.len(), &mut self.scratch.reply);
            if self.scratch.reply.len() > before {
                self.scratch.reply.extend_from_slice(data);
                self.client.machine.after_data(&mut self.scratch.reply);
                self.answer.received.consume(piece.consumed);
            } else if data.is_empty() {
                self.answer.received.consume(piece.consumed);
            } else {
                self.piece = piece.data;
                self.consumed = piece.consumed;
            }
            if piece.end {
                self.end()?;
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
        let trailers = self.connection.machine.trailers();
        if let Some(verification) = self.verification.take() {
            self.finding = verification.finish(trailers);
        }
        if self.finding == Finding::WrongDigest {
            if self.worker.settings().verify == Verify::Enforce {
                return Err(Broke::WrongDigest);
            }
            self.worker.stats.wrong_digest.add(1);
        }
        self.client.machine.end_body(trailers, &mut self.scratch.reply);
        Ok(())
    }

    fn went_out(&mut self) {
        self.scratch.reply.clear();
        self.answer.received.consume(std::mem::take(&mut self.consumed));
        self.piece = 0..0;
        self.sent = 0;
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        let received = &mut self.answer.received;
        // A buffer that came back full once says that more is waiting.
        let wanted = if received.capacity() < LARGE && self.filled_up { LARGE } else { received.len() + 1 };
        received.reserve(wanted.max(Buffer::ORDINARY));
        match ready!(self.connection.stream.poll_fill(cx, received)) {
            Ok(0) => {
                self.connection.machine.end_of_input().map_err(|_| Broke::Truncated)?;
                self.end()?;
            }
            Ok(_) => self.filled_up = received.free() == 0,
            Err(_) => return Poll::Ready(Err(Broke::Truncated)),
        }
        self.progress = now();
        Poll::Ready(Ok(()))
    }

    /// The other direction: what the client still sends goes to the server, for as long as that takes it; and a client
    /// that vanishes is noticed.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Broke> {
        loop {
            if !self.upload_broken && !self.scratch.upload.is_complete_at(*self.request_sent) {
                self.poll_send_upload(cx);
            }
            if self.upload_broken && !self.scratch.upload.is_ended() {
                return Ok(());
            }
            let senders = [*self.request_sent];
            let Scratch { received, upload, .. } = &mut *self.scratch;
            let before = upload.taken();
            match intake::poll(cx, self.worker, self.client, received, upload, self.request, &senders) {
                Poll::Ready(Ok(())) => {
                    self.progress = now();
                    if let Some(up) = &mut self.up {
                        up.moved((self.scratch.upload.taken() - before) as usize, self.progress);
                    }
                }
                Poll::Ready(Err(_)) => return Err(Broke::Client),
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn poll_send_upload(&mut self, cx: &mut Context<'_>) {
        let upload = &mut self.scratch.upload;
        // The answer may be one that was kept while another attempt went on with the body.
        let Some((head, body)) = upload.unsent(&self.scratch.request, *self.request_sent) else {
            self.upload_broken = true;
            return;
        };
        let mut written = 0;
        let sent = self.connection.stream.poll_send(cx, head, body, &mut written);
        self.request_sent.advance(written);
        if written > 0 {
            self.progress = now();
        }
        upload.follow([*self.request_sent]);
        // It has answered already; what it does not want to read is its own affair.
        self.upload_broken = matches!(sent, Poll::Ready(Err(_)));
    }

    /// Ready when a client that may be gone is to make room for another. What is sent to one that has gone ends in a reset.
    fn poll_gives_way(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.taken_at > *self.half_closed_at.get_or_insert_with(now) {
            self.doubtful = None;
            return Poll::Pending;
        }
        let queue = self.worker.shared.upstream.queue();
        self.doubtful.get_or_insert_with(|| queue.doubt(None)).poll_asked(cx)
    }

    /// Called before every wait, so each of these moments is a fixed one.
    fn arm(&mut self) {
        let now = now();
        let is_down_to_client = self.is_down_to_client();
        self.down.waits_if(is_down_to_client, now);
        let senders = [*self.request_sent];
        let Scratch { received, upload, .. } = &*self.scratch;
        if let Some(up) = &mut self.up {
            up.waits_if(!self.upload_broken && upload.wants_more(senders), now);
        }
        let is_read = (!self.upload_broken || upload.is_ended())
            && intake::reads(self.client, received, upload, self.request, &senders);
        if is_read {
            self.look_at = None;
        } else {
            self.look_at.get_or_insert(now + LOOK);
        }
        let silent = (!is_down_to_client).then_some(self.progress + self.silence);
        let up = self.up.as_ref().and_then(Pace::until);
        let moments = [up, self.down.until(), self.look_at, silent];
        self.client.alarm.set(moments.into_iter().flatten().min());
    }

    /// The alarm rang: a look at the client, and at how long nothing has moved.
    fn rang(&mut self) -> Result<(), Broke> {
        let now = now();
        if self.look_at.take_if(|look_at| now >= *look_at).is_some() && self.client.stream.is_reset() {
            return Err(Broke::Client);
        }
        if self.up.as_ref().is_some_and(|up| up.is_over(now)) || self.down.is_over(now) {
            // What the kernel still holds would wait for this client to take it.
            self.client.stream.reset_on_drop();
            return Err(Broke::Client);
        }
        if now >= self.progress + self.silence && !self.is_down_to_client() {
            let promised = matches!(self.answer.head.framing(), Framing::Length(_));
            return Err(if promised { Broke::TimedOut } else { Broke::Silent });
        }
        Ok(())
    }

    /// Whether the client has to take something before anything else can move.
    fn is_down_to_client(&self) -> bool {
        !self.scratch.reply.is_empty() || !self.piece.is_empty()
    }
}
