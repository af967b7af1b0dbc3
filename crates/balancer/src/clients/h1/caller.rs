//! A client of HTTP/1 as the exchange sees it: its connection, and the bytes of that while it is busy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_http1::After as Fate;
use evenkeel_message::{Refusal, RequestHead, ResponseHead, ResponseRewrite, Version};
use evenkeel_wire::{Alarm, Buffer, Pipe};

use super::client::Client;
use super::storage::Storage;
use crate::context::Worker;
use crate::exchange::caller::{After, Caller, Placed, Trouble};
use crate::servers::bound::Bound;
use crate::servers::upload::Upload;

/// Who asks a request.
pub(super) struct Asking<'a> {
    pub(super) worker: &'a Worker,
    pub(super) client: &'a mut Client,
    pub(super) storage: &'a mut Storage,
    /// The answer has let the client wait, which from then on is heard if it goes.
    waits: bool,
}

/// The most bytes of pipelined requests that are read ahead: the rest waits in the kernel.
const READ_AHEAD: usize = Buffer::ORDINARY;

/// Content up to this size is copied behind what stands before it: that is cheaper than a vectored write of two pieces.
const COPIED: usize = 2 * 1024;

/// How often a client that is not read from is asked whether it is still there.
const GONE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a client waits for its answer until it is listened to for whether it goes: most have had it by then, and to have the
/// runtime listen costs more than to write a small answer's head.
const UNHEARD: Duration = Duration::from_millis(20);

/// Where nothing is bound, which is where nobody asks.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Caller for Asking<'_> {
    fn peer(&self) -> SocketAddr {
        self.client.peer
    }

    /// Asked from the kernel only where it is needed, for a request without a host.
    fn local(&self) -> SocketAddr {
        let settings = self.worker.settings();
        let secured = settings.tls.as_ref().filter(|_| self.client.stream.is_secured());
        let Some(bound) = secured.map(|tls| tls.bind).or(settings.bind) else { return ANYWHERE };
        match self.client.destination {
            Some(destination) => destination,
            None if self.storage.head.version() == Version::Http10 => {
                self.client.stream.local().unwrap_or(bound)
            }
            None => bound,
        }
    }

    fn scheme(&self) -> &'static str {
        if self.client.stream.is_secured() { "https" } else { "http" }
    }

    fn is_misdirected(&self) -> bool {
        let (head, input) = self.asked();
        let host = host_of(head.authority(input));
        // A host for which there is no certificate at all is not to be had on another connection either.
        !self.client.stream.covers(host)
            && self.worker.shared.tls.as_ref().is_some_and(|server| server.is_for(host))
    }

    fn is_disowned(&mut self) -> bool {
        self.worker.shared.tls.as_ref().is_some_and(|server| self.client.stream.is_disowned(server))
    }

    fn client_cert(&self) -> &[u8] {
        self.client.stream.client_cert()
    }

    fn asked(&self) -> (&RequestHead, &[u8]) {
        (&self.storage.head, self.storage.received.filled())
    }

    fn head_taken(&mut self) {
        let Storage { received, head, .. } = &mut *self.storage;
        received.consume(head.len());
    }

    fn alarm(&mut self) -> &mut Alarm {
        &mut self.client.alarm
    }

    fn body_at_hand(&mut self, upload: &mut Upload) -> Result<(), Refusal> {
        let received = &mut self.storage.received;
        let limits = &self.worker.settings().limits;
        while !upload.is_ended() {
            let fits = &received.filled()[..received.len().min(upload.room())];
            let piece = self.client.machine.body(fits, limits)?;
            upload.push(&fits[piece.data]);
            if piece.end {
                let trailers = self.client.machine.trailers();
                match &self.worker.settings().rules.requests {
                    None => upload.end(trailers),
                    Some(rules) => upload.end(&rules.passing(trailers)),
                }
            }
            received.consume(piece.consumed);
            if piece.consumed == 0 {
                break;
            }
        }
        Ok(())
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        wanted: bool,
    ) -> Poll<Result<(), Trouble>> {
        if !self.is_read(upload, wanted) {
            return Poll::Pending;
        }
        let in_body = !upload.is_ended();
        if in_body && !self.storage.received.is_empty() {
            // There was no room for it when it came.
            return Poll::Ready(self.body_at_hand(upload).map_err(Trouble::Refused));
        }
        let received = &mut self.storage.received;
        received.reserve(READ_AHEAD);
        loop {
            let filled = match ready!(self.client.stream.poll_fill(cx, received)) {
                // Over TLS an end without a word of parting: inside a body that is a body cut off, behind one an end like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                filled => filled,
            };
            match filled {
                Ok(0) if in_body || self.worker.settings().abort_on_close => {
                    return Poll::Ready(Err(Trouble::Gone));
                }
                Ok(0) => {
                    // It waits for its answer and will send nothing more (RFC 9112 §9.6).
                    self.client.half_closed = true;
                    return Poll::Pending;
                }
                Ok(_) if in_body => return Poll::Ready(self.body_at_hand(upload).map_err(Trouble::Refused)),
                Ok(_) if received.free() == 0 => return Poll::Pending,
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(Trouble::Gone)),
            }
        }
    }

    fn is_read(&self, upload: &Upload, wanted: bool) -> bool {
        if self.client.half_closed {
            false
        } else if upload.is_ended() {
            self.waits && self.storage.received.len() < READ_AHEAD
        } else {
            wanted
        }
    }

    fn is_half_closed(&self) -> bool {
        self.client.half_closed
    }

    fn is_asked_again_after(&self) -> Duration {
        if self.waits { GONE_CHECK_INTERVAL } else { UNHEARD }
    }

    /// One that has waited for so long is listened to from now on.
    fn is_gone(&mut self) -> bool {
        self.waits = true;
        self.client.stream.watch().is_err() || self.client.stream.is_reset()
    }

    fn interim(&mut self, head: &ResponseHead, input: &[u8], how: &ResponseRewrite<'_>) {
        self.client.machine.respond_informational(head, input, how, &mut self.storage.reply);
    }

    fn respond(&mut self, head: &ResponseHead, input: &[u8], how: &ResponseRewrite<'_>) {
        self.note_leaving();
        // The answer itself may take long.
        self.waits |= self.client.stream.is_watched();
        self.client.machine.respond(head, input, how, &mut self.storage.reply);
    }

    fn answer(&mut self, status: u16, fields: &[(&str, &[u8])], body: &[u8]) {
        self.note_leaving();
        self.client.machine.answer(status, fields, body, &mut self.storage.reply);
    }

    fn data(&mut self, data: &[u8]) -> Placed {
        let Storage { reply, .. } = &mut *self.storage;
        let before = reply.len();
        self.client.machine.before_data(data.len(), reply);
        let is_framed = reply.len() > before;
        if is_framed || before > 0 && data.len() <= COPIED {
            reply.extend_from_slice(data);
            self.client.machine.after_data(reply);
            Placed::Copied
        } else if data.is_empty() {
            Placed::Copied
        } else {
            Placed::Behind
        }
    }

    fn end(&mut self, trailers: &[u8]) {
        self.client.machine.end_body(trailers, &mut self.storage.reply);
    }

    fn unsent(&self) -> usize {
        self.storage.reply.len()
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, behind: &[u8], moved: &mut usize) -> Poll<io::Result<()>> {
        let is_last = self.client.machine.ends_here() && !self.worker.shared.is_leaving();
        let Storage { reply, sent, .. } = &mut *self.storage;
        let before = *sent;
        let done = if is_last {
            self.client.stream.poll_send_last(cx, reply, behind, sent)
        } else {
            self.client.stream.poll_send(cx, reply, behind, sent)
        };
        *moved += *sent - before;
        if matches!(done, Poll::Ready(Ok(()))) {
            reply.clear();
            *sent = 0;
        }
        done
    }

    fn takes_pipes(&self) -> bool {
        !self.client.stream.is_secured() && self.client.machine.has_plain_body()
    }

    fn poll_send_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        moved: &mut usize,
    ) -> Poll<io::Result<()>> {
        debug_assert!(self.storage.reply.is_empty(), "what was written goes first");
        let before = *moved;
        let done = self.client.stream.poll_send_pipe(cx, pipe, moved);
        self.client.machine.before_data(*moved - before, &mut self.storage.reply);
        done
    }

    fn close_after_this(&mut self) {
        self.client.machine.close_after_this();
    }

    fn abort(&mut self) {
        self.client.stream.reset_on_drop();
    }

    fn after(&self) -> After {
        match self.client.machine.after() {
            // Also after the client has closed its sending side: what it sent before is still answered.
            Fate::NextRequest => After::Next,
            Fate::Linger => After::Linger,
            // While leaving, the client did not expect the end: its next request may be on the way.
            Fate::Close if self.worker.shared.is_leaving() => After::Linger,
            Fate::Close => After::Close,
            Fate::Tunnel => After::Tunnel,
        }
    }

    fn bound(&mut self) -> &mut Option<Box<Bound>> {
        &mut self.client.bound
    }
}

impl<'a> Asking<'a> {
    /// Who asks the request that comes next.
    pub(super) fn new(worker: &'a Worker, client: &'a mut Client, storage: &'a mut Storage) -> Self {
        Self { worker, client, storage, waits: false }
    }

    /// While the balancer leaves, each response tells its client to go.
    fn note_leaving(&mut self) {
        if self.worker.shared.is_leaving() {
            self.client.machine.close_after_this();
        }
    }
}

/// Without a port, and without the dot at the end that says that a name is whole.
fn host_of(authority: &[u8]) -> &[u8] {
    let port =
        authority.iter().rposition(|&byte| byte == b':').filter(|&at| authority[at..].last() != Some(&b']'));
    let host = &authority[..port.unwrap_or(authority.len())];
    host.strip_suffix(b".").unwrap_or(host)
}
