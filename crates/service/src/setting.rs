//! How a value is written, type by type. Each error says what was given and what to write instead.

use std::{fmt, net::SocketAddr, num::NonZero, ops::RangeInclusive, path::PathBuf, time::Duration};

/// A type that one variable can hold.
pub trait Setting: Sized {
    /// Reads the value. The error is one line that quotes what it got and says what to write; the variable's name is put
    /// before it.
    fn parse(text: &str) -> Result<Self, String>;
}

/// The usual error of [`Setting::parse`]: what was given is not `wanted`, for example `example`.
pub fn not(text: &str, wanted: &str, example: &str) -> String {
    format!("`{text}` is not {wanted}; write it as {example}")
}

/// A whole number within `range`; the error names both ends.
pub fn in_range<T: Setting + PartialOrd + fmt::Display>(
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    match T::parse(text) {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a whole number from {} to {}", range.start(), range.end())),
    }
}

/// A number of bytes, written `512`, `64KiB`, `1MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes, for a length in memory. Saturates where `usize` is smaller.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZES.iter().rev().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

const SIZES: [(&str, u64); 4] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

const DURATIONS: [(&str, u64); 5] =
    [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// The longest duration a setting takes. Longer ones could overflow when added to a moment.
const LONGEST: Duration = Duration::from_hours(365 * 24);

impl Setting for Size {
    fn parse(text: &str) -> Result<Self, String> {
        quantity(text, &SIZES).map(Self).ok_or_else(|| not(text, "a size", "512, 64KiB, 1MiB or 2GiB"))
    }
}

impl Setting for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let nanos =
            quantity(text, &DURATIONS).ok_or_else(|| not(text, "a duration", "250ms, 5s, 2m or 1h"))?;
        let duration = Self::from_nanos(nanos);
        if duration > LONGEST { Err(format!("`{text}` is longer than a year")) } else { Ok(duration) }
    }
}

/// Digits and a unit, multiplied out; `None` where it is something else or does not fit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Switches are written `on` and `off`.
impl Setting for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(format!("`{text}` is neither on nor off")),
        }
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl Setting for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| not(text, "an address and port", "0.0.0.0:8080 or [::1]:8080"))
    }
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl Setting for $number {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| {
                    format!("`{text}` is not a whole number from {} to {}", <$number>::MIN, <$number>::MAX)
                })
            }
        }
    )*};
}

whole_numbers!(u8 u16 u32 u64 usize NonZero<u16> NonZero<u32> NonZero<u64> NonZero<usize>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(Duration::parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(Duration::parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(Duration::parse("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(Duration::parse("0s"), Ok(Duration::ZERO));
        for bad in ["5", "s", "5 s", "-1s", "1.5s", "5sec", "5S", "", "99999999999999999999s"] {
            let error = Duration::parse(bad).unwrap_err();
            assert_eq!(error, format!("`{bad}` is not a duration; write it as 250ms, 5s, 2m or 1h"));
        }
        assert_eq!(Duration::parse("10000h").unwrap_err(), "`10000h` is longer than a year");
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        assert_eq!(Size::parse("512"), Ok(Size(512)));
        assert_eq!(Size::parse("64KiB"), Ok(Size(65_536)));
        assert_eq!(Size::parse("0"), Ok(Size(0)));
        for bad in ["64KB", "64k", "KiB", "1.5MiB", "-1", "18446744073709551615KiB"] {
            assert!(Size::parse(bad).unwrap_err().starts_with(&format!("`{bad}` is not a size")), "{bad}");
        }
    }

    #[test]
    fn a_number_out_of_range_says_the_range() {
        assert_eq!(NonZero::<u16>::parse("0").unwrap_err(), "`0` is not a whole number from 1 to 65535");
    }

    proptest! {
        #[test]
        fn a_size_reads_what_it_writes(bytes: u64) {
            prop_assert_eq!(Size::parse(&Size(bytes).to_string()), Ok(Size(bytes)));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*") {
            let _ = (Size::parse(&text), Duration::parse(&text), bool::parse(&text), SocketAddr::parse(&text));
        }
    }
}
