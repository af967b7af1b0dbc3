//! One episode: what was seen, whom it struck, and how far it has come. It ends when everybody it struck serves again or has
//! left for good, and nothing more has happened for a while.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_upstream::News;
use serde::Serialize;

use super::signs::{Cause, Signs};
use super::tally::Tally;
use crate::records::roster::Server;

#[derive(Clone, Debug)]
pub(super) struct Episode {
    /// Those that it struck; nobody where no server was left at all.
    pub(super) parts: Vec<Part>,
    /// Whose servers they were of which none was left, where there are several upstreams.
    pub(super) of: Option<Arc<str>>,
    /// That upstream is no longer in the settings.
    pub(super) is_abandoned: bool,
    pub(super) begun_ms: u64,
    pub(super) last_sign_ms: u64,
    pub(super) ended_ms: Option<u64>,
    pub(super) signs: Signs,
    pub(super) tally: Tally,
    pub(super) steps: Steps,
    /// How long each ejection was to last at least, where that was said.
    pub(super) ejections: Vec<Option<Duration>>,
}

/// One server in it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) server: Server,
    /// It gets no new requests.
    pub(super) out: bool,
    pub(super) out_ms: Option<u64>,
    pub(super) ejected_ms: Option<u64>,
    /// When it served again.
    pub(super) back_ms: Option<u64>,
    /// When it was no longer in DNS.
    pub(super) vanished_ms: Option<u64>,
    /// When it was gone, with nothing in flight on it any more.
    pub(super) removed_ms: Option<u64>,
}

/// The most servers that one episode names.
pub(super) const PARTS: usize = 16;

/// The most ejections that are told one by one.
const EJECTIONS: usize = 32;

/// How long nothing more has to happen after a server serves again.
const SETTLED_MS: u64 = 3_000;

/// The same for one that answers wrongly, which shows only by and by.
const PROVEN_MS: u64 = 10_000;

/// How long one that is gone is waited for.
const GONE_MS: u64 = 5_000;

/// The same for one that had said so.
const LEFT_MS: u64 = 500;

impl Part {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            out: false,
            out_ms: None,
            ejected_ms: None,
            back_ms: None,
            vanished_ms: None,
            removed_ms: None,
        }
    }

    fn goes_out(&mut self, at_ms: u64) {
        (self.out, self.back_ms, self.removed_ms) = (true, None, None);
        self.out_ms.get_or_insert(at_ms);
    }

    pub(super) fn comes_back(&mut self, at_ms: u64) {
        if self.out {
            (self.out, self.back_ms) = (false, Some(at_ms));
        }
    }
}

impl Episode {
    pub(super) fn of(server: Server, at_ms: u64) -> Self {
        Self { parts: vec![Part::new(server)], ..Self::of_nobody(None, at_ms) }
    }

    /// No server of this upstream is left.
    pub(super) fn of_nobody(upstream: Option<Arc<str>>, at_ms: u64) -> Self {
        Self {
            parts: Vec::new(),
            of: upstream,
            is_abandoned: false,
            begun_ms: at_ms,
            last_sign_ms: at_ms,
            ended_ms: None,
            signs: Signs::default(),
            tally: Tally::default(),
            steps: Steps::default(),
            ejections: Vec::new(),
        }
    }

    pub(super) fn cause(&self) -> Cause {
        if self.parts.is_empty() {
            return Cause::AllDown;
        }
        match self.signs.cause() {
            Cause::Stopped
                if self.parts.len() > 1 && self.parts.iter().any(|part| part.back_ms.is_some()) =>
            {
                Cause::RollingRestart
            }
            cause => cause,
        }
    }

    /// Something spoke of trouble at that moment.
    pub(super) fn sign_at(&mut self, at_ms: u64) {
        self.begun_ms = self.begun_ms.min(at_ms);
        self.last_sign_ms = self.last_sign_ms.max(at_ms);
        self.ended_ms = None;
    }

    /// The upstream of all its servers, where there are several and they are of one.
    pub(super) fn upstream(&self) -> Option<String> {
        if self.parts.is_empty() {
            return self.of.as_deref().map(str::to_owned);
        }
        let first = self.parts.first()?.server.upstream.as_deref()?;
        let is_shared = self.parts.iter().all(|part| part.server.upstream.as_deref() == Some(first));
        is_shared.then(|| first.to_owned())
    }

    pub(super) fn part(&mut self, server: &Server) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.server.place() == server.place())
    }

    /// Takes in what control said of one of its servers.
    pub(super) fn news(&mut self, server: &Server, news: News, at_ms: u64) {
        let is_crash = self.cause() == Cause::Crashed;
        let Some(part) = self.parts.iter_mut().find(|part| part.server.place() == server.place()) else {
            return;
        };
        part.server = server.clone();
        match news {
            News::Suspect(evidence) => self.signs.evidence(evidence),
            News::Ejected { cause, after, lasts, .. } => {
                part.goes_out(at_ms);
                part.ejected_ms.get_or_insert(at_ms);
                self.signs.charged(cause);
                if let Some(evidence) = after {
                    self.signs.evidence(evidence);
                }
                if self.ejections.len() < EJECTIONS {
                    self.ejections.push(lasts);
                }
            }
            News::Leaving => {
                part.goes_out(at_ms);
                self.signs.announced = true;
            }
            News::Draining => {
                part.goes_out(at_ms);
                self.signs.drained = true;
            }
            News::Vanished => {
                part.goes_out(at_ms);
                part.vanished_ms = Some(at_ms);
                self.signs.vanished = true;
            }
            News::Removed => part.removed_ms = Some(part.vanished_ms.unwrap_or(at_ms)),
            News::Healthy | News::Stays | News::Activated => part.comes_back(at_ms),
            News::Added | News::Returned => part.removed_ms = None,
            // A crash from which it was back before anybody could eject it.
            News::Cleared if is_crash && !part.out => {
                part.back_ms = Some(at_ms);
                return;
            }
            News::Probation | News::Cleared | News::Busy { .. } | News::Free | News::Weight(_) => return,
        }
        if !matches!(news, News::Healthy | News::Stays | News::Activated | News::Removed) {
            self.sign_at(at_ms);
        }
    }

    /// Ends it if it is over. True when it was.
    pub(super) fn end(&mut self, now_ms: u64) -> bool {
        if self.ended_ms.is_some() {
            return false;
        }
        let cause = self.cause();
        let quiet = now_ms.saturating_sub(self.last_change_ms());
        let patience = match cause {
            Cause::Corrupting | Cause::Breaking | Cause::Failing | Cause::Slow => PROVEN_MS,
            Cause::Drained => 0,
            _ => SETTLED_MS,
        };
        let gone = if self.signs.announced { LEFT_MS } else { GONE_MS };
        let is_over = |part: &Part| match part.removed_ms {
            Some(removed) => now_ms.saturating_sub(removed) >= gone,
            None => !part.out && quiet >= patience,
        };
        if self.parts.is_empty() || !self.parts.iter().all(is_over) {
            return false;
        }
        self.ended_ms = Some(self.last_change_ms());
        true
    }

    fn last_change_ms(&self) -> u64 {
        let moments = self.parts.iter().flat_map(|part| [part.back_ms, part.removed_ms]);
        moments.flatten().fold(self.last_sign_ms, u64::max)
    }
}

/// What happened, in order. The same again is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    kept: Vec<Step>,
    /// More than are kept.
    more: u64,
}

#[derive(Clone, Debug)]
struct Step {
    at_ms: u64,
    text: String,
    times: u64,
}

/// A step as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StepView {
    pub(crate) at_ms: u64,
    pub(crate) text: String,
}

/// The most steps that are kept: the first ones tell how it came about.
const STEPS: usize = 32;

impl Steps {
    pub(super) fn add(&mut self, at_ms: u64, text: String) {
        if let Some(same) = self.kept.iter_mut().rev().take(4).find(|step| step.text == text) {
            same.times += 1;
        } else if self.kept.len() < STEPS {
            self.kept.push(Step { at_ms, text, times: 1 });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn views(&self) -> Vec<StepView> {
        let mut views: Vec<StepView> = self.kept.iter().map(Step::view).collect();
        // Requests are told when they are over, which is later than what they showed.
        views.sort_by_key(|step| step.at_ms);
        if self.more > 0 {
            let at_ms = views.last().map_or(0, |step| step.at_ms);
            views.push(StepView { at_ms, text: format!("and {} more", self.more) });
        }
        views
    }
}

impl Step {
    fn view(&self) -> StepView {
        let times = if self.times > 1 { format!(", {} times", self.times) } else { String::new() };
        StepView { at_ms: self.at_ms, text: format!("{}{times}", self.text) }
    }
}
