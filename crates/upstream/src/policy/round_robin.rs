//! `round_robin`: turns in proportion to weight, evenly spread, one rotation for all workers.
//!
//! A worker that had a rotation of its own would begin with the heaviest, as all the others do: with weights 3, 2, 1 and ten
//! requests over eight workers nearly all would go there. So the turns are counted once for all, in one atomic number,
//! and the worker that counts a turn uses it or skips it.
//!
//! A turn of an endpoint that may not be used is skipped, and the rotation moves past the endpoint that is chosen, so the others
//! keep their proportions: with 2 out of 1, 2, 3, 4 the order is 1, 3, 4, 1, 3, 4.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::Field;

/// How many turns all workers have taken together; it goes on when the members change.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<CachePadded<AtomicU64>>);

impl Turns {
    /// A turn that nobody else takes. At a billion a second, 2^64 of them last for centuries.
    fn take(&self) -> u64 {
        // Relaxed: nothing is published by a turn.
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// One worker's part in the rotation.
pub(crate) struct RoundRobin {
    turns: Turns,
}

impl RoundRobin {
    pub(crate) fn new(turns: &Turns) -> Self {
        Self { turns: turns.clone() }
    }

    pub(crate) fn choose(&self, field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<usize> {
        let schedule = field.snapshot.table.schedule();
        // With nearly all endpoints out, one that is left is found by a look at each endpoint, not at each turn.
        let patience = schedule.len().min(2 * field.snapshot.endpoints().len());
        for _ in 0..patience {
            let turn = self.turns.take() % schedule.len() as u64;
            let index = schedule[turn as usize] as usize;
            if field.admits(index) && field.takes_its_turn(index, rng) {
                return Some(index);
            }
        }
        let left: usize = field.admitted().count();
        let nth = rng().checked_rem(left as u64)? as usize;
        field.admitted().nth(nth).map(|(index, _)| index)
    }
}
