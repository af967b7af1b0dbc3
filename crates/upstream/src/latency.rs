//! What is usual, learnt from answers without a lock.
//!
//! Small estimators of a few bytes each. Workers update those of an endpoint with plain loads and stores: two at the same
//! moment may lose one sample of many, which changes no decision, and no request ever waits for another.
//!
//! * the usual time: an exponentially weighted mean (1/16 of each new sample);
//! * the time nineteen of twenty answers stay below, of a kind of request ([`Kinds`](crate::kinds::Kinds)): a stochastic
//!   quantile (each sample moves the estimate by a small step, up 19 times as far as down, so that it rests where one
//!   in twenty is above);
//! * the mean that `peak_ewma` compares (1/16 of each new sample, more of one after a silence): a failure counts as a
//!   peak, whole and at once, and what is not confirmed by answers fades with time.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The usual times of one endpoint, in microseconds; 0 says that nothing is known.
#[derive(Default)]
pub(crate) struct Latency {
    connect: AtomicU32,
    head: AtomicU32,
}

/// The quantile's step down, as a part of the estimate.
const STEP_DOWN: u32 = 16 * ABOVE_TO_BELOW;
/// One in twenty is above: nineteen are below for each.
const ABOVE_TO_BELOW: u32 = 19;

impl Latency {
    pub(crate) fn connected(&self, took: Duration) {
        let sample = micros(took);
        self.connect.store(mean(self.connect.load(Ordering::Relaxed), sample), Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, took: Duration) {
        let sample = micros(took);
        self.head.store(mean(self.head.load(Ordering::Relaxed), sample), Ordering::Relaxed);
    }

    /// The mean time to a connection; `None` where nothing is known.
    pub(crate) fn usual_connect(&self) -> Option<Duration> {
        known(self.connect.load(Ordering::Relaxed))
    }

    /// The mean time to a head, over all that it answered.
    pub(crate) fn usual_head(&self) -> Option<Duration> {
        known(self.head.load(Ordering::Relaxed))
    }
}

/// A time in microseconds of which 0 says that nothing is known.
pub(crate) fn known(micros: u32) -> Option<Duration> {
    (micros != 0).then(|| Duration::from_micros(micros.into()))
}

pub(crate) fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1)
}

pub(crate) fn mean(estimate: u32, sample: u32) -> u32 {
    if estimate == 0 {
        return sample;
    }
    let (estimate, sample) = (u64::from(estimate), u64::from(sample));
    // Rounded towards the sample, or a small estimate would never move.
    let next =
        if sample > estimate { (estimate * 15 + sample).div_ceil(16) } else { (estimate * 15 + sample) / 16 };
    next.max(1) as u32
}

pub(crate) fn towards_quantile(estimate: u32, sample: u32) -> u32 {
    if estimate == 0 {
        return sample;
    }
    let step = estimate / STEP_DOWN + 1;
    if sample > estimate {
        estimate.saturating_add(step.saturating_mul(ABOVE_TO_BELOW))
    } else {
        estimate.saturating_sub(step).max(1)
    }
}

/// The mean time to a head, which fades by half every [`FadingMean::HALF_LIFE`] without an answer.
///
/// A slow answer among fast ones counts a sixteenth, however often the endpoint is asked: an estimate that rose to
/// every outlier would make the endpoint that answers most look slowest.
#[derive(Default)]
pub(crate) struct FadingMean {
    /// Estimate in nanoseconds (high half) and when it was made, in milliseconds of the epoch (low half).
    packed: AtomicU64,
}

/// What to expect of an endpoint, in nanoseconds; 0 where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The mean after the last answer or failure.
    pub(crate) learnt: u64,
    /// What is left of it by now: what was slow gets another chance.
    pub(crate) faded: u64,
}

impl FadingMean {
    /// Ten seconds after a second's worth of slowness, a millisecond of it is left.
    const HALF_LIFE: Duration = Duration::from_secs(1);
    /// What a failure costs at least: more than a usual answer takes.
    const PENALTY_AT_LEAST: Duration = Duration::from_millis(100);
    /// Slower than this is slow, however much slower: it should not take longer to be forgotten.
    const SLOWEST_COUNTED: Duration = Duration::from_secs(1);
    /// Fractions are in 65,536ths.
    const WHOLE: u64 = 1 << 16;
    /// What an answer that follows the last at once leaves of the mean.
    const LEFT_BY_THE_NEXT: u64 = Self::WHOLE / 16 * 15;

    pub(crate) fn observe(&self, took: Duration, now_micros: u64) {
        let (estimate, made_at) = self.load();
        let sample = nanos(took.min(Self::SLOWEST_COUNTED));
        let kept = if estimate == 0 { 0 } else { left(made_at, now_micros).min(Self::LEFT_BY_THE_NEXT) };
        self.store((estimate * kept + sample * (Self::WHOLE - kept)) / Self::WHOLE, now_micros);
    }

    pub(crate) fn penalise(&self, now_micros: u64) {
        self.store((self.at(now_micros).faded * 2).max(nanos(Self::PENALTY_AT_LEAST)), now_micros);
    }

    /// The estimate as of now; reading does not change it.
    pub(crate) fn at(&self, now_micros: u64) -> Expected {
        let (learnt, made_at) = self.load();
        Expected { learnt, faded: learnt * left(made_at, now_micros) / Self::WHOLE }
    }

    fn load(&self) -> (u64, u32) {
        let packed = self.packed.load(Ordering::Relaxed);
        (packed >> 32, packed as u32)
    }

    fn store(&self, estimate: u64, now_micros: u64) {
        let estimate = estimate.clamp(1, nanos(Self::SLOWEST_COUNTED));
        self.packed.store(estimate << 32 | u64::from(stamp(now_micros)), Ordering::Relaxed);
    }
}

/// The part of an estimate that is left, in 65,536ths.
fn left(made_at: u32, now_micros: u64) -> u64 {
    // The stamp wraps after 49 days; a difference does not care.
    let age = stamp(now_micros).wrapping_sub(made_at);
    let half_life = FadingMean::HALF_LIFE.as_millis() as u32;
    let halved = FadingMean::WHOLE.checked_shr(age / half_life).unwrap_or(0);
    // Between two halvings a straight line is near enough.
    halved - halved * u64::from(age % half_life) / (2 * u64::from(half_life))
}

fn stamp(now_micros: u64) -> u32 {
    (now_micros / 1_000) as u32
}

const fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_is_usual_before_the_first_answer() {
        assert_eq!(Latency::default().usual_head(), None);
    }

    #[test]
    fn the_usual_time_follows_a_change_within_a_hundred_answers() {
        let latency = Latency::default();
        latency.answered(2 * MS);
        for _ in 0..100 {
            latency.answered(10 * MS);
        }
        let head = latency.usual_head().unwrap();
        assert!(head > 9 * MS && head <= 10 * MS, "{head:?}");
    }

    #[test]
    fn one_slow_answer_of_many_counts_a_sixteenth() {
        let mean = FadingMean::default();
        mean.observe(2 * MS, 1_000_000);
        mean.observe(18 * MS, 1_000_000);
        assert_eq!(mean.at(1_000_000).learnt, nanos(3 * MS));
    }

    #[test]
    fn slowness_fades_and_is_remembered() {
        let mean = FadingMean::default();
        mean.observe(500 * MS, 1_000_000);
        let (learnt, faded) = (nanos(500 * MS), nanos(250 * MS));
        assert_eq!(mean.at(2_000_000), Expected { learnt, faded });
        assert!(mean.at(11_000_000).faded < nanos(MS));
        assert_eq!(mean.at(60_000_000), Expected { learnt, faded: 0 });
    }

    #[test]
    fn an_answer_after_a_silence_counts_for_what_has_faded() {
        let mean = FadingMean::default();
        mean.observe(500 * MS, 1_000_000);
        mean.observe(2 * MS, 2_000_000);
        assert_eq!(mean.at(2_000_000).learnt, nanos(251 * MS));
        mean.observe(2 * MS, 40_000_000);
        assert_eq!(mean.at(40_000_000).learnt, nanos(2 * MS));
    }

    #[test]
    fn a_fast_failure_does_not_look_like_an_idle_endpoint() {
        let mean = FadingMean::default();
        mean.observe(2 * MS, 1_000_000);
        mean.penalise(1_000_000);
        assert!(mean.at(1_000_000).faded >= nanos(100 * MS));
    }

    #[test]
    fn a_stamp_that_wraps_does_not_matter() {
        let mean = FadingMean::default();
        let wrap = (u64::from(u32::MAX) + 1) * 1_000;
        mean.observe(100 * MS, wrap - 1_000);
        assert!(mean.at(wrap + 1_000).faded > nanos(99 * MS));
    }
}
