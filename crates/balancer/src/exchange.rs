//! One request, of no version of HTTP: from its head to what follows its answer.
//!
//! ```text
//! head ──▶ rewritten for servers ──▶ small body gathered ──▶ attempts ──▶ one is committed ──▶ delivered ──▶ settled
//!   └── refused (4xx, 501)                    └── refused (408, 413)  └── none: 502, 503, 504
//! ```
//! Who asks is behind the port [`caller`]; who answers is in the room below.

mod affinity;
pub(crate) mod caller;
mod course;
mod deliver;
mod failures;
mod intake;
pub(crate) mod pace;
mod queue;
mod redirect;
mod relay;
pub(crate) mod reply;
mod request;
pub(crate) mod scratch;
mod settle;
pub(crate) mod then;
mod timers;
pub(crate) mod tunnel;
mod turned_away;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use evenkeel_message::Refusal;
use evenkeel_upstream::attempt::{Attempts, Failure, TryNo};

use crate::clock::now;
use crate::context::Worker;
use crate::context::gate::Turned;
use crate::records::account;
use crate::records::mark::Mark;
use crate::servers::group::Group;
use crate::servers::groups::{Groups, NoWay, Way};
use caller::{Caller, Trouble};
use course::Course;
use request::Request;
use scratch::Scratch;
use then::Then;
use timers::Timers;

/// One exchange, and everything it is done with.
struct Exchange<'a, C> {
    group: &'a Rc<Group>,
    caller: &'a mut C,
    scratch: &'a mut Scratch,
    request: Request,
    /// Decides what is tried, until the answer has been delivered.
    attempts: Attempts,
    course: Course,
    timers: Timers,
}

/// What a client is to be told.
enum Answer {
    /// The balancer's own: what may be asked of it.
    Options,
    /// The balancer's own: the request breaks the protocol or a limit.
    Refused(Refusal),
    /// The balancer's own: no server answered.
    Failed(Failure),
    /// A server's: that of this attempt, which is left where it is.
    Server(TryNo),
    /// Nothing, for it is gone.
    Gone,
}

/// Serves the request that `caller` asks.
pub(crate) async fn run<C: Caller>(groups: &Groups, caller: &mut C, scratch: &mut Scratch) -> Then {
    let worker = &groups.worker;
    worker.stats.requests.add(1);
    let (head, input) = caller.asked();
    scratch.account.open();
    scratch.account.mark = worker.pen.as_ref().and_then(|_| Mark::of(head, input));
    scratch.account.trace = head.trace_id(input).copied();
    scratch.request.clear();
    scratch.wants_page = worker.settings().pages.is_some() && reply::wants_page(head, input);
    let then = begin(groups, caller, scratch).await;
    settle::settle(worker, caller.peer(), scratch);
    then
}

/// A client that has got the certificate of one host and asks for another on the same connection.
const MISDIRECTED: Refusal = Refusal::new(
    421,
    "The certificate of this connection is not for that host: open another connection to it.",
);

/// Finds out which upstream it is for.
async fn begin<C: Caller>(groups: &Groups, caller: &mut C, scratch: &mut Scratch) -> Then {
    let worker = &groups.worker;
    if worker.shared.tls.is_some() {
        if caller.is_disowned() {
            return turned_away::turn_away(worker, caller, scratch, Turned::Disowned).await;
        }
        if caller.is_misdirected() {
            scratch.keep_what_was_asked(worker, caller);
            return refuse(worker, caller, scratch, &MISDIRECTED).await;
        }
    }
    if let Some(gate) = &worker.edition.gate
        && let Some(why) = turned_away::why(gate, worker, caller)
    {
        return turned_away::turn_away(worker, caller, scratch, why).await;
    }
    if let Some(port) = redirect::to(worker.settings(), caller) {
        return redirect::to_https(worker, caller, scratch, port).await;
    }
    let (head, input) = caller.asked();
    match groups.find(head, input) {
        Ok(way) => {
            if let Some(name) = &way.group.settings().name {
                scratch.account.upstream = Some(name.clone());
                scratch.account.prefix = way.by.and_then(|by| by.prefix.clone());
            }
            serve(&way, caller, scratch).await
        }
        Err(NoWay::Redirected(redirect)) => redirect::elsewhere(worker, caller, scratch, redirect).await,
        Err(NoWay::Refused(refusal)) => {
            scratch.keep_what_was_asked(worker, caller);
            refuse(worker, caller, scratch, &refusal).await
        }
    }
}

async fn serve<C: Caller>(way: &Way<'_>, caller: &mut C, scratch: &mut Scratch) -> Then {
    let group = way.group;
    let request = match Request::prepare(way, caller, scratch) {
        Ok(request) => request,
        Err(refusal) => {
            scratch.keep_what_was_asked(&group.worker, caller);
            // Nothing of the path has been taken off.
            scratch.account.prefix = None;
            return refuse(&group.worker, caller, scratch, &refusal).await;
        }
    };
    scratch.account.identify(request.id.clone(), &scratch.request);
    let head = scratch.request.len();
    let expects_continue = request.expects_continue;
    let mut exchange = Exchange {
        attempts: Attempts::new(request.plan(), &group.settings().rules.attempts, now()),
        course: Course::new(group.worker.settings().patience(), expects_continue),
        timers: Timers::default(),
        group,
        caller,
        scratch,
        request,
    };
    let answer = exchange.answer().await;
    let then = exchange.give(answer).await;
    // Who keeps a record of the request keeps nothing of its body.
    exchange.scratch.request.truncate(head);
    exchange.scratch.account.attempted(&exchange.attempts);
    if exchange.attempts.is_masked() {
        group.worker.stats.masked.add(1);
    }
    then
}

impl<C: Caller> Exchange<'_, C> {
    /// Finds out what the client is to be told. Nothing of it has been sent.
    async fn answer(&mut self) -> Answer {
        if self.request.is_answered_here() {
            return Answer::Options;
        }
        match self.gather().await {
            Ok(()) => {
                self.scratch.upload.join(&mut self.scratch.request);
                self.attempt().await
            }
            Err(Trouble::Gone) => Answer::Gone,
            Err(Trouble::Refused(refusal)) => Answer::Refused(refusal),
        }
    }

    /// Tells it, and says what follows.
    async fn give(&mut self, answer: Answer) -> Then {
        let Self { group, caller, scratch, .. } = self;
        let worker = &group.worker;
        match answer {
            Answer::Server(number) => return self.deliver(number).await,
            Answer::Refused(refusal) => {
                return refuse(worker, *caller, scratch, &refusal).await;
            }
            Answer::Gone => {
                scratch.account.end = account::End::ClientGone;
                return Then::Close;
            }
            Answer::Options => {
                scratch.account.status = 204;
                reply::options(worker, *caller);
            }
            Answer::Failed(failure) => {
                worker.stats.failed.add(1);
                let told = failures::told(failure, group.served.upstream.snapshot().endpoints().is_empty());
                scratch.account.failed(told.status, told.error);
                reply::failed(worker, *caller, &told, &scratch.trail, &scratch.asked());
            }
        }
        if send_own(worker, *caller, scratch).await { caller.after().into() } else { Then::Close }
    }
}

/// Refuses what a client has sent and what is no request. It may not do that either where it may not come, or more often than
/// it may ask.
pub(crate) async fn refuse_unread<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    refusal: &Refusal,
) -> Then {
    scratch.account.open();
    scratch.request.clear();
    scratch.wants_page = false;
    let then = match turned_away::why_unread(worker, caller) {
        Some(why) => turned_away::turn_away_unread(worker, caller, scratch, why).await,
        None => refuse(worker, caller, scratch, refusal).await,
    };
    settle::settle(worker, caller.peer(), scratch);
    then
}

/// Refuses a request: what comes behind it cannot be read.
async fn refuse<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    refusal: &Refusal,
) -> Then {
    worker.stats.refused.add(1);
    scratch.account.refused(refusal);
    caller.close_after_this();
    reply::refused(worker, caller, refusal, &scratch.asked());
    if send_own(worker, caller, scratch).await { Then::Linger } else { Then::Close }
}

/// Sends the balancer's own answer. False when the client did not take it.
async fn send_own<C: Caller>(worker: &Worker, caller: &mut C, scratch: &mut Scratch) -> bool {
    let sent = caller::send(caller, b"", worker.settings().patience()).await;
    if sent.is_err() {
        scratch.account.end = account::End::ClientGone;
    }
    sent.is_ok()
}
