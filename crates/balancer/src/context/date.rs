//! The `Date` of responses (RFC 9110 §6.6.1), written out once a second.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use httpdate::HttpDate;

/// As it stands in the field, always of one length: `Tue, 15 Nov 1994 08:12:31 GMT`.
pub(crate) type Text = [u8; 29];

/// What one worker knows of the date.
#[derive(Debug, Default)]
pub(crate) struct Date(Cell<Option<Written>>);

#[derive(Debug, Clone, Copy)]
struct Written {
    text: Text,
    /// From then on the clock shows another second.
    until: Instant,
}

impl Date {
    /// The date at `now`, for which the time of day is asked where its second is over.
    pub(crate) fn at(&self, now: Instant) -> Text {
        match self.0.get() {
            Some(written) if now < written.until => written.text,
            _ => {
                let written = write(SystemTime::now(), now);
                self.0.set(Some(written));
                written.text
            }
        }
    }
}

fn write(time: SystemTime, now: Instant) -> Written {
    let begun = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let rest = Duration::from_nanos(u64::from(1_000_000_000 - begun));
    let mut text: Text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // It has just the length; a clock before 1970 shows its beginning.
    if time >= SystemTime::UNIX_EPOCH {
        let _ = write!(text.as_mut_slice(), "{}", HttpDate::from(time));
    }
    Written { text, until: now + rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_http_has_it_and_holds_to_the_end_of_its_second() {
        let now = crate::clock::now();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(784_887_151_250);
        let written = write(time, now);
        assert_eq!(&written.text, b"Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(written.until, now + Duration::from_millis(750));
    }

    #[test]
    fn within_its_second_it_is_not_written_again() {
        let (date, now) = (Date::default(), crate::clock::now());
        let first = Written { text: *b"Tue, 15 Nov 1994 08:12:31 GMT", until: now + Duration::from_secs(1) };
        date.0.set(Some(first));
        assert_eq!(date.at(now), first.text);
        assert_ne!(date.at(first.until), first.text);
    }
}
