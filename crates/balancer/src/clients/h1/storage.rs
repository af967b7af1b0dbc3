//! What a connection needs while it is busy, used again from one connection to the next.

use evenkeel_message::RequestHead;
use evenkeel_wire::Buffer;

use crate::context::spare::Reusable;
use crate::exchange::scratch::Scratch;

/// All of it.
#[derive(Default)]
pub(crate) struct Busy {
    pub(super) storage: Storage,
    pub(super) scratch: Scratch,
}

/// The bytes of the connection.
#[derive(Default)]
pub(super) struct Storage {
    /// What the client has sent and nobody has taken yet.
    pub(super) received: Buffer,
    pub(super) head: RequestHead,
    /// What goes to the client: heads, chunk sizes, small bodies.
    pub(super) reply: Vec<u8>,
    /// How much of the reply, and of what goes behind it, has been sent.
    pub(super) sent: usize,
}

/// A reply that grew beyond this is freed rather than kept, bytes.
const LARGEST_REPLY_KEPT: usize = 16 * 1024;

impl Reusable for Busy {
    fn forget(&mut self) -> bool {
        let Storage { received, reply, sent, .. } = &mut self.storage;
        received.clear();
        reply.clear();
        *sent = 0;
        self.scratch.forget()
            && received.capacity() <= 2 * Buffer::ORDINARY
            && reply.capacity() <= LARGEST_REPLY_KEPT
    }
}
