//! How many connections of clients may be open, over all workers, and how many of them one client's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gate::party::Party;

/// The connections of clients that are open, over all workers, and how many may be.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Those that came before the balancer began to leave, and those that came later.
    open: [AtomicUsize; 2],
    later: AtomicBool,
    most: AtomicUsize,
    of_one: OfOne,
}

/// The connections of each client that has any, and how many it may have. No larger than all connections are many. Those are not
/// counted that came while one client might have any number.
#[derive(Debug, Default)]
struct OfOne {
    /// 0 where one may have any number.
    most: AtomicU32,
    open: Mutex<HashMap<Party, u32>>,
}

/// The right of one connection to be open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    connections: Arc<Connections>,
    later: bool,
    /// Whose it is, where that counts.
    party: Option<Party>,
    is_given_back: bool,
}

impl Connections {
    /// `of_one`: how many one client may have.
    pub(crate) fn new(most: usize, of_one: Option<NonZero<u32>>) -> Arc<Self> {
        let connections = Self {
            open: Default::default(),
            later: AtomicBool::new(false),
            most: AtomicUsize::new(0),
            of_one: OfOne::default(),
        };
        connections.limit(most, of_one);
        Arc::new(connections)
    }

    /// How many there may be from now on. Those that are open stay.
    pub(crate) fn limit(&self, most: usize, of_one: Option<NonZero<u32>>) {
        self.most.store(most, Ordering::Relaxed);
        self.of_one.most.store(of_one.map_or(0, NonZero::get), Ordering::Relaxed);
    }

    /// Whether this client may have another one.
    pub(crate) fn has_room_for(&self, client: IpAddr) -> bool {
        self.of_one.most().is_none_or(|most| self.of_one.has_room_for(Party::of(client), most))
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
        (self.open() < self.most.load(Ordering::Relaxed)).then(|| self.count())
    }

    /// For a client in whose stead another has been asked to go: until that has gone, there is one more than there may be.
    pub(crate) fn admit_in_stead(self: &Arc<Self>) -> Permit {
        self.count()
    }

    fn count(self: &Arc<Self>) -> Permit {
        let later = self.later.load(Ordering::Acquire);
        self.open[usize::from(later)].fetch_add(1, Ordering::AcqRel);
        Permit { connections: self.clone(), later, party: None, is_given_back: false }
    }
}

impl OfOne {
    /// `None` where one may have any number.
    fn most(&self) -> Option<u32> {
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most > 0)
    }

    fn has_room_for(&self, party: Party, most: u32) -> bool {
        self.open().get(&party).is_none_or(|open| *open < most)
    }

    /// Numbers are whole also where somebody has panicked.
    fn open(&self) -> MutexGuard<'_, HashMap<Party, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The connection is this client's. False where that has as many as it may: then the connection is to be closed.
    #[must_use]
    pub(crate) fn belongs_to(&mut self, client: IpAddr) -> bool {
        let Some(most) = self.connections.of_one.most() else { return true };
        let party = Party::of(client);
        let mut open = self.connections.of_one.open();
        let count = open.entry(party).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        self.party = Some(party);
        true
    }

    /// The connection is about to be closed, and takes nobody's place any more.
    pub(crate) fn give_back(&mut self) {
        if std::mem::replace(&mut self.is_given_back, true) {
            return;
        }
        self.connections.open[usize::from(self.later)].fetch_sub(1, Ordering::AcqRel);
        let Some(party) = self.party else { return };
        let mut open = self.connections.of_one.open();
        if let Some(count) = open.get_mut(&party) {
            *count -= 1;
            if *count == 0 {
                open.remove(&party);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_does_not_count() {
        let connections = Connections::new(1, None);
        let first = connections.admit();
        assert!(first.is_some());
        assert!(connections.admit().is_none());
        assert_eq!(connections.open(), 1);
        drop(first);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn those_that_came_before_are_told_from_those_that_came_later() {
        let connections = Connections::new(2, None);
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

    #[test]
    fn one_client_has_as_many_as_it_may_and_gives_each_back() {
        let connections = Connections::new(9, NonZero::new(2));
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut permits: Vec<_> = (0..4).map(|_| connections.admit().unwrap()).collect();
        assert!(permits[0].belongs_to(one) && permits[1].belongs_to(one));
        assert!(!connections.has_room_for(one) && !permits[2].belongs_to(one));
        assert!(connections.has_room_for(other) && permits[3].belongs_to(other));
        permits.remove(0);
        assert!(connections.has_room_for(one));
        drop(permits);
        assert!(connections.of_one.open().is_empty());
    }

    #[test]
    fn other_limits_go_for_those_who_come_and_nobody_is_counted_twice_or_never() {
        let connections = Connections::new(1, None);
        let client = IpAddr::from([192, 0, 2, 1]);
        let mut first = connections.admit().unwrap();
        assert!(first.belongs_to(client) && connections.admit().is_none());
        connections.limit(3, NonZero::new(1));
        let mut second = connections.admit().unwrap();
        assert!(second.belongs_to(client), "the first came before anybody was counted");
        assert!(!connections.has_room_for(client));
        connections.limit(3, None);
        assert!(connections.has_room_for(client));
        drop((first, second));
        assert!(connections.open() == 0 && connections.of_one.open().is_empty());
    }
}
