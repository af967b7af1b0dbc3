//! The phases of a run: each has a name, a length, and a closed loop or a rate that may rise or fall.
//!
//! The moment of a request follows from its number in its phase, so that nothing has to be kept of those before.

use std::fmt;
use std::time::Duration;

use evenkeel_service::Setting;

/// How a phase decides the moments of its requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// As soon as a sender is free.
    Closed,
    /// So many a second, from the first rate to the second, evenly over the phase.
    Open {
        /// Requests a second at the phase's beginning.
        from: f64,
        /// Requests a second at its end.
        to: f64,
    },
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    /// What the report calls it.
    pub(crate) name: String,
    /// How long it lasts; `None` until the requests are sent.
    pub(crate) lasts: Option<Duration>,
    /// How often it sends.
    pub(crate) load: Load,
}

/// Phases of this name, or whose name begins with it, do not count in the latencies.
const WARM_UP: &str = "warm-up";

impl Phase {
    /// Whether its latencies count.
    pub(crate) fn measured(&self) -> bool {
        !self.name.starts_with(WARM_UP)
    }

    /// Whether it still goes on so long after its beginning.
    pub(crate) fn is_on(&self, elapsed: Duration) -> bool {
        self.lasts.is_none_or(|lasts| elapsed < lasts)
    }

    /// When its `number`th request (from 0) is due, from the phase's beginning; `None` when that is past its end,
    /// or when there are no moments because the loop is closed.
    pub(crate) fn due(&self, number: u64) -> Option<Duration> {
        let Load::Open { from, to } = self.load else { return None };
        let number = number as f64;
        let seconds = match self.lasts {
            Some(lasts) if (to - from).abs() > f64::EPSILON => {
                // number = from·t + slope·t²/2, solved for t.
                let slope = (to - from) / lasts.as_secs_f64();
                let root = from.mul_add(from, 2.0 * slope * number);
                if root < 0.0 {
                    return None;
                }
                (root.sqrt() - from) / slope
            }
            _ => number / from,
        };
        let due = Duration::try_from_secs_f64(seconds).ok()?;
        self.lasts.is_none_or(|lasts| due < lasts).then_some(due)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The phases of a run, read from `warm-up:5s, ramp:10s@50..500, steady:60s@500, spike:5s@2000`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phases(pub(crate) Vec<Phase>);

/// The most phases of a run.
const MAX_PHASES: usize = 64;

/// The highest rate, in requests a second: beyond it one process measures itself.
const MAX_RATE: f64 = 1_000_000.0;

impl Phases {
    /// Reads phases; those that name no rate run with `load`.
    pub(crate) fn parse(text: &str, load: Load) -> Result<Self, String> {
        let phases: Vec<Phase> =
            text.split(',').map(|phase| parse_phase(phase.trim(), load)).collect::<Result<_, _>>()?;
        if phases.len() > MAX_PHASES {
            return Err(format!("a run has at most {MAX_PHASES} phases, not {}", phases.len()));
        }
        Ok(Self(phases))
    }
}

fn parse_phase(text: &str, load: Load) -> Result<Phase, String> {
    let shape =
        || format!("`{text}` is no phase; write it as steady:60s, steady:60s@200 or ramp:10s@50..200");
    let (name, rest) = text.split_once(':').ok_or_else(shape)?;
    let (lasts, rate) = rest.split_once('@').map_or((rest, None), |(lasts, rate)| (lasts, Some(rate)));
    let name_is_plain = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !name_is_plain {
        return Err(shape());
    }
    let lasts = Duration::parse(lasts)?;
    if lasts.is_zero() {
        return Err(format!("`{text}` lasts no time"));
    }
    let load = match rate {
        None => load,
        Some(rate) => {
            let (from, to) = rate.split_once("..").unwrap_or((rate, rate));
            Load::Open { from: Rate::parse(from)?.0, to: Rate::parse(to)?.0 }
        }
    };
    Ok(Phase { name: name.to_owned(), lasts: Some(lasts), load })
}

/// Requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

impl Setting for Rate {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|rate| (0.001..=MAX_RATE).contains(rate))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no rate; write requests a second, from 0.001 to 1000000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_with_and_without_rates() {
        let Phases(phases) =
            Phases::parse("warm-up:500ms, ramp:10s@50..500,steady:60s", Load::Closed).unwrap();
        assert_eq!(
            phases[0],
            Phase { name: "warm-up".into(), lasts: Some(Duration::from_millis(500)), load: Load::Closed }
        );
        assert_eq!(phases[1].load, Load::Open { from: 50.0, to: 500.0 });
        assert_eq!(phases[2].lasts, Some(Duration::from_mins(1)));
    }

    #[test]
    fn a_bad_phase_says_how_to_write_one() {
        for text in ["steady", ":5s", "a b:5s", "steady:5", "steady:5s@0", "steady:0s", "steady:5s@1..x"] {
            assert!(Phases::parse(text, Load::Closed).is_err(), "{text}");
        }
        assert!(Phases::parse("steady", Load::Closed).unwrap_err().contains("steady:60s@200"));
    }
}
