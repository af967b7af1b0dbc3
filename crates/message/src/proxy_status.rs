//! `Proxy-Status` (RFC 9209): which proxy could not do what was asked, and why.

use crate::text::is_token;

/// One member of the list: the proxy's name, the error type (RFC 9209 §2.3), and words for a person, if any.
///
/// ```
/// use evenkeel_message::proxy_status::value;
///
/// assert_eq!(value("evenkeel-0a1b2c", "connection_refused", ""), "evenkeel-0a1b2c; error=connection_refused");
/// assert_eq!(
///     value("my proxy", "dns_error", "no address"),
///     r#""my proxy"; error=dns_error; details="no address""#,
/// );
/// ```
pub fn value(proxy: &str, error: &str, details: &str) -> String {
    let mut value = String::with_capacity(proxy.len() + error.len() + details.len() + 24);
    // A Structured Fields token begins with a letter or an asterisk (RFC 9651 §3.3.4); else it is a string.
    if proxy.starts_with(|first: char| first.is_ascii_alphabetic()) && is_token(proxy.as_bytes()) {
        value.push_str(proxy);
    } else {
        quoted(proxy, &mut value);
    }
    value.push_str("; error=");
    value.push_str(error);
    if !details.is_empty() {
        value.push_str("; details=");
        quoted(details, &mut value);
    }
    value
}

/// A Structured Fields string (RFC 9651 §3.3.3). What it cannot hold becomes `?`.
fn quoted(text: &str, value: &mut String) {
    value.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => value.extend(['\\', character]),
            ' '..='~' => value.push(character),
            _ => value.push('?'),
        }
    }
    value.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p62_details_cannot_end_their_string() {
        assert_eq!(value("p", "e", "a\"b\\c\r\nd"), r#"p; error=e; details="a\"b\\c??d""#);
    }
}
