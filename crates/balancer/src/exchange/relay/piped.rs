//! A long body of known length that nobody here has to see: it goes from socket to socket through a pipe, and is not copied.
//!
//! ```text
//! server ──▶ pipe ──▶ client
//! ```
//! What came with the head goes the ordinary way, and so does the end: whoever reads that sees what comes behind it.

use std::io;
use std::task::{Context, Poll, ready};

use super::{Broke, Relay, TRUNCATED};
use crate::clock::now;
use crate::exchange::caller::Caller;

/// From how much content on it is worth it, bytes.
const WORTH_IT: u64 = 32 * 1024;

/// How much content goes the ordinary way in the end: less than any read asks for, so that one that brings it has room left.
const END: u64 = 4 * 1024;

impl<C: Caller> Relay<'_, '_, C> {
    /// Whether content that is still with the server goes through a pipe: a good deal, where nothing else waits to be sent.
    pub(super) fn is_piped(&self) -> bool {
        let left = self.source.connection.machine.content_left();
        left.is_some_and(|left| left > WORTH_IT)
            && self.verification.is_none()
            && self.source.answer.received.is_empty()
            && !self.source.connection.stream.is_secured()
            && self.exchange.caller.takes_pipes()
    }

    /// Takes content that the server has sent into an empty pipe. False where there is none to be had.
    pub(super) fn poll_fill_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broke>> {
        let group = self.exchange.group;
        let Some(mut pipe) = group.pipes.lend(group.worker.settings().max_pipes) else {
            return Poll::Ready(Ok(false));
        };
        let connection = &mut self.source.connection;
        let left = connection.machine.content_left().unwrap_or_default();
        let most = usize::try_from(left - END).unwrap_or(usize::MAX);
        match ready!(connection.stream.poll_fill_pipe(cx, &mut pipe, most)) {
            Ok(0) => {
                return Poll::Ready(connection.machine.end_of_input().map(|()| true).map_err(|_| TRUNCATED));
            }
            Ok(count) => {
                connection.machine.passed(count as u64);
                group.worker.stats.bytes_out.add(count as u64);
                self.exchange.scratch.account.sent += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                group.pipes.give_up();
                return Poll::Ready(Ok(false));
            }
            Err(_) => return Poll::Ready(Err(TRUNCATED)),
        }
        self.pipe = Some(pipe);
        self.server_moved();
        Poll::Ready(Ok(true))
    }

    /// Sends what is in the pipe, and gives that back.
    pub(super) fn poll_send_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        let mut moved = 0;
        let sent = self.exchange.caller.poll_send_pipe(cx, pipe, &mut moved);
        if moved > 0 {
            self.taken_at = now();
            self.waits.taken(moved, self.taken_at);
        }
        ready!(sent).map_err(|_| Broke::Client)?;
        self.pipe = None;
        Poll::Ready(Ok(()))
    }
}
