//! Where the target's name points to, asked again as connections are opened.
//!
//! A balancer that is recreated comes back at another address. A look-up that fails leaves the known addresses in
//! place: it is the target that is under test, not the name server.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use evenkeel_wire::{ResolveError, Resolver};

use crate::target::Target;

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(1);

/// The addresses of one target.
#[derive(Debug)]
pub(crate) struct Addresses {
    resolver: Resolver,
    host: String,
    port: u16,
    known: RefCell<Vec<IpAddr>>,
    asked: Cell<Option<Instant>>,
    turn: Cell<usize>,
}

impl Addresses {
    /// Nothing is looked up before the first connection.
    pub(crate) fn new(resolver: Resolver, target: &Target) -> Self {
        Self {
            resolver,
            host: target.host.clone(),
            port: target.port,
            known: RefCell::default(),
            asked: Cell::new(None),
            turn: Cell::new(0),
        }
    }

    /// The address for a connection opened at `now`: all known ones in turn.
    pub(crate) async fn next(&self, now: Instant) -> Result<SocketAddr, ResolveError> {
        let stale = self.asked.get().is_none_or(|asked| now.saturating_duration_since(asked) >= FRESH);
        if stale {
            // Set before the answer is there: connections opened meanwhile use what is known instead of asking as well.
            self.asked.set(Some(now));
            match self.resolver.lookup(&self.host).await {
                Ok(addresses) => *self.known.borrow_mut() = addresses,
                Err(error) if self.known.borrow().is_empty() => {
                    self.asked.set(None);
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(host = self.host, %error, "look-up failed; the known addresses stay");
                }
            }
        }
        if self.known.borrow().is_empty() {
            // Another connection is asking for the first time.
            *self.known.borrow_mut() = self.resolver.lookup(&self.host).await?;
        }
        let known = self.known.borrow();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        Ok(SocketAddr::new(known[turn % known.len()], self.port))
    }
}
