//! The latest entries of the ledger, numbered from 0 over all runs, in pieces as they came from workers and events.
//!
//! A reader gets the pieces themselves, which never change, so nobody waits while a long answer is sent.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;

/// The pieces that fit.
#[derive(Debug)]
pub(super) struct Ring {
    pieces: VecDeque<Arc<Piece>>,
    /// Bytes in them, and the most that there may be.
    held: usize,
    most: usize,
    /// The number of the next entry.
    next: u64,
    /// The number after the last entry that was lost on its way here.
    gap: u64,
    /// Entries lost on their way here.
    pub(super) lost: u64,
}

/// Entries, a line each.
#[derive(Debug)]
struct Piece {
    /// The number of the first.
    first: u64,
    count: u64,
    text: Box<[u8]>,
}

/// What the ring tells a reader.
#[derive(Debug)]
pub(crate) struct Excerpt {
    /// From this number on everything is there.
    pub(crate) oldest: u64,
    /// The number that the next entry will get.
    pub(crate) next: u64,
    /// The number that was asked for.
    after: u64,
    pieces: Vec<Arc<Piece>>,
}

impl Ring {
    pub(super) fn new(most: usize) -> Self {
        Self { pieces: VecDeque::new(), held: 0, most, next: 0, gap: 0, lost: 0 }
    }

    /// Adds `count` lines; the oldest ones make room for them.
    pub(super) fn add(&mut self, text: Vec<u8>, count: u64) {
        let piece = Piece { first: self.next, count, text: text.into_boxed_slice() };
        self.next += count;
        self.held += piece.size();
        self.pieces.push_back(Arc::new(piece));
        while self.held > self.most
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.held -= oldest.size();
        }
    }

    /// So many entries never came.
    pub(super) fn lose(&mut self, count: u64) {
        if count > 0 {
            self.next += count;
            self.gap = self.next;
            self.lost += count;
        }
    }

    /// What there is from the entry `after` on.
    pub(super) fn excerpt(&self, after: u64) -> Excerpt {
        let kept = self.pieces.front().map_or(self.next, |piece| piece.first);
        let old = self.pieces.partition_point(|piece| piece.first + piece.count <= after);
        Excerpt {
            after,
            oldest: kept.max(self.gap),
            next: self.next,
            pieces: self.pieces.range(old..).cloned().collect(),
        }
    }
}

impl Excerpt {
    /// The entries from the number asked for, with their numbers: those of `run`, or of all, and every event. Pieces of
    /// whole lines, some of them empty.
    pub(crate) fn into_lines(self, run: Option<String>) -> impl Iterator<Item = Vec<u8>> {
        let Self { after, pieces, .. } = self;
        pieces.into_iter().map(move |piece| piece.lines(after, run.as_deref()))
    }
}

impl Piece {
    fn size(&self) -> usize {
        self.text.len() + size_of::<Self>() + size_of::<Arc<Self>>()
    }

    fn lines(&self, after: u64, run: Option<&str>) -> Vec<u8> {
        let wanted = run.map(|run| format!("{{\"run\":\"{run}\","));
        let mut out = Vec::with_capacity(self.text.len() + self.text.len() / 8);
        for (number, line) in (self.first..).zip(self.text.split_inclusive(|&byte| byte == b'\n')) {
            let theirs = wanted
                .as_ref()
                .is_some_and(|wanted| line.starts_with(b"{\"run\":") && !line.starts_with(wanted.as_bytes()));
            if number >= after && !theirs {
                out.extend_from_slice(b"{\"n\":");
                out.extend_from_slice(number.to_string().as_bytes());
                out.push(b',');
                out.extend_from_slice(&line[1..]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(excerpt: Excerpt, run: Option<&str>) -> String {
        String::from_utf8(excerpt.into_lines(run.map(str::to_owned)).flatten().collect()).unwrap()
    }

    #[test]
    fn a_reader_gets_its_own_run_and_every_event_under_their_numbers() {
        let mut ring = Ring::new(1 << 16);
        ring.add(b"{\"run\":\"r\",\"id\":\"1\"}\n{\"run\":\"rr\",\"id\":\"2\"}\n".to_vec(), 2);
        ring.add(b"{\"at\":5,\"event\":\"ejected\"}\n".to_vec(), 1);
        ring.add(b"{\"run\":\"r\",\"id\":\"3\"}\n".to_vec(), 1);
        assert_eq!(
            of(ring.excerpt(0), Some("r")),
            "{\"n\":0,\"run\":\"r\",\"id\":\"1\"}\n{\"n\":2,\"at\":5,\"event\":\"ejected\"}\n\
             {\"n\":3,\"run\":\"r\",\"id\":\"3\"}\n"
        );
        assert_eq!(
            of(ring.excerpt(1), None).lines().count(),
            3,
            "the piece that the number is in, from the number on"
        );
        assert!(ring.excerpt(4).pieces.is_empty());
    }

    #[test]
    fn the_oldest_make_room_and_the_window_says_so() {
        let mut ring = Ring::new(1000);
        for _ in 0..40 {
            ring.add(vec![b'\n'; 100], 100);
            assert!(ring.held <= 1000);
        }
        let excerpt = ring.excerpt(0);
        assert_eq!(excerpt.next, 4000);
        assert!(excerpt.oldest > 3000 && excerpt.oldest < 3900, "{}", excerpt.oldest);
        assert_eq!(excerpt.pieces[0].first, excerpt.oldest);
    }

    #[test]
    fn an_empty_ring_has_lost_nothing() {
        let excerpt = Ring::new(1).excerpt(0);
        assert_eq!((excerpt.oldest, excerpt.next), (0, 0));
    }
}
