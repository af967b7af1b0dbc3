//! A server's response, as far as it has come.

use std::ops::Range;

use evenkeel_message::ResponseHead;
use evenkeel_wire::Buffer;

use crate::context::spare::Reusable;
use crate::servers::digest::Promised;

/// What has come of a response.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) received: Buffer,
    pub(crate) head: ResponseHead,
    /// The digests that the body must match.
    pub(crate) promised: Promised,
    /// Where in `received` the whole body lies, once it has been held.
    pub(crate) body: Option<Range<usize>>,
}

impl Reusable for Answer {
    fn forget(&mut self) -> bool {
        self.received.clear();
        self.body = None;
        self.received.capacity() <= 2 * Buffer::ORDINARY
    }
}
