//! Requests that are turned away for who asks them (`BALANCER_ALLOW`, `BALANCER_DENY`; a certificate that was revoked since the
//! connection was opened) or how often (`BALANCER_RATE`): they are answered here and go no further.

use std::time::Duration;

use evenkeel_message::Framing;

use super::caller::Caller;
use super::reply;
use super::scratch::Scratch;
use super::then::Then;
use crate::clock::now;
use crate::context::Worker;
use crate::context::gate::{Gate, Turned};
use crate::settings::limits::RequestRate;

/// What the gate says of the client that asks: where trusted proxies are in front, of whom they name.
pub(super) fn why<C: Caller>(gate: &Gate, worker: &Worker, caller: &C) -> Option<Turned> {
    let (head, input) = caller.asked();
    let origin = worker.settings().trusted.origin(caller.peer().ip(), caller.scheme(), head, input);
    gate.turns_away(origin.client(), now())
}

/// The same of one whose request cannot be read. Of whom a trusted proxy speaks then nobody knows: the proxy is not blamed for it.
pub(super) fn why_unread<C: Caller>(worker: &Worker, caller: &C) -> Option<Turned> {
    let (settings, client) = (worker.settings(), caller.peer().ip());
    let gate = worker.edition.gate.as_ref().filter(|_| !settings.trusted.include(client))?;
    gate.turns_away(client, now())
}

/// Tells it, and says what follows.
#[inline(never)]
pub(super) async fn turn_away<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    why: Turned,
) -> Then {
    scratch.keep_what_was_asked(worker, caller);
    let (head, _) = caller.asked();
    let has_body = !matches!(head.framing(), Framing::Empty | Framing::Length(0));
    // What comes behind a body is not looked for, and who may not come has nothing more to ask. A client that asks too often
    // keeps its connection: a new one for each attempt would cost both more.
    let closes = has_body || !matches!(why, Turned::Limited { .. });
    if closes {
        caller.close_after_this();
    }
    caller.head_taken();
    tell(worker, caller, scratch, why);
    match super::send_own(worker, caller, scratch).await {
        true if closes => Then::Linger,
        true => caller.after().into(),
        false => Then::Close,
    }
}

/// Tells it one whose request cannot be read, and nothing that comes behind it.
#[inline(never)]
pub(super) async fn turn_away_unread<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    why: Turned,
) -> Then {
    caller.close_after_this();
    tell(worker, caller, scratch, why);
    if super::send_own(worker, caller, scratch).await { Then::Linger } else { Then::Close }
}

fn tell<C: Caller>(worker: &Worker, caller: &mut C, scratch: &mut Scratch, why: Turned) {
    match why {
        Turned::Denied => {
            worker.stats.denied.add(1);
            scratch.account.turned_away(403);
            reply::denied(worker, caller, &scratch.asked());
        }
        Turned::Disowned => {
            worker.stats.disowned.add(1);
            scratch.account.turned_away(403);
            reply::disowned(worker, caller, &scratch.asked());
        }
        Turned::Limited { rate, again_in } => {
            worker.stats.limited.add(1);
            scratch.account.turned_away(429);
            reply::asks_too_often(worker, caller, &Allowance::of(rate, again_in), &scratch.asked());
        }
    }
}

/// What a client that asks too often is told of its limit (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) struct Allowance {
    pub(super) policy: String,
    pub(super) left: String,
    pub(super) again_in: Duration,
}

impl Allowance {
    fn of(rate: RequestRate, again_in: Duration) -> Self {
        let RequestRate { requests, window, .. } = rate;
        let seconds = whole_seconds(again_in);
        Self {
            policy: format!("\"client\";q={requests};w={}", window.as_secs()),
            left: format!("\"client\";r=0;t={seconds}"),
            again_in: Duration::from_secs(seconds),
        }
    }
}

/// No sooner than it is worth coming back.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).max(1) as u64
}
