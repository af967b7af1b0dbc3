//! An attempt that was outpaced: another server has answered its request, and its own server still works on it.
//!
//! It is not cut off. The server would work on all the same, and look idle to every policy meanwhile; a slow server
//! would never be heard to answer, and look dead; and a connection would be lost that serves the next request. So it goes
//! on in a task of its own until it has answered, its response timeout is over, or a request waits for its place. Its answer
//! reaches nobody.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_message::Method;
use evenkeel_upstream::{Author, ConnectFailure, Doubtful, Evidence, Kind, Lease, Outcome};
use tokio::time::timeout_at;

use crate::clock::{now, still};
use crate::context::Worker;
use crate::exchange::kind;
use crate::exchange::request::Request;
use crate::servers::attempt::{AttemptIo, Exchange, Happened};
use crate::servers::upload::Upload;

/// Attempts of one worker that go on like this at most; one more is cut off.
const AT_ONCE: usize = 64;

/// An answer up to this size is read to its end, so that its connection can be used again.
const READ: usize = 16 * 1024;

/// Lets an attempt go on whose whole request is at its server. `silent_at`: from when on its endpoint counts as silent, if
/// nothing is heard of it.
pub(crate) fn start(worker: &Rc<Worker>, request: &Request, io: AttemptIo, silent_at: Option<Instant>) {
    if worker.running_on.get() >= AT_ONCE {
        let (answer, lease) = io.into_answer();
        worker.give_back_answer(answer);
        let _ = worker.finish(lease, Outcome::Abandoned, now());
        return;
    }
    worker.running_on.set(worker.running_on.get() + 1);
    let sent_at = io.since();
    let outpaced = Outpaced {
        worker: worker.clone(),
        io,
        method: request.method,
        kind: request.kind,
        author: request.author,
        sent_at,
        silent_at,
        unneeded: worker.shared.upstream.queue().unneeded(),
    };
    tokio::task::spawn_local(still(Box::pin(outpaced.run())));
}

struct Outpaced {
    worker: Rc<Worker>,
    io: AttemptIo,
    method: Method,
    kind: Kind,
    author: Author,
    sent_at: Instant,
    silent_at: Option<Instant>,
    /// It gives its place up to whoever waits for one.
    unneeded: Doubtful,
}

impl Outpaced {
    async fn run(mut self) {
        let gives_up = self.sent_at + self.worker.settings().upstream.attempts.response_timeout;
        if let Some(silent_at) = self.silent_at.take().filter(|&at| at < gives_up) {
            match timeout_at(silent_at.into(), self.next()).await {
                Ok(Some(happened)) => return self.happened(happened, gives_up).await,
                Ok(None) => return self.end(Outcome::Abandoned),
                Err(_) => self.is_silent(),
            }
        }
        match timeout_at(gives_up.into(), self.next()).await {
            Ok(Some(happened)) => self.happened(happened, gives_up).await,
            Ok(None) | Err(_) => self.end(Outcome::Abandoned),
        }
    }

    /// What happens to it next; `None` when its place is wanted.
    async fn next(&mut self) -> Option<Happened> {
        let settings = self.worker.settings();
        let exchange = Exchange {
            method: self.method,
            upgrade: None,
            // All of it has been sent.
            head: b"",
            limits: &settings.limits,
            hold: settings.hold.min(READ),
            verify: false,
        };
        let upload = Upload::default();
        let (io, unneeded) = (&mut self.io, &self.unneeded);
        poll_fn(|cx| match io.poll(cx, &exchange, &upload) {
            Poll::Ready(happened) => Poll::Ready(Some(happened)),
            Poll::Pending => unneeded.poll_asked(cx).map(|()| None),
        })
        .await
    }

    fn is_silent(&self) {
        let endpoint = self.io.lease.endpoint();
        if endpoint.last_heard().is_none_or(|heard| heard <= self.sent_at) {
            self.worker.report(endpoint.id(), Evidence::Silent, self.author, now());
        }
    }

    async fn happened(mut self, mut happened: Happened, gives_up: Instant) {
        loop {
            match happened {
                Happened::Interim => self.io.interim_done(),
                Happened::Head { status, held } => {
                    let (_, took) = self.io.head_received(status, now());
                    if kind::teaches(status) {
                        self.worker.picker.borrow_mut().learn(self.kind, took);
                    }
                    if !held {
                        return self.end(Outcome::Success);
                    }
                }
                Happened::Whole(_) => return self.whole(),
                Happened::ConnectFailed(why) => return self.failed(Evidence::ConnectFailed(why)),
                Happened::Broken(why) => return self.failed(Evidence::ResponseFailed(why)),
                Happened::Stale { .. } => return self.failed(Evidence::IdleClosed),
                // Behind it already.
                Happened::Connected | Happened::ByteSent | Happened::RequestSent => {}
            }
            happened = match timeout_at(gives_up.into(), self.next()).await {
                Ok(Some(happened)) => happened,
                Ok(None) | Err(_) => return self.end(Outcome::Abandoned),
            };
        }
    }

    fn failed(self, evidence: Evidence) {
        if evidence != Evidence::ConnectFailed(ConnectFailure::Local) {
            self.worker.report(self.io.lease.endpoint().id(), evidence, self.author, now());
        }
        self.end(Outcome::Failure);
    }

    /// The connection serves the next request, where it may.
    fn whole(self) {
        let Some((connection, answer, lease)) = self.io.into_connection() else { return };
        let endpoint = lease.endpoint().clone();
        let left_over = answer.received.len() - answer.body.as_ref().map_or(0, |body| body.end);
        if connection.machine.reusable(left_over) {
            self.worker.idle.put(&endpoint, connection, now());
        }
        self.worker.give_back_answer(answer);
        end(&self.worker, lease, Outcome::Success);
    }

    fn end(self, outcome: Outcome) {
        let (answer, lease) = self.io.into_answer();
        self.worker.give_back_answer(answer);
        end(&self.worker, lease, outcome);
    }
}

fn end(worker: &Worker, lease: Lease, outcome: Outcome) {
    let id = lease.endpoint().id();
    worker.running_on.set(worker.running_on.get() - 1);
    if let Some(evidence) = worker.finish(lease, outcome, now()) {
        worker.tell(id, evidence);
    }
}
