//! A caller as a version with streams would have: fields in, pieces out, nothing in between.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_message::{
    Delivery, Form, Framing, Limits, Refusal, RequestBuilder, RequestHead, ResponseHead, ResponseRewrite,
    rewrite_response,
};
use evenkeel_wire::{Alarm, Pipe};

use crate::exchange::caller::{After, Caller, Placed, Trouble};
use crate::servers::bound::Bound;
use crate::servers::upload::Upload;

/// How much of its body it has ready at a time, bytes.
const PIECE: usize = 8;

/// One request without a connection.
pub(super) struct FieldsCaller {
    asked: RequestHead,
    storage: Vec<u8>,
    body: &'static [u8],
    alarm: Alarm,
    bound: Option<Box<Bound>>,
    is_last: bool,
    /// What has been written and not been sent.
    waiting: Vec<u8>,
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) content: Vec<u8>,
    pub(super) trailers: Vec<u8>,
    pub(super) ended: bool,
    pub(super) aborted: bool,
}

impl FieldsCaller {
    pub(super) fn new(fields: &[(&str, &str)], body: &'static [u8], limits: &Limits) -> Self {
        let (mut asked, mut storage) = (RequestHead::new(), Vec::new());
        let form = Form::Http2 { ends: body.is_empty() };
        let mut builder = RequestBuilder::new(form, &mut asked, &mut storage, limits);
        for (name, value) in fields {
            builder.add(name.as_bytes(), value.as_bytes()).unwrap();
        }
        builder.finish().unwrap();
        Self {
            asked,
            storage,
            body,
            alarm: Alarm::new(),
            bound: None,
            is_last: false,
            waiting: Vec::new(),
            status: 0,
            head: String::new(),
            content: Vec::new(),
            trailers: Vec::new(),
            ended: false,
            aborted: false,
        }
    }

    fn take_piece(&mut self, upload: &mut Upload) {
        let (piece, rest) = self.body.split_at(self.body.len().min(PIECE).min(upload.room()));
        upload.push(piece);
        self.body = rest;
        if rest.is_empty() && !upload.is_ended() {
            upload.end(b"");
        }
    }
}

impl Caller for FieldsCaller {
    fn peer(&self) -> SocketAddr {
        ([192, 0, 2, 1], 1234).into()
    }

    fn local(&self) -> SocketAddr {
        ([192, 0, 2, 2], 443).into()
    }

    fn scheme(&self) -> &'static str {
        "https"
    }

    fn is_misdirected(&self) -> bool {
        false
    }

    fn is_disowned(&mut self) -> bool {
        false
    }

    fn client_cert(&self) -> &[u8] {
        b""
    }

    fn asked(&self) -> (&RequestHead, &[u8]) {
        (&self.asked, &self.storage)
    }

    fn head_taken(&mut self) {
        self.storage.clear();
    }

    fn alarm(&mut self) -> &mut Alarm {
        &mut self.alarm
    }

    fn body_at_hand(&mut self, upload: &mut Upload) -> Result<(), Refusal> {
        if !upload.is_ended() {
            self.take_piece(upload);
        }
        Ok(())
    }

    fn poll_body(
        &mut self,
        _cx: &mut Context<'_>,
        upload: &mut Upload,
        wanted: bool,
    ) -> Poll<Result<(), Trouble>> {
        if !self.is_read(upload, wanted) {
            return Poll::Pending;
        }
        self.take_piece(upload);
        Poll::Ready(Ok(()))
    }

    fn is_read(&self, upload: &Upload, wanted: bool) -> bool {
        wanted && !upload.is_ended()
    }

    fn is_half_closed(&self) -> bool {
        false
    }

    fn is_asked_again_after(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_gone(&mut self) -> bool {
        false
    }

    fn interim(&mut self, _head: &ResponseHead, _input: &[u8], _how: &ResponseRewrite<'_>) {}

    fn respond(&mut self, head: &ResponseHead, input: &[u8], how: &ResponseRewrite<'_>) {
        self.status = head.status();
        let mut lines = Vec::new();
        let delivery = Delivery { framing: Framing::Empty, connection: None };
        rewrite_response(head, input, how, &delivery, &mut lines);
        self.head = String::from_utf8(lines).unwrap();
    }

    fn answer(&mut self, status: u16, _fields: &[(&str, &[u8])], body: &[u8]) {
        self.status = status;
        self.waiting.extend_from_slice(body);
        self.ended = true;
    }

    fn data(&mut self, data: &[u8]) -> Placed {
        self.waiting.extend_from_slice(data);
        Placed::Copied
    }

    fn end(&mut self, trailers: &[u8]) {
        self.trailers.extend_from_slice(trailers);
        self.ended = true;
    }

    fn unsent(&self) -> usize {
        self.waiting.len()
    }

    fn poll_send(&mut self, _cx: &mut Context<'_>, behind: &[u8], moved: &mut usize) -> Poll<io::Result<()>> {
        assert!(behind.is_empty(), "all content was copied");
        *moved += self.waiting.len();
        self.content.append(&mut self.waiting);
        Poll::Ready(Ok(()))
    }

    fn takes_pipes(&self) -> bool {
        false
    }

    fn poll_send_pipe(
        &mut self,
        _cx: &mut Context<'_>,
        _pipe: &mut Pipe,
        _moved: &mut usize,
    ) -> Poll<io::Result<()>> {
        unreachable!("it takes none")
    }

    fn close_after_this(&mut self) {
        self.is_last = true;
    }

    fn abort(&mut self) {
        self.aborted = true;
    }

    fn after(&self) -> After {
        if self.is_last { After::Close } else { After::Next }
    }

    fn bound(&mut self) -> &mut Option<Box<Bound>> {
        &mut self.bound
    }
}
