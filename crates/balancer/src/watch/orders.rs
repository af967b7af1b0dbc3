//! What people have told endpoints, by address. An endpoint that is gone from its name is forgotten once nothing is in
//! flight on it; when a look-up finds its address again, what it was told still holds. Nothing outlives the process.

use std::collections::HashMap;
use std::net::SocketAddr;

use evenkeel_upstream::{Command, Weight};

/// The orders in force.
#[derive(Debug, Default)]
pub(crate) struct Orders(HashMap<SocketAddr, Order>);

#[derive(Clone, Copy, Debug, Default)]
struct Order {
    drain: bool,
    weight: Option<Weight>,
}

/// The most addresses whose orders are remembered; those of a further one last for as long as its endpoint does.
const ORDERS_KEPT: usize = 4096;

impl Orders {
    /// Remembers what the endpoint at `address` was told.
    pub(crate) fn remember(&mut self, address: SocketAddr, command: Command) {
        if self.0.len() >= ORDERS_KEPT && !self.0.contains_key(&address) {
            return;
        }
        let order = self.0.entry(address).or_default();
        match command {
            Command::Drain => order.drain = true,
            Command::Activate => order.drain = false,
            Command::Weight(weight) => order.weight = Some(weight),
        }
    }

    /// What to tell an endpoint that was found at `address`.
    pub(crate) fn of(&self, address: SocketAddr) -> impl Iterator<Item = Command> + use<> {
        let order = self.0.get(&address).copied().unwrap_or_default();
        let drain = order.drain.then_some(Command::Drain);
        drain.into_iter().chain(order.weight.map(Command::Weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_order_of_each_kind_holds() {
        let (one, other) = ("10.0.0.1:80".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let weight = |weight| Command::Weight(Weight::new(weight).unwrap());
        let mut orders = Orders::default();
        for command in [Command::Drain, weight(3), weight(5)] {
            orders.remember(one, command);
        }
        assert_eq!(orders.of(one).collect::<Vec<_>>(), [Command::Drain, weight(5)]);
        orders.remember(one, Command::Activate);
        assert_eq!(orders.of(one).collect::<Vec<_>>(), [weight(5)]);
        assert_eq!(orders.of(other).count(), 0);
    }
}
