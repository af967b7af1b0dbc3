//! Basic credentials (RFC 7617), up to the base64 that they are wrapped in: this crate has no decoder.
//!
//! ```
//! use evenkeel_message::basic;
//!
//! let encoded = basic::encoded(b"basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==").unwrap();
//! assert_eq!(encoded, b"QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
//! let decoded = b"Aladdin:open:sesame"; // by a base64 decoder
//! assert_eq!(basic::split(decoded), Some((b"Aladdin".as_slice(), b"open:sesame".as_slice())));
//! ```

/// The base64 text of an `Authorization` field of the Basic scheme, whose name is case-insensitive; `None` for
/// another scheme, or when what follows is not one word of base64 (token68, RFC 9110 §11.2).
pub fn encoded(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at(field.iter().position(|&byte| byte == b' ')?);
    let encoded = rest.trim_ascii();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    (scheme.eq_ignore_ascii_case(b"basic") && !encoded.is_empty() && encoded.iter().all(is_base64))
        .then_some(encoded)
}

/// User name and password, taken apart at the first colon; either may be empty. `None` without a colon, with a
/// control character, or when it is not UTF-8 (RFC 7617 §2, §2.1).
pub fn split(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    if decoded.iter().any(u8::is_ascii_control) || std::str::from_utf8(decoded).is_err() {
        return None;
    }
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    Some((&decoded[..colon], &decoded[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p78_the_scheme_is_case_insensitive_and_must_be_basic() {
        for field in ["Basic YTpi", "BASIC  YTpi ", "bAsIc YTpi"] {
            assert_eq!(encoded(field.as_bytes()), Some(b"YTpi".as_slice()), "{field}");
        }
        for field in [
            "Bearer YTpi",
            "Basic",
            "Basic ",
            "BasicYTpi",
            "Basic YT pi",
            "Basic YT\u{7f}i",
            "Basic a, b",
            "",
        ] {
            assert_eq!(encoded(field.as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn p78_the_first_colon_splits_and_either_part_may_be_empty() {
        assert_eq!(split("jürgen:".as_bytes()), Some(("jürgen".as_bytes(), b"".as_slice())));
        assert_eq!(split(b":"), Some((b"".as_slice(), b"".as_slice())));
        assert_eq!(split(b"a:b:c"), Some((b"a".as_slice(), b"b:c".as_slice())));
    }

    #[test]
    fn p78_no_colon_control_characters_and_other_encodings_are_refused() {
        for decoded in [b"ab".as_slice(), b"", b"a:\0", b"a\n:b", b"a:\x7f", b"\xe4:b"] {
            assert_eq!(split(decoded), None);
        }
    }
}
