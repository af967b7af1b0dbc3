//! What names resolve to, merged into what is known.
//!
//! State is kept by address: an endpoint that a look-up finds again keeps its health, its counters and its connections.
//! A look-up that fails or finds nothing changes nothing, because a resolver in trouble says nothing about servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::{Endpoint, EndpointId};

use super::Control;
use super::changes::News;
use super::member::Member;

/// A look-up failed. What is known stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupFailed;

impl Control {
    /// How long after a look-up the next one is wanted. Records change faster than their TTL says.
    pub fn resolution_interval(&self) -> Duration {
        if self.nothing_serves() { Duration::from_millis(250) } else { Duration::from_secs(1) }
    }

    /// Takes in what the name at `index` of the [spec](Control::spec) resolves to now.
    pub fn resolved(&mut self, index: usize, found: Result<&[SocketAddr], LookupFailed>, now: Instant) {
        let addresses = found.unwrap_or_default();
        if addresses.is_empty() || index >= self.spec.names().len() {
            return;
        }
        let mut changed = false;
        for &address in addresses {
            let known = self.by_address.get(&address).copied();
            changed |= match known.filter(|id| !self.is_another(*id, &self.spec.names()[index])) {
                Some(id) => self.found_again(id, index, now),
                None => self.add(address, index, now),
            };
        }
        let gone = |member: &Member| {
            member.names.contains(&index) && !addresses.contains(&member.endpoint.address())
        };
        let gone: Vec<EndpointId> =
            self.members.values().filter(|member| gone(member)).map(Member::id).collect();
        for id in gone {
            changed |= self.lost(id, index, now);
        }
        if changed {
            self.publish();
        }
    }

    pub(super) fn let_go_of_the_vanished(&mut self, now: Instant) {
        let idle = |member: &Member| member.vanished && member.endpoint.in_flight() == 0;
        for (_, member) in self.members.extract_if(.., |_, member| idle(member)) {
            let address = member.endpoint.address();
            if self.by_address.get(&address) == Some(&member.id()) {
                self.by_address.remove(&address);
            }
            self.changes.add(&member, News::Removed, now);
        }
    }

    fn add(&mut self, address: SocketAddr, index: usize, now: Instant) -> bool {
        let Some(name) = self.spec.names().get(index) else { return false };
        let id = self.ids.next();
        let limit = self.settings.admission.per_endpoint;
        let endpoint = Endpoint::new(id, address, name, limit, self.epoch);
        let member = Member::new(Arc::new(endpoint), name.weight, index, &self.settings, now);
        member.write_bits(&self.settings, now);
        self.changes.add(&member, News::Added, now);
        self.by_address.insert(address, id);
        self.members.insert(id, member);
        true
    }

    fn found_again(&mut self, id: EndpointId, index: usize, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        if !member.names.contains(&index) {
            member.names.push(index);
        }
        if !member.vanished {
            return false;
        }
        member.vanished = false;
        member.observed.returned(&self.settings, now);
        member.leaving = false;
        member.health_changed(now);
        member.write_bits(&self.settings, now);
        self.changes.add(member, News::Returned, now);
        true
    }

    fn lost(&mut self, id: EndpointId, index: usize, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        member.names.retain(|&name| name != index);
        if !member.names.is_empty() || member.vanished {
            return false;
        }
        self.vanish(id, now);
        true
    }
}
