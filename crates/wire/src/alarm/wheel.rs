//! A wheel of moments, counted in ticks: which alarm is to ring when.
//!
//! ```text
//! 64 slots of 1 tick, 64 of 64 ticks, 64 of 4,096 …   each a list of those to look at in it
//! ```
//! An alarm that is set to a later moment stays where it is: it is put where it belongs when its slot is looked at, and its task does
//! not hear of it. One that is set to an earlier moment is moved.

use std::task::Waker;

/// What every alarm has here.
struct Entry {
    /// Its neighbours in the list of its slot; of a free one, the next free one.
    next: Key,
    previous: Key,
    /// The slot that it is in, while it is in one.
    slot: Option<(u8, u8)>,
    /// When it is looked at, at the latest.
    looked_at: Tick,
    /// When it is to ring.
    wanted: Tick,
    waker: Option<Waker>,
}

/// A moment: so many ticks after the beginning.
pub(super) type Tick = u64;

/// The number of an alarm, used again when that is gone.
pub(super) type Key = u32;

const NEVER: Tick = Tick::MAX;
const NONE: Key = Key::MAX;

/// Each level has slots as long as the whole level below it.
const LEVELS: usize = 10;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// The last tick that there is a slot for. Nobody will live to hear an alarm that is set to a later moment.
const LAST: Tick = (1 << (SLOT_BITS * LEVELS as u32)) - 1;

/// All alarms.
pub(super) struct Wheel {
    entries: Vec<Entry>,
    free: Key,
    slots: [[Key; SLOTS]; LEVELS],
    /// A bit for each slot that has something in it.
    occupied: [u64; LEVELS],
    /// All slots up to this tick have been looked at.
    turned: Tick,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            slots: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            turned: 0,
        }
    }

    /// An alarm that is not set.
    pub(super) fn add(&mut self) -> Key {
        let entry =
            Entry { next: NONE, previous: NONE, slot: None, looked_at: NEVER, wanted: NEVER, waker: None };
        if self.free == NONE {
            self.entries.push(entry);
            return (self.entries.len() - 1) as Key;
        }
        let key = self.free;
        self.free = self.entries[key as usize].next;
        self.entries[key as usize] = entry;
        key
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.take_out(key);
        let entry = &mut self.entries[key as usize];
        entry.waker = None;
        entry.next = self.free;
        self.free = key;
    }

    /// Sets an alarm, which then wakes. `None` where its moment has come already; otherwise whether it had to be moved.
    pub(super) fn wait(&mut self, key: Key, wanted: Tick, waker: &Waker) -> Option<bool> {
        let entry = &mut self.entries[key as usize];
        if wanted <= self.turned {
            entry.wanted = NEVER;
            return None;
        }
        entry.wanted = wanted;
        if !entry.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        let moves = entry.looked_at > wanted;
        if moves {
            self.take_out(key);
            self.put_in(key, wanted);
        }
        Some(moves)
    }

    /// All slots up to this tick have been looked at.
    pub(super) fn turned(&self) -> Tick {
        self.turned
    }

    /// The tick of the next slot to look at.
    pub(super) fn next(&self) -> Option<Tick> {
        let level = self.occupied.iter().position(|&occupied| occupied != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        Some(self.begins(level as u32, slot))
    }

    /// Looks at all slots up to `now`, and hands over whom to wake.
    pub(super) fn turn(&mut self, now: Tick, mut wake: impl FnMut(Waker)) {
        while let Some(next) = self.next().filter(|&next| next <= now) {
            let level = self.occupied.iter().position(|&occupied| occupied != 0).unwrap_or_default();
            let slot = self.occupied[level].trailing_zeros() as usize;
            self.turned = next;
            let mut key = std::mem::replace(&mut self.slots[level][slot], NONE);
            self.occupied[level] &= !(1 << slot);
            while key != NONE {
                let entry = &mut self.entries[key as usize];
                let (wanted, following) = (entry.wanted, entry.next);
                entry.slot = None;
                entry.looked_at = NEVER;
                if wanted <= next {
                    entry.wanted = NEVER;
                    entry.waker.take().into_iter().for_each(&mut wake);
                } else if wanted != NEVER {
                    self.put_in(key, wanted);
                }
                key = following;
            }
        }
        self.turned = self.turned.max(now);
    }

    /// The slots of a level that are in use begin after `turned`, in the round that this is in.
    fn begins(&self, level: u32, slot: u32) -> Tick {
        let round = self.turned >> (SLOT_BITS * (level + 1)) << (SLOT_BITS * (level + 1));
        round + (Tick::from(slot) << (SLOT_BITS * level))
    }

    fn put_in(&mut self, key: Key, wanted: Tick) {
        let at = wanted.min(LAST);
        // The highest bit in which it differs from now says on which level it is a slot of its own.
        let differs = (self.turned ^ at) | (SLOTS as Tick - 1);
        let level = ((Tick::BITS - 1 - differs.leading_zeros()) / SLOT_BITS) as usize;
        let slot = (at >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let first = std::mem::replace(&mut self.slots[level][slot], key);
        self.occupied[level] |= 1 << slot;
        if let Some(first) = self.entries.get_mut(first as usize) {
            first.previous = key;
        }
        let entry = &mut self.entries[key as usize];
        entry.next = first;
        entry.previous = NONE;
        entry.slot = Some((level as u8, slot as u8));
        entry.looked_at = at;
    }

    fn take_out(&mut self, key: Key) {
        let entry = &mut self.entries[key as usize];
        let (next, previous) = (entry.next, entry.previous);
        entry.looked_at = NEVER;
        let Some((level, slot)) = entry.slot.take() else { return };
        let (level, slot) = (usize::from(level), usize::from(slot));
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.entries.get_mut(previous as usize) {
            previous.next = next;
        } else {
            self.slots[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Rung(AtomicUsize);

    impl Wake for Rung {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An alarm beside what it should do.
    struct Watched {
        key: Key,
        wanted: Option<Tick>,
        rung: Arc<Rung>,
    }

    impl Watched {
        fn set(&mut self, wheel: &mut Wheel, wanted: Tick) {
            let waker = self.rung.clone().into();
            self.wanted = wheel.wait(self.key, wanted, &waker).map(|_| wanted);
        }
    }

    /// Numbers that look like chance and are the same each time.
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    #[test]
    fn each_rings_once_and_in_the_first_turn_that_reaches_its_moment() {
        let mut number = numbers();
        let mut wheel = Wheel::new();
        let mut all: Vec<Watched> = Vec::new();
        let mut now = 0;
        for step in 0..100_000 {
            match number(8) {
                0 if all.len() < 200 => {
                    all.push(Watched { key: wheel.add(), wanted: None, rung: Arc::default() });
                }
                1 if !all.is_empty() && step % 7 == 0 => {
                    let gone = all.swap_remove(number(all.len() as u64) as usize);
                    wheel.remove(gone.key);
                }
                2..=5 if !all.is_empty() => {
                    let at = number(all.len() as u64) as usize;
                    let span = [2, 70, 5_000, 400_000, 20_000_000][number(5) as usize];
                    let wanted = now + number(span);
                    all[at].set(&mut wheel, wanted);
                }
                6 => {
                    let next = wheel.next();
                    let first = all.iter().filter_map(|alarm| alarm.wanted).min();
                    assert!(first.is_none() || next <= first, "it would be slept through");
                    let most = [2, 10, 1_000, 100_000][number(4) as usize];
                    now += number(most);
                    wheel.turn(now, Waker::wake);
                    for alarm in &mut all {
                        let due = alarm.wanted.take_if(|wanted| *wanted <= now).is_some();
                        assert_eq!(alarm.rung.0.swap(0, Ordering::Relaxed), usize::from(due));
                    }
                }
                _ => {}
            }
        }
        assert!(now > 1_000_000 && all.len() > 100);
    }

    #[test]
    fn one_that_is_set_to_a_later_moment_is_not_moved_and_wakes_nobody_before() {
        let mut wheel = Wheel::new();
        let mut alarm = Watched { key: wheel.add(), wanted: None, rung: Arc::default() };
        alarm.set(&mut wheel, 5);
        let waker = alarm.rung.clone().into();
        assert_eq!(wheel.wait(alarm.key, 1000, &waker), Some(false));
        wheel.turn(999, Waker::wake);
        assert_eq!(alarm.rung.0.load(Ordering::Relaxed), 0);
        wheel.turn(1000, Waker::wake);
        assert_eq!(alarm.rung.0.load(Ordering::Relaxed), 1);
        assert_eq!(wheel.wait(alarm.key, 1000, &waker), None, "it has come");
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn what_is_very_far_away_has_its_slot_too() {
        let mut wheel = Wheel::new();
        let mut alarm = Watched { key: wheel.add(), wanted: None, rung: Arc::default() };
        alarm.set(&mut wheel, NEVER - 1);
        assert!(wheel.next().is_some_and(|next| next <= LAST));
        alarm.set(&mut wheel, 10_000_000_000);
        wheel.turn(9_999_999_999, Waker::wake);
        assert_eq!(alarm.rung.0.load(Ordering::Relaxed), 0);
        wheel.turn(10_000_000_000, Waker::wake);
        assert_eq!(alarm.rung.0.load(Ordering::Relaxed), 1);
    }
}
