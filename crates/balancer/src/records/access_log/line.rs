//! A request as one line. Numbers and times are written by hand into the worker's buffer: formatting machinery would be most
//! of what a line costs.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_message::text::{address, decimal};
use evenkeel_upstream::attempt::TrailOutcome;
use jiff::Timestamp;

use super::Entry;
use super::names::Names;
use crate::records::account::Account;
use crate::records::roster::{Roster, Server};

/// For a program: one JSON object.
pub(super) fn json(line: &mut Vec<u8>, time: &[u8], entry: &Entry<'_>, names: &mut Names, roster: &Roster) {
    let account = entry.account;
    let (method, path) = asked(entry.head);
    line.extend_from_slice(b"{\"time\":\"");
    line.extend_from_slice(time);
    line.extend_from_slice(b"\",\"client\":\"");
    client(line, entry);
    line.push(b'"');
    if is_introduced(entry) {
        line.extend_from_slice(b",\"peer\":\"");
        shown(line, entry.peer);
        line.push(b'"');
    }
    line.extend_from_slice(b",\"method\":\"");
    quoted(line, method);
    let host = host(entry.head);
    if !host.is_empty() {
        line.extend_from_slice(b"\",\"host\":\"");
        quoted(line, host);
    }
    line.extend_from_slice(b"\",\"path\":\"");
    whole_path(line, account, path);
    line.push(b'"');
    string(line, "upstream", account.upstream.as_deref().unwrap_or_default().as_bytes());
    line.extend_from_slice(b",\"status\":");
    decimal(account.status.into(), line);
    string(line, "end", account.end.name().as_bytes());
    string(line, "error", account.error.unwrap_or_default().as_bytes());
    string(line, "request_id", entry.head.get(account.id.clone()).unwrap_or_default());
    string(line, "trace_id", account.trace.as_ref().map_or(b"", <[u8; 32]>::as_slice));
    line.extend_from_slice(b",\"bytes_in\":");
    decimal(entry.received, line);
    line.extend_from_slice(b",\"bytes_out\":");
    decimal(account.sent, line);
    line.extend_from_slice(b",\"duration_ms\":");
    millis(line, account.took(entry.now));
    line.extend_from_slice(b",\"queued_ms\":");
    millis(line, account.queued);
    line.extend_from_slice(if account.masked { b",\"masked\":true" } else { b",\"masked\":false" });
    line.extend_from_slice(b",\"attempts\":[");
    for (index, attempt) in account.trail.iter().enumerate() {
        line.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        line.extend_from_slice(names.of(attempt.endpoint, roster));
        string(line, "reason", attempt.why.name().as_bytes());
        string(line, "outcome", attempt.outcome.class().name().as_bytes());
        if let TrailOutcome::Responded(_, status) = attempt.outcome {
            line.extend_from_slice(b",\"status\":");
            decimal(status.into(), line);
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
pub(super) fn text(line: &mut Vec<u8>, time: &[u8], entry: &Entry<'_>, names: &mut Names, roster: &Roster) {
    let account = entry.account;
    let (method, path) = asked(entry.head);
    line.extend_from_slice(time);
    line.push(b' ');
    client(line, entry);
    line.extend_from_slice(b" \"");
    quoted(line, method);
    line.push(b' ');
    whole_path(line, account, path);
    line.extend_from_slice(b"\" status=");
    decimal(account.status.into(), line);
    word(line, "upstream", account.upstream.as_deref().unwrap_or_default().as_bytes());
    word(line, "end", account.end.name().as_bytes());
    word(line, "error", account.error.unwrap_or_default().as_bytes());
    line.extend_from_slice(b" in=");
    decimal(entry.received, line);
    line.extend_from_slice(b" out=");
    decimal(account.sent, line);
    line.extend_from_slice(b" took=");
    millis(line, account.took(entry.now));
    line.extend_from_slice(b"ms");
    if !account.queued.is_zero() {
        line.extend_from_slice(b" queued=");
        millis(line, account.queued);
        line.extend_from_slice(b"ms");
    }
    if is_introduced(entry) {
        line.extend_from_slice(b" peer=");
        shown(line, entry.peer);
    }
    let host = host(entry.head);
    if !host.is_empty() {
        line.extend_from_slice(b" host=");
        quoted(line, host);
    }
    word(line, "id", entry.head.get(account.id.clone()).unwrap_or_default());
    word(line, "trace", account.trace.as_ref().map_or(b"", <[u8; 32]>::as_slice));
    for (index, attempt) in account.trail.iter().enumerate() {
        line.extend_from_slice(if index == 0 { b" route=" } else { b"," });
        line.extend_from_slice(names.of(attempt.endpoint, roster));
        line.push(b'/');
        line.extend_from_slice(attempt.why.name().as_bytes());
        line.push(b'/');
        match attempt.outcome {
            TrailOutcome::Responded(_, status) => decimal(status.into(), line),
            outcome => line.extend_from_slice(outcome.class().name().as_bytes()),
        }
        line.push(b'/');
        millis(line, attempt.since.saturating_duration_since(attempt.begun));
        line.extend_from_slice(b"ms");
    }
    line.push(b'\n');
}

/// Who asks: without a port where a trusted proxy names it.
fn client(line: &mut Vec<u8>, entry: &Entry<'_>) {
    match entry.account.client {
        Some(client) if is_introduced(entry) => address(client, line),
        _ => shown(line, entry.peer),
    }
}

/// Whether it is somebody else than the other end of the connection.
fn is_introduced(entry: &Entry<'_>) -> bool {
    entry.account.client.is_some_and(|client| client.to_canonical() != entry.peer.ip().to_canonical())
}

/// The longest host that is written, bytes.
const LONGEST_HOST: usize = 255;

/// The host in a head as it goes to the servers, or as it was kept.
fn host(head: &[u8]) -> &[u8] {
    const HOST: &[u8] = b"\r\nHost: ";
    let Some(at) = memchr::memmem::find(head, HOST) else { return b"" };
    let value = &head[at + HOST.len()..];
    let value = &value[..memchr::memchr(b'\r', value).unwrap_or(value.len())];
    &value[..value.len().min(LONGEST_HOST)]
}

/// The path as the client asked for it.
fn whole_path(line: &mut Vec<u8>, account: &Account, path: &[u8]) {
    if let Some(prefix) = &account.prefix {
        quoted(line, prefix.as_bytes());
    }
    quoted(line, path);
}

/// Method and path of a head as it goes to the servers; `-` where the request came to none. The path is without the query,
/// which may hold what nobody else should read.
fn asked(head: &[u8]) -> (&[u8], &[u8]) {
    let Some(space) = memchr::memchr(b' ', head) else { return (b"-", b"-") };
    let (method, rest) = (&head[..space], &head[space + 1..]);
    (method, &rest[..memchr::memchr2(b' ', b'?', rest).unwrap_or(rest.len())])
}

/// The time of day: asked for and written out once a second, counted on from there.
#[derive(Debug)]
pub(super) struct Clock {
    asked: Instant,
    /// Since the Unix epoch, when it was asked for.
    told: Duration,
    second: u64,
    shown: Vec<u8>,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: now, told: since_epoch(), second: 0, shown: Vec::new() }
    }

    /// `now` as in RFC 3339, in UTC, to the millisecond.
    pub(super) fn show(&mut self, now: Instant) -> &[u8] {
        if now.saturating_duration_since(self.asked) >= Duration::from_secs(1) {
            (self.asked, self.told) = (now, since_epoch());
        }
        self.write(self.told + now.saturating_duration_since(self.asked))
    }

    fn write(&mut self, since_epoch: Duration) -> &[u8] {
        if self.shown.is_empty() || since_epoch.as_secs() != self.second {
            self.second = since_epoch.as_secs();
            let second = Timestamp::from_second(self.second.cast_signed()).unwrap_or_default();
            self.shown = second.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string().into_bytes();
        }
        if let [.., hundreds, tens, ones, b'Z'] = self.shown.as_mut_slice() {
            [*hundreds, *tens, *ones] = three_digits(since_epoch.subsec_millis());
        }
        &self.shown
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `,"name":"value"`, or nothing when there is no value. A value that needs no quoting: a word of ours, a sane id.
fn string(line: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !value.is_empty() {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":\"");
        line.extend_from_slice(value);
        line.push(b'"');
    }
}

/// ` name=value`, or nothing when there is no value. A value as for [`string`].
fn word(line: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !value.is_empty() {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        line.extend_from_slice(value);
    }
}

/// Within quotes: a request's method and path are visible ASCII, and what is not is left out of the line.
fn quoted(line: &mut Vec<u8>, value: &[u8]) {
    let is_plain = |&byte: &u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    // Without an early end, many bytes are looked at at once.
    if value.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
        line.extend_from_slice(value);
        return;
    }
    for &byte in value {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => line.push(byte),
            _ => line.push(b'?'),
        }
    }
}

/// `"endpoint":"172.18.0.4:8080","server":"server-2"`
pub(super) fn named_json(line: &mut Vec<u8>, server: Option<&Server>) {
    line.extend_from_slice(b"\"endpoint\":\"");
    match server {
        Some(server) => {
            shown(line, server.address);
            line.push(b'"');
            string(line, "server", server.name.as_deref().unwrap_or_default().as_bytes());
        }
        None => line.extend_from_slice(b"gone\""),
    }
}

/// `server-2@172.18.0.4:8080`
pub(super) fn named_text(line: &mut Vec<u8>, server: Option<&Server>) {
    let Some(server) = server else { return line.extend_from_slice(b"gone") };
    if let Some(name) = &server.name {
        line.extend_from_slice(name.as_bytes());
        line.push(b'@');
    }
    shown(line, server.address);
}

fn shown(line: &mut Vec<u8>, at: SocketAddr) {
    match at {
        SocketAddr::V4(v4) => {
            address((*v4.ip()).into(), line);
            line.push(b':');
            decimal(v4.port().into(), line);
        }
        SocketAddr::V6(_) => line.extend_from_slice(at.to_string().as_bytes()),
    }
}

/// Milliseconds to the microsecond: `1.204`.
fn millis(line: &mut Vec<u8>, duration: Duration) {
    decimal(duration.as_secs() * 1000 + u64::from(duration.subsec_millis()), line);
    line.push(b'.');
    line.extend_from_slice(&three_digits(duration.subsec_micros() % 1000));
}

/// Of a number below 1000.
fn three_digits(number: u32) -> [u8; 3] {
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_without_the_query() {
        let asked = |head: &'static str| asked(head.as_bytes());
        assert_eq!(asked("GET /a/b?token=x HTTP/1.1\r\nHost: h\r\n\r\n"), (&b"GET"[..], &b"/a/b"[..]));
        assert_eq!(asked("OPTIONS * HTTP/1.1\r\n\r\n"), (&b"OPTIONS"[..], &b"*"[..]));
        assert_eq!(asked(""), (&b"-"[..], &b"-"[..]));
    }

    #[test]
    fn the_host_is_that_of_its_field_and_not_longer_than_a_name() {
        let of = |head: &str| String::from_utf8(host(head.as_bytes()).to_vec()).unwrap();
        assert_eq!(
            of("GET /?\\r\\nHost: x HTTP/1.1\r\nX-Host: y\r\nHost: shop.example:81\r\nA: b\r\n\r\n"),
            "shop.example:81"
        );
        assert_eq!(of("GET / \r\nHost: \r\nX-Request-Id: a\r\n"), "");
        assert_eq!(of(""), "");
        assert_eq!(of(&format!("GET / \r\nHost: {}\r\n", "a".repeat(999))).len(), LONGEST_HOST);
    }

    #[test]
    fn numbers_and_times_are_written_out() {
        let mut line = Vec::new();
        millis(&mut line, Duration::from_micros(1_204_007));
        line.push(b' ');
        millis(&mut line, Duration::from_nanos(999_999));
        line.push(b' ');
        shown(&mut line, "192.0.2.7:80".parse().unwrap());
        line.push(b' ');
        shown(&mut line, "[2001:db8::7]:65535".parse().unwrap());
        assert_eq!(line, b"1204.007 0.999 192.0.2.7:80 [2001:db8::7]:65535");
    }

    #[test]
    fn the_clock_shows_each_millisecond() {
        let mut clock = Clock::new(Instant::now());
        let mut at = |millis| clock.write(Duration::from_millis(millis)).to_owned();
        assert_eq!(at(7), b"1970-01-01T00:00:00.007Z");
        assert_eq!(at(999), b"1970-01-01T00:00:00.999Z");
        assert_eq!(at(86_400_010), b"1970-01-02T00:00:00.010Z");
    }

    #[test]
    fn the_clock_goes_on_between_two_readings_and_is_set_right_by_the_next() {
        let begin = Instant::now();
        let mut clock = Clock::new(begin);
        clock.told = Duration::from_secs(10);
        assert!(clock.show(begin + Duration::from_millis(5)).ends_with(b":10.005Z"));
        assert!(clock.show(begin + Duration::from_millis(999)).ends_with(b":10.999Z"));
        clock.show(begin + Duration::from_secs(1));
        assert!(clock.told > Duration::from_hours(24), "{:?}", clock.told);
    }

    #[test]
    fn quotes_and_controls_cannot_break_a_line() {
        let mut line = Vec::new();
        quoted(&mut line, b"/a\"b\\c\nd\xff");
        assert_eq!(line, b"/a\\\"b\\\\c?d?");
    }
}
