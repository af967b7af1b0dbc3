//! The body of a request on its way to a server: what has been read from the client and may have to be sent again.
//!
//! ```text
//! body as it goes to the server:   | dropped | window ............ | still with the client |
//!                                  0         base                  base + window.len()
//! ```
//! While `base` is 0 the whole body so far is kept and any attempt can send it from the start. Once more than
//! [`Upload::keep`] bytes have passed, what the one attempt has written is dropped, and the request can no longer move.

use evenkeel_http1::{BodyWriter, Framing};

/// The body of one request, framed for the server.
#[derive(Default)]
pub(crate) struct Upload {
    window: Vec<u8>,
    base: usize,
    keep: usize,
    /// Bytes of content taken in so far.
    taken: u64,
    writer: BodyWriter,
    ended: bool,
}

/// The most bytes read ahead of the server beyond what is kept: how far a fast client can run ahead of a slow server.
const AHEAD: usize = 64 * 1024;

impl Upload {
    /// Starts over for a request whose body has this framing, of which `keep` bytes are kept.
    pub(crate) fn begin(&mut self, framing: Framing, keep: usize) {
        self.window.clear();
        self.base = 0;
        self.keep = keep;
        self.taken = 0;
        self.writer = BodyWriter::new(framing);
        self.ended = matches!(framing, Framing::Empty | Framing::Length(0));
    }

    /// Takes in a piece of the body's content.
    pub(crate) fn push(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.taken += data.len() as u64;
        self.writer.before_data(data.len(), &mut self.window);
        self.window.extend_from_slice(data);
        self.writer.after_data(&mut self.window);
    }

    /// Bytes of content that the client has sent so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The client's body is complete.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        self.writer.end(trailers, &mut self.window);
        self.ended = true;
    }

    /// Whether the client has sent all of it.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether more should be read from the client; `sent` is how far the server has come.
    pub(crate) fn wants_more(&self, head: usize, sent: usize) -> bool {
        !self.ended
            && self.base + self.window.len() - sent.saturating_sub(head).min(self.base + self.window.len())
                < AHEAD
    }

    /// Forgets what has been written, if it has become too large to keep. True when something was forgotten: then the
    /// request cannot be sent again.
    pub(crate) fn drop_written(&mut self, head: usize, sent: usize) -> bool {
        if self.base == 0 && self.window.len() <= self.keep {
            return false;
        }
        let written = sent.saturating_sub(head) - self.base;
        if written == 0 {
            return false;
        }
        self.window.drain(..written);
        self.base += written;
        true
    }

    /// What remains to be written after `sent` bytes of head and body: of the head, and of the body as far as it is here.
    /// Without `with_body` only the head may go.
    pub(crate) fn unsent<'a>(&'a self, head: &'a [u8], sent: usize, with_body: bool) -> (&'a [u8], &'a [u8]) {
        let of_head = &head[sent.min(head.len())..];
        if !with_body {
            return (of_head, b"");
        }
        let at = sent.saturating_sub(head.len());
        (of_head, &self.window[at.saturating_sub(self.base)..])
    }

    /// Whether `sent` bytes are the whole request.
    pub(crate) fn is_complete_at(&self, head: usize, sent: usize) -> bool {
        self.ended && sent >= head + self.base + self.window.len()
    }

    /// Whether the storage is small enough to be kept for another request.
    pub(crate) fn forget(&mut self) -> bool {
        self.begin(Framing::Empty, 0);
        self.window.capacity() <= 2 * AHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HEAD";

    #[test]
    fn a_small_body_can_be_sent_from_the_start_again() {
        let mut upload = Upload::default();
        upload.begin(Framing::Length(5), 16);
        upload.push(b"hello");
        upload.end(b"");
        assert_eq!(upload.unsent(HEAD, 0, true), (HEAD, &b"hello"[..]));
        assert!(!upload.drop_written(HEAD.len(), 9));
        assert_eq!(upload.unsent(HEAD, 6, true), (&b""[..], &b"llo"[..]));
        assert!(upload.is_complete_at(HEAD.len(), 9));
    }

    #[test]
    fn a_large_body_is_dropped_as_it_is_written() {
        let mut upload = Upload::default();
        upload.begin(Framing::Length(20), 8);
        upload.push(b"0123456789");
        assert!(!upload.drop_written(HEAD.len(), 0), "nothing of it has been written");
        assert!(upload.drop_written(HEAD.len(), 8));
        upload.push(b"abcdefghij");
        upload.end(b"");
        assert_eq!(upload.unsent(HEAD, 8, true), (&b""[..], &b"456789abcdefghij"[..]));
        assert!(upload.drop_written(HEAD.len(), 24), "each piece is told");
        assert!(!upload.drop_written(HEAD.len(), 24), "and told once");
        assert!(upload.is_complete_at(HEAD.len(), 24));
    }

    #[test]
    fn before_a_100_only_the_head_goes() {
        let mut upload = Upload::default();
        upload.begin(Framing::Length(2), 8);
        upload.push(b"ab");
        assert_eq!(upload.unsent(HEAD, 0, false), (HEAD, &b""[..]));
    }

    #[test]
    fn a_slow_server_holds_the_client_back() {
        let mut upload = Upload::default();
        upload.begin(Framing::Length(1 << 30), 8);
        upload.push(&vec![0; AHEAD]);
        assert!(!upload.wants_more(HEAD.len(), HEAD.len()));
        assert!(upload.wants_more(HEAD.len(), HEAD.len() + 1));
    }
}
