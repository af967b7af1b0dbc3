//! Large buffers, for long bodies that pass: used again, because to get one from the system and give it back costs more than to
//! read into it, and no more than so many at once, because who takes a body slowly holds one for long.

use std::cell::{Cell, RefCell};

use evenkeel_wire::Buffer;

/// The large buffers of a worker.
#[derive(Default)]
pub(crate) struct LargeBuffers {
    kept: RefCell<Vec<Buffer>>,
    lent: Cell<usize>,
}

/// What a read into one asks for, bytes.
const BYTES: usize = 128 * 1024;

/// The most that are out at once: together 8 MiB a worker. Who finds none grows a buffer of its own, to half the size.
const LENT: usize = 64;

/// The most that are kept while nobody needs them.
const KEPT: usize = 8;

impl LargeBuffers {
    /// Puts a large buffer in the place of this one, with the same bytes in it. Returns the one that it took the place of, to be
    /// given to [`LargeBuffers::put_back`]; `None` where no large one is to be had.
    pub(crate) fn put_for(&self, small: &mut Buffer) -> Option<Buffer> {
        if self.lent.get() == LENT || small.len() > BYTES / 2 {
            return None;
        }
        self.lent.set(self.lent.get() + 1);
        let kept = self.kept.borrow_mut().pop();
        let mut large = kept.unwrap_or_else(|| Buffer::with_capacity(BYTES));
        large.extend(small.filled());
        small.clear();
        Some(std::mem::replace(small, large))
    }

    /// Puts the small buffer back in its place, with what is left in the large one.
    pub(crate) fn put_back(&self, large: &mut Buffer, mut small: Buffer) {
        self.lent.set(self.lent.get() - 1);
        small.extend(large.filled());
        let mut large = std::mem::replace(large, small);
        large.clear();
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT && large.capacity() == BYTES {
            kept.push(large);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Buffer {
        let mut small = Buffer::default();
        small.extend(b"some");
        small
    }

    #[test]
    fn bytes_go_with_it_there_and_back_and_it_is_used_again() {
        let large = LargeBuffers::default();
        let mut received = small();
        let kept = large.put_for(&mut received).unwrap();
        assert_eq!((received.filled(), received.capacity()), (&b"some"[..], BYTES));
        received.consume(1);
        let place = received.filled().as_ptr() as usize - 1;
        large.put_back(&mut received, kept);
        assert_eq!(received.filled(), b"ome");
        assert!(received.capacity() < BYTES);
        let mut other = small();
        let _kept = large.put_for(&mut other).unwrap();
        assert_eq!(other.filled().as_ptr() as usize, place);
    }

    #[test]
    fn no_more_than_so_many_are_out_and_fewer_are_kept() {
        let large = LargeBuffers::default();
        let mut out: Vec<_> = std::iter::repeat_with(small).take(LENT).collect();
        let kept: Vec<_> = out.iter_mut().map(|small| large.put_for(small).unwrap()).collect();
        assert!(large.put_for(&mut small()).is_none());
        out.iter_mut().zip(kept).for_each(|(received, kept)| large.put_back(received, kept));
        assert_eq!(large.kept.borrow().len(), KEPT);
        assert!(large.put_for(&mut small()).is_some());
    }
}
