//! What is made of many measurements: the middle, the edges, and one against another.

use serde::{Deserialize, Serialize};

/// The middle of some numbers; between two, halfway. Nothing has no middle: it is not a number.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// What stands for many rounds of one contender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Statistic {
    /// The round in the middle.
    #[default]
    Median,
    /// The round that a quarter of all are below, in steps of whole rounds: where a disturbance can only ever add, what is
    /// left without it.
    LowerQuartile,
}

impl Statistic {
    /// Of some rounds; not a number where there are none.
    pub(crate) fn of(self, rounds: &[f64]) -> f64 {
        match self {
            Self::Median => median(rounds),
            Self::LowerQuartile => {
                let mut sorted = rounds.to_vec();
                sorted.sort_by(f64::total_cmp);
                sorted.get((sorted.len().saturating_sub(1)) / 4).copied().unwrap_or(f64::NAN)
            }
        }
    }

    /// How `subject` stands to `other`. Medians are compared round by round, so that what disturbs a whole round does not count; a
    /// quartile is of each one's own quietest rounds.
    pub(crate) fn ratio(self, subject: &[f64], other: &[f64]) -> f64 {
        match self {
            Self::Median => ratio(subject, other),
            Self::LowerQuartile => self.of(subject) / self.of(other),
        }
    }
}

/// The least and the most of some numbers.
pub(crate) fn edges(numbers: &[f64]) -> (f64, f64) {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

/// How `subject` stands to `other`: the median of what it was in each round, so that what disturbs a whole round does
/// not count.
fn ratio(subject: &[f64], other: &[f64]) -> f64 {
    let rounds: Vec<f64> = subject.iter().zip(other).map(|(one, two)| one / two).collect();
    median(&rounds)
}

/// Rounded to so many significant digits: no more than a measurement has.
pub(crate) fn rounded(number: f64, digits: i32) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let scale = 10_f64.powi(digits - 1 - number.abs().log10().floor() as i32);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert!(close(median(&[9.0, 1.0, 2.0]), 2.0));
        assert!(close(median(&[4.0, 1.0, 2.0, 9.0]), 3.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_round_that_was_disturbed_as_a_whole_does_not_change_the_ratio() {
        let (subject, other) = ([130.0, 65.0, 131.0], [100.0, 50.0, 100.0]);
        assert!(close(ratio(&subject, &other), 1.3));
        assert!(close(median(&subject) / median(&other), 1.3));
        let other = [100.0, 100.0, 100.0];
        assert!(close(ratio(&subject, &other), 1.3));
    }

    #[test]
    fn a_quartile_is_a_round_that_was_measured_and_bad_rounds_do_not_move_it() {
        let rounds = [9.0, 3.0, 1.0, 2.0, 4.0, 90.0, 80.0, 70.0, 60.0];
        assert!(close(Statistic::LowerQuartile.of(&rounds), 3.0));
        assert!(close(Statistic::LowerQuartile.of(&[5.0]), 5.0));
        assert!(Statistic::LowerQuartile.of(&[]).is_nan());
        let twice: Vec<f64> = rounds.iter().rev().map(|round| round * 2.0).collect();
        assert!(close(Statistic::LowerQuartile.ratio(&twice, &rounds), 2.0));
    }

    #[test]
    fn edges_are_the_least_and_the_most() {
        assert_eq!(edges(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }

    #[test]
    fn numbers_are_rounded_to_what_they_tell() {
        assert!(close(rounded(34_987.6, 4), 34_990.0));
        assert!(close(rounded(0.012_345, 3), 0.0123));
        assert!(close(rounded(0.0, 3), 0.0));
    }
}
