//! What a set is made of: one balancer as everybody starts it, or two on the port of a holder, of which either can be replaced.

/// The services of the two balancers, in the order in which they are replaced.
pub(crate) const PAIR: [&str; 2] = ["first", "second"];

/// Which files of Compose a set is made from. What the matrix changes about each is in `faults.yml` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Composition {
    /// `docker-compose.yml`.
    OneBalancer,
    /// `docker-compose.holder.yml`.
    TwoBalancers,
}

impl Composition {
    /// Its files, each over those before, from the root of the sources.
    pub(crate) fn files(self, tls: bool) -> &'static [&'static str] {
        let all: &[_] = match self {
            Self::OneBalancer => {
                &["docker-compose.yml", "crates/faults/faults.yml", "crates/faults/faults.tls.yml"]
            }
            Self::TwoBalancers => &[
                "docker-compose.holder.yml",
                "crates/faults/faults.holder.yml",
                "crates/faults/faults.holder.tls.yml",
            ],
        };
        if tls { all } else { &all[..2] }
    }

    /// The service that has the address which clients connect to.
    pub(crate) fn door(self) -> &'static str {
        match self {
            Self::OneBalancer => "balancer",
            Self::TwoBalancers => "holder",
        }
    }

    /// How everything but the client comes up. Of one balancer the judge sees when it is ready; of two it could ask only the first.
    pub(crate) fn up(self) -> &'static [&'static str] {
        match self {
            Self::OneBalancer => &["up", "--detach", "--no-build", "server", "balancer"],
            Self::TwoBalancers => {
                &["up", "--detach", "--no-build", "--wait", "server", "holder", PAIR[0], PAIR[1]]
            }
        }
    }
}
