//! What people tell endpoints, remembered by address: it holds over re-resolution, whoever is found there again.

use std::collections::BTreeSet;

use evenkeel_upstream::{Command, News, Weight};

use super::*;

/// The orders in force.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    drained: BTreeSet<SocketAddr>,
    weights: BTreeMap<SocketAddr, Weight>,
}

impl Orders {
    /// Whether whoever is at `address` was told to drain.
    pub(crate) fn drain(&self, address: SocketAddr) -> bool {
        self.drained.contains(&address)
    }

    fn of(&self, address: SocketAddr) -> impl Iterator<Item = Command> + use<> {
        let drain = self.drain(address).then_some(Command::Drain);
        let weight = self.weights.get(&address).copied().map(Command::Weight);
        drain.into_iter().chain(weight)
    }
}

impl Simulation {
    /// A person tells a server's endpoint something.
    pub(crate) fn order(&mut self, server: usize, command: Command) {
        let address = self.servers[server].address;
        match command {
            Command::Drain => drop(self.orders.drained.insert(address)),
            Command::Activate => drop(self.orders.drained.remove(&address)),
            Command::Weight(weight) => drop(self.orders.weights.insert(address, weight)),
        }
        if let Some(id) = self.control.find(address) {
            self.control.command(id, command, self.now).expect("it was found");
        }
    }

    /// Tells whoever was found at an address what was said of it before.
    pub(super) fn hear_changes(&mut self) {
        for change in self.control.take_changes() {
            if change.news != News::Added {
                self.ledger.news.push((self.now, change));
                continue;
            }
            for command in self.orders.of(change.address) {
                self.control.command(change.endpoint, command, self.now).expect("it was added");
            }
        }
    }
}
