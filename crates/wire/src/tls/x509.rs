//! The few fields of a certificate that the balancer tells of itself (RFC 5280 §4.1): from when to when it holds, who it is
//! and who has signed it. What they are worth is for its clients to judge.

use std::time::{Duration, SystemTime};

/// What stands in a certificate.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The name of who has signed it, as its bytes.
    pub(crate) issuer: &'a [u8],
    /// The name of whom it is about, as its bytes.
    pub(crate) subject: &'a [u8],
    pub(crate) begins: SystemTime,
    pub(crate) ends: SystemTime,
    /// Whether it may sign others (RFC 5280 §4.2.1.9).
    pub(crate) is_authority: bool,
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// What the constraints of an authority are known by, `2.5.29.19`.
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";

/// Reads a certificate in DER. `None` where it is none.
pub(crate) fn read(der: &[u8]) -> Option<Facts<'_>> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (signed, _) = value(certificate, SEQUENCE)?;
    // Version 1 does not say so.
    let rest = value(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = value(rest, INTEGER)?;
    let (_algorithm, rest) = value(rest, SEQUENCE)?;
    let (issuer, rest) = value(rest, SEQUENCE)?;
    let (validity, rest) = value(rest, SEQUENCE)?;
    let (subject, rest) = value(rest, SEQUENCE)?;
    let (_key, rest) = value(rest, SEQUENCE)?;
    let (begins, until) = time(validity)?;
    let (ends, _) = time(until)?;
    Some(Facts { issuer, subject, begins, ends, is_authority: is_authority(rest).unwrap_or_default() })
}

/// Whether what follows the key has an extension that says so.
fn is_authority(mut rest: &[u8]) -> Option<bool> {
    let extensions = loop {
        let (content, after) = any(rest)?;
        if rest[0] == EXTENSIONS {
            break content;
        }
        rest = after;
    };
    let (mut extensions, _) = value(extensions, SEQUENCE)?;
    while let Some((extension, after)) = value(extensions, SEQUENCE) {
        extensions = after;
        let (kind, rest) = value(extension, OBJECT)?;
        if kind == BASIC_CONSTRAINTS {
            let rest = value(rest, BOOLEAN).map_or(rest, |(_critical, rest)| rest);
            let (constraints, _) = value(value(rest, OCTETS)?.0, SEQUENCE)?;
            return Some(value(constraints, BOOLEAN).is_some_and(|(content, _)| content != [0]));
        }
    }
    Some(false)
}

/// Until when a list of revoked certificates holds, where it says so (RFC 5280 §5.1.2.5).
pub(crate) fn next_update(der: &[u8]) -> Option<SystemTime> {
    let (list, _) = value(der, SEQUENCE)?;
    let (signed, _) = value(list, SEQUENCE)?;
    // Version 1 does not say so.
    let rest = value(signed, INTEGER).map_or(signed, |(_, rest)| rest);
    let (_algorithm, rest) = value(rest, SEQUENCE)?;
    let (_issuer, rest) = value(rest, SEQUENCE)?;
    let (_this_update, rest) = time(rest)?;
    time(rest).map(|(next_update, _)| next_update)
}

/// The content of the value at the beginning, if it has this tag, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    (*der.first()? == tag).then(|| any(der))?
}

/// The same of whatever tag.
fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A moment: two digits of the year below 2050, four from then on (RFC 5280 §4.1.2.5).
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (year, digits, rest) = if let Some((text, rest)) = value(der, UTC_TIME) {
        let (year, digits) = text.split_at_checked(2)?;
        let year = number(year)?;
        (if year < 50 { 2000 + year } else { 1900 + year }, digits, rest)
    } else {
        let (text, rest) = value(der, GENERALIZED_TIME)?;
        let (year, digits) = text.split_at_checked(4)?;
        (number(year)?, digits, rest)
    };
    let [month @ .., b'Z'] = digits else { return None };
    let mut parts = [0; 5];
    if month.len() != 2 * parts.len() {
        return None;
    }
    for (part, digits) in parts.iter_mut().zip(month.chunks(2)) {
        *part = number(digits)?;
    }
    let [month, day, hour, minute, second] = parts;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    Some((moment?, rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// In the Gregorian calendar, with years that begin in March so that a leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_1970(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn moments_are_read_in_both_forms() {
        let utc = b"\x17\x0d700101000001Z!";
        assert_eq!(time(utc), Some((after_1970(1), &b"!"[..])));
        assert_eq!(time(b"\x17\x0d240229120000Z").unwrap().0, after_1970(1_709_208_000));
        assert_eq!(time(b"\x18\x0f20500101000000Z").unwrap().0, after_1970(2_524_608_000));
        assert_eq!(time(b"\x17\x0d690101000000Z").unwrap().0 + Duration::from_hours(24 * 365), after_1970(0));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for wrong in
            [&b"\x17\x0d700101000001+"[..], b"\x17\x0b7001010000Z", b"\x17\x0d701301000001Z", b"\x17"]
        {
            assert_eq!(time(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn authorities_are_told_from_those_they_sign() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (is_ca, is_authority) in [
            (rcgen::IsCa::NoCa, false),
            (rcgen::IsCa::ExplicitNoCa, false),
            (rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained), true),
            (rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1)), true),
        ] {
            let mut params = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
            params.is_ca = is_ca;
            let made = params.self_signed(&key).unwrap();
            assert_eq!(read(made.der()).unwrap().is_authority, is_authority);
        }
    }

    #[test]
    fn lengths_that_go_beyond_the_end_are_none() {
        assert!(value(b"\x30\x02a", SEQUENCE).is_none());
        assert!(value(b"\x30\x84\xff\xff\xff\xff", SEQUENCE).is_none());
        assert_eq!(value(b"\x30\x81\x01ab", SEQUENCE), Some((&b"a"[..], &b"b"[..])));
    }
}
