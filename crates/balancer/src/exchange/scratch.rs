//! What an exchange needs and the next can use again.

use arrayvec::ArrayVec;
use evenkeel_message::Framing;
use evenkeel_upstream::attempt::MAX_ATTEMPTS;

use super::caller::Caller;
use super::reply::Asked;
use super::request::{ID_DIGITS, id_of};
use crate::context::Worker;
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
    /// An error of the balancer's own is shown as a page.
    pub(crate) wants_page: bool,
    /// What the attempts did, where the client is to be told.
    pub(crate) trail: String,
    /// The attempts in progress. Here and not in the task, which is smaller for it.
    pub(crate) live: ArrayVec<Attempt, MAX_ATTEMPTS>,
}

/// A head that grew beyond this is freed rather than kept, bytes.
const LARGEST_HEAD_KEPT: usize = 16 * 1024;

impl Scratch {
    /// Keeps what a head that goes no further asked for, and under which id, for the access log and the answer.
    pub(crate) fn keep_what_was_asked<C: Caller>(&mut self, worker: &Worker, caller: &C) {
        let (head, input) = caller.asked();
        let Self { request, account, .. } = self;
        request.clear();
        request.extend_from_slice(head.method_bytes(input));
        request.push(b' ');
        request.extend_from_slice(&head.path_and_query(input));
        request.extend_from_slice(b" \r\nHost: ");
        request.extend_from_slice(head.authority(input));
        request.extend_from_slice(b"\r\nX-Request-Id: ");
        let mut made = [0; ID_DIGITS];
        let id = id_of(head, input, worker, &mut made);
        account.id = request.len()..request.len() + id.len();
        request.extend_from_slice(id);
        request.extend_from_slice(b"\r\n");
        let origin = worker.settings().trusted.origin(caller.peer().ip(), caller.scheme(), head, input);
        account.client = Some(origin.client());
        self.upload.begin(self.request.len(), Framing::Empty, 0);
    }

    /// How the balancer answers the request itself.
    pub(super) fn asked(&self) -> Asked<'_> {
        // Sane ids and those made here are ASCII.
        let id = self.request.get(self.account.id.clone()).and_then(|id| std::str::from_utf8(id).ok());
        Asked { id: id.filter(|id| !id.is_empty()), wants_page: self.wants_page }
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
