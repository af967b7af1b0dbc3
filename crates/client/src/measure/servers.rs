//! Who answered: counts by the name a server gives itself in `X-Server`.

use std::collections::BTreeMap;

use serde::Serialize;

/// The most names told apart; what comes after counts under [`OTHERS`]. A server that made up a name for each
/// response would otherwise fill the memory.
const MAX_NAMES: usize = 256;

/// Stands for all servers beyond the bound.
const OTHERS: &str = "(others)";

/// Requests by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Answered rightly.
    pub(crate) right: u64,
    /// Not answered rightly.
    pub(crate) failed: u64,
}

impl Tally {
    /// Counts one request.
    pub(crate) fn count(&mut self, right: bool) {
        if right {
            self.right += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Both together.
    pub(crate) fn sum(self) -> u64 {
        self.right + self.failed
    }
}

/// Tallies by server.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    named: BTreeMap<String, Tally>,
    nameless: Tally,
}

impl Servers {
    /// Counts one request that `server` answered, or that came without a name.
    pub(crate) fn count(&mut self, server: Option<&str>, right: bool) {
        let Some(server) = server else { return self.nameless.count(right) };
        if let Some(tally) = self.named.get_mut(server) {
            return tally.count(right);
        }
        let name = if self.named.len() < MAX_NAMES { server } else { OTHERS };
        self.named.entry(name.to_owned()).or_default().count(right);
    }

    /// Names and tallies, by name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.named.iter().map(|(name, tally)| (name.as_str(), *tally))
    }

    /// Requests whose response named no server, or that had none: the balancer's own answers and broken connections.
    pub(crate) fn nameless(&self) -> Tally {
        self.nameless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_tally() {
        let mut servers = Servers::default();
        servers.count(Some("b"), true);
        servers.count(Some("a"), true);
        servers.count(Some("b"), false);
        servers.count(None, false);
        let named: Vec<_> = servers.named().collect();
        assert_eq!(named, [("a", Tally { right: 1, failed: 0 }), ("b", Tally { right: 1, failed: 1 })]);
        assert_eq!(servers.nameless(), Tally { right: 0, failed: 1 });
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let mut servers = Servers::default();
        for number in 0..2 * MAX_NAMES {
            servers.count(Some(&format!("server-{number:04}")), true);
        }
        assert_eq!(servers.named().count(), MAX_NAMES + 1);
        let others = servers.named().find(|(name, _)| *name == OTHERS).unwrap().1;
        assert_eq!(others.right, MAX_NAMES as u64);
    }
}
