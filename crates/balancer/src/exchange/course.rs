//! The attempts of one request: what [`evenkeel_upstream::Attempts`] decides is done here.
//!
//! ```text
//!              ┌───────── actions: try, reconnect, cancel, report ─────────┐
//!              ▼                                                           │
//! attempts in progress, the client, one alarm ──what happened──▶ Attempts ─┴──commit──▶ the answer
//!                                                                          └──reply───▶ 502, 503, 504
//! ```
//! One task waits for everything at once ([`Course::poll`]): the attempts that are in progress, the client (who may still
//! send, or vanish), and one alarm.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use arrayvec::ArrayVec;
use evenkeel_message::{Refusal, ResponseRewrite};
use evenkeel_upstream::attempt::{
    Action, Attempts, Condition, Event, Failure, MAX_ATTEMPTS, TryNo, Verdict, Why,
};
use evenkeel_upstream::{Doubtful, Outcome, Place, Queue, Testimony, Tried, Unavailable, Want};

use crate::clients::h1::connection::{Client, LOOK, Scratch};
use crate::clients::h1::intake;
use crate::clock::now;
use crate::context::Worker;
use crate::exchange::kind;
use crate::exchange::pace::Pace;
use crate::exchange::request::Request;
use crate::records::trail;
use crate::servers::attempt::{self, AttemptIo, Happened};
use crate::servers::runs_on;
use crate::servers::upload::Position;
use crate::settings::verify::Verify;

/// Tries a request on one endpoint after another, as far as it may be, until it is known how it ends.
pub(crate) async fn attempt(
    worker: &Rc<Worker>,
    client: &mut Client,
    scratch: &mut Scratch,
    request: &Request,
) -> End {
    let mut course = Course::new(worker, client, scratch, request);
    course.run().await
}

/// How the attempts of a request ended.
pub(crate) enum End {
    Answer(AttemptIo),
    Failed(Failure),
    Refused(Refusal),
    ClientGone,
}

/// The attempts of one request, and everything they are waited for together with.
struct Course<'a> {
    worker: &'a Rc<Worker>,
    client: &'a mut Client,
    scratch: &'a mut Scratch,
    request: &'a Request,
    attempts: Attempts,
    tried: Tried,
    /// The try that waits until an endpoint is below its limit.
    queued: Option<Queued>,
    /// How fast the client sends its body.
    pace: Pace,
    /// When a client that is not read from is asked whether it is still there.
    look_at: Option<Instant>,
    /// The client may be gone: it has closed its sending side.
    doubtful: Option<Doubtful>,
    /// The client was told to go on with its body.
    continued: bool,
    end: Option<End>,
}

/// A try that waits for an endpoint below its limit.
struct Queued {
    place: Place,
    number: TryNo,
    why: Why,
    look_again: Instant,
}

/// How far the attempts that still send have come.
type Senders = ArrayVec<Position, MAX_ATTEMPTS>;

/// What ended a wait.
enum Woken {
    Attempt(usize, Happened),
    Client(intake::Trouble),
    /// In the queue: an endpoint may be below its limit.
    Called,
    /// The client may be gone, and somebody else waits for its place.
    GivesWay,
    Alarm,
}

impl<'a> Course<'a> {
    fn new(
        worker: &'a Rc<Worker>,
        client: &'a mut Client,
        scratch: &'a mut Scratch,
        request: &'a Request,
    ) -> Self {
        let now = now();
        let attempts = Attempts::new(request.plan(), &worker.settings().upstream.attempts, now);
        let patience = worker.settings().patience();
        let pace = if request.expects_continue { Pace::of_expected(patience) } else { Pace::new(patience) };
        Self {
            worker,
            client,
            scratch,
            request,
            attempts,
            tried: Tried::default(),
            queued: None,
            pace,
            look_at: None,
            doubtful: None,
            continued: false,
            end: None,
        }
    }

    async fn run(&mut self) -> End {
        self.tell(Event::Start, now());
        loop {
            if let Some(end) = self.end.take() {
                self.scratch.account.attempted(&self.attempts);
                if self.attempts.is_masked() {
                    self.worker.stats.masked.add(1);
                }
                self.leave_trail();
                return end;
            }
            match poll_fn(|cx| self.poll(cx)).await {
                Woken::Attempt(index, Happened::Interim) => self.pass_on_interim(index).await,
                Woken::Attempt(index, happened) => self.happened(index, &happened),
                Woken::Client(intake::Trouble::Gone) => {
                    self.tell(Event::ClientGone, now());
                    self.end = Some(End::ClientGone);
                }
                Woken::Client(intake::Trouble::Refused(refusal)) => {
                    self.tell(Event::ClientGone, now());
                    self.end = Some(End::Refused(refusal));
                }
                Woken::Called => self.look_from_queue(now()),
                Woken::GivesWay => {
                    self.tell(Event::ClientGone, now());
                    // Its place is wanted, and so may its connection be: what it has sent behind this is given up as well.
                    self.client.machine.close_after_this();
                    // Should it be there after all, this is what those hear for whom there is no place.
                    self.end = Some(End::Failed(Failure::Busy));
                }
                Woken::Alarm => self.woke(),
            }
        }
    }

    /// Keeps what the attempts did, where the client is to be told.
    fn leave_trail(&mut self) {
        if self.worker.settings().trail {
            trail::describe(&self.attempts, &self.worker.shared.upstream, now(), &mut self.scratch.trail);
        }
    }

    /// Waits for everything at once; the attempts first, because an answer that is there ends the waiting.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Woken> {
        let settings = self.worker.settings();
        let head = self.scratch.request.as_slice();
        loop {
            for (index, io) in self.scratch.live.iter_mut().enumerate() {
                let exchange = attempt::Exchange {
                    method: self.request.method,
                    upgrade: self.request.upgrade.as_deref(),
                    head,
                    limits: &settings.limits,
                    hold: settings.hold,
                    verify: settings.verify != Verify::Off,
                };
                if let Poll::Ready(happened) = io.poll(cx, &exchange, &self.scratch.upload) {
                    return Poll::Ready(Woken::Attempt(index, happened));
                }
            }
            let senders: Senders = self.scratch.live.iter().filter_map(AttemptIo::sending_at).collect();
            if self.scratch.upload.follow(senders.iter().copied()) {
                // Told here and not as an event of its own: it changes what may be done, and starts nothing.
                let lost = self.attempts.on(Event::BodyLost, self.worker.shared.upstream.budgets(), now());
                debug_assert!(lost.is_empty(), "losing the body must not start anything");
            }
            let before = self.scratch.upload.taken();
            let taken = intake::poll(
                cx,
                self.worker,
                self.client,
                &mut self.scratch.received,
                &mut self.scratch.upload,
                self.request,
                &senders,
            );
            match taken {
                Poll::Ready(Ok(())) => {
                    let moved = self.scratch.upload.taken() - before;
                    self.pace.moved(moved as usize, now());
                }
                Poll::Ready(Err(trouble)) => return Poll::Ready(Woken::Client(trouble)),
                Poll::Pending => {
                    if self.client.half_closed && self.poll_gives_way(cx).is_ready() {
                        return Poll::Ready(Woken::GivesWay);
                    }
                    if let Some(Queued { place, .. }) = &self.queued
                        && place.poll_called(cx).is_ready()
                    {
                        return Poll::Ready(Woken::Called);
                    }
                    self.set_alarm(&senders);
                    return self.client.alarm.poll(cx).map(|()| Woken::Alarm);
                }
            }
        }
    }

    /// Ready when a client that may be gone is to make room for another.
    fn poll_gives_way(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let place = self.queued.as_ref().map(|queued| &queued.place);
        let queue = self.worker.shared.upstream.queue();
        self.doubtful.get_or_insert_with(|| queue.doubt(place)).poll_asked(cx)
    }

    /// Called before every wait, so each of these moments is a fixed one: a span from now would move away with each wake.
    fn set_alarm(&mut self, senders: &[Position]) {
        let Scratch { received, upload, .. } = &*self.scratch;
        // A body that makes no progress is the client's doing only where the server has not to take some of it first.
        let is_up_to_client = upload.wants_more(senders.iter().copied());
        if is_up_to_client || self.pace.until().is_some() {
            self.pace.waits_if(is_up_to_client, now());
        }
        if intake::reads(self.client, received, upload, self.request, senders) {
            self.look_at = None;
        } else {
            self.look_at.get_or_insert_with(|| now() + LOOK);
        }
        let queued = self.queued.as_ref().map(|queued| queued.look_again);
        let moments = [self.attempts.next_wake(), self.pace.until(), self.look_at, queued];
        self.client.alarm.set(moments.into_iter().flatten().min());
    }

    fn woke(&mut self) {
        let now = now();
        if self.pace.is_over(now) {
            self.tell(Event::ClientGone, now);
            self.end = Some(End::Refused(intake::too_late()));
            return;
        }
        self.look_at.take_if(|look_at| now >= *look_at);
        if self.client.stream.is_reset() {
            self.tell(Event::ClientGone, now);
            self.end = Some(End::ClientGone);
            return;
        }
        if self.queued.as_ref().is_some_and(|queued| now >= queued.look_again) {
            self.look_from_queue(now);
        }
        let mut conditions = ArrayVec::<Condition, MAX_ATTEMPTS>::new();
        {
            let mut picker = self.worker.picker.borrow_mut();
            conditions.extend(self.scratch.live.iter().map(|io| picker.condition(io.number, &io.lease, now)));
        }
        self.tell(Event::Woke(&conditions), now);
    }

    fn happened(&mut self, index: usize, happened: &Happened) {
        let now = now();
        let Some(io) = self.scratch.live.get_mut(index) else { return };
        let number = io.number;
        match *happened {
            Happened::Connected => {
                self.worker.connected(io, now);
                self.tell(Event::Connected(number), now);
            }
            Happened::ConnectFailed(why) => self.ended(index, Event::ConnectFailed(number, why), now),
            Happened::ByteSent => self.tell(Event::ByteSent(number), now),
            Happened::RequestSent => self.tell(Event::RequestSent(number), now),
            // It may get a fresh connection to the same endpoint, so the attempt stays.
            Happened::Stale { bytes_sent } => self.tell(Event::Stale { number, bytes_sent }, now),
            Happened::Head { status, held } => {
                let (response, took) = io.head_received(status, now);
                if kind::teaches(status) {
                    self.worker.picker.borrow_mut().learn(self.request.kind, took);
                }
                self.tell(Event::Head { number, response, status, held }, now);
            }
            Happened::Whole(verdict) => {
                let wrong = matches!(verdict, Verdict::WrongDigest(_));
                if wrong {
                    self.worker.stats.wrong_digest.add(1);
                }
                let overlooked = wrong && self.worker.settings().verify == Verify::Observe;
                self.tell(Event::Whole(number, if overlooked { Verdict::Right } else { verdict }), now);
            }
            Happened::Broken(why) => self.ended(index, Event::Broken(number, why), now),
            Happened::Interim => {}
        }
    }

    /// An attempt is over and has failed: it is no longer in flight when the next is picked.
    fn ended(&mut self, index: usize, event: Event<'_>, now: Instant) {
        self.let_go(self.scratch.live[index].number, Outcome::Failure, now);
        self.tell(event, now);
    }

    /// Tells the machine and does what it says.
    fn tell(&mut self, event: Event<'_>, now: Instant) {
        let actions = self.attempts.on(event, self.worker.shared.upstream.budgets(), now);
        for &action in &actions {
            match action {
                Action::Try(number, why) => self.try_another(number, why, now),
                Action::Reconnect(number) => {
                    let timeout = self.worker.settings().upstream.attempts.connect_timeout;
                    if let Some(io) = self.scratch.live.iter_mut().find(|io| io.number == number) {
                        io.reconnect(timeout, now);
                    }
                }
                Action::Cancel(number) => self.cancel(number, now),
                Action::Commit(number) => {
                    let index = self.scratch.live.iter().position(|io| io.number == number);
                    self.end = index.map(|index| End::Answer(self.scratch.live.remove(index)));
                }
                Action::RunOn(number) => self.run_on(number),
                Action::Report(number, evidence) => {
                    if let Some(endpoint) = self.attempts.endpoint(number) {
                        self.worker.report(endpoint, evidence, self.request.author, now);
                    }
                }
                Action::Examined(number, evidence, standing) => {
                    if let Some(endpoint) = self.attempts.endpoint(number) {
                        let author = self.request.author;
                        self.worker.tell(endpoint, Testimony { evidence, author, standing });
                    }
                }
                Action::Reply(failure) => self.end = Some(End::Failed(failure)),
            }
        }
    }

    fn try_another(&mut self, number: TryNo, why: Why, now: Instant) {
        if why == Why::First && !self.worker.shared.upstream.queue().is_empty() {
            return self.join_queue(number, why, now);
        }
        match self.pick(number, why, now) {
            Ok(()) => {}
            Err(Unavailable::AllBusy) if why == Why::First => self.join_queue(number, why, now),
            Err(why) => self.tell(Event::NoneLeft(why), now),
        }
    }

    /// Takes an endpoint for an attempt, and a connection to it.
    fn pick(&mut self, number: TryNo, why: Why, now: Instant) -> Result<(), Unavailable> {
        let want = Want {
            trial: self.request.may_be_trial(),
            plain_only: self.attempts.can_do_without(number),
            ..self.request.want
        };
        let bound = self.client.bound.take().and_then(|bound| bound.resume(self.worker));
        let (lease, idle) = if let Some((lease, connection)) = bound {
            (lease, Some(connection))
        } else {
            let mut random = self.worker.random.borrow_mut();
            let lease =
                self.worker.picker.borrow_mut().pick(&want, &self.tried, &mut || random.u64(..), now)?;
            let idle = self.worker.idle.take(lease.endpoint(), self.request.idleness(), now);
            (lease, idle)
        };
        self.worker.stats.begun(why);
        let endpoint = lease.endpoint().clone();
        self.tried.add(endpoint.id());
        let answer = self.worker.take_answer();
        let reused = idle.is_some();
        let mut io = if let Some(connection) = idle {
            self.worker.stats.reused.add(1);
            AttemptIo::on_idle(number, lease, connection, answer, now)
        } else {
            let timeout = self.worker.settings().upstream.attempts.connect_timeout;
            AttemptIo::on_fresh(number, lease, answer, timeout, now)
        };
        io.number_in_head(&self.scratch.request, self.request.attempt_at);
        self.scratch.live.push(io);
        let usual = self.worker.picker.borrow().usual(&endpoint, self.request.kind);
        self.tell(Event::Chosen { number, endpoint: endpoint.id(), usual, reused }, now);
        Ok(())
    }

    fn join_queue(&mut self, number: TryNo, why: Why, now: Instant) {
        let joined = self.worker.shared.upstream.queue().join(now);
        match joined {
            Ok(place) => {
                self.wait_in_queue(place, number, why, now);
            }
            Err(_) => self.tell(Event::NoneLeft(Unavailable::AllBusy), now),
        }
    }

    /// Until called; the first in line looks again by itself, and those behind it will be called when it leaves.
    fn wait_in_queue(&mut self, place: Place, number: TryNo, why: Why, now: Instant) {
        let look_again =
            if place.is_first() { place.deadline.min(now + Queue::LOOK_AGAIN) } else { place.deadline };
        self.queued = Some(Queued { place, number, why, look_again });
    }

    /// In the queue: the first in line looks again, and whoever has waited too long gives up.
    fn look_from_queue(&mut self, now: Instant) {
        let Some(Queued { place, number, why, .. }) = self.queued.take() else { return };
        let picked = if place.is_first() { self.pick(number, why, now) } else { Err(Unavailable::AllBusy) };
        match picked {
            Err(Unavailable::AllBusy) if now < place.deadline => {
                self.wait_in_queue(place, number, why, now);
            }
            picked => {
                let timeout = self.worker.settings().upstream.admission.queue_timeout;
                self.scratch.account.queued = (now + timeout).saturating_duration_since(place.deadline);
                drop(place);
                if let Err(why) = picked {
                    self.tell(Event::NoneLeft(why), now);
                }
            }
        }
    }

    /// Gives an attempt up. A connection that is still opening opens on, for the next request; any other may still bring
    /// an answer that nobody waits for, and is closed.
    fn cancel(&mut self, number: TryNo, now: Instant) {
        let Some(index) = self.scratch.live.iter().position(|io| io.number == number) else { return };
        if self.scratch.live[index].is_opening() {
            let io = self.scratch.live.remove(index);
            attempt::open_for_later(self.worker, io);
        } else {
            self.let_go(number, Outcome::Abandoned, now);
        }
    }

    /// Lets an attempt that was outpaced go on by itself: see [`runs_on`].
    fn run_on(&mut self, number: TryNo) {
        let Some(index) = self.scratch.live.iter().position(|io| io.number == number) else { return };
        let io = self.scratch.live.remove(index);
        let silent_at = self.attempts.silent_at(number);
        runs_on::start(self.worker, self.request, io, silent_at);
    }

    fn let_go(&mut self, number: TryNo, outcome: Outcome, now: Instant) {
        if let Some(index) = self.scratch.live.iter().position(|io| io.number == number) {
            let (answer, lease) = self.scratch.live.remove(index).into_answer();
            self.worker.give_back_answer(answer);
            // A failure says what it was in the report that came before.
            let _ = self.worker.finish(lease, outcome, now);
        }
    }

    /// Passes an interim response (1xx) on to the client. It commits to nothing.
    async fn pass_on_interim(&mut self, index: usize) {
        let settings = self.worker.settings();
        let Some(io) = self.scratch.live.get_mut(index) else { return };
        self.scratch.reply.clear();
        let how = ResponseRewrite { via: &settings.name, ..ResponseRewrite::default() };
        let (head, input) = (&io.answer.head, io.answer.received.filled());
        // A client that has had its 100 from an attempt that failed later needs no second one.
        if head.status() != 100 || !std::mem::replace(&mut self.continued, true) {
            self.client.machine.respond_informational(head, input, &how, &mut self.scratch.reply);
            self.worker.stats.answered(head.status());
        }
        io.interim_done();
        if self.client.send(&self.scratch.reply, b"", settings.patience()).await.is_err() {
            self.tell(Event::ClientGone, now());
            self.end = Some(End::ClientGone);
        }
    }
}

impl Drop for Course<'_> {
    fn drop(&mut self) {
        // Whatever still runs is given up: its leases end as abandoned.
        for io in self.scratch.live.drain(..) {
            let _ = self.worker.finish(io.into_answer().1, Outcome::Abandoned, now());
        }
    }
}
