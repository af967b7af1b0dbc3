//! What a run has to achieve: `failed=0,p99<250ms,wrong=0,duplicates=0`. It decides the exit status.
//!
//! An objective about something that was not measured is not met: a gap is never a pass.

use std::cmp::Ordering;
use std::time::Duration;

use crate::ms::Ms;
use crate::proof::Verdict;
use crate::report::{Checked, Report};
use crate::words;
use evenkeel_service::Setting;

/// What an objective is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Failed,
    Wrong,
    Late,
    Dropped,
    Duplicates,
    Gap,
    P50,
    P90,
    P99,
    P999,
    Slowest,
    Rate,
    Verdict,
}

/// The names of what can be asked for, as they are written.
const MEASURES: [(&str, Measure); 13] = [
    ("failed", Measure::Failed),
    ("wrong", Measure::Wrong),
    ("late", Measure::Late),
    ("dropped", Measure::Dropped),
    ("duplicates", Measure::Duplicates),
    ("gap", Measure::Gap),
    ("p50", Measure::P50),
    ("p90", Measure::P90),
    ("p99", Measure::P99),
    ("p99.9", Measure::P999),
    ("slowest", Measure::Slowest),
    ("rate", Measure::Rate),
    ("verdict", Measure::Verdict),
];

/// What it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Quantity {
    /// Requests, or requests a second.
    Number(f64),
    /// A part of all requests that were due, in per cent.
    Percent(f64),
    Time(Duration),
    Proved,
}

/// How the two are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The comparisons as they are written, the longer before those they begin with.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

/// One thing to achieve.
#[derive(Debug, Clone, PartialEq)]
struct Objective {
    text: String,
    measure: Measure,
    comparison: Comparison,
    bound: Quantity,
}

/// Everything to achieve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slo(Vec<Objective>);

impl Slo {
    /// Holds the report against every objective.
    pub(crate) fn check(&self, report: &Report) -> Vec<Checked> {
        self.0.iter().map(|objective| objective.check(report)).collect()
    }
}

impl Setting for Slo {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|objective| Objective::parse(objective.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Objective {
    fn parse(text: &str) -> Result<Self, String> {
        let found = COMPARISONS.iter().find_map(|&(sign, comparison)| {
            text.split_once(sign).map(|(name, bound)| (name.trim(), comparison, bound.trim()))
        });
        let (name, comparison, bound) = found
            .ok_or_else(|| format!("`{text}` is no objective; write one such as failed=0 or p99<250ms"))?;
        let measure =
            MEASURES.iter().find(|(known, _)| *known == name).map(|&(_, measure)| measure).ok_or_else(
                || {
                    let names: Vec<_> = MEASURES.iter().map(|(name, _)| *name).collect();
                    format!("`{name}` is nothing that is measured; there are {}", names.join(", "))
                },
            )?;
        let bound = measure.bound(bound)?;
        if measure == Measure::Verdict && comparison != Comparison::Equal {
            return Err(format!("`{text}` compares a verdict; write verdict=proved"));
        }
        Ok(Self { text: text.to_owned(), measure, comparison, bound })
    }

    fn check(&self, report: &Report) -> Checked {
        let checked = |measured: String, met| Checked { objective: self.text.clone(), measured, met };
        if self.measure == Measure::Verdict {
            let verdict = report.proof.as_ref().map(|proof| proof.verdict);
            return checked(
                verdict.map_or("not looked at".into(), |verdict| verdict.to_string()),
                verdict == Some(Verdict::Proved),
            );
        }
        let Some(actual) = self.measure.actual(report) else {
            return checked("not measured".into(), false);
        };
        let (order, words) = match (actual, self.bound) {
            (Quantity::Number(number), Quantity::Percent(bound)) => {
                let due = report.requests.due() as f64;
                let percent = if due > 0.0 { number * 100.0 / due } else { 100.0 };
                (percent.partial_cmp(&bound), format!("{percent:.3} %"))
            }
            (Quantity::Number(number), Quantity::Number(bound)) => {
                (number.partial_cmp(&bound), format!("{number:.0}"))
            }
            (Quantity::Time(time), Quantity::Time(bound)) => {
                (time.partial_cmp(&bound), words::duration(time))
            }
            _ => (None, "not comparable".into()),
        };
        checked(words, order.is_some_and(|order| self.comparison.allows(order)))
    }
}

impl Measure {
    /// Reads the bound that fits this measure.
    fn bound(self, text: &str) -> Result<Quantity, String> {
        let number =
            |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        match self {
            Self::Failed | Self::Wrong | Self::Late | Self::Dropped | Self::Duplicates => {
                match text.strip_suffix('%') {
                    Some(percent) => number(percent.trim()).map(Quantity::Percent),
                    None => number(text).map(Quantity::Number),
                }
                .ok_or_else(|| format!("`{text}` is no number of requests; write 0 or 0.1%"))
            }
            Self::Rate => number(text)
                .map(Quantity::Number)
                .ok_or_else(|| format!("`{text}` is no rate; write requests a second, such as 200")),
            Self::Verdict if text == "proved" => Ok(Quantity::Proved),
            Self::Verdict => Err(format!("`{text}` is no verdict to ask for; write verdict=proved")),
            Self::Gap | Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::Slowest => {
                Duration::parse(text).map(Quantity::Time)
            }
        }
    }

    /// What the run came to; `None` where nothing was measured.
    fn actual(self, report: &Report) -> Option<Quantity> {
        let requests = &report.requests;
        let right = &report.latency.right;
        let count = |count: u64| Some(Quantity::Number(count as f64));
        let time = |ms: Ms| (right.count > 0).then_some(Quantity::Time(ms.0));
        match self {
            Self::Failed => count(requests.failed),
            Self::Wrong => count(requests.wrong),
            // One that was never sent is the latest of all: a run that drops its backlog must not look more punctual.
            Self::Late => count(requests.late + requests.dropped),
            Self::Dropped => count(requests.dropped),
            Self::Duplicates => report.proof.as_ref().and_then(|proof| proof.duplicates).and_then(count),
            Self::Gap => Some(Quantity::Time(report.longest_gap.lasted_ms.0)),
            Self::P50 => time(right.p50_ms),
            Self::P90 => time(right.p90_ms),
            Self::P99 => time(right.p99_ms),
            Self::P999 => time(right.p999_ms),
            Self::Slowest => time(right.max_ms),
            Self::Rate => Some(Quantity::Number(requests.per_second)),
            Self::Verdict => None,
        }
    }
}

impl Comparison {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Kind;
    use crate::proof::Proof;
    use crate::report::tests::{proof, report};

    /// Whether a run of nine right answers of 2 ms and one failure meets the objective.
    fn met(objective: &str, proof: Option<Proof>) -> bool {
        let report = report(&[], 9, &[Kind::WrongDigest], proof);
        let checked = Slo::parse(objective).unwrap().check(&report);
        assert_eq!(checked.len(), 1);
        checked[0].met
    }

    #[test]
    fn counts_are_compared_with_counts_and_with_shares() {
        assert!(
            !met("failed=0", None)
                && met("failed=1", None)
                && met("failed<=1", None)
                && !met("failed<1", None)
        );
        assert!(met("failed<=10%", None) && !met("failed<10%", None));
        assert!(met("wrong>0", None) && met("dropped=0", None) && met("late=0", None));
    }

    #[test]
    fn times_are_compared_with_times() {
        assert!(met("p99<250ms", None) && !met("p99<1ms", None));
        assert!(met("p99.9<1s", None) && met("slowest>=2ms", None) && met("gap<1m", None));
    }

    #[test]
    fn rates_are_compared_with_rates() {
        assert!(met("rate>1", None) && !met("rate>1000000", None));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(!met("duplicates=0", None) && !met("verdict=proved", None));
        assert!(!met("duplicates=0", Some(Proof { duplicates: None, ..proof(Verdict::Incomplete) })));
        assert!(
            met("duplicates=0", Some(proof(Verdict::Proved)))
                && met("verdict=proved", Some(proof(Verdict::Proved)))
        );
        assert!(!met("verdict=proved", Some(proof(Verdict::Incomplete))));
        let nothing = report(&[], 0, &[], None);
        assert!(!Slo::parse("p99<250ms").unwrap().check(&nothing)[0].met, "no answer is not a fast answer");
    }

    #[test]
    fn what_cannot_be_read_says_how_to_write_it() {
        for (text, hint) in [
            ("", "failed=0"),
            ("failed", "p99<250ms"),
            ("speed=0", "there are failed, wrong"),
            ("failed=none", "0.1%"),
            ("failed=-1", "0.1%"),
            ("p99<250", "250ms"),
            ("verdict=perfect", "verdict=proved"),
            ("verdict>proved", "verdict=proved"),
            ("rate=fast", "such as 200"),
        ] {
            let error = Slo::parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
