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

/// The most that wait, of so many clients at once; those beyond are freed.
const MANY: usize = 512;

/// So many wait even where hardly anybody asks.
const FEW: usize = 64;

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
        if kept.len() < MANY && used.forget() {
            kept.push(used);
        }
    }

    /// Frees one, where there are more than a [`FEW`]: somebody who used them has gone quiet.
    pub(crate) fn release(&self) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() > FEW {
            kept.pop();
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
    fn as_many_as_were_used_at_once_are_kept_until_those_who_used_them_go_quiet() {
        let spare = Spare::<Vec<u8>>::default();
        let used: Vec<_> = (0..2 * MANY).map(|_| spare.take()).collect();
        for used in used {
            spare.give_back(used);
        }
        assert_eq!(spare.kept.borrow().len(), MANY);
        for left in (FEW..MANY).rev() {
            spare.release();
            assert_eq!(spare.kept.borrow().len(), left);
        }
        spare.release();
        assert_eq!(spare.kept.borrow().len(), FEW);
    }

    #[test]
    fn what_has_grown_and_what_is_too_many_is_freed() {
        let spare = Spare::<Vec<u8>>::default();
        spare.give_back(Box::new(Vec::with_capacity(9)));
        assert!(spare.kept.borrow().is_empty());
        (0..=MANY).for_each(|_| spare.give_back(Box::default()));
        assert_eq!(spare.kept.borrow().len(), MANY);
    }
}
