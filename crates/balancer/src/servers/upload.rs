//! The body of a request on its way to servers: what has been read from the client and may still have to be sent.
//!
//! ```text
//! body as it goes to the server:   | dropped | window ............ | still with the client |
//!                                  0         base                  base + window.len()
//! ```
//! While `base` is 0 the whole body so far is kept and any attempt can send it from the start. Once more than
//! [`Upload::keep`] bytes have passed, what every attempt that still sends has written is dropped, and the request can no
//! longer move. An attempt that sends no more (it has its answer, or its server takes nothing) holds nothing back.
//!
//! The window never grows beyond `keep` + [`AHEAD`], whatever the attempts do: [`Upload::room`] is what may be pushed, and
//! nobody reads from the client while there is none.

use evenkeel_http1::BodyWriter;
use evenkeel_message::Framing;

/// The body of one request, framed for the server.
#[derive(Default)]
pub(crate) struct Upload {
    window: Vec<u8>,
    base: u64,
    keep: usize,
    /// The length of the head that goes before it, the same in each attempt.
    head: u64,
    /// Bytes of content taken in so far.
    taken: u64,
    writer: BodyWriter,
    ended: bool,
}

/// How far one attempt has come in writing a request: so many bytes of head and body together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u64);

/// The most bytes read ahead of the server beyond what is kept: how far a fast client can run ahead of a slow server.
const AHEAD: usize = 64 * 1024;

/// The largest body that is sent in one piece with its head, bytes.
const JOINED: usize = 2 * 1024;

/// What framing can add to a piece of content, bytes: the size of a chunk, its line ends, and the last chunk.
const FRAMING: usize = 32;

impl Position {
    /// Whether nothing has been written.
    pub(crate) fn is_start(self) -> bool {
        self.0 == 0
    }

    /// Goes on by what has been written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.0 += written as u64;
    }
}

impl Upload {
    /// Starts over for a request with so long a head, whose body has this framing, and of which `keep` bytes are kept.
    pub(crate) fn begin(&mut self, head: usize, framing: Framing, keep: usize) {
        self.window.clear();
        self.base = 0;
        self.keep = keep;
        self.head = head as u64;
        self.taken = 0;
        self.writer = BodyWriter::new(framing);
        self.ended = matches!(framing, Framing::Empty | Framing::Length(0));
    }

    /// Puts a body that is here, whole and small, behind the head, which counts as longer from then on: one piece is cheaper to send
    /// than two. Nothing has been sent yet.
    pub(crate) fn join(&mut self, head: &mut Vec<u8>) {
        if self.ended && self.base == 0 && (1..=JOINED).contains(&self.window.len()) {
            head.append(&mut self.window);
            self.head = head.len() as u64;
        }
    }

    /// The most content that can be taken in now, bytes.
    pub(crate) fn room(&self) -> usize {
        (self.keep + AHEAD).saturating_sub(self.window.len() + FRAMING)
    }

    /// Takes in a piece of the body's content, no longer than there is room for.
    pub(crate) fn push(&mut self, data: &[u8]) {
        debug_assert!(data.len() <= self.room(), "more than there is room for");
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

    /// The client's body is complete. Trailers have the limits of a head, and come on top of what the window may hold.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        self.writer.end(trailers, &mut self.window);
        self.ended = true;
    }

    /// Whether the client has sent all of it.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether all of it has come and is kept: then it does not matter how far anybody has come in sending it.
    pub(crate) fn is_at_hand(&self) -> bool {
        self.ended && self.base == 0 && self.window.len() <= self.keep
    }

    /// Whether more should be read from the client, when this is how far those that still send have come.
    pub(crate) fn wants_more(&self, senders: impl IntoIterator<Item = Position>) -> bool {
        let furthest = senders.into_iter().map(|at| self.in_body(at)).max().unwrap_or(0);
        !self.ended && self.room() > 0 && self.end_of_window() - furthest.max(self.base) < AHEAD as u64
    }

    /// Forgets what all that still send have written, if it has become too large to keep. True when something was
    /// forgotten: then the request cannot be sent again.
    ///
    /// Who sends must not wait for who takes nothing: where the first has all there is and no more can be read, the window
    /// follows the first, and the others have been left behind (see [`Upload::unsent`]).
    pub(crate) fn follow(&mut self, senders: impl IntoIterator<Item = Position>) -> bool {
        if self.base == 0 && self.window.len() <= self.keep {
            return false;
        }
        let mut range: Option<(u64, u64)> = None;
        for at in senders.into_iter().map(|at| self.in_body(at)).filter(|&at| at >= self.base) {
            let (last, first) = range.unwrap_or((at, at));
            range = Some((last.min(at), first.max(at)));
        }
        let Some((last, first)) = range else { return false };
        let starved = !self.ended && self.room() == 0 && first == self.end_of_window();
        let written = if starved { first } else { last } - self.base;
        self.window.drain(..written as usize);
        self.base += written;
        written > 0
    }

    /// What remains to be written from here: of the head, and of the body as far as it is here. `None` when it has been left
    /// behind, or has stood aside for too long: what it would have to send next is no longer here.
    pub(crate) fn unsent<'a>(&'a self, head: &'a [u8], at: Position) -> Option<(&'a [u8], &'a [u8])> {
        debug_assert_eq!(head.len() as u64, self.head, "each attempt's head is as long");
        let from = self.in_body(at).checked_sub(self.base)?;
        Some((&head[head.len().min(at.0 as usize)..], &self.window[from as usize..]))
    }

    /// Whether the whole request has been written by who has come this far.
    pub(crate) fn is_complete_at(&self, at: Position) -> bool {
        self.ended && at.0 >= self.head + self.end_of_window()
    }

    /// Whether the storage is small enough to be kept for another request.
    pub(crate) fn forget(&mut self) -> bool {
        self.begin(0, Framing::Empty, 0);
        self.window.capacity() <= 2 * AHEAD
    }

    fn end_of_window(&self) -> u64 {
        self.base + self.window.len() as u64
    }

    fn in_body(&self, at: Position) -> u64 {
        at.0.saturating_sub(self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"HEAD";

    fn upload(framing: Framing, keep: usize) -> Upload {
        let mut upload = Upload::default();
        upload.begin(HEAD.len(), framing, keep);
        upload
    }

    fn at(bytes: u64) -> Position {
        Position(bytes)
    }

    #[test]
    fn a_small_body_can_be_sent_from_the_start_again() {
        let mut upload = upload(Framing::Length(5), 16);
        upload.push(b"hello");
        upload.end(b"");
        assert_eq!(upload.unsent(HEAD, at(0)), Some((HEAD, &b"hello"[..])));
        assert!(!upload.follow([at(9)]));
        assert_eq!(upload.unsent(HEAD, at(6)), Some((&b""[..], &b"llo"[..])));
        assert!(upload.is_complete_at(at(9)));
    }

    #[test]
    fn a_small_body_that_is_whole_goes_in_one_piece_with_its_head_and_as_often_as_it_has_to() {
        let (mut head, mut upload) = (HEAD.to_vec(), upload(Framing::Length(5), 16));
        upload.push(b"hel");
        upload.join(&mut head);
        assert_eq!(head, HEAD, "there is more to come");
        upload.push(b"lo");
        upload.end(b"");
        upload.join(&mut head);
        for _ in 0..2 {
            assert_eq!(upload.unsent(&head, at(0)), Some((&b"HEADhello"[..], &b""[..])));
            assert!(!upload.is_complete_at(at(8)) && upload.is_complete_at(at(9)));
            assert!(!upload.follow([at(9)]) && !upload.wants_more([at(9)]));
        }
        assert_eq!((upload.unsent(&head, at(6)), upload.taken()), (Some((&b"llo"[..], &b""[..])), 5));
    }

    #[test]
    fn a_body_that_is_not_small_stays_where_it_is() {
        let (mut head, mut upload) = (HEAD.to_vec(), upload(Framing::Length(JOINED as u64 + 1), 1 << 20));
        upload.push(&[b'x'; JOINED + 1]);
        upload.end(b"");
        upload.join(&mut head);
        assert_eq!(head, HEAD);
    }

    #[test]
    fn a_large_body_is_dropped_as_it_is_written() {
        let mut upload = upload(Framing::Length(20), 8);
        upload.push(b"0123456789");
        assert!(!upload.follow([at(0)]), "nothing of it has been written");
        assert!(upload.follow([at(8)]));
        upload.push(b"abcdefghij");
        upload.end(b"");
        assert_eq!(upload.unsent(HEAD, at(8)), Some((&b""[..], &b"456789abcdefghij"[..])));
        assert!(upload.follow([at(24)]), "each piece is told");
        assert!(!upload.follow([at(24)]), "and told once");
        assert!(upload.is_complete_at(at(24)));
    }

    #[test]
    fn a_slow_server_holds_the_client_back() {
        let mut upload = upload(Framing::Length(1 << 30), 1024);
        upload.push(&vec![0; AHEAD]);
        assert!(!upload.wants_more([at(4)]));
        assert!(upload.wants_more([at(5)]));
    }

    #[test]
    fn without_anybody_to_send_to_the_client_is_read_no_further_than_that() {
        let mut upload = upload(Framing::Chunked, 1024);
        while upload.wants_more([]) {
            upload.push(&vec![0; upload.room().min(1000)]);
        }
        assert!(!upload.follow([]), "whoever comes next begins at the start");
        assert!(upload.unsent(HEAD, at(0)).is_some());
    }

    #[test]
    fn who_sends_is_not_held_up_by_who_takes_nothing() {
        let mut upload = upload(Framing::Length(1 << 30), 1024);
        upload.push(&vec![0; upload.room()]);
        let all = at(4 + upload.window.len() as u64);
        assert!(upload.follow([all, at(4)]));
        assert!(upload.wants_more([all, at(4)]));
        assert_eq!(upload.unsent(HEAD, at(4)), None, "it was left behind");
    }

    /// What can happen to a body, in any order.
    #[derive(Clone, Debug)]
    enum Step {
        Arrives(usize),
        Ends,
        Begins,
        Writes(usize, usize),
        StandsAside(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..40_000_usize).prop_map(Step::Arrives),
            1 => Just(Step::Ends),
            2 => Just(Step::Begins),
            6 => (0..4_usize, 1..60_000_usize).prop_map(|(who, much)| Step::Writes(who, much)),
            1 => (0..4_usize).prop_map(Step::StandsAside),
        ]
    }

    proptest! {
        #[test]
        fn no_order_of_events_grows_it_beyond_its_bound_or_loses_a_byte(
            steps in proptest::collection::vec(step(), 1..200),
            keep in 0..100_000_usize,
        ) {
            const TRAILERS: &[u8] = b"X-Sum: 1\r\n";
            let mut upload = upload(Framing::Chunked, keep);
            let mut whole = HEAD.to_vec();
            // What each attempt has written, and whether it still sends.
            let mut attempts: Vec<(Vec<u8>, Position, bool)> = Vec::new();
            for step in steps {
                let senders: Vec<_> =
                    attempts.iter().filter(|attempt| attempt.2).map(|attempt| attempt.1).collect();
                let had_all = senders.iter().any(|&at| upload.unsent(HEAD, at) == Some((b"", b"")));
                let lost = upload.follow(senders.iter().copied());
                prop_assert!(!lost || upload.base > 0);
                prop_assert!(
                    !had_all || upload.is_ended() || upload.wants_more(senders.iter().copied()),
                    "someone has all there is, and no more is read"
                );
                match step {
                    Step::Arrives(much) if upload.wants_more(senders.iter().copied()) => {
                        let before = upload.window.len();
                        upload.push(&vec![b'x'; much.min(upload.room())]);
                        whole.extend_from_slice(&upload.window[before..]);
                    }
                    Step::Ends if !upload.is_ended() => {
                        let before = upload.window.len();
                        upload.end(TRAILERS);
                        whole.extend_from_slice(&upload.window[before..]);
                    }
                    Step::Begins if upload.base == 0 && attempts.len() < 4 => {
                        attempts.push((Vec::new(), Position::default(), true));
                    }
                    Step::Writes(who, much) => {
                        let Some((written, at, true)) = attempts.get_mut(who) else { continue };
                        let Some((head, body)) = upload.unsent(HEAD, *at) else { continue };
                        let some = [head, body].concat();
                        let some = &some[..much.min(some.len())];
                        written.extend_from_slice(some);
                        at.advance(some.len());
                        prop_assert!(whole.starts_with(written));
                        prop_assert!(!upload.is_complete_at(*at) || written.len() == whole.len());
                    }
                    Step::StandsAside(who) => {
                        if let Some(attempt) = attempts.get_mut(who) {
                            attempt.2 = false;
                        }
                    }
                    _ => {}
                }
                prop_assert!(upload.window.len() <= keep + AHEAD + TRAILERS.len());
            }
        }
    }
}
