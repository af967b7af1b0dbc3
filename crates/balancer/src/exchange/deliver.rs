//! The answer that was decided on, on its way to the client: whole where it was held, else relayed piece by piece.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Instant;

use evenkeel_http1::After;
use evenkeel_message::ResponseRewrite;
use evenkeel_service::Rarely;
use evenkeel_upstream::attempt::{TrailOutcome, TryNo};
use evenkeel_upstream::{Author, Endpoint, Evidence, FailureClass, Lease, Outcome, ResponseFailure};
use tracing::warn;

use crate::clients::h1::connection::{Client, Scratch};
use crate::clock::now;
use crate::context::Worker;
use crate::exchange::relay::{self, Broke};
use crate::exchange::request::Request;
use crate::exchange::{Server, Then};
use crate::records::account::{Account, End};
use crate::records::trail;
use crate::servers::attempt::{Answer, AttemptIo};
use crate::servers::bound::Bound;
use crate::servers::digest::Finding;
use crate::servers::idle::ServerConnection;
use crate::settings::verify::Verify;

/// A held body up to this size is copied behind its head: that is cheaper than a vectored write of two pieces.
const COPIED: usize = 2 * 1024;

/// Sends the answer, and puts the server's connection away for the next request where it may be used again.
pub(crate) async fn deliver(
    worker: &Rc<Worker>,
    client: &mut Client,
    scratch: &mut Scratch,
    request: &Request,
    io: AttemptIo,
) -> Then {
    let (number, mut request_sent) = (io.number, io.sent());
    let Some((mut connection, answer, lease)) = io.into_connection() else { return Then::Close };
    connection.bound |= request.binds_connection || answer.head.binds_connection(answer.received.filled());
    let settings = worker.settings();
    worker.stats.answered(answer.head.status());
    scratch.account.status = answer.head.status();
    scratch.account.answered = Some(number);
    scratch.reply.clear();
    client.note_leaving(worker);
    scratch.extra.clear();
    if settings.trail {
        trail::line(&settings.name, &scratch.trail, &mut scratch.extra);
    }
    if let Some(sticky) = &settings.sticky {
        let pin = sticky.key.pin(lease.endpoint().address());
        // A session whose server is still there goes back to it, whoever answered this once.
        let stays = request.want.pin.is_some_and(|old| old == pin || worker.picker.borrow_mut().keeps(old));
        if !stays {
            sticky.set_cookie(pin, &mut scratch.extra);
        }
    }
    let how = ResponseRewrite { via: &settings.name, date: &worker.date.at(now()), extra: &scratch.extra };
    client.machine.respond(&answer.head, answer.received.filled(), &how, &mut scratch.reply);
    if client.machine.after() == After::Tunnel {
        scratch.account.end = End::Tunnel;
        return tunnel(worker, client, scratch, connection, answer, lease).await;
    }
    let mut delivery = Delivery { connection, answer, lease };
    let ended = if let Some(body) = delivery.answer.body.clone() {
        client.machine.before_data(body.len(), &mut scratch.reply);
        worker.stats.bytes_out.add(body.len() as u64);
        scratch.account.sent = body.len() as u64;
        let mut body = &delivery.answer.received.filled()[body];
        if body.len() <= COPIED {
            scratch.reply.extend_from_slice(body);
            body = b"";
        }
        // Held bodies have a length: nothing follows their data.
        client
            .send(&scratch.reply, body, settings.patience())
            .await
            .map(|()| Finding::Right)
            .map_err(|_| Broke::Client)
    } else {
        let Delivery { connection, answer, .. } = &mut delivery;
        // Boxed: most answers are held, and no connection should carry the room that others need.
        Box::pin(relay::relay(worker, client, scratch, request, connection, answer, &mut request_sent)).await
    };
    match &ended {
        Ok(Finding::MissingDigest) => scratch.account.error = Some(FailureClass::MissingDigest.name()),
        Ok(_) => {}
        Err(broke) => note(&mut scratch.account, number, broke),
    }
    let whole_request = scratch.upload.is_complete_at(request_sent);
    finish(worker, client, request.author, delivery, &ended, whole_request)
}

fn note(account: &mut Account, number: TryNo, broke: &Broke) {
    let failure = match broke {
        Broke::Client => {
            account.end = End::ClientGone;
            return;
        }
        Broke::Truncated => TrailOutcome::ResponseFailed(ResponseFailure::Truncated),
        Broke::TimedOut | Broke::Silent => TrailOutcome::ResponseFailed(ResponseFailure::TimedOut),
        Broke::Garbage => TrailOutcome::ResponseFailed(ResponseFailure::Garbage),
        Broke::WrongDigest => TrailOutcome::WrongDigest,
    };
    account.broke(number, failure);
}

/// An answer being delivered, and where it comes from.
struct Delivery {
    connection: ServerConnection,
    answer: Box<Answer>,
    lease: Lease,
}

fn finish(
    worker: &Worker,
    client: &mut Client,
    author: Author,
    delivery: Delivery,
    ended: &Result<Finding, Broke>,
    whole_request: bool,
) -> Then {
    let Delivery { connection, answer, lease } = delivery;
    let now = now();
    let endpoint = lease.endpoint().clone();
    let held = answer.body.as_ref().map_or(0, |body| body.end);
    let left_over = answer.received.len() - held;
    worker.give_back_answer(answer);
    let failure = match ended {
        Ok(finding) => {
            if *finding == Finding::MissingDigest {
                worker.stats.missing_digest.add(1);
                if worker.settings().verify == Verify::Enforce {
                    worker.report(endpoint.id(), Evidence::MissingDigest, author, now);
                }
            }
            if let Some(evidence) = worker.finish(lease, Outcome::Success, now) {
                worker.tell(endpoint.id(), evidence);
            }
            if whole_request && connection.machine.reusable(left_over) {
                if connection.bound {
                    client.bound = Some(Box::new(Bound::new(endpoint.id(), connection)));
                } else {
                    worker.idle.put(&endpoint, connection, now);
                }
            }
            return client.after(worker);
        }
        Err(Broke::Client) => {
            worker.stats.abandoned.add(1);
            let _ = worker.finish(lease, Outcome::Abandoned, now);
            return Then::Close;
        }
        Err(Broke::Silent) => {
            say_cut_off(&endpoint, &"nothing came of it for too long", now);
            client.stream.reset_on_drop();
            worker.stats.truncated.add(1);
            // The time was ours to set, and the server may have had nothing to say.
            let _ = worker.finish(lease, Outcome::Abandoned, now);
            return Then::Close;
        }
        Err(Broke::Truncated) => Evidence::ResponseFailed(ResponseFailure::Truncated),
        Err(Broke::TimedOut) => Evidence::ResponseFailed(ResponseFailure::TimedOut),
        Err(Broke::Garbage) => Evidence::ResponseFailed(ResponseFailure::Garbage),
        Err(Broke::WrongDigest) => {
            worker.stats.wrong_digest.add(1);
            Evidence::WrongDigest
        }
    };
    // Some of the response has gone to the client: only a reset says for certain that it is not the whole.
    client.stream.reset_on_drop();
    worker.stats.truncated.add(1);
    // No status can tell the client, so at least the log does.
    say_cut_off(&endpoint, &failure, now);
    worker.report(endpoint.id(), failure, author, now);
    let _ = worker.finish(lease, Outcome::Failure, now);
    Then::Close
}

#[cold]
fn say_cut_off(endpoint: &Endpoint, why: &dyn Display, now: Instant) {
    static CUT_OFF: Rarely = Rarely::new(1);
    if let Some(more) = CUT_OFF.admit(now) {
        warn!(endpoint = %endpoint.address(), "a response was cut off: {why}{more}");
    }
}

async fn tunnel(
    worker: &Worker,
    client: &mut Client,
    scratch: &mut Scratch,
    connection: ServerConnection,
    mut answer: Box<Answer>,
    lease: Lease,
) -> Then {
    if client.send(&scratch.reply, b"", worker.settings().patience()).await.is_err() {
        return Then::Close;
    }
    answer.received.consume(answer.head.len());
    let received = std::mem::take(&mut answer.received);
    Then::Tunnel(Box::new(Server { connection, received, lease }))
}
