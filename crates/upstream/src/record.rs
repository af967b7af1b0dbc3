//! When evidence of traffic amounts to a charge against an endpoint.
//!
//! Most evidence counts in a row: a success between two failures ends the row. Successes are not told one by one (that
//! would be a message a request), so the record compares the endpoint's own counter of them. What is scattered among
//! successes counts within a window, and only if it is a noticeable share: one failure in a million says nothing.
//!
//! A bad *status* says something about the server only if its peers answer well at the same time; otherwise a client that can
//! ask for an error could switch servers off. A row of `k` bad answers comes about by chance with probability
//! `p^k`, where `p` is the share of bad answers of the peers. It is a charge when that is less than [`NO_COINCIDENCE_BELOW`].
//!
//! Whatever a client can bring about needs a second voice as well, or one client could switch servers off: the failures
//! that make a charge must come from two clients, or one of them be proven by another endpoint that did well with the
//! same request, or the last probe have failed ([`Standing`]). What was refuted is struck out.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::evidence::{Author, ConnectFailure, Evidence, Standing, Testimony};
use crate::health::Cause;
use crate::settings::OutlierSettings;

/// What one endpoint's traffic has shown lately.
#[derive(Debug)]
pub(crate) struct Record {
    began: Instant,
    /// The endpoint's counter when evidence last came.
    successes: u64,
    connects: u32,
    outpaced: u32,
    scattered: Option<Scattered>,
    exhibits: ArrayVec<Exhibit, MAX_EXHIBITS_PER_ENDPOINT>,
    statuses: Statuses,
}

/// The most failures that are remembered one by one, the newest; a setting above it is met by it.
const MAX_EXHIBITS_PER_ENDPOINT: usize = 32;
/// Scattered failures are a charge when they are at least one in this many.
const ATTEMPTS_PER_NOTICEABLE_FAILURE: u64 = 20;
/// Bad answers in a row after which the next is compared with a peer's.
const BAD_ANSWERS_UNTIL_ACCUSED: u32 = 2;

/// A failure that a client may have brought about.
#[derive(Clone, Copy, Debug)]
struct Exhibit {
    class: Class,
    at: Instant,
    author: Author,
    proven: bool,
    /// Nothing has succeeded since.
    in_row: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Response,
    Digest,
    Status,
}

impl Class {
    fn of(evidence: Evidence) -> Option<Self> {
        match evidence {
            Evidence::ResponseFailed(_) | Evidence::MissingDigest => Some(Self::Response),
            Evidence::WrongDigest => Some(Self::Digest),
            Evidence::Status(_) => Some(Self::Status),
            Evidence::ConnectFailed(_)
            | Evidence::Silent
            | Evidence::Outpaced
            | Evidence::IdleClosed
            | Evidence::Succeeded => None,
        }
    }
}

#[derive(Debug)]
struct Scattered {
    since: Instant,
    attempts_before: u64,
    failures: u32,
}

/// What the record makes of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Not enough.
    Nothing,
    /// Enough.
    Charge(Cause),
    /// A row of bad statuses that is enough if the peers answer well: see [`Record::stands_out`].
    BadRow { since: Instant },
}

impl Judgement {
    fn charge_if(enough: bool, cause: Cause) -> Self {
        if enough { Self::Charge(cause) } else { Self::Nothing }
    }
}

/// What is known of the endpoint beside its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) attempts: u64,
    pub(crate) successes: u64,
    /// When it last sent the head of any response.
    pub(crate) heard: Option<Instant>,
    /// Its last probe failed.
    pub(crate) probe_failed: bool,
}

impl Record {
    pub(crate) fn new(known: Known, now: Instant) -> Self {
        Self {
            began: now,
            successes: known.successes,
            connects: 0,
            outpaced: 0,
            scattered: None,
            exhibits: ArrayVec::new(),
            statuses: Statuses::default(),
        }
    }

    /// Takes in evidence.
    pub(crate) fn add(
        &mut self,
        testimony: Testimony,
        known: Known,
        settings: &OutlierSettings,
        now: Instant,
    ) -> Judgement {
        self.note_successes(known.successes);
        match testimony.evidence {
            Evidence::ConnectFailed(ConnectFailure::Local) => Judgement::Nothing,
            Evidence::ConnectFailed(_) => {
                self.connects += 1;
                Judgement::charge_if(self.connects >= settings.connect_failures, Cause::Unreachable)
            }
            Evidence::Outpaced => {
                self.outpaced += 1;
                Judgement::charge_if(self.is_unheard(known, settings, now), Cause::Misbehaving)
            }
            evidence => match Class::of(evidence) {
                Some(class) => {
                    self.exhibit(class, testimony, known, settings, now);
                    self.judge(class, known, settings, now)
                }
                None => Judgement::Nothing,
            },
        }
    }

    /// Whether it has answered no request for long, while others answered the same requests in its place.
    pub(crate) fn is_unheard(&self, known: Known, settings: &OutlierSettings, now: Instant) -> bool {
        let heard = known.heard.map_or(self.began, |heard| heard.max(self.began));
        self.outpaced >= settings.outpaced && now.saturating_duration_since(heard) >= settings.unheard
    }

    /// Puts a failure into the record, or says how one that is there already stands now.
    fn exhibit(
        &mut self,
        class: Class,
        testimony: Testimony,
        known: Known,
        settings: &OutlierSettings,
        now: Instant,
    ) {
        let Testimony { author, standing, .. } = testimony;
        let alike = |exhibit: &Exhibit| exhibit.class == class && exhibit.author == author && !exhibit.proven;
        let known_already = self.exhibits.iter().rposition(alike);
        match (standing, known_already) {
            (Standing::Alleged, _) => {
                self.make_room();
                self.exhibits.push(Exhibit { class, at: now, author, proven: false, in_row: true });
                match class {
                    Class::Status => self.statuses.add_bad(now),
                    Class::Response => self.scatter(known.attempts, settings, now),
                    Class::Digest => {}
                }
            }
            (Standing::Proven, Some(index)) => self.exhibits[index].proven = true,
            (Standing::Refuted, Some(index)) => {
                let struck = self.exhibits.remove(index);
                match class {
                    Class::Status if struck.in_row => self.statuses.strike_one(),
                    Class::Response => {
                        if let Some(scattered) = &mut self.scattered {
                            scattered.failures = scattered.failures.saturating_sub(1);
                        }
                    }
                    Class::Status | Class::Digest => {}
                }
            }
            // Health has changed since it was alleged, and the record begun anew.
            (Standing::Proven | Standing::Refuted, None) => {}
        }
    }

    /// Forgets the oldest of the class that has the most, so that one class does not crowd out another.
    fn make_room(&mut self) {
        if !self.exhibits.is_full() {
            return;
        }
        let count = |class| self.exhibits.iter().filter(|exhibit| exhibit.class == class).count();
        let crowd =
            [Class::Response, Class::Digest, Class::Status].into_iter().max_by_key(|&class| count(class));
        let oldest = self.exhibits.iter().position(|exhibit| Some(exhibit.class) == crowd);
        self.exhibits.remove(oldest.unwrap_or(0));
    }

    fn judge(&self, class: Class, known: Known, settings: &OutlierSettings, now: Instant) -> Judgement {
        let lately =
            |exhibit: &Exhibit, window: Duration| now.saturating_duration_since(exhibit.at) <= window;
        match class {
            Class::Response => {
                let in_row = |exhibit: &Exhibit| exhibit.class == class && exhibit.in_row;
                let row = self.is_charge(in_row, settings.response_failures, known);
                let scattered = self.is_scattered(known.attempts, settings)
                    && self.is_charge(
                        |exhibit| exhibit.class == class && lately(exhibit, settings.window),
                        1,
                        known,
                    );
                Judgement::charge_if(row || scattered, Cause::Misbehaving)
            }
            Class::Digest => {
                let wrong =
                    |exhibit: &Exhibit| exhibit.class == class && lately(exhibit, settings.digest_window);
                Judgement::charge_if(self.is_charge(wrong, settings.wrong_digests, known), Cause::Misbehaving)
            }
            Class::Status => {
                let in_row = |exhibit: &Exhibit| exhibit.class == class && exhibit.in_row;
                match self.statuses.row_began {
                    Some(since) if self.is_charge(in_row, settings.bad_statuses, known) => {
                        Judgement::BadRow { since }
                    }
                    _ => Judgement::Nothing,
                }
            }
        }
    }

    /// Whether these failures are enough, in number and in voices.
    fn is_charge(&self, which: impl Fn(&Exhibit) -> bool, enough: u32, known: Known) -> bool {
        let mut chosen = self.exhibits.iter().filter(|exhibit| which(exhibit)).peekable();
        let Some(first) = chosen.peek().map(|exhibit| exhibit.author) else { return false };
        let (mut count, mut second_voice) = (0, known.probe_failed);
        for exhibit in chosen {
            count += 1;
            second_voice |= exhibit.proven || exhibit.author != first;
        }
        count >= (enough as usize).min(MAX_EXHIBITS_PER_ENDPOINT) && second_voice
    }

    /// Whether bad answers follow each other, so that the next should be compared with a peer's.
    pub(crate) fn is_accused(&self) -> bool {
        self.statuses.row >= BAD_ANSWERS_UNTIL_ACCUSED
    }

    /// Whether the present row of bad statuses is a charge, with peers that answer like this.
    pub(crate) fn stands_out(&self, peers: Peers) -> bool {
        // A share of nothing would let any row convict.
        let share = peers.bad_share.max(LEAST_BAD_SHARE);
        share.powf(f64::from(self.statuses.row)) < NO_COINCIDENCE_BELOW
    }

    /// The share of bad answers lately, as a peer of another endpoint.
    pub(crate) fn bad_share(&self, successes_now: u64) -> f64 {
        self.statuses.share(successes_now.saturating_sub(self.successes))
    }

    /// A success ends every row.
    pub(crate) fn note_successes(&mut self, successes: u64) {
        let since = successes.saturating_sub(self.successes);
        self.successes = successes;
        if since > 0 {
            (self.connects, self.outpaced) = (0, 0);
            self.exhibits.iter_mut().for_each(|exhibit| exhibit.in_row = false);
            self.statuses.add_good(since);
        }
    }

    fn scatter(&mut self, attempts: u64, settings: &OutlierSettings, now: Instant) {
        let over = |scattered: &Scattered| now.saturating_duration_since(scattered.since) > settings.window;
        if self.scattered.as_ref().is_none_or(over) {
            self.scattered = Some(Scattered { since: now, attempts_before: attempts, failures: 0 });
        }
        if let Some(scattered) = &mut self.scattered {
            scattered.failures += 1;
        }
    }

    fn is_scattered(&self, attempts: u64, settings: &OutlierSettings) -> bool {
        self.scattered.as_ref().is_some_and(|scattered| {
            let among = attempts.saturating_sub(scattered.attempts_before);
            let noticeable = u64::from(scattered.failures) * ATTEMPTS_PER_NOTICEABLE_FAILURE >= among;
            scattered.failures >= settings.scattered_failures && noticeable
        })
    }
}

/// How the other endpoints that serve have answered since the row began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers {
    /// The mean of their shares of bad answers.
    pub(crate) bad_share: f64,
}

/// A row this unlikely is no coincidence: at ten thousand requests a second, once in a month.
const NO_COINCIDENCE_BELOW: f64 = 1e-10;
/// Peers that have shown nothing bad are not taken to be better than this.
const LEAST_BAD_SHARE: f64 = 0.001;

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
    const FAST_WEIGHT: f64 = 1.0 / 8.0;
    const SLOW_WEIGHT: f64 = 1.0 / 64.0;

    fn add_bad(&mut self, now: Instant) {
        self.row += 1;
        self.fast += (1.0 - self.fast) * Self::FAST_WEIGHT;
        self.slow += (1.0 - self.slow) * Self::SLOW_WEIGHT;
        self.row_began.get_or_insert(now);
    }

    /// One of the row was the request's doing. As an answer it stays in the shares: so do those of the peers.
    fn strike_one(&mut self) {
        self.row = self.row.saturating_sub(1);
        if self.row == 0 {
            self.row_began = None;
        }
    }

    fn add_good(&mut self, count: u64) {
        (self.row, self.row_began) = (0, None);
        (self.fast, self.slow) = self.after_good(count);
    }

    fn after_good(&self, count: u64) -> (f64, f64) {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        (self.fast * (1.0 - Self::FAST_WEIGHT).powi(count), self.slow * (1.0 - Self::SLOW_WEIGHT).powi(count))
    }

    fn share(&self, good_since: u64) -> f64 {
        let (fast, slow) = self.after_good(good_since);
        fast.max(slow)
    }
}
