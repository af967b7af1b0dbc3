//! What comes in from a client during its exchange: the rest of its body, or its end.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use evenkeel_message::{Framing, Refusal};

use super::Exchange;
use super::caller::{Caller, Trouble};
use super::pace::Pace;
use crate::clock::now;
use crate::servers::upload::Position;

impl<C: Caller> Exchange<'_, C> {
    /// Reads a small body to its end before an endpoint is chosen for it; of any other, what is already here.
    pub(super) async fn gather(&mut self) -> Result<(), Trouble> {
        let before = self.scratch.upload.taken();
        let read = self.caller.body_at_hand(&mut self.scratch.upload);
        self.taken_in(before)?;
        read.map_err(Trouble::Refused)?;
        if !self.request.gathered || self.scratch.upload.is_ended() {
            return Ok(());
        }
        let mut pace = Pace::new(self.group.worker.settings().patience());
        while !self.scratch.upload.is_ended() {
            pace.waits(now());
            self.caller.alarm().set(pace.until());
            let moved = poll_fn(|cx| match self.poll_intake(cx, &[]) {
                Poll::Pending => self.caller.alarm().poll(cx).map(|()| Err(Trouble::Refused(too_late()))),
                ready @ Poll::Ready(_) => ready,
            })
            .await?;
            pace.moved(moved, now());
        }
        Ok(())
    }

    /// Takes in what the client sends: ready with the bytes of content when the body has made progress, pending also while
    /// nothing should be read. `senders` is how far those attempts have come that still send.
    pub(super) fn poll_intake(
        &mut self,
        cx: &mut Context<'_>,
        senders: &[Position],
    ) -> Poll<Result<usize, Trouble>> {
        let wanted = self.is_wanted(senders);
        let before = self.scratch.upload.taken();
        let read = ready!(self.caller.poll_body(cx, &mut self.scratch.upload, wanted));
        // What came before a piece that is malformed counts as well.
        let taken_in = self.taken_in(before);
        Poll::Ready(taken_in.and_then(|moved| read.map(|()| moved)))
    }

    /// Whether the client would be read from now.
    pub(super) fn is_read(&self, senders: &[Position]) -> bool {
        self.caller.is_read(&self.scratch.upload, self.is_wanted(senders))
    }

    /// A gathered body is small: it is read whatever the server does.
    fn is_wanted(&self, senders: &[Position]) -> bool {
        self.request.gathered || self.scratch.upload.wants_more(senders.iter().copied())
    }

    /// Counts the content taken in since there were so many bytes of it.
    fn taken_in(&self, before: u64) -> Result<usize, Trouble> {
        let taken = self.scratch.upload.taken();
        self.group.worker.stats.bytes_in.add(taken - before);
        if taken > self.group.settings().max_body {
            return Err(Trouble::Refused(too_large()));
        }
        Ok((taken - before) as usize)
    }
}

/// Whether a body of this framing is worth waiting for before an endpoint is chosen: then a slow client occupies no server.
pub(super) fn is_gathered(framing: Framing, expects_continue: bool, keep: usize) -> bool {
    matches!(framing, Framing::Length(length) if !expects_continue && length <= keep as u64)
}

/// The answer to a body that comes too slowly.
pub(super) fn too_late() -> Refusal {
    Refusal::new(408, "The request's body did not arrive in time.")
}

/// The answer to a body beyond `BALANCER_MAX_BODY`.
pub(super) fn too_large() -> Refusal {
    Refusal::new(413, "The request's body is larger than this server accepts.")
}
