//! The attempts of one request: what [`evenkeel_upstream::Attempts`] decides is done here.
//!
//! ```text
//!              ┌───────── actions: try, reconnect, cancel, report ─────────┐
//!              ▼                                                           │
//! attempts in progress, the client, one alarm ──what happened──▶ Attempts ─┴──commit──▶ the answer
//!                                                                          └──reply───▶ 502, 503, 504
//! ```
//! One task waits for everything at once ([`Exchange::poll_course`]): the attempts that are in progress, the client (who may still
//! send, or vanish), and one alarm.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use arrayvec::ArrayVec;
use evenkeel_message::ResponseRewrite;
use evenkeel_upstream::attempt::{
    Action, Actions, Condition, Event, Failure, MAX_ATTEMPTS, TryNo, Verdict, Why,
};
use evenkeel_upstream::{ConnectFailure, Doubtful, Evidence, Outcome, Testimony, Tried, Unavailable, Want};

use super::caller::{self, Caller, Trouble};
use super::intake::too_late;
use super::pace::Pace;
use super::queue::Queued;
use super::request::Request;
use super::timers::Timer;
use super::{Answer, Exchange};
use crate::clock::now;
use crate::records::trail;
use crate::servers::attempt::{self, Asked, Attempt, Happened};
use crate::servers::kind;
use crate::servers::runs_on::{self, Outpaced};
use crate::servers::upload::Position;
use crate::settings::pace::Patience;
use crate::settings::verify::Verify;

/// What the attempts of a request are waited for together with.
pub(super) struct Course {
    tried: Tried,
    /// The try that waits until an endpoint is below its limit.
    pub(super) queued: Option<Queued>,
    /// How fast the client sends its body.
    pace: Pace,
    /// The client may be gone: it has closed its sending side.
    doubtful: Option<Doubtful>,
    /// The client was told to go on with its body.
    continued: bool,
    answer: Option<Answer>,
}

impl Course {
    /// Of a request whose client is waited for as long as that. `expects_continue`: it waits for a 100 before it sends the body.
    pub(super) fn new(patience: Patience, expects_continue: bool) -> Self {
        Self {
            tried: Tried::default(),
            queued: None,
            pace: if expects_continue { Pace::of_expected(patience) } else { Pace::new(patience) },
            doubtful: None,
            continued: false,
            answer: None,
        }
    }
}

/// How far the attempts that still send have come.
type Senders = ArrayVec<Position, MAX_ATTEMPTS>;

/// What ended a wait.
enum Woken {
    /// It is known what the client is to be told.
    Decided,
    /// An attempt has an interim response to pass on.
    Interim(usize),
    Client(Trouble),
    /// In the queue: an endpoint may be below its limit.
    Called,
    /// The client may be gone, and somebody else waits for its place.
    GivesWay,
    Alarm,
}

impl<C: Caller> Exchange<'_, C> {
    /// Tries the request on one endpoint after another, as far as it may be, until it is known how it ends.
    pub(super) async fn attempt(&mut self) -> Answer {
        self.tell(Event::Start, now());
        loop {
            if let Some(answer) = self.course.answer.take() {
                self.leave_trail();
                self.let_go_of_all_but(&answer);
                return answer;
            }
            match poll_fn(|cx| self.poll_course(cx)).await {
                Woken::Decided => {}
                Woken::Interim(index) => self.pass_on_interim(index).await,
                Woken::Client(Trouble::Gone) => {
                    self.tell(Event::ClientGone, now());
                    self.course.answer = Some(Answer::Gone);
                }
                Woken::Client(Trouble::Refused(refusal)) => {
                    self.tell(Event::ClientGone, now());
                    self.course.answer = Some(Answer::Refused(refusal));
                }
                Woken::Called => self.look_from_queue(now()),
                Woken::GivesWay => {
                    self.tell(Event::ClientGone, now());
                    // Its place is wanted, and so may its connection be: what it has sent behind this is given up as well.
                    self.caller.close_after_this();
                    // Should it be there after all, this is what those hear for whom there is no place.
                    self.course.answer = Some(Answer::Failed(Failure::Busy));
                }
                Woken::Alarm => self.woke(),
            }
        }
    }

    /// It is decided: nothing is kept through the delivery, which may be long, that somebody else could use.
    fn let_go_of_all_but(&mut self, answer: &Answer) {
        self.course.queued = None;
        self.course.doubtful = None;
        match answer {
            Answer::Server(_) if self.scratch.live.len() == 1 => return,
            Answer::Gone => self.group.worker.stats.abandoned.add(1),
            _ => {}
        }
        let now = now();
        for attempt in std::mem::take(&mut self.scratch.live) {
            if matches!(answer, Answer::Server(number) if *number == attempt.number) {
                self.scratch.live.push(attempt);
            } else {
                let (answer, lease) = attempt.into_answer();
                self.group.answers.give_back(answer);
                let _ = self.group.finish(lease, Outcome::Abandoned, now);
            }
        }
    }

    /// Keeps what the attempts did, where the client is to be told.
    fn leave_trail(&mut self) {
        if self.group.worker.settings().trail {
            trail::describe(&self.attempts, &self.group.worker.shared.roster, now(), &mut self.scratch.trail);
        }
    }

    /// Waits for everything at once; the attempts first, because an answer that is there ends the waiting.
    fn poll_course(&mut self, cx: &mut Context<'_>) -> Poll<Woken> {
        loop {
            if let Poll::Ready(woken) = self.poll_attempts(cx) {
                return Poll::Ready(woken);
            }
            let senders: Senders = if self.scratch.upload.is_at_hand() {
                Senders::new()
            } else {
                self.scratch.live.iter().filter_map(Attempt::sending_at).collect()
            };
            if self.scratch.upload.follow(senders.iter().copied()) {
                // Told here and not as an event of its own: it changes what may be done, and starts nothing.
                let lost = self.attempts.on(Event::BodyLost, self.group.served.upstream.budgets(), now());
                debug_assert!(lost.is_empty(), "losing the body must not start anything");
            }
            match self.poll_intake(cx, &senders) {
                Poll::Ready(Ok(moved)) => self.course.pace.moved(moved, now()),
                Poll::Ready(Err(trouble)) => return Poll::Ready(Woken::Client(trouble)),
                Poll::Pending => {
                    if self.caller.is_half_closed() && self.poll_gives_way(cx).is_ready() {
                        return Poll::Ready(Woken::GivesWay);
                    }
                    if let Some(Queued { place, .. }) = &self.course.queued
                        && place.poll_called(cx).is_ready()
                    {
                        return Poll::Ready(Woken::Called);
                    }
                    self.set_alarm(&senders);
                    return self.caller.alarm().poll(cx).map(|()| Woken::Alarm);
                }
            }
        }
    }

    /// Takes in what happens to the attempts, until nothing more does or it is decided what the client is told.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Poll<Woken> {
        let mut index = 0;
        while let Some(attempt) = self.scratch.live.get_mut(index) {
            let settings = self.group.settings();
            let asked = Asked {
                method: self.request.method,
                upgrade: self.request.upgrade.as_deref(),
                head: &self.scratch.request,
                limits: &self.group.worker.settings().limits,
                hold: settings.hold,
                verify: settings.verify != Verify::Off,
            };
            match attempt.poll(cx, &asked, &self.scratch.upload) {
                Poll::Pending => index += 1,
                Poll::Ready(Happened::Interim) => return Poll::Ready(Woken::Interim(index)),
                Poll::Ready(happened) => {
                    self.happened(index, &happened);
                    if self.course.answer.is_some() {
                        return Poll::Ready(Woken::Decided);
                    }
                    // Others may have come or gone for it.
                    index = 0;
                }
            }
        }
        Poll::Pending
    }

    /// Ready when a client that may be gone is to make room for another.
    fn poll_gives_way(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let place = self.course.queued.as_ref().map(|queued| &queued.place);
        let queue = self.group.served.upstream.queue();
        self.course.doubtful.get_or_insert_with(|| queue.doubt(place)).poll_asked(cx)
    }

    /// Called before every wait, so each of these moments is a fixed one: a span from now would move away with each wake.
    fn set_alarm(&mut self, senders: &[Position]) {
        // A body that makes no progress is the client's doing only where the server has not to take some of it first.
        let is_up_to_client = self.scratch.upload.wants_more(senders.iter().copied());
        let pace = &mut self.course.pace;
        if is_up_to_client || pace.until().is_some() {
            pace.waits_if(is_up_to_client, now());
        }
        self.timers.set(Timer::Upload, pace.until());
        self.timers.set(Timer::Attempts, self.attempts.next_wake());
        self.timers.set(Timer::Queue, self.course.queued.as_ref().map(|queued| queued.look_again));
        if self.is_read(senders) {
            self.timers.set(Timer::GoneCheck, None);
        } else {
            self.timers.start(Timer::GoneCheck, || now() + self.caller.is_asked_again_after());
        }
        self.caller.alarm().set(self.timers.next());
    }

    fn woke(&mut self) {
        let now = now();
        if self.timers.rang(Timer::Upload, now) {
            self.tell(Event::ClientGone, now);
            self.course.answer = Some(Answer::Refused(too_late()));
            return;
        }
        self.timers.rang(Timer::GoneCheck, now);
        if self.caller.is_gone() {
            self.tell(Event::ClientGone, now);
            self.course.answer = Some(Answer::Gone);
            return;
        }
        if self.timers.rang(Timer::Queue, now) {
            self.look_from_queue(now);
        }
        let mut conditions = ArrayVec::<Condition, MAX_ATTEMPTS>::new();
        {
            let mut picker = self.group.picker.borrow_mut();
            conditions.extend(
                self.scratch
                    .live
                    .iter()
                    .map(|attempt| picker.condition(attempt.number, &attempt.lease, attempt.received(), now)),
            );
        }
        self.tell(Event::Woke(&conditions), now);
    }

    fn happened(&mut self, index: usize, happened: &Happened) {
        let now = now();
        let Some(attempt) = self.scratch.live.get_mut(index) else { return };
        let number = attempt.number;
        match *happened {
            Happened::Connected => {
                self.group.connected(attempt, now);
                self.tell(Event::Connected(number), now);
            }
            Happened::ConnectFailed(ConnectFailure::TimedOut)
                if attempt.lease.finds_line_full(attempt.since(), now) =>
            {
                self.tell(Event::LineFull(number), now);
            }
            Happened::ConnectFailed(why) => self.ended(index, Event::ConnectFailed(number, why), now),
            Happened::ByteSent => self.tell(Event::ByteSent(number), now),
            Happened::RequestSent => self.tell(Event::RequestSent(number), now),
            // It may get a fresh connection to the same endpoint, so the attempt stays.
            Happened::Stale { bytes_sent } => self.tell(Event::Stale { number, bytes_sent }, now),
            // Its time for idle connections was over while the request was on its way (RFC 9110 §15.5.9).
            Happened::Head { status: 408, .. }
                if self.attempts.may_send_again()
                    && self.scratch.upload.is_complete_at(attempt.sent())
                    && attempt.leave_stale() =>
            {
                self.tell(Event::Stale { number, bytes_sent: true }, now);
            }
            Happened::Head { status, held } => {
                let (response, took) = attempt.head_received(status, now);
                if kind::teaches(status) {
                    self.group.picker.borrow_mut().learn(self.request.kind, took);
                }
                self.tell(Event::Head { number, response, status, held }, now);
            }
            Happened::Whole(verdict) => {
                let wrong = matches!(verdict, Verdict::WrongDigest(_));
                if wrong {
                    self.group.worker.stats.wrong_digest.add(1);
                }
                let overlooked = wrong && self.group.settings().verify == Verify::Observe;
                self.tell(Event::Whole(number, if overlooked { Verdict::Right } else { verdict }), now);
            }
            Happened::Broken(why) => self.ended(index, Event::Broken(number, why), now),
            Happened::NotProcessed(why) => self.ended(index, Event::NotProcessed(number, why), now),
            Happened::Interim => {}
        }
    }

    /// An attempt is over and has failed: it is no longer in flight when the next is picked.
    fn ended(&mut self, index: usize, event: Event<'_>, now: Instant) {
        self.let_go(self.scratch.live[index].number, Outcome::Failure, now);
        self.tell(event, now);
    }

    /// Tells the machine and does what it says.
    pub(super) fn tell(&mut self, event: Event<'_>, now: Instant) {
        let mut actions = Actions::new();
        self.attempts.take_in(event, self.group.served.upstream.budgets(), now, &mut actions);
        for &action in &actions {
            match action {
                Action::Try(number, why) => self.try_another(number, why, now),
                Action::Reconnect(number) => {
                    if let Some(attempt) =
                        self.scratch.live.iter_mut().find(|attempt| attempt.number == number)
                    {
                        attempt.reconnect(self.group, now);
                    }
                }
                Action::Cancel(number) => self.cancel(number, now),
                Action::Commit(number) => self.course.answer = Some(Answer::Server(number)),
                Action::RunOn(number) => self.run_on(number),
                Action::Report(number, evidence) => {
                    if evidence == Evidence::Silent && self.finds_line_full(number, now) {
                        continue;
                    }
                    if let Some(endpoint) = self.attempts.endpoint(number) {
                        self.group.report(endpoint, evidence, self.request.author, now);
                    }
                }
                Action::Examined(number, evidence, standing) => {
                    if let Some(endpoint) = self.attempts.endpoint(number) {
                        let author = self.request.author;
                        self.group.tell(endpoint, Testimony { evidence, author, standing });
                    }
                }
                Action::Reply(failure) => self.course.answer = Some(Answer::Failed(failure)),
            }
        }
    }

    fn try_another(&mut self, number: TryNo, why: Why, now: Instant) {
        if why == Why::First && !self.group.served.upstream.queue().is_empty() {
            return self.join_queue(number, why, now);
        }
        match self.pick(number, why, now) {
            Ok(()) => {}
            Err(Unavailable::AllBusy) if why == Why::First => self.join_queue(number, why, now),
            Err(why) => self.tell(Event::NoneLeft(why), now),
        }
    }

    /// Takes an endpoint for an attempt, and a connection to it.
    pub(super) fn pick(&mut self, number: TryNo, why: Why, now: Instant) -> Result<(), Unavailable> {
        let want = Want {
            trial: self.request.may_be_trial(),
            plain_only: self.attempts.can_do_without(number),
            ..self.request.want
        };
        let bound = self.caller.bound().take().and_then(|bound| bound.resume(self.group));
        let (lease, idle) = if let Some((lease, connection)) = bound {
            (lease, Some(connection))
        } else {
            let mut random = self.group.worker.random.borrow_mut();
            let lease = self.group.picker.borrow_mut().pick(
                &want,
                &self.course.tried,
                &mut || random.u64(..),
                now,
            )?;
            let idle = self.group.idle.take(lease.endpoint(), self.request.goes_once(), now);
            (lease, idle)
        };
        self.group.worker.stats.begun(why);
        let endpoint = lease.endpoint().id();
        let usual = self.group.picker.borrow().usual(lease.endpoint(), self.request.kind);
        self.course.tried.add(endpoint);
        let answer = self.group.answers.take();
        let reused = idle.is_some();
        let mut attempt = if let Some(connection) = idle {
            self.group.worker.stats.reused.add(1);
            Attempt::on_idle(number, lease, connection, answer, now)
        } else {
            Attempt::on_fresh(number, lease, answer, self.group, now)
        };
        attempt.number_in_head(&self.scratch.request, self.request.attempt_at);
        self.scratch.live.push(attempt);
        self.tell(Event::Chosen { number, endpoint, usual, reused }, now);
        Ok(())
    }

    /// Gives an attempt up. A connection that is still opening opens on, for the next request, unless it has been for so long that it is
    /// a place in a full line; any other may still bring an answer that nobody waits for, and is closed.
    fn cancel(&mut self, number: TryNo, now: Instant) {
        let Some(index) = self.scratch.live.iter().position(|attempt| attempt.number == number) else {
            return;
        };
        let attempt = &self.scratch.live[index];
        if attempt.is_opening() && attempt.waited(now) < attempt::WORTH_OPENING {
            let attempt = self.scratch.live.remove(index);
            attempt::open_for_later(self.group, attempt);
        } else {
            self.let_go(number, Outcome::Abandoned, now);
        }
    }

    /// Lets an attempt that was outpaced go on by itself: see [`runs_on`].
    fn run_on(&mut self, number: TryNo) {
        let Some(index) = self.scratch.live.iter().position(|attempt| attempt.number == number) else {
            return;
        };
        let attempt = self.scratch.live.remove(index);
        let silent_at = self.attempts.silent_at(number);
        let Request { method, kind, author, .. } = self.request;
        runs_on::start(self.group, Outpaced { method, kind, author }, attempt, silent_at);
    }

    /// Whether a try still has no connection because the line at its server is full.
    fn finds_line_full(&self, number: TryNo, now: Instant) -> bool {
        let waits = |attempt: &&Attempt| attempt.number == number && attempt.is_opening();
        let waiting = self.scratch.live.iter().find(waits);
        waiting.is_some_and(|attempt| attempt.lease.finds_line_full(attempt.since(), now))
    }

    fn let_go(&mut self, number: TryNo, outcome: Outcome, now: Instant) {
        if let Some(index) = self.scratch.live.iter().position(|attempt| attempt.number == number) {
            let (answer, lease) = self.scratch.live.remove(index).into_answer();
            self.group.answers.give_back(answer);
            // A failure says what it was in the report that came before.
            let _ = self.group.finish(lease, outcome, now);
        }
    }

    /// Passes an interim response (1xx) on to the client. It commits to nothing.
    async fn pass_on_interim(&mut self, index: usize) {
        let settings = self.group.worker.settings();
        let Some(attempt) = self.scratch.live.get_mut(index) else { return };
        let how = ResponseRewrite { via: &settings.name, ..ResponseRewrite::default() };
        let (head, input) = (&attempt.answer.head, attempt.answer.received.filled());
        // A client that has had its 100 from an attempt that failed later needs no second one.
        if head.status() != 100 || !std::mem::replace(&mut self.course.continued, true) {
            self.caller.interim(head, input, &how);
            self.group.worker.stats.answered(head.status());
        }
        attempt.interim_done();
        if caller::send(self.caller, b"", settings.patience()).await.is_err() {
            self.tell(Event::ClientGone, now());
            self.course.answer = Some(Answer::Gone);
        }
    }
}

impl<C> Drop for Exchange<'_, C> {
    fn drop(&mut self) {
        // Whatever still runs is given up: its leases end as abandoned.
        for attempt in self.scratch.live.drain(..) {
            let _ = self.group.finish(attempt.into_answer().1, Outcome::Abandoned, now());
        }
    }
}
