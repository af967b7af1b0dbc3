//! When the names of an upstream are looked up.

use std::time::Instant;

use evenkeel_upstream::UpstreamSpec;

/// Of which name a look-up is, of those that were there in this round.
#[derive(Clone, Copy)]
pub(crate) struct Lookup {
    pub(crate) round: u64,
    pub(crate) index: usize,
}

/// When each name is looked up next; `None` while it is.
pub(crate) struct Lookups {
    pub(crate) due: Vec<Option<Instant>>,
    /// There is another for each set of names.
    pub(crate) round: u64,
    /// Those that have not been looked up in this round, where it is not the first.
    pending: Vec<usize>,
}

impl Lookups {
    /// Each is due now.
    pub(crate) fn due(spec: &UpstreamSpec, now: Instant) -> Self {
        Self { due: vec![Some(now); spec.names().len()], round: 0, pending: Vec::new() }
    }

    /// The same for other names: what is found of those before is of no use any more.
    pub(crate) fn anew(&self, spec: &UpstreamSpec, now: Instant) -> Self {
        let pending = (0..spec.names().len()).collect();
        Self { round: self.round + 1, pending, ..Self::due(spec, now) }
    }

    /// Those that begin now.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Lookup> {
        let due = self.due.iter_mut().enumerate();
        let due = due.filter_map(|(index, due)| due.take_if(|due| *due <= now).map(|_| index));
        due.map(|index| Lookup { round: self.round, index }).collect()
    }

    /// Whether this name has just been looked up for the first time since the names are what they are.
    pub(crate) fn is_first_of_round(&mut self, index: usize) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| *pending != index);
        self.pending.len() < before
    }
}
