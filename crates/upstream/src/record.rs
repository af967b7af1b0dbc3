//! When evidence of traffic amounts to a charge against an endpoint.
//!
//! Most evidence counts in a row: a success between two failures ends the row. Successes are not told one by one (that
//! would be a message a request), so the record compares the endpoint's own counter of them. What is scattered among
//! successes counts within a window, and only if it is a noticeable share: one failure in a million is nobody's outlier.
//!
//! A bad *status* says something about the server only if its peers answer well at the same time; otherwise whoever can
//! ask for `/status/503` could switch servers off. A row of `k` bad answers comes about by chance with probability
//! `p^k`, where `p` is the share of bad answers of the peers. It is a charge when that is less than [`BY_CHANCE`].

use std::time::Instant;

use arrayvec::ArrayVec;

use crate::evidence::{ConnectFailure, Evidence, is_bad};
use crate::health::Cause;
use crate::settings::OutlierSettings;

/// What one endpoint's traffic has shown lately.
#[derive(Debug)]
pub(crate) struct Record {
    /// The endpoint's counter when evidence last came.
    successes: u64,
    connects: u32,
    responses: u32,
    silences: u32,
    scattered: Option<Scattered>,
    digests: ArrayVec<Instant, MAX_DIGESTS>,
    statuses: Statuses,
}

/// The most wrong digests that are remembered; a setting above it is met by it.
const MAX_DIGESTS: usize = 16;
/// Scattered failures are a charge when they are at least one in this many.
const NOTICEABLE: u64 = 20;

#[derive(Debug)]
struct Scattered {
    since: Instant,
    attempts_before: u64,
    failures: u32,
}

/// What the record makes of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Not enough.
    Nothing,
    /// Enough.
    Charge(Cause),
    /// A row of bad statuses that is enough if the peers answer well: see [`Record::stands_out`].
    BadRow { since: Instant },
}

impl Finding {
    fn charge_if(enough: bool, cause: Cause) -> Self {
        if enough { Self::Charge(cause) } else { Self::Nothing }
    }
}

/// The counters of the endpoint whose record it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) attempts: u64,
    pub(crate) successes: u64,
}

impl Record {
    pub(crate) fn new(counters: Counters) -> Self {
        Self {
            successes: counters.successes,
            connects: 0,
            responses: 0,
            silences: 0,
            scattered: None,
            digests: ArrayVec::new(),
            statuses: Statuses::default(),
        }
    }

    /// Takes in evidence.
    pub(crate) fn add(
        &mut self,
        evidence: Evidence,
        counters: Counters,
        settings: &OutlierSettings,
        now: Instant,
    ) -> Finding {
        self.note_successes(counters.successes);
        match evidence {
            Evidence::ConnectFailed(ConnectFailure::Local) | Evidence::IdleClosed | Evidence::Succeeded => {
                Finding::Nothing
            }
            Evidence::ConnectFailed(_) => {
                self.connects += 1;
                Finding::charge_if(self.connects >= settings.connect_failures, Cause::Unreachable)
            }
            Evidence::Silent => {
                self.silences += 1;
                Finding::charge_if(self.is_unresponsive(settings), Cause::Misbehaving)
            }
            Evidence::ResponseFailed(_) | Evidence::MissingDigest => {
                self.responses += 1;
                let scattered = self.scatter(counters.attempts, settings, now);
                let in_a_row = self.responses >= settings.response_failures || self.is_unresponsive(settings);
                Finding::charge_if(scattered || in_a_row, Cause::Misbehaving)
            }
            Evidence::WrongDigest => Finding::charge_if(self.add_digest(settings, now), Cause::Misbehaving),
            Evidence::Status(status) if is_bad(status) => {
                let row_began = self.statuses.add_bad(now);
                let long = self.statuses.row >= settings.bad_statuses;
                if long { Finding::BadRow { since: row_began } } else { Finding::Nothing }
            }
            Evidence::Status(_) => Finding::Nothing,
        }
    }

    /// Whether the present row of bad statuses is a charge, with peers that answer like this.
    pub(crate) fn stands_out(&self, peers: Peers) -> bool {
        // A share of nothing would let any row convict.
        let share = peers.bad_share.max(LEAST_SHARE);
        share.powf(f64::from(self.statuses.row)) < BY_CHANCE
    }

    /// The share of bad answers lately, as a peer of another endpoint.
    pub(crate) fn bad_share(&self, successes_now: u64) -> f64 {
        self.statuses.share(successes_now.saturating_sub(self.successes))
    }

    /// A request that could move away was silence, one that could not was a failure in the end: the same row.
    fn is_unresponsive(&self, settings: &OutlierSettings) -> bool {
        self.silences + self.responses >= settings.silences
    }

    fn note_successes(&mut self, successes: u64) {
        let since = successes.saturating_sub(self.successes);
        self.successes = successes;
        if since > 0 {
            (self.connects, self.responses, self.silences) = (0, 0, 0);
            self.statuses.add_good(since);
        }
    }

    fn scatter(&mut self, attempts: u64, settings: &OutlierSettings, now: Instant) -> bool {
        let over = |scattered: &Scattered| now.saturating_duration_since(scattered.since) > settings.window;
        if self.scattered.as_ref().is_none_or(over) {
            self.scattered = Some(Scattered { since: now, attempts_before: attempts, failures: 0 });
        }
        let Some(scattered) = &mut self.scattered else { return false };
        scattered.failures += 1;
        let among = attempts.saturating_sub(scattered.attempts_before);
        let noticeable = u64::from(scattered.failures) * NOTICEABLE >= among;
        scattered.failures >= settings.scattered_failures && noticeable
    }

    fn add_digest(&mut self, settings: &OutlierSettings, now: Instant) -> bool {
        self.digests.retain(|&mut seen| now.saturating_duration_since(seen) <= settings.digest_window);
        if self.digests.is_full() {
            self.digests.remove(0);
        }
        self.digests.push(now);
        self.digests.len() >= (settings.wrong_digests as usize).min(MAX_DIGESTS)
    }
}

/// How the other endpoints that serve have answered since the row began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers {
    /// The mean of their shares of bad answers.
    pub(crate) bad_share: f64,
}

/// A row this unlikely is no coincidence: at ten thousand requests a second, once in a month.
const BY_CHANCE: f64 = 1e-10;
/// Peers that have shown nothing bad are not taken to be better than this.
const LEAST_SHARE: f64 = 0.001;

/// The shares of bad answers, one that follows at once and one that remembers.
#[derive(Debug, Default)]
struct Statuses {
    row: u32,
    row_began: Option<Instant>,
    fast: f64,
    slow: f64,
}

impl Statuses {
    /// Weight of the newest answer.
    const FAST: f64 = 1.0 / 8.0;
    const SLOW: f64 = 1.0 / 64.0;

    /// Returns when the row began.
    fn add_bad(&mut self, now: Instant) -> Instant {
        self.row += 1;
        self.fast += (1.0 - self.fast) * Self::FAST;
        self.slow += (1.0 - self.slow) * Self::SLOW;
        *self.row_began.get_or_insert(now)
    }

    fn add_good(&mut self, count: u64) {
        (self.row, self.row_began) = (0, None);
        (self.fast, self.slow) = self.after_good(count);
    }

    fn after_good(&self, count: u64) -> (f64, f64) {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        (self.fast * (1.0 - Self::FAST).powi(count), self.slow * (1.0 - Self::SLOW).powi(count))
    }

    fn share(&self, good_since: u64) -> f64 {
        let (fast, slow) = self.after_good(good_since);
        fast.max(slow)
    }
}
