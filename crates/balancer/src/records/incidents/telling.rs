//! From a hunch to an incident: when it is told, to whom it belongs, and how page, log and API are given it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use evenkeel_upstream::attempt::{TrailOutcome, Why};
use serde::Serialize;

use super::episode::{Episode, PARTS, Part, StepView};
use super::signs::Cause;
use super::tally::Counts;
use super::{BEFORE_MS, Incidents, KEPT, Nobody, words};
use crate::records::mishap::{Mishap, Try, tenths};
use crate::records::roster::Server;

/// How soon after one server another has to be stopped for both to be one restart.
const IN_TURN_MS: u64 = 20_000;

/// How long an incident is left to become clear before its beginning is told.
const CLEAR_MS: u64 = 300;

/// With no server for so long it is an incident, though no request came.
const NOBODY_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Incident {
    pub(super) id: u64,
    pub(super) episode: Episode,
    told_ms: u64,
    /// What the log was told of it.
    said: Said,
    /// It is not what it was when it was last asked for.
    pub(super) changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Beginning,
    End,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Nobody meant it to happen.
    pub(crate) alarm: bool,
}

/// An incident as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IncidentView {
    pub(crate) id: u64,
    pub(crate) begun_ms: u64,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) server: Option<String>,
    pub(crate) address: Option<String>,
    /// Which upstream it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    pub(crate) cause: &'static str,
    /// Nobody meant it to happen.
    pub(crate) alarm: bool,
    pub(crate) sentence: String,
    pub(crate) counts: Counts,
    /// Some requests were not counted: each count is at least what it says.
    pub(crate) at_least: bool,
    pub(crate) slowest_added_ms: Option<f64>,
    pub(crate) why: String,
    pub(crate) steps: Vec<StepView>,
}

impl Incidents {
    /// The hunch about this server is true.
    pub(super) fn tell(&mut self, server: &Server, at_ms: u64) {
        let Some(member) = self.members.get_mut(&server.place()) else { return };
        let Some(hunch) = member.hunch.take() else { return };
        self.newest += 1;
        member.incident = Some(self.newest);
        keep(&mut self.told, Incident::new(self.newest, hunch, at_ms));
    }

    /// A server says that it will leave: where others have just been stopped, it is one restart.
    pub(super) fn join_those_stopped_before(&mut self, server: &Server, at_ms: u64) {
        let in_turn = |told: &&mut Incident| {
            let episode = &told.episode;
            matches!(episode.cause(), Cause::Stopped | Cause::RollingRestart)
                && episode.parts.len() < PARTS
                && episode.ended_ms.is_none_or(|ended| at_ms.saturating_sub(ended) <= IN_TURN_MS)
        };
        let Some(told) = self.told.iter_mut().rev().find(in_turn) else { return };
        let Some(member) = self.members.get_mut(&server.place()) else { return };
        if told.episode.part(server).is_none() {
            told.episode.parts.push(Part::new(server.clone()));
        }
        told.episode.ended_ms = None;
        told.changed = true;
        member.hunch = None;
        member.incident = Some(told.id);
    }

    /// A request for which no server was left.
    pub(super) fn came_in_vain(&mut self, mishap: &Mishap) {
        let ended_ms = mishap.at_ms + mishap.took.as_millis() as u64;
        let take = |episode: &mut Episode| {
            episode.tally.add(mishap, None);
            episode
                .steps
                .add(ended_ms, format!("{} got {}: no server was left", mishap.method, mishap.status));
        };
        let upstream = mishap.upstream.as_deref().unwrap_or_default();
        if let Some(Nobody::Hunch(hunch)) = self.nobody.get_mut(upstream) {
            take(hunch);
            self.tell_of_nobody(upstream, ended_ms);
            return;
        }
        let belongs = |told: &&mut Incident| {
            told.episode.parts.is_empty()
                && told.episode.of == mishap.upstream
                && told.episode.begun_ms <= ended_ms + BEFORE_MS
                && told.episode.ended_ms.is_none_or(|ended| mishap.at_ms <= ended)
        };
        if let Some(told) = self.told.iter_mut().rev().find(belongs) {
            take(&mut told.episode);
            told.changed = true;
        }
    }

    pub(super) fn look_whether_anybody_serves(&mut self, now_ms: u64) {
        // Of each upstream: whether one of its servers serves, and whether one has.
        let mut standing: BTreeMap<Option<Arc<str>>, (bool, bool)> = BTreeMap::new();
        for member in self.members.values() {
            let (serves, has_served) = standing.entry(member.server.upstream.clone()).or_default();
            *serves |= member.serves;
            *has_served |= member.has_served;
        }
        for (upstream, (serves, has_served)) in standing {
            if serves {
                self.somebody_serves(upstream.as_deref().unwrap_or_default(), now_ms);
            } else if has_served {
                let name = upstream.clone().unwrap_or_default();
                let begin = || Nobody::Hunch(Box::new(Episode::of_nobody(upstream, now_ms)));
                let nobody = self.nobody.entry(name.clone()).or_insert_with(begin);
                let lasts = |hunch: &Episode| now_ms.saturating_sub(hunch.begun_ms) >= NOBODY_MS;
                if matches!(nobody, Nobody::Hunch(hunch) if lasts(hunch)) {
                    self.tell_of_nobody(&name, now_ms);
                }
            }
        }
    }

    fn somebody_serves(&mut self, upstream: &str, now_ms: u64) {
        let Some(Nobody::Told(id)) = self.nobody.remove(upstream) else { return };
        let Some(told) = self.told.iter_mut().find(|told| told.id == id) else { return };
        told.episode.ended_ms = Some(now_ms);
        told.episode.steps.add(now_ms, "the first server serves again".to_owned());
        told.changed = true;
    }

    /// The upstream is no longer in the settings, and the last request on it is over: nobody is waited for there.
    pub(crate) fn upstream_is_gone(&mut self, upstream: Option<&str>, at_ms: u64) {
        let Some(Nobody::Told(id)) = self.nobody.remove(upstream.unwrap_or_default()) else { return };
        let Some(told) = self.told.iter_mut().find(|told| told.id == id) else { return };
        (told.episode.ended_ms, told.episode.is_abandoned) = (Some(at_ms), true);
        told.episode.steps.add(at_ms, "the upstream is no longer in the settings".to_owned());
        told.changed = true;
    }

    /// An upstream is called otherwise: the only one has no name.
    pub(super) fn nobody_is_of(&mut self, before: Option<&str>, now: Option<&Arc<str>>) {
        let Some(mut nobody) = self.nobody.remove(before.unwrap_or_default()) else { return };
        match &mut nobody {
            Nobody::Hunch(hunch) => hunch.of = now.cloned(),
            Nobody::Told(id) => {
                if let Some(told) = self.told.iter_mut().find(|told| told.id == *id) {
                    (told.episode.of, told.changed) = (now.cloned(), true);
                }
            }
        }
        self.nobody.insert(now.cloned().unwrap_or_default(), nobody);
    }

    fn tell_of_nobody(&mut self, upstream: &str, at_ms: u64) {
        let Some(nobody) = self.nobody.get_mut(upstream) else { return };
        if let Nobody::Hunch(hunch) = nobody {
            self.newest += 1;
            let incident = Incident::new(self.newest, Episode::clone(hunch), at_ms);
            *nobody = Nobody::Told(self.newest);
            keep(&mut self.told, incident);
        }
    }
}

fn keep(told: &mut VecDeque<Incident>, incident: Incident) {
    if told.len() == KEPT {
        told.pop_front();
    }
    told.push_back(incident);
}

impl Incident {
    fn new(id: u64, episode: Episode, told_ms: u64) -> Self {
        Self { id, episode, told_ms, said: Said::Nothing, changed: true }
    }

    /// What the log is to be told of it now.
    pub(super) fn say(&mut self, now_ms: u64) -> Option<Line> {
        let (said, text) = match (self.said, self.episode.ended_ms) {
            (Said::Nothing | Said::Beginning, Some(_)) => (Said::End, words::sentence(&self.episode)),
            (Said::Nothing, None) if now_ms.saturating_sub(self.told_ms) >= CLEAR_MS => {
                (Said::Beginning, words::headline(&self.episode))
            }
            // It has gone on after its end.
            (Said::End, None) => (Said::Beginning, words::headline(&self.episode)),
            _ => return None,
        };
        let again = self.said == Said::End;
        self.said = said;
        let alarm = !self.episode.cause().is_meant();
        (!again).then_some(Line { text, alarm })
    }

    pub(super) fn view(&self) -> IncidentView {
        let episode = &self.episode;
        let cause = episode.cause();
        let only = if let [part] = episode.parts.as_slice() { Some(&part.server) } else { None };
        IncidentView {
            id: self.id,
            begun_ms: episode.begun_ms,
            ended_ms: episode.ended_ms,
            server: only.map(Server::called),
            address: only.map(|server| server.address.to_string()),
            upstream: episode.upstream(),
            cause: cause.name(),
            alarm: !cause.is_meant(),
            sentence: words::sentence(episode),
            counts: episode.tally.counts,
            at_least: episode.tally.at_least,
            slowest_added_ms: episode.tally.slowest_added.map(tenths),
            why: words::why(episode),
            steps: episode.steps.views(),
        }
    }
}

/// Whether several servers failed it alike, and none did well: then the request is to blame.
pub(super) fn is_refuted(mishap: &Mishap) -> bool {
    let [first, others @ ..] = mishap.attempts.as_slice() else { return false };
    !others.is_empty()
        && !matches!(first.outcome, TrailOutcome::ConnectFailed(_))
        && others
            .iter()
            .all(|other| std::mem::discriminant(&other.outcome) == std::mem::discriminant(&first.outcome))
        && !mishap.is_well()
}

/// An attempt that came to nothing, as a step of an incident.
pub(super) fn step(mishap: &Mishap, attempt: &Try) -> String {
    let method = &mishap.method;
    let ended = match attempt.outcome {
        TrailOutcome::Overtaken | TrailOutcome::Running => "no answer".to_owned(),
        TrailOutcome::Stale => "the connection was closed".to_owned(),
        outcome => outcome.to_string(),
    };
    let next = mishap.attempts.iter().find(|other| other.number > attempt.number);
    let then = match next {
        Some(next) if next.why == Why::Hedge => format!("{} was asked as well", next.server.called()),
        Some(next) => format!("moved to {}", next.server.called()),
        None if mishap.is_well() => "answered all the same".to_owned(),
        None if mishap.status == 0 => "cut off".to_owned(),
        None => format!("the client got {}", mishap.status),
    };
    format!("{method}: {ended}, {then}")
}
