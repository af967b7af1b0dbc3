//! Times in fixed buckets: counting one is a search among forty bounds and two plain stores, without a lock, an allocation
//! or a line that another worker writes. The bounds are the same everywhere, so that workers can be added up.

use std::fmt::{self, Write};
use std::time::Duration;

use super::Counter;

/// The upper bounds, in microseconds: six a decade, so that a quantile is right to within a quarter.
const BOUNDS: [u64; 41] = [
    20,
    30,
    50,
    70,
    100,
    150,
    200,
    300,
    500,
    700,
    1_000,
    1_500,
    2_000,
    3_000,
    5_000,
    7_000,
    10_000,
    15_000,
    20_000,
    30_000,
    50_000,
    70_000,
    100_000,
    150_000,
    200_000,
    300_000,
    500_000,
    700_000,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
    5_000_000,
    7_000_000,
    10_000_000,
    15_000_000,
    20_000_000,
    30_000_000,
    50_000_000,
    70_000_000,
    100_000_000,
];

/// What is above the last bound has a bucket too.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Times as one worker counts them.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Bucket; BUCKETS],
}

/// The times between two bounds.
#[derive(Debug, Default)]
struct Bucket {
    count: Counter,
    /// All of them together.
    micros: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Bucket::default()) }
    }
}

impl Histogram {
    /// Counts one. One writer, as with every [`Counter`].
    pub(crate) fn add(&self, took: impl Into<Sample>) {
        let Sample { micros, bucket } = took.into();
        let bucket = &self.buckets[bucket];
        bucket.count.add(1);
        bucket.micros.add(micros);
    }
}

/// A time that is looked up once and counted in several histograms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    micros: u64,
    bucket: usize,
}

impl From<Duration> for Sample {
    fn from(took: Duration) -> Self {
        // Longer times than fit have the last bucket all the same.
        let micros = took.as_secs().saturating_mul(1_000_000).saturating_add(took.subsec_micros().into());
        Self { micros, bucket: BOUNDS.partition_point(|&bound| bound < micros) }
    }
}

/// Times as they were at one moment, of one worker or of several.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    counts: [u64; BUCKETS],
    /// Those of each bucket together.
    micros: [u64; BUCKETS],
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], micros: [0; BUCKETS] }
    }
}

impl Distribution {
    /// Adds what a worker has counted so far.
    pub(crate) fn include(&mut self, histogram: &Histogram) {
        for ((count, micros), bucket) in self.counts.iter_mut().zip(&mut self.micros).zip(&histogram.buckets)
        {
            *count += bucket.count.get();
            *micros += bucket.micros.get();
        }
    }

    /// What was counted after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let less = |later: [u64; BUCKETS], earlier: &[u64; BUCKETS]| {
            std::array::from_fn(|index| later[index].saturating_sub(earlier[index]))
        };
        Self { counts: less(self.counts, &earlier.counts), micros: less(self.micros, &earlier.micros) }
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.iter().sum())
    }

    /// The time within which the share `quantile` (0 to 1) was done; `None` of nothing. Within a bucket the times are taken to be spread
    /// evenly around their mean, so that a single one is told as what it was.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total = self.count();
        let rank = (quantile * total as f64).max(1.0);
        let mut below = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            if count > 0 && (below + count) as f64 >= rank {
                let lower = if index == 0 { 0.0 } else { BOUNDS[index - 1] as f64 };
                let upper = BOUNDS.get(index).map_or(f64::INFINITY, |&bound| bound as f64);
                // Read while a worker writes, the sum may lack the last.
                let mean = (self.micros[index] as f64 / count as f64).clamp(lower, upper);
                let spread = (mean - lower).min(upper - mean);
                let within = (rank - below as f64 - 0.5) / count as f64;
                let micros = (2.0 * within - 1.0).mul_add(spread, mean);
                return Some(Duration::from_secs_f64(micros / 1e6));
            }
            below += count;
        }
        None
    }

    /// The lines of a histogram in Prometheus' text format.
    pub(super) fn write(&self, text: &mut String, metric: &str) -> fmt::Result {
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.counts) {
            below += count;
            writeln!(text, "{metric}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1e6)?;
        }
        let count = self.count();
        writeln!(text, "{metric}_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(text, "{metric}_sum {}", self.sum().as_secs_f64())?;
        writeln!(text, "{metric}_count {count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: &[u64]) -> Distribution {
        let histogram = Histogram::default();
        for &millis in millis {
            histogram.add(Duration::from_millis(millis));
        }
        let mut distribution = Distribution::default();
        distribution.include(&histogram);
        distribution
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut text = String::new();
        of(&[1, 2, 200_000]).write(&mut text, "x_seconds").unwrap();
        assert!(text.contains("x_seconds_bucket{le=\"0.0007\"} 0\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{le=\"0.001\"} 1\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{le=\"100\"} 2\n"), "{text}");
        assert!(
            text.ends_with("x_seconds_bucket{le=\"+Inf\"} 3\nx_seconds_sum 200.003\nx_seconds_count 3\n")
        );
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_rank() {
        let mut millis = vec![4; 98];
        millis.extend([400, 400]);
        let times = of(&millis);
        let (median, high) = (times.quantile(0.5).unwrap(), times.quantile(0.99).unwrap());
        assert!(median > Duration::from_millis(3) && median <= Duration::from_millis(5), "{median:?}");
        assert!(high > Duration::from_millis(300) && high <= Duration::from_millis(500), "{high:?}");
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn a_single_time_is_told_as_what_it_was() {
        for millis in [6, 2_010, 200_000] {
            let told = of(&[4, 4, 4, millis]).quantile(1.0).unwrap();
            assert_eq!(told, Duration::from_millis(millis));
        }
        let near = of(&[2_010; 40]).quantile(0.99).unwrap();
        assert!(near < Duration::from_millis(2_020), "{near:?}");
    }

    #[test]
    fn what_came_before_is_taken_off() {
        let (early, late) = (of(&[1]), of(&[1, 20]));
        let between = late.since(&early);
        assert_eq!((between.count(), between.sum()), (1, Duration::from_millis(20)));
    }
}
