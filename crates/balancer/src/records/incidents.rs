//! Incidents: what befell servers, told once, in the same words everywhere. Pure: facts and the time come in.
//!
//! ```text
//! control's changes, probes ─┐
//!                            ├─▶ a hunch ──a cause that the ledger knows──▶ incident ──quiet again──▶ ended
//! requests that met trouble ─┘      └──────────nothing came of it─────────▶ forgotten
//! ```
//! A hunch is a suspicion: idle connections that were closed, a silence, a slow answer. It becomes an incident when a request
//! failed, a server was ejected, left or refused a connection. So a busy machine makes no incident; and what a request showed
//! before its server was ejected belongs to it.

mod episode;
mod ghosts;
mod signs;
mod tally;
mod telling;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_upstreams;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use evenkeel_upstream::attempt::{TrailOutcome, Why};
use evenkeel_upstream::{News, ProbeFailure, ProbeResult};

use crate::records::mishap::{End, Failed, Mishap, Try};
use crate::records::roster::{Place, Server};
use episode::{Episode, Part};
pub(crate) use ghosts::Ghost;
use ghosts::Ghosts;
use signs::Cause;
use telling::{Incident, is_refuted, step};
pub(crate) use telling::{IncidentView, Line};

/// The most incidents that are kept; the oldest make room.
pub(crate) const KEPT: usize = 64;

/// How long a hunch waits for a cause.
const HUNCH_MS: u64 = 5_000;

/// So many errors that another server did not have make an incident; fewer are anybody's.
const ERRORS: u64 = 3;

/// What belongs to an incident may have shown itself so long before its first sign.
const BEFORE_MS: u64 = 1_000;

/// Something that control knows of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact {
    News(News),
    Probed(ProbeResult),
    /// An idle connection to it was closed by it.
    IdleClosed,
}

/// All incidents, and what may become one.
#[derive(Debug)]
pub(crate) struct Incidents {
    /// Whether a server has to pass a probe before it serves.
    probes: bool,
    members: BTreeMap<Place, Member>,
    told: VecDeque<Incident>,
    newest: u64,
    ghosts: Ghosts,
    /// The upstreams of which no server is left, by name; that of an only one is empty.
    nobody: BTreeMap<Arc<str>, Nobody>,
}

/// No server of an upstream is left.
#[derive(Debug)]
enum Nobody {
    Hunch(Box<Episode>),
    Told(u64),
}

/// A server that is there.
#[derive(Debug)]
struct Member {
    server: Server,
    /// It has served: who never did cannot fail.
    has_served: bool,
    serves: bool,
    hunch: Option<Episode>,
    incident: Option<u64>,
}

impl Incidents {
    /// None yet. `probes`: a server has to pass a probe before it serves.
    pub(crate) fn new(probes: bool) -> Self {
        Self {
            probes,
            members: BTreeMap::new(),
            told: VecDeque::new(),
            newest: 0,
            ghosts: Ghosts::default(),
            nobody: BTreeMap::new(),
        }
    }

    /// Takes in whether a server has to pass a probe before it serves.
    pub(crate) fn ask_for_probes(&mut self, probes: bool) {
        self.probes = probes;
    }

    /// Takes in that people call a server otherwise from now on.
    pub(crate) fn called(&mut self, before: &Server, now: &Server) {
        if before.upstream != now.upstream {
            self.nobody_is_of(before.upstream.as_deref(), now.upstream.as_ref());
        }
        if let Some(member) = self.members.remove(&before.place()) {
            self.members.insert(now.place(), Member { server: now.clone(), ..member });
        }
    }

    /// Takes in a fact about a server.
    pub(crate) fn happened(&mut self, server: &Server, fact: Fact, at_ms: u64) {
        match fact {
            Fact::News(news) => self.news(server, news, at_ms),
            Fact::Probed(ProbeResult::Failed(why)) => self.probe_failed(server, why, at_ms),
            Fact::Probed(ProbeResult::Passed | ProbeResult::Draining) => {}
            Fact::IdleClosed => {
                self.suspect(server, at_ms);
                self.note(server, |episode| {
                    episode.signs.evidence(evenkeel_upstream::Evidence::IdleClosed);
                    episode.steps.add(at_ms, "its idle connections were closed".to_owned());
                });
            }
        }
        self.look_whether_anybody_serves(at_ms);
    }

    /// Takes in a request that met trouble.
    pub(crate) fn passed(&mut self, mishap: &Mishap) {
        if mishap.end == End::ClientGone {
            return;
        }
        if mishap.attempts.is_empty() {
            if mishap.end == End::Failed(Failed::NoServer) {
                self.came_in_vain(mishap);
            }
            return;
        }
        let refuted = is_refuted(mishap);
        for (index, attempt) in mishap.attempts.iter().enumerate() {
            let follower = mishap.attempts.get(index + 1);
            let deserted = attempt.silent
                && !attempt.answered
                && follower.is_some_and(|next| matches!(next.why, Why::Moved | Why::Hedge));
            let stale = attempt.outcome == TrailOutcome::Stale;
            if attempt.has_failed() || deserted || stale {
                let proves = !refuted && (attempt.has_failed() || stale && !mishap.is_well());
                self.touched(mishap, attempt, proves);
            }
        }
    }

    /// So many requests that met trouble were not told.
    pub(crate) fn missed(&mut self) {
        let open = self.told.iter_mut().filter(|incident| incident.episode.ended_ms.is_none());
        for incident in open {
            incident.episode.tally.at_least = true;
            incident.changed = true;
        }
        for hunch in self.members.values_mut().filter_map(|member| member.hunch.as_mut()) {
            hunch.tally.at_least = true;
        }
    }

    /// Ends what is over, forgets what came to nothing, and says what is new, for the log.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Vec<Line> {
        self.look_whether_anybody_serves(now_ms);
        for member in self.members.values_mut() {
            let is_old = |hunch: &mut Episode| now_ms.saturating_sub(hunch.last_sign_ms) >= HUNCH_MS;
            member.hunch.take_if(is_old);
        }
        self.ghosts.forget(now_ms);
        let mut lines = Vec::new();
        for incident in &mut self.told {
            incident.changed |= incident.episode.end(now_ms);
            lines.extend(incident.say(now_ms));
        }
        for member in self.members.values_mut() {
            let over = |id: &mut u64| {
                self.told.iter().all(|incident| incident.id != *id || incident.episode.ended_ms.is_some())
            };
            member.incident.take_if(over);
        }
        lines
    }

    /// All that are kept, oldest first.
    pub(crate) fn views(&self) -> Vec<IncidentView> {
        self.told.iter().map(Incident::view).collect()
    }

    /// The number of the newest one.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// At most `most` of those that have changed since they were last asked for, oldest first.
    pub(crate) fn take_changed(&mut self, most: usize) -> Vec<IncidentView> {
        let changed = self.told.iter_mut().filter(|incident| incident.changed).take(most);
        changed
            .map(|incident| {
                incident.changed = false;
                incident.view()
            })
            .collect()
    }

    /// Those that left lately and have not come back, in the order of leaving.
    pub(crate) fn gone(&self) -> Vec<Ghost> {
        self.ghosts.all().cloned().collect()
    }

    /// When the server at this place was last back from a crash, ejected or not: since then it has been serving.
    pub(crate) fn back_ms(&self, place: &Place) -> Option<u64> {
        self.told
            .iter()
            .rev()
            .filter(|told| told.episode.cause() == Cause::Crashed)
            .find_map(|told| told.episode.parts.iter().find(|part| part.server.place() == *place)?.back_ms)
    }

    fn news(&mut self, server: &Server, news: News, at_ms: u64) {
        match news {
            News::Added => self.added(server, at_ms),
            News::Removed => return self.removed(server, at_ms),
            _ => {}
        }
        let probes = self.probes;
        let Some(member) = self.members.get_mut(&server.place()) else { return };
        member.server = server.clone();
        match news {
            News::Healthy => (member.has_served, member.serves) = (true, true),
            News::Returned if !probes => member.serves = true,
            News::Ejected { .. } | News::Vanished | News::Returned => member.serves = false,
            _ => {}
        }
        let begins = member.has_served
            && matches!(news, News::Ejected { .. } | News::Leaving | News::Vanished | News::Draining);
        if news == News::Leaving && member.incident.is_none() {
            self.join_those_stopped_before(server, at_ms);
        }
        if begins || matches!(news, News::Suspect(_)) {
            self.suspect(server, at_ms);
        }
        let back = !probes && news == News::Returned;
        self.note(server, |episode| {
            episode.news(server, if back { News::Healthy } else { news }, at_ms);
            if !matches!(news, News::Weight(_)) {
                let several = episode.parts.len() > 1;
                let who = if several { format!("{} ", server.called()) } else { String::new() };
                episode.steps.add(at_ms, format!("{who}{news}"));
            }
        });
        if begins {
            self.tell(server, at_ms);
        }
    }

    fn probe_failed(&mut self, server: &Server, why: ProbeFailure, at_ms: u64) {
        let Some(member) = self.members.get(&server.place()) else { return };
        // Nobody listens, or nobody who could be trusted: that is no question of time.
        let is_certain = match why {
            ProbeFailure::Refused => true,
            ProbeFailure::Tls(why) => why.is_of_certificate(),
            _ => false,
        };
        let proves = is_certain && member.has_served && member.serves;
        if proves {
            self.suspect(server, at_ms);
        }
        self.note(server, |episode| {
            episode.signs.probe(why);
            episode.steps.add(at_ms, format!("its probe failed: {why}"));
            if proves {
                episode.sign_at(at_ms);
            }
        });
        if proves {
            self.tell(server, at_ms);
        }
    }

    fn added(&mut self, server: &Server, at_ms: u64) {
        let incident = self.ghosts.comes_back(server).and_then(|ghost| ghost.incident);
        let at_once = !self.probes;
        let member = Member {
            server: server.clone(),
            has_served: at_once,
            serves: at_once,
            hunch: None,
            incident: None,
        };
        self.members.insert(server.place(), member);
        let Some(id) = incident else { return };
        let Some(told) = self.told.iter_mut().find(|told| told.id == id) else { return };
        let known = |part: &&mut Part| {
            part.server.place() == server.place()
                || part.server.name.is_some() && part.server.name == server.name
        };
        if let Some(part) = told.episode.parts.iter_mut().find(known) {
            part.server = server.clone();
            part.removed_ms = None;
            told.episode.ended_ms = None;
            if at_once {
                part.comes_back(at_ms);
            }
            told.episode
                .steps
                .add(at_ms, format!("{} was found again at {}", server.called(), server.address));
            told.changed = true;
            if let Some(member) = self.members.get_mut(&server.place()) {
                (member.incident, member.has_served) = (Some(id), true);
            }
        }
    }

    fn removed(&mut self, server: &Server, at_ms: u64) {
        self.note(server, |episode| episode.news(server, News::Removed, at_ms));
        let Some(member) = self.members.remove(&server.place()) else { return };
        if self.has_successor(&member, at_ms) {
            return;
        }
        let told = member.incident.and_then(|id| self.told.iter().find(|told| told.id == id));
        let ghost = match told {
            Some(told) => {
                let part = told.episode.parts.iter().find(|part| part.server.place() == server.place());
                let left_ms = match told.episode.cause() {
                    Cause::Crashed => told.episode.begun_ms,
                    _ => part.and_then(|part| part.out_ms).unwrap_or(at_ms),
                };
                Ghost::new(member.server, told.episode.cause(), left_ms, Some(told.id))
            }
            None => Ghost::new(member.server, Cause::Removed, at_ms, None),
        };
        self.ghosts.add(ghost, at_ms);
    }

    /// Whether a server of that name is there already, at another address: then it has come back before it was gone.
    fn has_successor(&mut self, gone: &Member, at_ms: u64) -> bool {
        let is_it =
            |member: &&mut Member| gone.server.name.is_some() && member.server.name == gone.server.name;
        let Some(successor) = self.members.values_mut().find(is_it) else { return false };
        let told = gone.incident.and_then(|id| self.told.iter_mut().find(|told| told.id == id));
        if let Some(told) = told
            && let Some(part) = told.episode.part(&gone.server)
        {
            part.server = successor.server.clone();
            part.removed_ms = None;
            if successor.serves {
                part.comes_back(at_ms);
            }
            told.changed = true;
            successor.incident.get_or_insert(told.id);
        }
        true
    }

    /// A request's attempt at a server came to nothing.
    fn touched(&mut self, mishap: &Mishap, attempt: &Try, proves: bool) {
        let (begun_ms, ended_ms) = (mishap.begun_ms(attempt), mishap.ended_ms(attempt));
        let sign_ms = if attempt.was_silent() { begun_ms } else { ended_ms };
        let server = &attempt.server;
        let open = self.members.get(&server.place()).and_then(|member| member.incident);
        let id = open.or_else(|| self.ended_around(server, begun_ms, ended_ms));
        let take = |episode: &mut Episode| {
            episode.signs.attempt(attempt.outcome);
            episode.tally.add(mishap, Some(attempt));
            episode.steps.add(ended_ms, step(mishap, attempt));
        };
        if let Some(told) = id.and_then(|id| self.told.iter_mut().find(|told| told.id == id)) {
            take(&mut told.episode);
            told.changed = true;
            if open.is_some() && proves {
                told.episode.sign_at(sign_ms);
            }
            return;
        }
        let Some(member) = self.members.get_mut(&server.place()).filter(|member| member.has_served) else {
            return;
        };
        let begins = proves || attempt.outcome == TrailOutcome::Stale;
        if member.hunch.is_none() && !begins {
            return;
        }
        let hunch = member.hunch.get_or_insert_with(|| Episode::of(server.clone(), sign_ms));
        take(hunch);
        hunch.sign_at(sign_ms);
        let only_errors =
            matches!(attempt.outcome, TrailOutcome::Responded(..)) && hunch.signs.errors < ERRORS;
        if proves && !only_errors {
            self.tell(&server.clone(), ended_ms);
        }
    }

    /// The newest incident of the server that had ended when the attempt did, and had begun before.
    fn ended_around(&self, server: &Server, begun_ms: u64, ended_ms: u64) -> Option<u64> {
        let belongs = |incident: &&Incident| {
            let episode = &incident.episode;
            episode.parts.iter().any(|part| part.server.place() == server.place())
                && episode.begun_ms <= ended_ms + BEFORE_MS
                && episode.ended_ms.is_none_or(|ended| begun_ms <= ended)
        };
        self.told.iter().rev().find(belongs).map(|incident| incident.id)
    }

    /// Begins a hunch about a server that has served, where nothing is known of it yet.
    fn suspect(&mut self, server: &Server, at_ms: u64) {
        if let Some(member) = self.members.get_mut(&server.place())
            && member.has_served
            && member.incident.is_none()
        {
            member.hunch.get_or_insert_with(|| Episode::of(server.clone(), at_ms));
        }
    }

    /// Notes something in the incident or the hunch of this server, where there is one.
    fn note(&mut self, server: &Server, note: impl FnOnce(&mut Episode)) {
        let Some(member) = self.members.get_mut(&server.place()) else { return };
        let told = member.incident.and_then(|id| self.told.iter_mut().find(|told| told.id == id));
        if let Some(told) = told {
            note(&mut told.episode);
            told.changed = true;
        } else if let Some(hunch) = &mut member.hunch {
            note(hunch);
        }
    }
}
