//! How long a client is waited for that sends a body or takes one, as a person says it.

use std::num::NonZero;
use std::time::Duration;

use evenkeel_service::{Setting, Size, not};

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(NonZero<u64>);

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Without any progress.
    pub(crate) quiet: Duration,
    /// With some. `None` for any.
    pub(crate) rate: Option<Rate>,
}

impl Rate {
    /// How long so many bytes may take.
    pub(crate) fn time_for(self, bytes: usize) -> Duration {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / self.0;
        Duration::from_nanos(nanos)
    }
}

/// `1KiB/s`, or `off` for any rate.
pub(crate) fn min_rate(text: &str) -> Result<Option<Rate>, String> {
    if text == "off" {
        return Ok(None);
    }
    let bytes = text.strip_suffix("/s").and_then(|size| Size::parse(size).ok());
    let rate = bytes.and_then(|Size(bytes)| NonZero::new(bytes)).map(Rate);
    rate.map(Some).ok_or_else(|| not(text, "a size a second above 0", "1KiB/s, or off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_size_a_second() {
        assert_eq!(min_rate("1KiB/s"), Ok(Rate::new(1024)));
        assert_eq!(min_rate("off"), Ok(None));
        for bad in ["1KiB", "0/s", "0", "1KB/s", "1KiB/m", "on", "/s"] {
            let wanted = format!("`{bad}` is not a size a second above 0; write it as 1KiB/s, or off");
            assert_eq!(min_rate(bad).unwrap_err(), wanted);
        }
    }

    impl Rate {
        fn new(bytes: u64) -> Option<Self> {
            NonZero::new(bytes).map(Self)
        }
    }
}
