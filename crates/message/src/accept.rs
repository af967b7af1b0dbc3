//! `Accept` (RFC 9110 §12.5.1): which of two representations a client would rather have.

/// How much this media type is wanted, in thousandths: of the ranges that take it in, the narrowest says so. 0: not at all.
///
/// ```
/// # use evenkeel_message::accept::quality;
/// let browser = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// assert_eq!(quality(browser, "text", "html"), 1000);
/// assert_eq!(quality(browser, "application", "problem+json"), 800);
/// assert_eq!(quality(b"application/json", "text", "html"), 0);
/// ```
pub fn quality(accept: &[u8], main: &str, sub: &str) -> u16 {
    let mut best = (0, 0);
    for range in accept.split(|&byte| byte == b',') {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let mut names = parts.next().unwrap_or_default().splitn(2, |&byte| byte == b'/');
        let (Some(range_main), Some(range_sub)) = (names.next(), names.next()) else { continue };
        let narrowness = match (range_main, range_sub) {
            (b"*", b"*") => 1,
            (given, b"*") if given.eq_ignore_ascii_case(main.as_bytes()) => 2,
            (given, rest)
                if given.eq_ignore_ascii_case(main.as_bytes())
                    && rest.eq_ignore_ascii_case(sub.as_bytes()) =>
            {
                3
            }
            _ => continue,
        };
        let weight = parts.find_map(|part| match part {
            [b'q' | b'Q', b'=', weight @ ..] => Some(thousandths(weight)),
            _ => None,
        });
        if narrowness > best.0 {
            best = (narrowness, weight.unwrap_or(1000));
        }
    }
    best.1
}

/// `0`, `1`, `0.8`, `0.125`. What is no weight counts as none.
fn thousandths(weight: &[u8]) -> u16 {
    match weight {
        [b'1', ..] => 1000,
        [b'0', b'.', digits @ ..] => {
            let mut value = 0;
            for place in 0..3 {
                let digit = digits.get(place).filter(|digit| digit.is_ascii_digit());
                value = value * 10 + digit.map_or(0, |digit| u16::from(digit - b'0'));
            }
            value
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(accept: &str) -> u16 {
        quality(accept.as_bytes(), "text", "html")
    }

    #[test]
    fn the_narrowest_range_says_how_much() {
        assert_eq!(html("*/*;q=0.1, text/*;q=0.2, text/html;q=0.3"), 300);
        assert_eq!(html("text/html;q=0.3, text/*;q=0.9"), 300);
        assert_eq!(html("*/*;q=0.1, text/*;q=0.25"), 250);
        assert_eq!(html("TEXT/HTML;level=1;Q=0.125"), 125);
        assert_eq!(html("text/html;q=0, */*"), 0);
        assert_eq!(html(" text/html ; q=1.000 , x"), 1000);
    }

    #[test]
    fn what_is_not_named_or_no_range_is_not_wanted() {
        for none in ["", "application/json", "text", "html", ",;=", "text/htm", "text/html;q=x"] {
            assert_eq!(html(none), 0, "{none}");
        }
    }
}
