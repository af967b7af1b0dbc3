//! A request as one line. Numbers and times are written by hand into the worker's buffer: formatting machinery would be most
//! of what a line costs.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use evenkeel_upstream::EndpointId;
use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome};
use jiff::Timestamp;

use super::Entry;
use crate::observe::outcome_name;

/// For a program: one JSON object.
pub(super) fn json(
    line: &mut Vec<u8>,
    time: &[u8],
    entry: &Entry<'_>,
    address: impl Fn(EndpointId) -> Option<SocketAddr>,
) {
    let account = entry.account;
    let request = Facts::of(entry.head);
    line.extend_from_slice(b"{\"time\":\"");
    line.extend_from_slice(time);
    line.extend_from_slice(b"\",\"client\":\"");
    shown(line, entry.client);
    line.push(b'"');
    string(line, "method", request.method);
    string(line, "path", request.path);
    line.extend_from_slice(b",\"status\":");
    number(line, account.status.into());
    string(line, "end", account.end.name().as_bytes());
    string(line, "error", account.error.unwrap_or_default().as_bytes());
    string(line, "request_id", request.id);
    string(line, "trace_id", request.trace);
    line.extend_from_slice(b",\"bytes_in\":");
    number(line, entry.received);
    line.extend_from_slice(b",\"bytes_out\":");
    number(line, account.sent);
    line.extend_from_slice(b",\"duration_ms\":");
    millis(line, account.took(entry.now));
    line.extend_from_slice(b",\"queued_ms\":");
    millis(line, account.queued);
    line.extend_from_slice(if account.masked { b",\"masked\":true" } else { b",\"masked\":false" });
    line.extend_from_slice(b",\"attempts\":[");
    for (index, attempt) in account.trail.iter().enumerate() {
        line.extend_from_slice(if index == 0 { b"{\"endpoint\":\"" } else { b",{\"endpoint\":\"" });
        endpoint(line, attempt, &address);
        line.push(b'"');
        string(line, "reason", attempt.why.name().as_bytes());
        string(line, "outcome", outcome_name(attempt.outcome).as_bytes());
        if let TrailOutcome::Status(status) = attempt.outcome {
            line.extend_from_slice(b",\"status\":");
            number(line, status.into());
        }
        line.extend_from_slice(if attempt.reused { b",\"reused\":true" } else { b",\"reused\":false" });
        line.extend_from_slice(b",\"begun_ms\":");
        millis(line, account.after(attempt.begun));
        line.extend_from_slice(b",\"took_ms\":");
        millis(line, attempt.since.saturating_duration_since(attempt.begun));
        line.push(b'}');
    }
    line.extend_from_slice(b"]}\n");
}

/// For people: `name=value`, the route of the attempts at the end.
pub(super) fn text(
    line: &mut Vec<u8>,
    time: &[u8],
    entry: &Entry<'_>,
    address: impl Fn(EndpointId) -> Option<SocketAddr>,
) {
    let account = entry.account;
    let request = Facts::of(entry.head);
    line.extend_from_slice(time);
    line.push(b' ');
    shown(line, entry.client);
    line.extend_from_slice(b" \"");
    quoted(line, request.method);
    line.push(b' ');
    quoted(line, request.path);
    line.extend_from_slice(b"\" status=");
    number(line, account.status.into());
    word(line, "end", account.end.name().as_bytes());
    word(line, "error", account.error.unwrap_or_default().as_bytes());
    line.extend_from_slice(b" in=");
    number(line, entry.received);
    line.extend_from_slice(b" out=");
    number(line, account.sent);
    line.extend_from_slice(b" took=");
    millis(line, account.took(entry.now));
    line.extend_from_slice(b"ms");
    if !account.queued.is_zero() {
        line.extend_from_slice(b" queued=");
        millis(line, account.queued);
        line.extend_from_slice(b"ms");
    }
    word(line, "id", request.id);
    word(line, "trace", request.trace);
    for (index, attempt) in account.trail.iter().enumerate() {
        line.extend_from_slice(if index == 0 { b" route=" } else { b"," });
        endpoint(line, attempt, &address);
        line.push(b'/');
        line.extend_from_slice(attempt.why.name().as_bytes());
        line.push(b'/');
        match attempt.outcome {
            TrailOutcome::Status(status) => number(line, status.into()),
            outcome => line.extend_from_slice(outcome_name(outcome).as_bytes()),
        }
        line.push(b'/');
        millis(line, attempt.since.saturating_duration_since(attempt.begun));
        line.extend_from_slice(b"ms");
    }
    line.push(b'\n');
}

/// What a line tells of a request, taken from its head as it went to the servers.
#[derive(Debug, PartialEq, Eq)]
struct Facts<'a> {
    method: &'a [u8],
    /// Without the query, which may hold what nobody else should read.
    path: &'a [u8],
    id: &'a [u8],
    /// Of `traceparent` (W3C Trace Context §3.2); empty without one.
    trace: &'a [u8],
}

impl<'a> Facts<'a> {
    fn of(head: &'a [u8]) -> Self {
        let mut facts = Self { method: b"-", path: b"-", id: b"", trace: b"" };
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', head) {
            let line = head[from..end].strip_suffix(b"\r").unwrap_or(&head[from..end]);
            if from == 0 {
                facts.request_line(line);
            } else if let Some(id) = value(line, b"x-request-id:") {
                facts.id = id;
            } else if let Some(parent) = value(line, b"traceparent:") {
                facts.trace = trace_id(parent).unwrap_or_default();
            }
            from = end + 1;
        }
        facts
    }

    fn request_line(&mut self, line: &'a [u8]) {
        let Some(space) = memchr::memchr(b' ', line) else { return };
        let rest = &line[space + 1..];
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'?')).unwrap_or(rest.len());
        (self.method, self.path) = (&line[..space], &rest[..end]);
    }
}

/// The value of a field whose name, in lower case and with its colon, is `name`.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn trace_id(parent: &[u8]) -> Option<&[u8]> {
    let id = parent.get(3..35)?;
    let bounded = parent.get(2) == Some(&b'-') && parent.get(35) == Some(&b'-');
    (bounded && id.iter().all(u8::is_ascii_hexdigit)).then_some(id)
}

/// The time of day, written out once a second.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    shown: Vec<u8>,
}

impl Clock {
    /// `now` as in RFC 3339, in UTC, to the millisecond.
    pub(super) fn show(&mut self, now: SystemTime) -> &[u8] {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.shown.is_empty() || since_epoch.as_secs() != self.second {
            self.second = since_epoch.as_secs();
            let second = Timestamp::from_second(self.second.cast_signed()).unwrap_or_default();
            self.shown = second.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string().into_bytes();
        }
        let mut millis = since_epoch.subsec_millis();
        // The last byte is the Z.
        for digit in self.shown.iter_mut().rev().skip(1).take(3) {
            *digit = b'0' + (millis % 10) as u8;
            millis /= 10;
        }
        &self.shown
    }
}

/// `,"name":"value"`, or nothing when there is no value.
fn string(line: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !value.is_empty() {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":\"");
        quoted(line, value);
        line.push(b'"');
    }
}

/// ` name=value`, or nothing when there is no value.
fn word(line: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !value.is_empty() {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        quoted(line, value);
    }
}

/// Within quotes: a request's method and path are visible ASCII, and what is not is left out of the line.
fn quoted(line: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => line.push(byte),
            _ => line.push(b'?'),
        }
    }
}

fn endpoint(line: &mut Vec<u8>, attempt: &TrailEntry, address: &impl Fn(EndpointId) -> Option<SocketAddr>) {
    match address(attempt.endpoint) {
        Some(address) => shown(line, address),
        None => line.extend_from_slice(b"gone"),
    }
}

fn shown(line: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            for (index, octet) in address.ip().octets().into_iter().enumerate() {
                if index > 0 {
                    line.push(b'.');
                }
                number(line, octet.into());
            }
            line.push(b':');
            number(line, address.port().into());
        }
        SocketAddr::V6(_) => line.extend_from_slice(address.to_string().as_bytes()),
    }
}

fn number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}

/// Milliseconds to the microsecond: `1.204`.
fn millis(line: &mut Vec<u8>, duration: Duration) {
    let micros = duration.as_micros() as u64;
    number(line, micros / 1000);
    let rest = micros % 1000;
    line.extend_from_slice(&[b'.', b'0' + (rest / 100) as u8, b'0' + (rest / 10 % 10) as u8]);
    line.push(b'0' + (rest % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_leave_the_query_out() {
        let head = b"GET /a/b?token=x HTTP/1.1\r\nHost: h\r\nX-Request-Id: abc\r\n\
            TraceParent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
        assert_eq!(
            Facts::of(head),
            Facts { method: b"GET", path: b"/a/b", id: b"abc", trace: b"4bf92f3577b34da6a3ce929d0e0e4736" }
        );
        assert_eq!(Facts::of(b""), Facts { method: b"-", path: b"-", id: b"", trace: b"" });
    }

    #[test]
    fn a_trace_that_is_none_is_left_out() {
        for parent in ["", "00-x", "00-4bf92f3577b34da6a3ce929d0e0e47zz-00f067aa0ba902b7-01"] {
            assert_eq!(trace_id(parent.as_bytes()), None, "{parent}");
        }
    }

    #[test]
    fn numbers_and_times_are_written_out() {
        let mut line = Vec::new();
        number(&mut line, 0);
        line.push(b' ');
        number(&mut line, u64::MAX);
        line.push(b' ');
        millis(&mut line, Duration::from_micros(1_204_007));
        assert_eq!(line, b"0 18446744073709551615 1204.007");
    }

    #[test]
    fn the_clock_shows_each_millisecond() {
        let mut clock = Clock::default();
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(clock.show(at(7)), b"1970-01-01T00:00:00.007Z");
        assert_eq!(clock.show(at(999)), b"1970-01-01T00:00:00.999Z");
        assert_eq!(clock.show(at(86_400_010)), b"1970-01-02T00:00:00.010Z");
    }

    #[test]
    fn quotes_and_controls_cannot_break_a_line() {
        let mut line = Vec::new();
        quoted(&mut line, b"/a\"b\\c\nd\xff");
        assert_eq!(line, b"/a\\\"b\\\\c?d?");
    }
}
