//! One address of the upstream, as all workers share it.
//!
//! Everything a request touches while it goes well is in *one* padded block of atomics: no lock, no channel and no
//! line that another endpoint's requests write. Failures are counted in a second block, which stays cold. The bits
//! that say whether the endpoint may be used are written by [`Control`](crate::Control) alone, except *suspect*,
//! which the worker that saw something odd sets at once.

mod standing;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use siphasher::sip::SipHasher13;

use crate::evidence::{Evidence, FailureClass};
use crate::latency::{Expected, FadingMean, Latency};
use crate::spec::NameSpec;
pub(crate) use standing::{Flags, Rank};

/// Names an endpoint for the life of the process; never given twice, not even to an address that returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub(crate) u32);

/// Where upstreams of one process take the ids of their endpoints from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct EndpointIds(Arc<AtomicU32>);

impl EndpointIds {
    /// One that was never given before. They rise.
    pub(crate) fn next(&self) -> EndpointId {
        EndpointId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How much an endpoint takes compared to the others: 1 to [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(NonZeroU16);

impl Weight {
    /// The usual weight, 1.
    pub const ONE: Self = Self(NonZeroU16::MIN);
    /// The largest weight, 256: it bounds the tables that are made from weights.
    pub const MAX: u16 = 256;

    /// A weight of `weight`; `None` unless it is 1 to 256.
    pub fn new(weight: u16) -> Option<Self> {
        if weight > Self::MAX {
            return None;
        }
        NonZeroU16::new(weight).map(Self)
    }

    /// The number itself.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One address of the upstream. Shared by all workers; everything that changes is atomic.
pub struct Endpoint {
    id: EndpointId,
    address: SocketAddr,
    host: Box<str>,
    label: Box<str>,
    address_hash: u64,
    epoch: Instant,
    hot: CachePadded<Hot>,
    failures: CachePadded<Failures>,
    /// When a connect was last seen to wait though requests were answered meanwhile.
    line_full: AtomicU64,
}

/// What a request that goes well reads and writes. In this order, so that a pick finds in the first 64 bytes what it looks at.
///
/// What is in flight is what was begun and has not ended: so a request that goes well takes two locked instructions here, one at its
/// beginning and one at its end.
#[derive(Default)]
#[repr(C)]
struct Hot {
    flags: AtomicU32,
    limit: AtomicU32,
    /// Weight × ramp, in [`FULL_SHARE`]ths: slow start scales it.
    share: AtomicU32,
    generation: AtomicU32,
    turn: AtomicU64,
    /// Attempts begun.
    attempts: AtomicU64,
    /// Attempts that ended well …
    successes: AtomicU64,
    /// … and those that ended otherwise.
    others_ended: AtomicU64,
    latency: Latency,
    trials: AtomicU32,
    time_to_head: FadingMean,
    heard: AtomicU64,
    flowed: AtomicU64,
    succeeded: AtomicU64,
}

#[derive(Default)]
struct Failures([AtomicU64; FailureClass::ALL.len()]);

/// The ramp of an endpoint that is not in slow start.
pub(crate) const FULL_SHARE: u32 = 256;

/// What is usual for a request of some kind at an endpoint; `None` where nothing is known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// Time to a connection with the endpoint.
    pub connect: Option<Duration>,
    /// Time from sending a request of the kind to the head of its response, at any endpoint.
    pub head: Option<Duration>,
    /// The slowest of the kind lately.
    pub slowest: Option<Duration>,
    /// After this time without a head, nineteen of twenty requests of the kind would have had one.
    pub hedge_after: Option<Duration>,
}

impl Endpoint {
    /// Without the head of any response for so long, it is worth telling that others answer in its place.
    const QUIET_BEFORE_OUTPACED: Duration = Duration::from_secs(1);

    /// After this time what is heard was sent after a connect had begun, however late it is read.
    pub(crate) const UNDER_WAY: Duration = Duration::from_millis(50);

    pub(crate) fn new(
        id: EndpointId,
        address: SocketAddr,
        name: &NameSpec,
        limit: u32,
        epoch: Instant,
    ) -> Self {
        let NameSpec { weight, backup, .. } = *name;
        let endpoint = Self {
            id,
            address,
            host: name.host.as_str().into(),
            label: format!("{name} {}", address.ip()).into(),
            address_hash: SipHasher13::new().hash(address.to_string().as_bytes()),
            epoch,
            hot: CachePadded::default(),
            failures: CachePadded::default(),
            line_full: AtomicU64::default(),
        };
        endpoint.set_limit(limit);
        endpoint.set_share(weight, FULL_SHARE);
        if backup {
            endpoint.set_flags(Flags::BACKUP, true);
        }
        endpoint
    }

    /// Its name for the life of the process.
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// The host that it was found by: a name, or its address where that was written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For people: the name it was found under and its address, `server:8080 172.18.0.3`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it serves only while no other endpoint can.
    pub fn is_backup(&self) -> bool {
        self.flags().has(Flags::BACKUP)
    }

    /// Whether it may get requests: healthy, suspect or busy or not, and not draining.
    pub fn is_usable(&self) -> bool {
        self.flags().rank() <= Rank::Busy
    }

    /// Whether something odd was seen and no probe has passed since.
    pub fn is_suspect(&self) -> bool {
        self.flags().has(Flags::SUSPECT)
    }

    /// Whether it is at work, as far as anybody can tell, and has no time for a probe.
    pub fn is_busy(&self) -> bool {
        self.flags().has(Flags::BUSY)
    }

    /// Whether it was told to drain, or told us so itself.
    pub fn is_draining(&self) -> bool {
        self.flags().has(Flags::DRAINING) || self.flags().has(Flags::LEAVING)
    }

    /// Whether nothing at all speaks against it.
    pub fn is_plain(&self) -> bool {
        self.flags().rank() <= Rank::Backup
    }

    /// Keeps new requests away until a probe has passed. True for the one caller that changed it: that one tells
    /// [`Control`](crate::Control), so that the probe starts at once.
    pub fn suspect(&self) -> bool {
        !self.is_suspect() && !self.set_flags(Flags::SUSPECT, true).has(Flags::SUSPECT)
    }

    /// Counts `evidence` and acts on it as far as a worker may. True when
    /// [`Control`](crate::Control) should hear of it.
    pub fn report(&self, evidence: Evidence, now: Instant) -> bool {
        let news = evidence.makes_suspect() && self.suspect();
        let heard_lately = || {
            self.last_heard()
                .is_some_and(|heard| now.saturating_duration_since(heard) < Self::QUIET_BEFORE_OUTPACED)
        };
        if evidence == Evidence::Outpaced && heard_lately() {
            // An endpoint that answers at all is slow at most, and that is no failure.
            return false;
        }
        if let Some(class) = evidence.class() {
            self.failures.0[class as usize].fetch_add(1, Ordering::Relaxed);
        }
        match evidence {
            // One idle connection is closed after the other; the first has said it all.
            Evidence::Silent | Evidence::IdleClosed => news,
            _ => evidence.class().is_some(),
        }
    }

    /// Requests in flight on it, over all workers. For a moment in which some end and others begin, it may be told lower than it is.
    pub fn in_flight(&self) -> u32 {
        // Acquire: what has ended is read afterwards.
        self.in_flight_of(self.hot.attempts.load(Ordering::Acquire))
    }

    /// Rises when idle connections to it are to be dropped: on ejection, and when it begins to drain.
    pub fn generation(&self) -> u32 {
        self.hot.generation.load(Ordering::Acquire)
    }

    /// How long it usually takes to a connection; `None` where nothing is known yet.
    pub fn usual_connect(&self) -> Option<Duration> {
        self.hot.latency.usual_connect()
    }

    /// How long its usual answer takes to its head, over all kinds of requests; `None` where nothing is known yet.
    pub fn usual_head(&self) -> Option<Duration> {
        self.hot.latency.usual_head()
    }

    /// When it last sent the head of any response.
    pub fn last_heard(&self) -> Option<Instant> {
        self.instant(&self.hot.heard)
    }

    /// Whether it has sent the head of any response after `since`.
    pub(crate) fn has_answered_since(&self, since: Instant) -> bool {
        self.last_heard().is_some_and(|heard| heard > since)
    }

    /// Whether a connect that has waited since then waits for a place in its line: it has answered others meanwhile. What came at
    /// once does not count, since it may have been under way when the server was cut off.
    pub(crate) fn lives_though_silent_to(&self, since: Instant) -> bool {
        self.has_answered_since(since + Self::UNDER_WAY)
    }

    /// A connect was not answered by `now`, though requests were after it had begun.
    pub(crate) fn line_is_full(&self, now: Instant) {
        self.line_full.store(self.micros(now), Ordering::Relaxed);
    }

    /// When that was last seen.
    pub(crate) fn last_line_full(&self) -> Option<Instant> {
        self.instant(&self.line_full)
    }

    /// When it last sent a part of a long body.
    pub(crate) fn last_flowed(&self) -> Option<Instant> {
        self.instant(&self.hot.flowed)
    }

    /// When a response of it was last whole and good.
    pub fn last_success(&self) -> Option<Instant> {
        self.instant(&self.hot.succeeded)
    }

    /// Attempts ever begun on it.
    pub fn attempts(&self) -> u64 {
        self.hot.attempts.load(Ordering::Relaxed)
    }

    /// Attempts that ended well.
    pub fn successes(&self) -> u64 {
        self.hot.successes.load(Ordering::Relaxed)
    }

    /// Failures of a class ever reported.
    pub fn failures(&self, class: FailureClass) -> u64 {
        self.failures.0[class as usize].load(Ordering::Relaxed)
    }

    fn instant(&self, micros: &AtomicU64) -> Option<Instant> {
        let micros = micros.load(Ordering::Relaxed);
        (micros != 0).then(|| self.epoch + Duration::from_micros(micros))
    }

    /// Never 0, because 0 says that nothing was heard yet.
    fn micros(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.epoch).as_micros() as u64).max(1)
    }
}

/// For the picker and its leases.
impl Endpoint {
    pub(crate) fn flags(&self) -> Flags {
        Flags::from_bits(self.hot.flags.load(Ordering::Relaxed))
    }

    /// The same for the same address in every process.
    pub(crate) fn address_hash(&self) -> u64 {
        self.address_hash
    }

    pub(crate) fn share(&self) -> u32 {
        self.hot.share.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full_with(self.in_flight())
    }

    /// Whether so many in flight are as many as it may have.
    pub(crate) fn is_full_with(&self, in_flight: u32) -> bool {
        in_flight >= self.hot.limit.load(Ordering::Relaxed)
    }

    /// How many of so many that were begun have not ended.
    fn in_flight_of(&self, begun: u64) -> u32 {
        let Hot { successes, others_ended, .. } = &*self.hot;
        let ended = successes.load(Ordering::Relaxed) + others_ended.load(Ordering::Relaxed);
        u32::try_from(begun.saturating_sub(ended)).unwrap_or(u32::MAX)
    }

    /// How many requests it may have in flight.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.hot.limit.store(limit, Ordering::Relaxed);
    }

    /// Takes one place below the limit; false when there is none.
    pub(crate) fn begin(&self) -> bool {
        let begun = &self.hot.attempts;
        // That no other has begun is known from the exchange, and those that have ended only become more: so it is never over its
        // limit. Who has to try again has lost to one who went on.
        let one_more = |begun| (!self.is_full_with(self.in_flight_of(begun))).then_some(begun + 1);
        begun.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// When it goes next in the rotation of `least_requests`.
    pub(crate) fn turn(&self) -> u64 {
        self.hot.turn.load(Ordering::Relaxed)
    }

    /// Of two workers that move it on at the same time one is overheard: that costs a turn and no more.
    pub(crate) fn set_turn(&self, turn: u64) {
        self.hot.turn.store(turn, Ordering::Relaxed);
    }

    /// An attempt ends otherwise than well.
    pub(crate) fn end(&self) {
        self.hot.others_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one of the trials that are open in probation.
    pub(crate) fn begin_trial(&self) -> bool {
        let one_less = |open: u32| open.checked_sub(1);
        self.flags().has(Flags::TRIAL)
            && self.hot.trials.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    pub(crate) fn connected(&self, took: Duration) {
        self.hot.latency.connected(took);
    }

    /// It has sent the head of a response, after `took`: a good one, or a bad one that must not make it look idle.
    pub(crate) fn heard(&self, took: Duration, is_good: bool, now: Instant) {
        let now = self.micros(now);
        self.hot.heard.store(now, Ordering::Relaxed);
        if is_good {
            self.hot.latency.answered(took);
            self.hot.time_to_head.observe(took, now);
        } else {
            self.hot.time_to_head.penalise(now);
        }
    }

    /// A part of a long body has come.
    pub(crate) fn flows(&self, now: Instant) {
        self.hot.flowed.store(self.micros(now), Ordering::Relaxed);
    }

    /// An attempt ends well.
    pub(crate) fn succeeded(&self, now: Instant) {
        self.hot.succeeded.store(self.micros(now), Ordering::Relaxed);
        self.hot.successes.fetch_add(1, Ordering::Relaxed);
    }

    /// A failure is often fast: it must not make the endpoint look idle.
    pub(crate) fn penalise(&self, now: Instant) {
        self.hot.time_to_head.penalise(self.micros(now));
    }

    /// The time to a head that `peak_ewma` expects of it, as of `now`.
    pub(crate) fn expected(&self, now: Instant) -> Expected {
        self.hot.time_to_head.at(self.micros(now))
    }
}

/// For the control task, the only writer of all this.
impl Endpoint {
    /// Sets or clears `bits`; returns the flags as they were.
    pub(crate) fn set_flags(&self, bits: u32, on: bool) -> Flags {
        // Release, so that who sees an endpoint usable again also sees the generation of its connections.
        let before = if on {
            self.hot.flags.fetch_or(bits, Ordering::AcqRel)
        } else {
            self.hot.flags.fetch_and(!bits, Ordering::AcqRel)
        };
        Flags::from_bits(before)
    }

    pub(crate) fn set_share(&self, weight: Weight, ramp: u32) {
        let share = (u32::from(weight.get()) * ramp.min(FULL_SHARE)).max(1);
        self.hot.share.store(share, Ordering::Relaxed);
    }

    pub(crate) fn open_trials(&self, count: u32) {
        self.hot.trials.store(count, Ordering::Relaxed);
    }

    pub(crate) fn has_open_trial(&self) -> bool {
        self.hot.trials.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn drop_idle_connections(&self) {
        self.hot.generation.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("address", &self.address)
            .field("rank", &self.flags().rank())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
