//! Who each endpoint is, for whoever tells of one: its address, and what people call the server there. The control task
//! writes it; an endpoint that is gone stays in it for a while, because requests that were on it are told of later.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use evenkeel_upstream::EndpointId;
use rustc_hash::FxHashMap;

/// A server: its address, its name where it has one, and the upstream that it is of where there are several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) upstream: Option<Arc<str>>,
}

/// Where a server is: its upstream, and its address there. The same address may be of several.
pub(crate) type Place = (Option<Arc<str>>, SocketAddr);

impl Server {
    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        (self.upstream.clone(), self.address)
    }

    /// What it is called: by its address where it has no name.
    pub(crate) fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| self.address.to_string(), ToString::to_string)
    }

    /// The same in a sentence: `anna`, and `anna of api` where there are several upstreams.
    pub(crate) fn told(&self) -> String {
        let called = self.called();
        match &self.upstream {
            Some(upstream) => format!("{called} of {upstream}"),
            None => called,
        }
    }
}

/// The name first, the address second, the upstream last.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address)?,
            None => self.address.fmt(f)?,
        }
        self.upstream.as_ref().map_or(Ok(()), |upstream| write!(f, " of {upstream}"))
    }
}

/// Everybody that is known.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    known: ArcSwap<Known>,
    changes: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Known {
    servers: FxHashMap<EndpointId, Arc<Server>>,
    /// Those that are gone, in the order of leaving.
    gone: VecDeque<EndpointId>,
}

/// How many that are gone are remembered.
const GONE: usize = 256;

impl Roster {
    /// Who that is; `None` of one that has long been gone.
    pub(crate) fn of(&self, id: EndpointId) -> Option<Arc<Server>> {
        self.known.load().servers.get(&id).cloned()
    }

    /// How often it has changed: who keeps something of it looks here whether that still holds.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The one that is there.
    pub(crate) fn at(&self, upstream: Option<&str>, address: SocketAddr) -> Option<Arc<Server>> {
        let known = self.known.load();
        let there = |(id, server): (&EndpointId, &Arc<Server>)| {
            (server.address == address && server.upstream.as_deref() == upstream && !known.gone.contains(id))
                .then(|| server.clone())
        };
        known.servers.iter().find_map(there)
    }

    /// Whether one that is there, at another address, is called that.
    pub(crate) fn is_taken(&self, name: &str, address: SocketAddr) -> bool {
        let known = self.known.load();
        known.servers.iter().any(|(id, server)| {
            server.address != address && server.name.as_deref() == Some(name) && !known.gone.contains(id)
        })
    }

    /// An endpoint is there, and called that.
    pub(crate) fn enter(&self, id: EndpointId, server: Server) {
        self.change(|known| {
            known.gone.retain(|gone| *gone != id);
            known.servers.insert(id, Arc::new(server));
        });
    }

    /// No look-up finds an endpoint any more.
    pub(crate) fn leaves(&self, id: EndpointId) {
        self.change(|known| {
            known.gone.retain(|gone| *gone != id);
            known.gone.push_back(id);
            if known.gone.len() > GONE
                && let Some(oldest) = known.gone.pop_front()
            {
                known.servers.remove(&oldest);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        // The control tasks alone write, all of them on one thread.
        let mut known = Known::clone(&self.known.load());
        change(&mut known);
        self.known.store(Arc::new(known));
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_upstream::{Settings, Upstream};

    use super::*;
    use crate::clock::now;

    /// The ids of two endpoints.
    fn two() -> [EndpointId; 2] {
        let (_, mut control) = Upstream::new("a:1,b:1".parse().unwrap(), Settings::default(), now());
        for (index, address) in ["10.0.0.1:1", "10.0.0.2:1"].into_iter().enumerate() {
            control.resolved(index, Ok(&[address.parse().unwrap()]), now());
        }
        let mut ids = control.describe(now()).into_iter().map(|state| state.id);
        [ids.next().unwrap(), ids.next().unwrap()]
    }

    fn server(last: u8, name: &str) -> Server {
        Server { address: ([10, 0, 0, last], 1).into(), name: Some(name.into()), upstream: None }
    }

    #[test]
    fn one_that_is_gone_is_known_still_and_its_name_is_free() {
        let (roster, [one, other]) = (Roster::default(), two());
        roster.enter(one, server(1, "cleo"));
        assert!(
            roster.is_taken("cleo", server(2, "").address) && !roster.is_taken("cleo", server(1, "").address)
        );
        roster.leaves(one);
        assert_eq!(roster.of(one).unwrap().to_string(), "cleo (10.0.0.1:1)");
        assert_eq!(roster.at(None, server(1, "").address), None);
        assert!(!roster.is_taken("cleo", server(2, "").address));
        roster.enter(other, server(2, "cleo"));
        assert_eq!(*roster.at(None, server(2, "").address).unwrap(), server(2, "cleo"));
        assert_eq!(roster.of(one).unwrap().called(), "cleo", "who it was");
    }
}
