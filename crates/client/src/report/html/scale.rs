//! The vertical scale of a chart: how far it reaches, where a value lies on it, and what is written beside it.

/// What a chart's values are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Axis {
    /// Amounts from nothing on, with what stands behind their numbers.
    Amount(&'static str),
    /// Milliseconds, in decades: beside a stall of seconds one still sees what is usual.
    Latency,
}

/// An axis that reaches far enough for some values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scale {
    /// From 0 to a round number.
    Linear { top: f64, unit: &'static str },
    /// From one power of ten to another, of milliseconds.
    Decades { bottom: i32, top: i32 },
}

/// The shortest latency told apart: a tenth of a microsecond, in powers of ten of a millisecond.
const SHORTEST: i32 = -4;

impl Scale {
    /// Reaches as far as none of the values exceeds.
    pub(super) fn of(axis: Axis, values: impl Iterator<Item = f64>) -> Self {
        match axis {
            Axis::Amount(unit) => Self::Linear { top: round_up(values.fold(0.0, f64::max)), unit },
            Axis::Latency => {
                let range = values.filter(|&value| value > 0.0).fold(None, |range, value| {
                    let (least, most) = range.unwrap_or((value, value));
                    Some((value.min(least), value.max(most)))
                });
                let (least, most) = range.unwrap_or((1.0, 1.0));
                let bottom = (least.log10().floor() as i32).max(SHORTEST);
                Self::Decades { bottom, top: (most.log10().ceil() as i32).max(bottom + 1) }
            }
        }
    }

    /// Where a value lies: 0 at the bottom, 1 at the top.
    pub(super) fn at(self, value: f64) -> f64 {
        let part = match self {
            Self::Linear { top, .. } => value / top,
            Self::Decades { bottom, top } => {
                (value.max(1e-9).log10() - f64::from(bottom)) / f64::from(top - bottom)
            }
        };
        part.clamp(0.0, 1.0)
    }

    /// The values that are named, in words.
    pub(super) fn marks(self) -> Vec<(f64, String)> {
        match self {
            Self::Linear { top, unit } => {
                let quarters = (0..=4).map(|part| top * f64::from(part) / 4.0);
                quarters.map(|value| (value, format!("{}{unit}", number(value)))).collect()
            }
            Self::Decades { bottom, top } => (bottom..=top)
                .map(|power| {
                    let (of, unit) = match power {
                        3.. => (power - 3, "s"),
                        0.. => (power, "ms"),
                        _ => (power + 3, "µs"),
                    };
                    (10_f64.powi(power), format!("{} {unit}", number(10_f64.powi(of))))
                })
                .collect(),
        }
    }
}

/// The next round number, one of some that are divided by four well.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    // A hair of tolerance: 100 % summed of thirds is a little more.
    let factor = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|factor| value <= factor * power * 1.000_001);
    factor.unwrap_or(10.0) * power
}

/// A number of the scale without needless digits.
fn number(value: f64) -> String {
    let digits = match value {
        v if v >= 10.0 => 0,
        v if v >= 1.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(scale: Scale) -> Vec<String> {
        scale.marks().into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn amounts_end_in_a_round_number_that_nothing_exceeds() {
        for (value, top) in
            [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (1.1, 1.2), (37.0, 40.0), (100.0, 100.0), (180.0, 200.0)]
        {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}: {}", round_up(value));
        }
        let scale = Scale::of(Axis::Amount("/s"), [300.0, 380.0].into_iter());
        assert_eq!(words(scale), ["0/s", "100/s", "200/s", "300/s", "400/s"]);
        assert!((scale.at(100.0) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn latencies_lie_in_decades_between_the_least_and_the_most() {
        let scale = Scale::of(Axis::Latency, [0.4, 8.0, 3_030.0].into_iter());
        assert_eq!(words(scale), ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        assert!((scale.at(10.0) - 0.4).abs() < 1e-9);
        assert!(scale.at(0.0) == 0.0 && scale.at(1e9) >= 1.0, "nothing leaves the drawing");
    }

    #[test]
    fn without_latencies_there_is_a_scale_all_the_same() {
        assert_eq!(words(Scale::of(Axis::Latency, std::iter::empty())), ["1 ms", "10 ms"]);
        assert_eq!(words(Scale::of(Axis::Latency, [0.0].into_iter())), ["1 ms", "10 ms"]);
    }
}
