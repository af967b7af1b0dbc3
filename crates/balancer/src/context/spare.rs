//! Storage that is used again: what one request needed serves the next, so that the usual request allocates nothing.

use std::cell::RefCell;

/// What can be kept for the next who needs one.
pub(crate) trait Reusable: Default {
    /// Empties it. False when it has grown too large to be worth keeping.
    fn forget(&mut self) -> bool;
}

/// Empty ones that wait for their next use, in one worker.
#[derive(Debug, Default)]
pub(crate) struct Spare<T> {
    kept: RefCell<Vec<Box<T>>>,
}

/// The most that wait; those beyond are freed.
const SPARE: usize = 64;

impl<T: Reusable> Spare<T> {
    /// One that was used before, where there is one.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "handed over by pointer, as it is kept while it is used"
    )]
    pub(crate) fn take(&self) -> Box<T> {
        self.kept.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps one that is no longer used.
    pub(crate) fn give_back(&self, mut used: Box<T>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < SPARE && used.forget() {
            kept.push(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reusable for Vec<u8> {
        fn forget(&mut self) -> bool {
            self.clear();
            self.capacity() <= 8
        }
    }

    #[test]
    fn what_was_given_back_is_taken_again_and_empty() {
        let spare = Spare::<Vec<u8>>::default();
        let mut used = spare.take();
        used.extend_from_slice(b"1234");
        let storage = used.as_ptr();
        spare.give_back(used);
        let again = spare.take();
        assert!(again.is_empty() && again.as_ptr() == storage);
    }

    #[test]
    fn what_has_grown_and_what_is_too_many_is_freed() {
        let spare = Spare::<Vec<u8>>::default();
        spare.give_back(Box::new(Vec::with_capacity(9)));
        assert!(spare.kept.borrow().is_empty());
        (0..=SPARE).for_each(|_| spare.give_back(Box::default()));
        assert_eq!(spare.kept.borrow().len(), SPARE);
    }
}
