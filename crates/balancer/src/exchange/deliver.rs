//! The answer that was decided on, on its way to the client: whole where it was held, else relayed piece by piece.

use std::fmt::Display;
use std::time::Instant;

use evenkeel_message::ResponseRewrite;
use evenkeel_service::Rarely;
use evenkeel_upstream::attempt::{Delivered, Delivery, TryNo};
use evenkeel_upstream::{EndpointId, FailureClass, Lease};
use tracing::warn;

use super::Exchange;
use super::caller::{self, After, Caller, Placed};
use super::relay::Broke;
use super::then::{Server, Then};
use crate::clock::now;
use crate::records::account::End;
use crate::records::roster::Roster;
use crate::records::trail;
use crate::servers::answer::Answer;
use crate::servers::bound::Bound;
use crate::servers::digest::Finding;
use crate::servers::idle::ServerConnection;
use crate::servers::upload::Position;
use crate::settings::tls::HSTS;
use crate::settings::verify::Verify;

/// Where an answer that is being delivered comes from.
pub(super) struct Source {
    pub(super) connection: Box<ServerConnection>,
    pub(super) answer: Box<Answer>,
    pub(super) lease: Lease,
    /// How much of the request has been written.
    pub(super) request_sent: Position,
}

impl<C: Caller> Exchange<'_, C> {
    /// Sends the answer, and puts the server's connection away for the next request where it may be used again.
    pub(super) async fn deliver(&mut self, number: TryNo) -> Then {
        let live = &mut self.scratch.live;
        let Some(index) = live.iter().position(|attempt| attempt.number == number) else {
            return Then::Close;
        };
        let request_sent = live[index].sent();
        let Some((mut connection, answer, lease)) = live.remove(index).into_connection() else {
            return Then::Close;
        };
        connection.bound |=
            self.request.binds_connection || answer.head.binds_connection(answer.received.filled());
        let worker = &self.group.worker;
        worker.stats.answered(answer.head.status());
        self.scratch.account.status = answer.head.status();
        self.scratch.account.answered = Some(number);
        self.add_lines(&lease, &answer);
        let date = worker.date.at(now());
        let how = ResponseRewrite {
            via: &worker.settings().name,
            date: &date,
            extra: &self.scratch.extra,
            rules: worker.settings().rules.responses.as_ref(),
        };
        self.caller.respond(&answer.head, answer.received.filled(), &how);
        let mut source = Source { connection, answer, lease, request_sent };
        if self.caller.after() == After::Tunnel {
            self.scratch.account.end = End::Tunnel;
            return self.switch(source).await;
        }
        let ended = if source.answer.body.is_some() {
            self.send_whole(&source.answer).await
        } else {
            // Boxed: most answers are held, and no connection should carry the room that others need.
            Box::pin(self.relay(&mut source)).await
        };
        self.finish(source, ended)
    }

    /// The lines that the response gains here.
    fn add_lines(&mut self, lease: &Lease, answer: &Answer) {
        let (worker, settings) = (self.group.worker.settings(), self.group.settings());
        let extra = &mut self.scratch.extra;
        extra.clear();
        if worker.trail {
            trail::line(&worker.name, &self.scratch.trail, extra);
        }
        if let Some(sticky) = &settings.sticky {
            let pin = sticky.key.pin(lease.endpoint().address());
            // A session whose server is still there goes back to it, whoever answered this once.
            let keeps = |old| self.group.picker.borrow_mut().keeps(old);
            let stays = self.request.want.pin.is_some_and(|old| old == pin || keeps(old));
            if !stays {
                sticky.set_cookie(pin, self.caller.scheme(), extra);
            }
        }
        if let Some(hsts) = worker.hsts_over(self.caller.scheme()) {
            // A server that says it itself knows more of its site, or ends it: unless that goes no further.
            let is_taken_away = || {
                let rules = worker.rules.responses.as_ref();
                rules.is_some_and(|rules| rules.concern(HSTS.as_bytes()))
            };
            if answer.head.field(answer.received.filled(), HSTS).is_none() || is_taken_away() {
                for part in [HSTS, ": ", hsts, "\r\n"] {
                    extra.extend_from_slice(part.as_bytes());
                }
            }
        }
    }

    /// Sends a response that was held until its body was whole and found right.
    async fn send_whole(&mut self, answer: &Answer) -> Result<Finding, Broke> {
        let body = answer.body.clone().map_or(&b""[..], |body| &answer.received.filled()[body]);
        self.group.worker.stats.bytes_out.add(body.len() as u64);
        self.scratch.account.sent = body.len() as u64;
        let behind = match self.caller.data(body) {
            Placed::Copied => b"",
            Placed::Behind => body,
        };
        // No trailers follow a body that has a length.
        self.caller.end(b"");
        let sent = caller::send(self.caller, behind, self.group.worker.settings().patience()).await;
        sent.map(|()| Finding::Right).map_err(|_| Broke::Client)
    }

    /// What the delivery came to: for the account, the endpoint and both connections.
    fn finish(&mut self, source: Source, ended: Result<Finding, Broke>) -> Then {
        let Source { mut connection, answer, lease, request_sent } = source;
        let now = now();
        let (endpoint, generation) = (lease.endpoint().id(), lease.endpoint().generation());
        let held = answer.body.as_ref().map_or(0, |body| body.end);
        let left_over = answer.received.len() - held;
        self.group.answers.give_back(answer);
        let Delivered { outcome, evidence } = self.attempts.delivered(self.judged(ended), now);
        if let Some(evidence) = evidence {
            self.group.report(endpoint, evidence, self.request.author, now);
        }
        if let Some(evidence) = self.group.finish(lease, outcome, now) {
            self.group.tell(endpoint, evidence);
        }
        let stats = &self.group.worker.stats;
        let broke = match ended {
            Ok(finding) => {
                if finding == Finding::MissingDigest {
                    stats.missing_digest.add(1);
                    self.scratch.account.error = Some(FailureClass::MissingDigest.name());
                }
                let whole_request = self.scratch.upload.is_complete_at(request_sent);
                if whole_request && connection.machine.reusable(left_over) {
                    if connection.bound {
                        *self.caller.bound() = Some(Box::new(Bound::new(endpoint, connection)));
                    } else {
                        self.group.idle.put(endpoint, generation, connection, now);
                    }
                } else {
                    connection.stream.part();
                }
                return self.caller.after().into();
            }
            Err(Broke::Client) => {
                stats.abandoned.add(1);
                self.scratch.account.end = End::ClientGone;
                return Then::Close;
            }
            Err(broke) => broke,
        };
        // Some of the response has gone to the client: only a reset says for certain that it is not the whole.
        self.caller.abort();
        stats.truncated.add(1);
        if broke == Broke::WrongDigest {
            stats.wrong_digest.add(1);
        }
        self.scratch.account.end = End::Truncated;
        // No status can tell the client, so at least the log does.
        say_cut_off(&self.group.worker.shared.roster, endpoint, &broke, now);
        Then::Close
    }

    /// How it ended, in the words of the machine that decided on it.
    fn judged(&self, ended: Result<Finding, Broke>) -> Delivery {
        let enforces = self.group.settings().verify == Verify::Enforce;
        match ended {
            Ok(Finding::MissingDigest) if enforces => Delivery::MissingDigest,
            Ok(_) => Delivery::Whole,
            Err(Broke::Client) => Delivery::ClientGone,
            Err(Broke::Server(why)) => Delivery::Broken(why),
            Err(Broke::Silent) => Delivery::Silent,
            Err(Broke::WrongDigest) => Delivery::WrongDigest,
        }
    }

    /// Sends the 101; what follows is another protocol.
    async fn switch(&mut self, source: Source) -> Then {
        let Source { connection, mut answer, lease, .. } = source;
        if caller::send(self.caller, b"", self.group.worker.settings().patience()).await.is_err() {
            return Then::Close;
        }
        answer.received.consume(answer.head.len());
        let received = std::mem::take(&mut answer.received);
        Then::Tunnel(Box::new(Server { group: self.group.clone(), connection, received, lease }))
    }
}

#[cold]
fn say_cut_off(roster: &Roster, id: EndpointId, why: &dyn Display, now: Instant) {
    static CUT_OFF: Rarely = Rarely::new(1);
    if let Some(more) = CUT_OFF.admit(now) {
        let server = roster.of(id).map_or_else(|| "a server".to_owned(), |server| server.to_string());
        warn!("{server}: a response was cut off: {why}{more}");
    }
}
