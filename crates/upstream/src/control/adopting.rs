//! Other settings, taken up while requests go on.
//!
//! An endpoint of a name that stays keeps its health, its counters and its connections, whatever else changes. Those of a name that is
//! gone serve on until one that is named can: a name that was misspelt, or servers that have yet to start, cost no request.

use std::time::Instant;

use crate::endpoint::{EndpointId, Flags};
use crate::settings::Settings;
use crate::spec::{NameSpec, UpstreamSpec};

use super::Control;
use super::changes::News;
use super::member::Member;

impl Control {
    /// Goes on with these settings and the servers of `spec`, whose names are to be looked up: also those that it had before, since
    /// their places among all may be others.
    pub fn adopt(&mut self, spec: UpstreamSpec, settings: Settings, now: Instant) {
        let before = std::mem::replace(&mut self.spec, spec);
        self.upstream.adopt(&settings);
        self.settings = settings;
        let moved: Vec<Option<usize>> = before.names().iter().map(|name| self.spec.place_of(name)).collect();
        for member in self.members.values_mut() {
            let weight =
                member.names.first().and_then(|&name| before.names().get(name)).map(|name| name.weight);
            member.names = member.names.iter().filter_map(|&name| *moved.get(name)?).collect();
            member.endpoint.set_limit(self.settings.admission.per_endpoint);
            let is_probed = self.settings.probes.enabled;
            if !is_probed && !member.vanished && member.observed.trust(now) {
                self.changes.add_health(member, None, now);
                member.health_changed(now);
            }
            let named = member.names.first().and_then(|&name| self.spec.names().get(name));
            if let Some(&NameSpec { weight: named, backup, .. }) = named {
                member.endpoint.set_flags(Flags::BACKUP, backup);
                // What a person has told it through the admin interface holds.
                if weight == Some(member.weight) && named != member.weight {
                    member.weight = named;
                    self.changes.add(member, News::Weight(named), now);
                }
            }
            member.write_bits(&self.settings, now);
        }
        self.hand_over(now);
        self.publish();
    }

    /// No connection that idles is used again: those that are opened from now on are others.
    pub fn drop_idle_connections(&self) {
        for member in self.members.values() {
            member.endpoint.drop_idle_connections();
        }
    }

    /// Takes in that the upstream is no more: nothing new will come, and what is in flight ends.
    pub fn retire(&mut self, now: Instant) {
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            self.vanish(id, now);
        }
        self.let_go_of_the_vanished(now);
        self.publish();
    }

    /// What is known of a server is of no use under another name, which its certificate may have to be for.
    pub(super) fn is_another(&self, id: EndpointId, name: &NameSpec) -> bool {
        self.members.get(&id).is_some_and(|member| is_nameless(member) && member.endpoint.host() != name.host)
    }

    /// Lets go of those that are of no name any more, once one serves that is of one. True where somebody has gone.
    pub(super) fn hand_over(&mut self, now: Instant) -> bool {
        let nameless: Vec<EndpointId> =
            self.members.values().filter(|member| is_nameless(member)).map(Member::id).collect();
        let serves = |member: &Member| !member.names.is_empty() && member.endpoint.is_usable();
        if nameless.is_empty() || !self.members.values().any(serves) {
            return false;
        }
        for id in nameless {
            self.vanish(id, now);
        }
        true
    }

    pub(super) fn vanish(&mut self, id: EndpointId, now: Instant) {
        let Some(member) = self.members.get_mut(&id).filter(|member| !member.vanished) else { return };
        member.names.clear();
        member.vanished = true;
        member.endpoint.drop_idle_connections();
        member.write_bits(&self.settings, now);
        self.changes.add(member, News::Vanished, now);
    }
}

/// Whether it serves on though no name has it.
fn is_nameless(member: &Member) -> bool {
    member.names.is_empty() && !member.vanished
}
