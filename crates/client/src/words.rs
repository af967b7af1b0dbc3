//! Numbers as people read them: `1,234`, `1.23 ms`, `33.4 %`.

use std::fmt;
use std::time::Duration;

/// A count with its thousands set off.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with the noun it counts: `1 request`, `2 requests`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A duration in three significant digits and the unit that suits it.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 120.0 {
        return format!("{}m{:02}s", duration.as_secs() / 60, duration.as_secs() % 60);
    }
    let (number, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.digits$} {unit}")
}

/// A moment of the run, in seconds after its beginning.
pub(crate) fn moment(at: Duration) -> String {
    format!("+{:.3} s", at.as_secs_f64())
}

/// A number of bytes in the largest unit that leaves it above one.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (bytes as f64, "");
    for next in UNITS {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = next;
    }
    if unit.is_empty() { counted(bytes, "byte") } else { format!("{number:.1} {unit}") }
}

/// A part of a whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "–".into() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// A paragraph in lines of at most 100 characters, as far as words allow: the first after `begin`, all others after as many
/// spaces.
pub(crate) fn paragraph(begin: &str, text: &str) -> String {
    const WIDTH: usize = 100;
    let indent = begin.chars().count();
    let (mut out, mut length) = (begin.to_owned(), indent);
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length > indent && length + 1 + size > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            length = indent;
        } else if length > indent {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += size;
    }
    out.push('\n');
    out
}

/// Names as a sentence has them: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// Text from elsewhere, with nothing in it that would move a terminal's cursor.
pub(crate) struct Tame<'a>(pub(crate) &'a str);

impl fmt::Display for Tame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_off() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "request"), counted(0, "request")), ("1 request".into(), "0 requests".into()));
    }

    #[test]
    fn a_duration_has_three_digits_and_its_unit() {
        let micros = |micros| duration(Duration::from_micros(micros));
        assert_eq!(micros(7), "7.00 µs");
        assert_eq!(micros(999), "999 µs");
        assert_eq!(micros(1_234), "1.23 ms");
        assert_eq!(micros(12_345), "12.3 ms");
        assert_eq!(micros(1_000_000), "1.00 s");
        assert_eq!(micros(125_000_000), "2m05s");
    }

    #[test]
    fn sizes_and_shares_have_their_units() {
        assert_eq!(
            (bytes(1), bytes(1_536), bytes(3 << 30)),
            ("1 byte".into(), "1.5 KiB".into(), "3.0 GiB".into())
        );
        assert_eq!((share(1, 3), share(1, 0)), ("33.3 %".into(), "–".into()));
    }

    #[test]
    fn a_list_of_names_is_one_that_can_be_read_aloud() {
        let list = |names: &[&str]| list(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            [list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
            ["", "a", "a and b", "a, b and c"]
        );
    }

    #[test]
    fn a_paragraph_is_cut_between_words_and_hangs_below_its_beginning() {
        let text = format!("{} {} end", "a".repeat(60), "b".repeat(35));
        let expected = format!("  1. {}\n     {} end\n", "a".repeat(60), "b".repeat(35));
        assert_eq!(paragraph("  1. ", &text), expected);
        assert_eq!(paragraph("- ", &"c".repeat(200)), format!("- {}\n", "c".repeat(200)));
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(Tame("a\x1b[2Jb").to_string(), "a\\u{1b}[2Jb");
    }
}
