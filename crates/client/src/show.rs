//! A response as a person wants to see it.

use std::fmt::Write as _;

use crate::exchange::Sample;
use crate::outcome::Exchange;
use crate::verify;
use crate::words::{self, Tame};
use crate::workload::Entry;

/// Fields that say nothing beyond the line above them: who answered, which request, how much, and when.
const TOLD_ALREADY: [&str; 8] = [
    "Connection",
    "Content-Length",
    "Date",
    "Repr-Digest",
    "Server",
    "Transfer-Encoding",
    "X-Request-Id",
    "X-Server",
];

/// The response to a request made from `entry`: what became of it, its fields and the beginning of its body.
pub(crate) fn response(entry: &Entry, id: &str, exchange: &Exchange, sample: &Sample) -> String {
    let mut text = String::new();
    let answered = match (exchange.status, &exchange.server) {
        (Some(status), Some(server)) => format!("{status} from {}", Tame(server)),
        (Some(status), None) => status.to_string(),
        (None, _) => "no answer".into(),
    };
    let judgement = match &exchange.outcome {
        Ok(()) => "right".into(),
        Err(failure) => format!("{}: {}", failure.kind, Tame(&failure.detail)),
    };
    let took = words::duration(exchange.service_time());
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{entry} → {answered} in {took}, {judgement}  ({id})");
    let told = |name: &[u8]| TOLD_ALREADY.iter().any(|told| name.eq_ignore_ascii_case(told.as_bytes()));
    for (name, value) in verify::fields(&sample.head).filter(|(name, _)| !told(name)) {
        let _ = writeln!(
            text,
            "    {}: {}",
            Tame(&String::from_utf8_lossy(name)),
            Tame(&String::from_utf8_lossy(value))
        );
    }
    if exchange.received > 0 {
        text.push('\n');
        body(&mut text, &sample.body, exchange.received);
    }
    text
}

/// Text as text; anything else by its size.
fn body(text: &mut String, shown: &[u8], length: u64) {
    let complete = shown.len() as u64 == length;
    let readable = match std::str::from_utf8(shown) {
        Ok(readable) => Some(readable),
        // A character cut in two at the end is not the body's fault.
        Err(error) if error.error_len().is_none() && !complete => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let Some(readable) = readable.filter(|readable| readable.chars().all(printable)) else {
        let _ = writeln!(text, "    ({}, not text)", words::bytes(length));
        return;
    };
    for line in readable.lines() {
        let _ = writeln!(text, "    {}", Tame(line));
    }
    if !complete {
        let _ = writeln!(text, "    … ({} altogether)", words::bytes(length));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::tests::{exchange, some_beginning};
    use crate::outcome::Kind;

    fn shown(body: &[u8], length: u64, failed: Option<Kind>) -> String {
        let mut exchange =
            exchange(some_beginning(), Duration::from_secs(1), Duration::from_micros(1_230), failed);
        exchange.received = length;
        let mut sample = Sample::new(0);
        sample.head =
            b"HTTP/1.1 200 OK: yes\r\nx-server: server-1\r\nVia: 1.1 b\r\nDate: now\r\n\r\n".to_vec();
        sample.body = body.to_vec();
        response(&Entry::new("GET", "/").unwrap(), "run-00000000", &exchange, &sample)
    }

    #[test]
    fn a_text_is_shown_with_the_fields_that_say_more_than_the_line_above() {
        assert_eq!(
            shown(b"hello\nyou", 9, None),
            "GET / → 200 from server-1 in 1.23 ms, right  (run-00000000)\n    Via: 1.1 b\n\n    hello\n    you\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert!(shown("gr\u{fc}".as_bytes(), 2_048, None).ends_with("    grü\n    … (2.0 KiB altogether)\n"));
        assert!(shown(b"gr\xc3", 2_048, None).ends_with("    gr\n    … (2.0 KiB altogether)\n"));
    }

    #[test]
    fn what_is_no_text_is_not_thrown_at_the_terminal() {
        assert!(shown(b"\x1b[2J", 4, None).ends_with("    (4 bytes, not text)\n"));
        assert!(shown(b"\xff\xfe", 2, None).ends_with("    (2 bytes, not text)\n"));
    }

    #[test]
    fn a_failure_says_what_is_wrong() {
        assert!(
            shown(b"", 0, Some(Kind::WrongDigest))
                .starts_with("GET / → 200 from server-1 in 1.23 ms, wrong digest: why")
        );
    }
}
