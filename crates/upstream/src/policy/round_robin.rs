//! `round_robin`: turns in proportion to weight, evenly spread.
//!
//! A turn of an endpoint that may not be used is skipped, and the cursor moves past whoever is chosen, so the others
//! keep their proportions: with 2 out of 1, 2, 3, 4 the order is 1, 3, 4, 1, 3, 4.

use super::Field;

/// One worker's place in the round.
#[derive(Default)]
pub(crate) struct RoundRobin {
    cursor: usize,
}

impl RoundRobin {
    pub(crate) fn choose(&mut self, field: &Field<'_>, rng: &mut impl FnMut() -> u64) -> Option<usize> {
        let turns = field.snapshot.table.schedule();
        // With nearly everything out, whoever is left is found by a look at each endpoint, not at each turn.
        let patience = turns.len().min(2 * field.snapshot.endpoints().len());
        for _ in 0..patience {
            let turn = self.cursor % turns.len();
            self.cursor = turn + 1;
            let index = turns[turn] as usize;
            if field.admits(index) && field.takes_its_turn(index, rng) {
                return Some(index);
            }
        }
        let left: usize = field.admitted().count();
        let nth = rng().checked_rem(left as u64)? as usize;
        field.admitted().nth(nth).map(|(index, _)| index)
    }
}
