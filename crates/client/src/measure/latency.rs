//! Durations in a histogram of constant size (HDR: three significant digits, microseconds, up to an hour).

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration told apart, in microseconds; what is longer counts as this.
const LONGEST: u64 = 3_600_000_000;

/// How a set of durations is spread.
#[derive(Debug, Clone)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
    /// As they were: the histogram would round them to the ends of their buckets.
    shortest: Duration,
    longest: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self::with_digits(3)
    }
}

impl Latency {
    /// A histogram of so many significant digits, 1 to 3: what is not told apart by them counts as one.
    pub(crate) fn with_digits(digits: u8) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the crate's own documentation allows"
        )]
        let histogram = Histogram::new_with_bounds(1, LONGEST, digits).expect("constant bounds");
        Self { histogram, shortest: Duration::MAX, longest: Duration::ZERO }
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(microseconds.max(1));
        let took = took.min(Duration::from_micros(LONGEST));
        self.shortest = self.shortest.min(took);
        self.longest = self.longest.max(took);
    }

    /// Counts everything that `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so that nothing can be out of range.
        let _ = self.histogram.add(&other.histogram);
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The duration that a share of `quantile` (0 to 1) does not exceed; zero when nothing was counted. It is the middle of the
    /// durations that are not told apart, rather than their end, and lies between the shortest and the longest one.
    pub(crate) fn at(&self, quantile: f64) -> Duration {
        let value = self.histogram.value_at_quantile(quantile);
        Duration::from_micros(self.histogram.median_equivalent(value)).max(self.shortest).min(self.longest)
    }

    /// The longest one, as it was.
    pub(crate) fn max(&self) -> Duration {
        self.longest
    }

    /// The mean.
    pub(crate) fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.histogram.mean() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let p99 = latency.at(0.99).as_secs_f64();
        assert!((0.989..0.992).contains(&p99), "{p99}");
        assert_eq!(latency.count(), 1000);
    }

    #[test]
    fn a_quantile_is_a_value_and_not_the_end_of_a_bucket() {
        for digits in 1..=3 {
            let mut latency = Latency::with_digits(digits);
            let took = Duration::from_micros(2_010_345);
            latency.record(took);
            assert_eq!([latency.at(0.5), latency.at(0.99), latency.max()], [took; 3], "{digits} digits");
        }
    }

    #[test]
    fn what_is_longer_than_an_hour_counts_as_an_hour() {
        let mut latency = Latency::default();
        latency.record(Duration::from_hours(10));
        assert_eq!(latency.max(), Duration::from_hours(1));
    }

    #[test]
    fn merging_is_counting_both() {
        let mut one = Latency::with_digits(2);
        let mut two = Latency::with_digits(2);
        one.record(Duration::from_millis(1));
        two.record(Duration::from_millis(100));
        one.merge(&two);
        assert_eq!(one.count(), 2);
        assert!(one.max() >= Duration::from_millis(99));
    }
}
