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
use crate::servers::attempt::{Asked, Attempt, Happened};
use crate::servers::group::Group;
use crate::servers::kind;
use crate::servers::upload::Upload;

/// Attempts of one worker that go on like this at most; one more is cut off.
const RUNNING_ON: usize = 64;

/// An answer up to this size is read to its end, so that its connection can be used again.
const LARGEST_READ: usize = 16 * 1024;

/// What is known of the request of such an attempt.
pub(crate) struct Outpaced {
    pub(crate) method: Method,
    pub(crate) kind: Kind,
    pub(crate) author: Author,
}

/// Lets an attempt go on whose whole request is at its server. `silent_at`: from when on its endpoint counts as silent, if
/// nothing is heard of it.
pub(crate) fn start(group: &Rc<Group>, request: Outpaced, attempt: Attempt, silent_at: Option<Instant>) {
    if group.running_on.get() >= RUNNING_ON {
        let (answer, lease) = attempt.into_answer();
        group.answers.give_back(answer);
        let _ = group.finish(lease, Outcome::Abandoned, now());
        return;
    }
    group.running_on.set(group.running_on.get() + 1);
    let sent_at = attempt.since();
    let running = Running {
        group: group.clone(),
        attempt,
        request,
        sent_at,
        silent_at,
        unneeded: group.served.upstream.queue().unneeded(),
    };
    tokio::task::spawn_local(still(Box::pin(running.run())));
}

struct Running {
    group: Rc<Group>,
    attempt: Attempt,
    request: Outpaced,
    sent_at: Instant,
    silent_at: Option<Instant>,
    /// It gives its place up to whoever waits for one.
    unneeded: Doubtful,
}

impl Running {
    async fn run(mut self) {
        let gives_up = self.sent_at + self.group.settings().rules.attempts.response_timeout;
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
        let settings = self.group.settings();
        let asked = Asked {
            method: self.request.method,
            upgrade: None,
            // All of it has been sent.
            head: b"",
            limits: &self.group.worker.settings().limits,
            hold: settings.hold.min(LARGEST_READ),
            verify: false,
        };
        let upload = Upload::default();
        let (attempt, unneeded) = (&mut self.attempt, &self.unneeded);
        poll_fn(|cx| match attempt.poll(cx, &asked, &upload) {
            Poll::Ready(happened) => Poll::Ready(Some(happened)),
            Poll::Pending => unneeded.poll_asked(cx).map(|()| None),
        })
        .await
    }

    fn is_silent(&self) {
        let endpoint = self.attempt.lease.endpoint();
        if endpoint.last_heard().is_none_or(|heard| heard <= self.sent_at) {
            self.group.report(endpoint.id(), Evidence::Silent, self.request.author, now());
        }
    }

    async fn happened(mut self, mut happened: Happened, gives_up: Instant) {
        loop {
            match happened {
                Happened::Interim => self.attempt.interim_done(),
                Happened::Head { status, held } => {
                    let (_, took) = self.attempt.head_received(status, now());
                    if kind::teaches(status) {
                        self.group.picker.borrow_mut().learn(self.request.kind, took);
                    }
                    if !held {
                        return self.end(Outcome::Success);
                    }
                }
                Happened::Whole(_) => return self.whole(),
                Happened::ConnectFailed(why) | Happened::NotProcessed(why) => {
                    return self.failed(Evidence::ConnectFailed(why));
                }
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
            self.group.report(self.attempt.lease.endpoint().id(), evidence, self.request.author, now());
        }
        self.end(Outcome::Failure);
    }

    /// The connection serves the next request, where it may.
    fn whole(self) {
        let Some((connection, answer, lease)) = self.attempt.into_connection() else { return };
        let endpoint = lease.endpoint().clone();
        let left_over = answer.received.len() - answer.body.as_ref().map_or(0, |body| body.end);
        if connection.machine.reusable(left_over) {
            self.group.idle.put(endpoint.id(), endpoint.generation(), connection, now());
        }
        self.group.answers.give_back(answer);
        end(&self.group, lease, Outcome::Success);
    }

    fn end(self, outcome: Outcome) {
        let (answer, lease) = self.attempt.into_answer();
        self.group.answers.give_back(answer);
        end(&self.group, lease, outcome);
    }
}

fn end(group: &Group, lease: Lease, outcome: Outcome) {
    let id = lease.endpoint().id();
    group.running_on.set(group.running_on.get() - 1);
    if let Some(evidence) = group.finish(lease, outcome, now()) {
        group.tell(id, evidence);
    }
}
