//! How many connections of clients may be open, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The connections of clients that are open, over all workers, and how many may be.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Those that came before the balancer began to leave, and those that came later.
    open: [AtomicUsize; 2],
    later: AtomicBool,
    most: usize,
}

/// The right of one connection to be open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    connections: Arc<Connections>,
    later: bool,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: Default::default(), later: AtomicBool::new(false), most })
    }

    /// How many are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.iter().map(|open| open.load(Ordering::Acquire)).sum()
    }

    /// How many of those that came before [`Connections::begin_later`] are open now.
    pub(crate) fn earlier(&self) -> usize {
        self.open[0].load(Ordering::Acquire)
    }

    /// Those that are admitted from now on came later.
    pub(crate) fn begin_later(&self) {
        self.later.store(true, Ordering::Release);
    }

    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        // One thread admits, and all others only give back.
        (self.open() < self.most).then(|| self.count())
    }

    /// For a client in whose stead another has been asked to go: until that has gone, there is one more than there may be.
    pub(crate) fn admit_in_stead(self: &Arc<Self>) -> Permit {
        self.count()
    }

    fn count(self: &Arc<Self>) -> Permit {
        let later = self.later.load(Ordering::Acquire);
        self.open[usize::from(later)].fetch_add(1, Ordering::AcqRel);
        Permit { connections: self.clone(), later }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.open[usize::from(self.later)].fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_does_not_count() {
        let connections = Connections::new(1);
        let first = connections.admit();
        assert!(first.is_some());
        assert!(connections.admit().is_none());
        assert_eq!(connections.open(), 1);
        drop(first);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn those_that_came_before_are_told_from_those_that_came_later() {
        let connections = Connections::new(2);
        let early = connections.admit();
        connections.begin_later();
        let late = connections.admit();
        assert_eq!((connections.open(), connections.earlier()), (2, 1));
        assert!(connections.admit().is_none());
        drop(early);
        assert_eq!((connections.open(), connections.earlier()), (1, 0));
        drop(late);
        assert_eq!(connections.open(), 0);
    }
}
