//! What an exchange needs and the next can use again.

use arrayvec::ArrayVec;
use evenkeel_message::{Framing, RequestHead};
use evenkeel_upstream::attempt::MAX_ATTEMPTS;

use crate::context::spare::Reusable;
use crate::records::account::Account;
use crate::servers::attempt::Attempt;
use crate::servers::upload::Upload;

/// The storage of one exchange.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The head of the request as it goes to the servers.
    pub(crate) request: Vec<u8>,
    pub(crate) upload: Upload,
    pub(crate) account: Account,
    /// Lines that a server's response gains: the trail of attempts, the cookie of a sticky session.
    pub(crate) extra: Vec<u8>,
    /// What the attempts did, where the client is to be told.
    pub(crate) trail: String,
    /// The attempts in progress. Here and not in the task, which is smaller for it.
    pub(crate) live: ArrayVec<Attempt, MAX_ATTEMPTS>,
}

/// A head that grew beyond this is freed rather than kept, bytes.
const LARGEST_HEAD_KEPT: usize = 16 * 1024;

impl Scratch {
    /// Keeps what a head that goes no further asked for, for the access log and the answer.
    pub(crate) fn keep_what_was_asked(&mut self, head: &RequestHead, input: &[u8]) {
        self.request.clear();
        self.request.extend_from_slice(head.method_bytes(input));
        self.request.push(b' ');
        self.request.extend_from_slice(&head.path_and_query(input));
        self.request.extend_from_slice(b" \r\n");
        if let Some(accept) = head.field(input, "accept") {
            // What the answer is written by.
            self.request.extend_from_slice(b"Accept: ");
            self.request.extend_from_slice(accept);
            self.request.extend_from_slice(b"\r\n");
        }
        self.upload.begin(self.request.len(), Framing::Empty, 0);
    }
}

impl Reusable for Scratch {
    fn forget(&mut self) -> bool {
        self.request.clear();
        self.extra.clear();
        self.trail.clear();
        self.upload.forget() && self.request.capacity() <= LARGEST_HEAD_KEPT
    }
}
