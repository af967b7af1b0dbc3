//! One request of a client, from its head to its answer.
//!
//! ```text
//! head ──▶ rewritten for servers ──▶ small body gathered ──▶ attempts ──▶ one is committed ──▶ delivered
//!   └── refused (4xx, 501)                    └── refused (408, 413)  └── none: 502, 503, 504
//! ```

pub(crate) mod affinity;
pub(crate) mod course;
pub(crate) mod date;
pub(crate) mod deliver;
pub(crate) mod failures;
pub(crate) mod kind;
pub(crate) mod pace;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod tunnel;

use std::rc::Rc;

use evenkeel_message::{Framing, Refusal};
use evenkeel_upstream::Lease;
use evenkeel_upstream::attempt::Failure;
use evenkeel_wire::Buffer;

use crate::clients::h1::connection::{Client, Scratch};
use crate::clients::h1::intake;
use crate::context::Worker;
use crate::exchange::course::{End, attempt};
use crate::exchange::request::Request;
use crate::records::account;
use crate::records::ledger::Mark;
use crate::servers::idle::ServerConnection;

/// What follows an exchange on its connection.
pub(crate) enum Then {
    /// Another request.
    Next,
    Close,
    /// Close once the client has taken the answer in.
    Linger,
    /// Another protocol, spoken with this server.
    Tunnel(Box<Server>),
}

/// A connection to a server that has switched protocols, and what it sent after its 101.
pub(crate) struct Server {
    pub(crate) connection: ServerConnection,
    pub(crate) received: Buffer,
    /// It counts as in flight for as long as the tunnel lasts.
    pub(crate) lease: Lease,
}

/// Serves the request whose head was parsed last.
pub(crate) async fn run(worker: &Rc<Worker>, client: &mut Client, scratch: &mut Scratch) -> Then {
    worker.stats.requests.add(1);
    scratch.account.open();
    scratch.account.mark = Mark::of(worker, scratch);
    scratch.account.trace = scratch.head.trace_id(scratch.received.filled()).copied();
    let then = answer(worker, client, scratch).await;
    account::settle(worker, client, scratch);
    then
}

async fn answer(worker: &Rc<Worker>, client: &mut Client, scratch: &mut Scratch) -> Then {
    scratch.request.clear();
    let request = match Request::prepare(worker, client, scratch) {
        Ok(request) => request,
        Err(refusal) => {
            scratch.keep_what_was_asked();
            return refuse(worker, client, scratch, &refusal, None).await;
        }
    };
    scratch.account.identify(request.id.clone(), &scratch.request);
    if request.is_answered_here() {
        scratch.account.status = 204;
        scratch.reply.clear();
        reply::options(worker, &mut client.machine, &mut scratch.reply);
        return if send_own(worker, client, scratch).await { client.after(worker) } else { Then::Close };
    }
    match intake::gather(worker, client, scratch, &request).await {
        Ok(()) => {}
        Err(intake::Trouble::Gone) => {
            scratch.account.end = account::End::ClientGone;
            return Then::Close;
        }
        Err(intake::Trouble::Refused(refusal)) => {
            return refuse(worker, client, scratch, &refusal, Some(&request)).await;
        }
    }
    match attempt(worker, client, scratch, &request).await {
        End::Answer(answer) => deliver::deliver(worker, client, scratch, &request, answer).await,
        End::Failed(failure) => {
            tell_failure(worker, client, scratch, &request, failure);
            if send_own(worker, client, scratch).await { client.after(worker) } else { Then::Close }
        }
        End::Refused(refusal) => refuse(worker, client, scratch, &refusal, Some(&request)).await,
        End::ClientGone => {
            worker.stats.abandoned.add(1);
            scratch.account.end = account::End::ClientGone;
            Then::Close
        }
    }
}

/// Writes what the client hears when no server could answer.
fn tell_failure(
    worker: &Worker,
    client: &mut Client,
    scratch: &mut Scratch,
    request: &Request,
    failure: Failure,
) {
    worker.stats.failed.add(1);
    let unresolved = worker.shared.upstream.snapshot().endpoints().is_empty();
    let told = failures::told(failure, unresolved);
    scratch.account.failed(told.status, told.error);
    let id = request.id(&scratch.request);
    scratch.reply.clear();
    client.note_leaving(worker);
    reply::failed(worker, &mut client.machine, &told, id, &scratch.trail, &mut scratch.reply);
}

async fn refuse(
    worker: &Worker,
    client: &mut Client,
    scratch: &mut Scratch,
    refusal: &Refusal,
    request: Option<&Request>,
) -> Then {
    worker.stats.refused.add(1);
    scratch.account.refused(refusal);
    client.machine.close_after_this();
    scratch.reply.clear();
    let id = request.map(|request| request.id(&scratch.request));
    reply::refused(worker, &mut client.machine, refusal, id, &mut scratch.reply);
    if send_own(worker, client, scratch).await { Then::Linger } else { Then::Close }
}

/// Sends the balancer's own answer. False when the client did not take it.
async fn send_own(worker: &Worker, client: &mut Client, scratch: &mut Scratch) -> bool {
    let sent = client.send(&scratch.reply, b"", worker.settings().patience()).await;
    if sent.is_err() {
        scratch.account.end = account::End::ClientGone;
    }
    sent.is_ok()
}

/// Whether a body of this framing is worth waiting for before an endpoint is chosen: then a slow client occupies no server.
pub(crate) fn is_gathered(framing: Framing, expects_continue: bool, keep: usize) -> bool {
    matches!(framing, Framing::Length(length) if !expects_continue && length <= keep as u64)
}
