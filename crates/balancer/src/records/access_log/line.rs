//! A request as one line: what it says, in which order.

use std::time::{Duration, Instant, SystemTime};

use evenkeel_upstream::attempt::TrailOutcome;
use jiff::Timestamp;

use super::Entry;
use super::lines::{Lines, three_digits};
use super::names::Names;
use crate::records::roster::{Roster, Server};

/// For a program: one JSON object.
pub(super) fn json(line: &mut Lines, time: &Time, entry: &Entry<'_>, names: &mut Names, roster: &Roster) {
    let account = entry.account;
    let asked = asked(entry.head);
    line.put(b"{\"time\":\"");
    line.put(time);
    line.put(b"\",\"client\":\"");
    let introduced = is_introduced(entry);
    client(line, entry, introduced);
    line.put(b"\"");
    if introduced {
        line.put(b",\"peer\":\"");
        line.socket(entry.peer);
        line.put(b"\"");
    }
    line.put(b",\"method\":\"");
    line.quoted(asked.method);
    let host = host(entry.head);
    if !host.is_empty() {
        line.put(b"\",\"host\":\"");
        line.quoted(host);
    }
    line.put(b"\",\"path\":\"");
    if let Some(prefix) = &account.prefix {
        line.quoted(prefix.as_bytes());
    }
    line.quoted(asked.path);
    line.put(b"\"");
    string(line, b",\"upstream\":\"", account.upstream.as_deref().unwrap_or_default().as_bytes());
    line.put(b",\"status\":");
    line.decimal(account.status.into());
    string(line, b",\"end\":\"", account.end.name().as_bytes());
    string(line, b",\"error\":\"", account.error.unwrap_or_default().as_bytes());
    string(line, b",\"request_id\":\"", entry.head.get(account.id.clone()).unwrap_or_default());
    string(line, b",\"trace_id\":\"", account.trace.as_ref().map_or(b"", <[u8; 32]>::as_slice));
    line.put(b",\"bytes_in\":");
    line.decimal(entry.received);
    line.put(b",\"bytes_out\":");
    line.decimal(account.sent);
    line.put(b",\"duration_ms\":");
    line.millis(entry.took);
    line.put(b",\"queued_ms\":");
    line.millis(account.queued);
    line.put(if account.masked { b",\"masked\":true" } else { b",\"masked\":false" });
    line.put(b",\"attempts\":[");
    for (index, attempt) in account.trail.iter().enumerate() {
        line.put(if index == 0 { b"{" } else { b",{" });
        line.put(names.of(attempt.endpoint, roster));
        string(line, b",\"reason\":\"", attempt.why.name().as_bytes());
        string(line, b",\"outcome\":\"", attempt.outcome.class().name().as_bytes());
        if let TrailOutcome::Responded(_, status) = attempt.outcome {
            line.put(b",\"status\":");
            line.decimal(status.into());
        }
        line.put(if attempt.reused { b",\"reused\":true" } else { b",\"reused\":false" });
        line.put(b",\"begun_ms\":");
        line.millis(account.after(attempt.begun));
        line.put(b",\"took_ms\":");
        line.millis(attempt.since.saturating_duration_since(attempt.begun));
        line.put(b"}");
    }
    line.put(b"]}");
    line.end();
}

/// For people: `name=value`, the route of the attempts at the end.
pub(super) fn text(line: &mut Lines, time: &Time, entry: &Entry<'_>, names: &mut Names, roster: &Roster) {
    let account = entry.account;
    let asked = asked(entry.head);
    line.put(time);
    line.put(b" ");
    let introduced = is_introduced(entry);
    client(line, entry, introduced);
    line.put(b" \"");
    match &account.prefix {
        None => line.quoted(asked.method_and_path),
        Some(prefix) => {
            line.quoted(asked.method);
            line.put(b" ");
            line.quoted(prefix.as_bytes());
            line.quoted(asked.path);
        }
    }
    line.put(b"\" status=");
    line.decimal(account.status.into());
    word(line, b" upstream=", account.upstream.as_deref().unwrap_or_default().as_bytes());
    word(line, b" end=", account.end.name().as_bytes());
    word(line, b" error=", account.error.unwrap_or_default().as_bytes());
    line.put(b" in=");
    line.decimal(entry.received);
    line.put(b" out=");
    line.decimal(account.sent);
    line.put(b" took=");
    line.millis(entry.took);
    line.put(b"ms");
    if !account.queued.is_zero() {
        line.put(b" queued=");
        line.millis(account.queued);
        line.put(b"ms");
    }
    if introduced {
        line.put(b" peer=");
        line.socket(entry.peer);
    }
    let host = host(entry.head);
    if !host.is_empty() {
        line.put(b" host=");
        line.quoted(host);
    }
    word(line, b" id=", entry.head.get(account.id.clone()).unwrap_or_default());
    word(line, b" trace=", account.trace.as_ref().map_or(b"", <[u8; 32]>::as_slice));
    for (index, attempt) in account.trail.iter().enumerate() {
        line.put(if index == 0 { b" route=" } else { b"," });
        line.put(names.of(attempt.endpoint, roster));
        line.put(b"/");
        line.put(attempt.why.name().as_bytes());
        line.put(b"/");
        match attempt.outcome {
            TrailOutcome::Responded(_, status) => line.decimal(status.into()),
            outcome => line.put(outcome.class().name().as_bytes()),
        }
        line.put(b"/");
        line.millis(attempt.since.saturating_duration_since(attempt.begun));
        line.put(b"ms");
    }
    line.end();
}

/// Who asks: without a port where a trusted proxy names it.
fn client(line: &mut Lines, entry: &Entry<'_>, introduced: bool) {
    match entry.account.client {
        Some(client) if introduced => line.ip(client),
        _ => line.socket(entry.peer),
    }
}

/// Whether it is somebody else than the other end of the connection.
#[inline]
fn is_introduced(entry: &Entry<'_>) -> bool {
    entry.account.client.is_some_and(|client| client.to_canonical() != entry.peer.ip().to_canonical())
}

/// The longest host that is written, bytes.
const LONGEST_HOST: usize = 255;

/// The host in a head as it goes to the servers, or as it was kept.
fn host(head: &[u8]) -> &[u8] {
    const HOST: &[u8] = b"\r\nHost: ";
    let fields = &head[memchr::memchr(b'\r', head).unwrap_or(head.len())..];
    // Most clients name it first.
    let value =
        fields.strip_prefix(HOST).or_else(|| fields.get(memchr::memmem::find(fields, HOST)? + HOST.len()..));
    let Some(value) = value else { return b"" };
    let value = &value[..memchr::memchr(b'\r', value).unwrap_or(value.len())];
    &value[..value.len().min(LONGEST_HOST)]
}

/// What a request asks for; `-` where it came to none. The path is without the query, which may hold what nobody else should read,
/// and without what was taken off it on the way.
struct Asked<'a> {
    method: &'a [u8],
    path: &'a [u8],
    /// Both, as they stand in the head.
    method_and_path: &'a [u8],
}

/// What a head as it goes to the servers asks for, or one as it was kept.
fn asked(head: &[u8]) -> Asked<'_> {
    let Some(space) = head.iter().position(|&byte| byte == b' ') else {
        return Asked { method: b"-", path: b"-", method_and_path: b"- -" };
    };
    let (method, rest) = (&head[..space], &head[space + 1..]);
    let path = &rest[..memchr::memchr2(b' ', b'?', rest).unwrap_or(rest.len())];
    Asked { method, path, method_and_path: &head[..space + 1 + path.len()] }
}

/// The time of day: asked for and written out once a second, counted on from there.
#[derive(Debug)]
pub(super) struct Clock {
    asked: Instant,
    /// Since the Unix epoch, when it was asked for.
    told: Duration,
    second: u64,
    shown: Time,
}

/// `2026-11-23T15:20:30.308Z`
pub(super) type Time = [u8; 24];

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: now, told: since_epoch(), second: 0, shown: *b"1970-01-01T00:00:00.000Z" }
    }

    /// `now` as in RFC 3339, in UTC, to the millisecond.
    pub(super) fn show(&mut self, now: Instant) -> &Time {
        let mut passed = now.saturating_duration_since(self.asked);
        if passed >= Duration::from_secs(1) {
            (self.asked, self.told, passed) = (now, since_epoch(), Duration::ZERO);
        }
        self.write(self.told + passed)
    }

    fn write(&mut self, since_epoch: Duration) -> &Time {
        if since_epoch.as_secs() != self.second {
            self.write_second(since_epoch.as_secs());
        }
        let [.., hundreds, tens, ones, _] = &mut self.shown;
        [*hundreds, *tens, *ones] = three_digits(since_epoch.subsec_millis());
        &self.shown
    }

    #[cold]
    fn write_second(&mut self, second: u64) {
        self.second = second;
        let shown = Timestamp::from_second(second.cast_signed()).unwrap_or_default();
        let shown = shown.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        // Its length is always that: the last year that there is has four digits.
        if let Ok(shown) = shown.as_bytes().try_into() {
            self.shown = shown;
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `,"name":"value"`, or nothing when there is no value. A value that needs no quoting: a word of ours, a sane id.
#[inline]
fn string(line: &mut Lines, name: &[u8], value: &[u8]) {
    if !value.is_empty() {
        line.put(name);
        line.put(value);
        line.put(b"\"");
    }
}

/// ` name=value`, or nothing when there is no value. A value as for [`string`].
#[inline]
fn word(line: &mut Lines, name: &[u8], value: &[u8]) {
    if !value.is_empty() {
        line.put(name);
        line.put(value);
    }
}

/// `"endpoint":"172.18.0.4:8080","server":"server-2"`
pub(super) fn named_json(line: &mut Lines, server: Option<&Server>) {
    line.put(b"\"endpoint\":\"");
    match server {
        Some(server) => {
            line.socket(server.address);
            line.put(b"\"");
            string(line, b",\"server\":\"", server.name.as_deref().unwrap_or_default().as_bytes());
        }
        None => line.put(b"gone\""),
    }
}

/// `server-2@172.18.0.4:8080`
pub(super) fn named_text(line: &mut Lines, server: Option<&Server>) {
    let Some(server) = server else { return line.put(b"gone") };
    if let Some(name) = &server.name {
        line.put(name.as_bytes());
        line.put(b"@");
    }
    line.socket(server.address);
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;
    use crate::records::account::{Account, End};

    const HEAD: &[u8] =
        b"POST /b\"c?token=x HTTP/1.1\r\nHost: shop.example:81\r\nX-Request-Id: r-1\r\nX-Attempt: 1\r\n\r\n";

    /// A request that nothing was left out of, before it came to a server, as both formats have it.
    fn told(account: &Account, head: &[u8]) -> [String; 2] {
        type Write = fn(&mut Lines, &Time, &Entry<'_>, &mut Names, &Roster);
        let formats: [(Write, names::Write); 2] = [(text, named_text), (json, named_json)];
        formats.map(|(write, named)| {
            let (mut lines, mut taken) = (Lines::default(), Vec::new());
            let peer = "10.1.2.3:4567".parse().unwrap();
            let entry = Entry {
                peer,
                head,
                received: 1_234_567,
                account,
                took: Duration::ZERO,
                now: crate::clock::now(),
            };
            let time = b"2026-11-23T15:20:30.308Z";
            write(&mut lines, time, &entry, &mut Names::new(named), &Roster::default());
            lines.take(&mut taken);
            String::from_utf8(taken).unwrap()
        })
    }

    #[test]
    fn a_line_says_all_that_there_is_to_say_in_one_order() {
        let id = HEAD.windows(3).position(|bytes| bytes == b"r-1").unwrap();
        let mut account = Account::default();
        account.status = 503;
        account.sent = 89;
        account.queued = Duration::from_micros(2_050_007);
        account.end = End::Failed;
        account.error = Some("destination_unavailable");
        account.masked = true;
        account.client = Some("2001:db8::7".parse().unwrap());
        account.upstream = Some("api".into());
        account.prefix = Some("/a".into());
        account.trace = Some([b'7'; 32]);
        account.identify(id..id + 3, HEAD);
        let trace = "7".repeat(32);
        assert_eq!(
            told(&account, HEAD),
            [
                format!(
                    "2026-11-23T15:20:30.308Z 2001:db8::7 \"POST /a/b\\\"c\" status=503 upstream=api end=failed \
                     error=destination_unavailable in=1234567 out=89 took=0.000ms queued=2050.007ms \
                     peer=10.1.2.3:4567 host=shop.example:81 id=r-1 trace={trace}\n"
                ),
                format!(
                    "{{\"time\":\"2026-11-23T15:20:30.308Z\",\"client\":\"2001:db8::7\",\"peer\":\"10.1.2.3:4567\",\
                     \"method\":\"POST\",\"host\":\"shop.example:81\",\"path\":\"/a/b\\\"c\",\"upstream\":\"api\",\"status\":503,\
                     \"end\":\"failed\",\"error\":\"destination_unavailable\",\"request_id\":\"r-1\",\"trace_id\":\"{trace}\",\
                     \"bytes_in\":1234567,\"bytes_out\":89,\"duration_ms\":0.000,\"queued_ms\":2050.007,\"masked\":true,\
                     \"attempts\":[]}}\n"
                ),
            ]
        );
    }

    #[test]
    fn what_there_is_none_of_is_not_said() {
        let mut account = Account::default();
        (account.status, account.end) = (400, End::Refused);
        let [text, json] = told(&account, b"");
        assert_eq!(
            text,
            "2026-11-23T15:20:30.308Z 10.1.2.3:4567 \"- -\" status=400 end=refused in=1234567 out=0 took=0.000ms\n"
        );
        assert_eq!(
            json,
            "{\"time\":\"2026-11-23T15:20:30.308Z\",\"client\":\"10.1.2.3:4567\",\"method\":\"-\",\"path\":\"-\",\
             \"status\":400,\"end\":\"refused\",\"bytes_in\":1234567,\"bytes_out\":0,\"duration_ms\":0.000,\
             \"queued_ms\":0.000,\"masked\":false,\"attempts\":[]}\n"
        );
    }

    #[test]
    fn the_path_is_without_the_query() {
        let asked = |head: &'static str| {
            let Asked { method, path, method_and_path } = asked(head.as_bytes());
            [method, path, method_and_path].map(|part| str::from_utf8(part).unwrap())
        };
        assert_eq!(asked("GET /a/b?token=x HTTP/1.1\r\nHost: h\r\n\r\n"), ["GET", "/a/b", "GET /a/b"]);
        assert_eq!(asked("OPTIONS * HTTP/1.1\r\n\r\n"), ["OPTIONS", "*", "OPTIONS *"]);
        assert_eq!(asked("GET /a"), ["GET", "/a", "GET /a"]);
        assert_eq!(asked(""), ["-", "-", "- -"]);
    }

    #[test]
    fn the_host_is_that_of_its_field_and_not_longer_than_a_name() {
        let of = |head: &str| String::from_utf8(host(head.as_bytes()).to_vec()).unwrap();
        assert_eq!(
            of("GET /?\\r\\nHost: x HTTP/1.1\r\nX-Host: y\r\nHost: shop.example:81\r\nA: b\r\n\r\n"),
            "shop.example:81"
        );
        assert_eq!(of("GET / HTTP/1.1\r\nHost: a\r\nX-Host: y\r\n\r\n"), "a");
        assert_eq!(of("GET / \r\nHost: b"), "b");
        assert_eq!(of("GET / \r\nHost: \r\nX-Request-Id: a\r\n"), "");
        assert_eq!(of("GET / HTTP/1.1\r\nX-Host: y\r\n\r\n"), "");
        assert_eq!(of(""), "");
        assert_eq!(of(&format!("GET / \r\nHost: {}\r\n", "a".repeat(999))).len(), LONGEST_HOST);
    }

    #[test]
    fn the_clock_shows_each_millisecond() {
        let mut clock = Clock::new(Instant::now());
        let mut at = |millis| *clock.write(Duration::from_millis(millis));
        assert_eq!(at(7), *b"1970-01-01T00:00:00.007Z");
        assert_eq!(at(999), *b"1970-01-01T00:00:00.999Z");
        assert_eq!(at(86_400_010), *b"1970-01-02T00:00:00.010Z");
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
}
