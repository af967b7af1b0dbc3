//! What is decided about a client before it is served: whether it may come at all, and whether it asks too often.
//!
//! One for all workers, without a lock. What it decides is the client's affair: no server is tried, blamed or asked.

mod allowances;
pub(crate) mod party;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::settings::limits::{ClientLimits, RequestRate};
use allowances::Allowances;
use party::Party;

/// What stands between clients and servers.
pub(crate) struct Gate {
    limits: ClientLimits,
    allowances: Option<Arc<Allowances>>,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Its client may not come.
    Denied,
    /// Its client's certificate was accepted once, and is no longer.
    Disowned,
    /// Its client asks too often; after this time it may ask again.
    Limited { rate: RequestRate, again_in: Duration },
}

impl Gate {
    /// `None` where nothing is kept from anybody. Where the rate is that of the one `before`, nobody has it whole again.
    pub(crate) fn of(limits: &ClientLimits, before: Option<&Self>, now: Instant) -> Option<Arc<Self>> {
        limits.concern_requests().then(|| {
            let kept = before.and_then(|before| before.allowances.clone());
            let allowances = limits.rate.map(|rate| {
                let kept = kept.filter(|kept| kept.rate() == rate);
                kept.unwrap_or_else(|| Arc::new(Allowances::new(rate, now)))
            });
            Arc::new(Self { limits: limits.clone(), allowances })
        })
    }

    /// Whether a request of this client is turned away. Where not, it counts.
    pub(crate) fn turns_away(&self, client: IpAddr, now: Instant) -> Option<Turned> {
        if !self.limits.admit(client) {
            return Some(Turned::Denied);
        }
        let allowances = self.allowances.as_ref()?;
        let again_in = allowances.take(Party::of(client), now).err()?;
        Some(Turned::Limited { rate: allowances.rate(), again_in })
    }
}
