//! Pipes through which long bodies pass that nobody here has to see. Who has one keeps it only while bytes are in it: that is, while
//! its client takes no more for the moment.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use evenkeel_wire::Pipe;

use crate::context::Shared;

/// The pipes of one worker.
pub(crate) struct Pipes {
    kept: RefCell<Vec<Pipe>>,
    /// False where the kernel takes nothing out of a socket this way.
    works: Cell<bool>,
    shared: Arc<Shared>,
}

/// The most that are kept while nobody needs them.
const KEPT: usize = 8;

/// A pipe on loan. One that comes back empty serves the next; another is closed, with what is in it.
pub(crate) struct LentPipe {
    pipe: Option<Pipe>,
    pipes: Rc<Pipes>,
}

impl Pipes {
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self { kept: RefCell::default(), works: Cell::new(true), shared })
    }

    /// An empty pipe. `None` where as many exist as may (`most`, in the whole process) or the kernel has none: then bytes are copied.
    pub(crate) fn lend(self: &Rc<Self>, most: usize) -> Option<LentPipe> {
        if !self.works.get() {
            return None;
        }
        let kept = self.kept.borrow_mut().pop();
        let pipe = kept.or_else(|| self.make(most))?;
        Some(LentPipe { pipe: Some(pipe), pipes: self.clone() })
    }

    /// From now on bytes are copied.
    pub(crate) fn give_up(&self) {
        self.works.set(false);
    }

    #[inline(never)]
    fn make(&self, most: usize) -> Option<Pipe> {
        let made = &self.shared.pipes;
        if made.fetch_add(1, Ordering::Relaxed) >= most {
            made.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let pipe = Pipe::new().ok();
        if pipe.is_none() {
            made.fetch_sub(1, Ordering::Relaxed);
        }
        pipe
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.shared.pipes.fetch_sub(self.kept.get_mut().len(), Ordering::Relaxed);
    }
}

impl Deref for LentPipe {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        self.pipe.as_ref().expect("it is given back when it is dropped")
    }
}

impl DerefMut for LentPipe {
    fn deref_mut(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("it is given back when it is dropped")
    }
}

impl Drop for LentPipe {
    fn drop(&mut self) {
        let mut kept = self.pipes.kept.borrow_mut();
        let is_kept = kept.len() < KEPT && self.pipes.works.get();
        match self.pipe.take().filter(|pipe| is_kept && pipe.is_empty()) {
            Some(pipe) => kept.push(pipe),
            None => _ = self.pipes.shared.pipes.fetch_sub(1, Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::set_up::set_up;

    fn shared() -> Arc<Shared> {
        set_up(&[([127, 0, 0, 1], 1).into()])
    }

    fn made(pipes: &Pipes) -> usize {
        pipes.shared.pipes.load(Ordering::Relaxed)
    }

    #[test]
    fn a_pipe_that_comes_back_serves_the_next() {
        let pipes = Pipes::new(shared());
        for _ in 0..3 {
            assert!(pipes.lend(1).is_some_and(|pipe| pipe.is_empty()));
            assert_eq!(made(&pipes), 1);
        }
    }

    #[test]
    fn no_more_than_so_many_exist_and_fewer_are_kept() {
        const MOST: usize = KEPT + 2;
        let shared = shared();
        let (pipes, others) = (Pipes::new(shared.clone()), Pipes::new(shared.clone()));
        let lent: Vec<_> = std::iter::from_fn(|| pipes.lend(MOST)).collect();
        assert_eq!(lent.len(), MOST);
        assert!(others.lend(MOST).is_none(), "the bound is that of the process");
        drop(lent);
        assert_eq!(made(&pipes), KEPT);
        assert!(others.lend(MOST).is_some());
        drop(pipes);
        assert_eq!(made(&others), 1);
    }

    #[test]
    fn where_it_does_not_work_there_are_none() {
        let pipes = Pipes::new(shared());
        let lent = pipes.lend(1);
        pipes.give_up();
        drop(lent);
        assert!(pipes.lend(1).is_none());
        assert_eq!(made(&pipes), 0);
    }
}
