//! What changed, as values with words for people: for the log, the live page and the metrics.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::endpoint::{EndpointId, Weight};
use crate::evidence::Evidence;
use crate::health::{Cause, Health, Source};

use super::member::Member;

/// Something changed about an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// Of which endpoint.
    pub endpoint: EndpointId,
    /// Its address.
    pub address: SocketAddr,
    /// What people call it.
    pub label: String,
    /// What.
    pub news: News,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A look-up found its address.
    Added,
    /// A look-up no longer finds it: it gets nothing new.
    Vanished,
    /// A look-up finds it again.
    Returned,
    /// It is gone, and nothing is in flight on it any more.
    Removed,
    /// It serves.
    Healthy,
    /// It is ejected.
    Ejected {
        /// Why.
        cause: Cause,
        /// Who said so.
        by: Source,
        /// What came last, if traffic said so.
        after: Option<Evidence>,
        /// For how long at least; `None` where it is until enough probes pass, whenever that is.
        lasts: Option<Duration>,
        /// How often it has been ejected.
        times: u64,
    },
    /// It is tried with single requests.
    Probation,
    /// It gets nothing new until a probe has passed.
    Suspect(Evidence),
    /// Its probe passed: the suspicion is over.
    Cleared,
    /// It takes connections and has no time for probes; it is used while nobody is free.
    Busy {
        /// For how long it has answered neither a probe nor a request.
        for_long: Duration,
    },
    /// It has given a sign of life, and is busy no longer.
    Free,
    /// It said itself that it is about to leave.
    Leaving,
    /// It stays after all.
    Stays,
    /// It was told to drain.
    Draining,
    /// It was told to serve again.
    Activated,
    /// It was given another weight.
    Weight(Weight),
}

impl News {
    /// A word for metrics and the live page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Vanished => "vanished",
            Self::Returned => "returned",
            Self::Removed => "removed",
            Self::Healthy => "healthy",
            Self::Ejected { .. } => "ejected",
            Self::Probation => "probation",
            Self::Suspect(_) => "suspect",
            Self::Cleared => "cleared",
            Self::Busy { .. } => "busy",
            Self::Free => "free",
            Self::Leaving => "leaving",
            Self::Stays => "stays",
            Self::Draining => "draining",
            Self::Activated => "activated",
            Self::Weight(_) => "weight",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label, self.news)
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("was found; it serves after its first passed probe"),
            Self::Vanished => {
                f.write_str("is no longer listed, in DNS or in the settings; it gets nothing new")
            }
            Self::Returned => f.write_str("is listed again; it serves after its first passed probe"),
            Self::Removed => f.write_str("is gone"),
            Self::Healthy => f.write_str("is serving"),
            Self::Ejected { cause, by, after, lasts, times } => {
                match (by, cause) {
                    (_, Cause::Unanswering) => f.write_str("takes connections and answers nothing")?,
                    (Source::Probes, _) => f.write_str("stopped answering probes")?,
                    (Source::Traffic, Cause::Unreachable) => f.write_str("cannot be reached")?,
                    (Source::Traffic, Cause::Misbehaving) => f.write_str("misbehaves")?,
                }
                if let Some(evidence) = after {
                    write!(f, " ({evidence})")?;
                }
                match lasts {
                    Some(lasts) => write!(f, "; ejected for {} s", lasts.as_secs_f64())?,
                    None => f.write_str("; ejected until probes pass")?,
                }
                if *times > 1 { write!(f, ", {times} times so far") } else { Ok(()) }
            }
            Self::Probation => f.write_str("is tried again with single requests"),
            Self::Suspect(evidence) => write!(f, "is suspect: {evidence}"),
            Self::Cleared => f.write_str("answered again: no longer suspect"),
            Self::Busy { for_long } => {
                write!(
                    f,
                    "is busy: takes connections, has not answered a probe for {:.1} s",
                    for_long.as_secs_f64()
                )
            }
            Self::Free => f.write_str("answered again: no longer busy"),
            Self::Leaving => f.write_str("is about to leave; it gets nothing new"),
            Self::Stays => f.write_str("is ready again"),
            Self::Draining => f.write_str("was told to drain"),
            Self::Activated => f.write_str("was told to serve again"),
            Self::Weight(weight) => write!(f, "has weight {weight}"),
        }
    }
}

/// Changes that the shell has not taken yet.
#[derive(Default)]
pub(super) struct Changes(Vec<Change>);

/// A shell that takes none loses the newest beyond this many; it does not lose memory.
const MAX_CHANGES_UNTAKEN: usize = 4_096;

impl Changes {
    pub(super) fn add(&mut self, member: &Member, news: News, at: Instant) {
        if self.0.len() < MAX_CHANGES_UNTAKEN {
            let endpoint = &member.endpoint;
            let (address, label) = (endpoint.address(), endpoint.label().to_owned());
            self.0.push(Change { at, endpoint: endpoint.id(), address, label, news });
        }
    }

    /// Health is not what it was.
    pub(super) fn add_health(&mut self, member: &Member, after: Option<Evidence>, at: Instant) {
        let news = match member.observed.health() {
            Health::Unproven => return,
            Health::Healthy => News::Healthy,
            Health::Probation { .. } => News::Probation,
            Health::Ejected { cause, by, until } => {
                // One that probes caused, or that begins with them failing, has no time of its own.
                let lasts = Some(until.saturating_duration_since(at)).filter(|lasts| !lasts.is_zero());
                News::Ejected { cause, by, after, lasts, times: member.observed.ejections() }
            }
        };
        self.add(member, news, at);
    }

    /// It has become busy, or is so no longer, while it is healthy: whether it was is known.
    pub(super) fn add_busy(&mut self, member: &Member, was: bool, at: Instant) {
        let is = member.observed.is_busy();
        if is && !was {
            self.add(member, News::Busy { for_long: member.observed.unanswered_for(at) }, at);
        } else if was && !is && member.observed.health() == Health::Healthy {
            self.add(member, News::Free, at);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }
}
