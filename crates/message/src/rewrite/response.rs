//! A server's response head on its way to a client.

use crate::head::fields::{Field, Fields, Span};
use crate::head::name::Name;
use crate::rewrite::passage::{Passage, is_written};
use crate::rules::FieldRules;
use crate::text::{decimal, decimal_len, value_of_line};
use crate::{Framing, ResponseHead};

/// What a response gains on its way through.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResponseRewrite<'a> {
    /// This proxy's pseudonym for `Via` (RFC 9110 §7.6.3); empty for no Via.
    pub via: &'a str,
    /// `Date` for a final response that has none (RFC 9110 §6.6.1); empty for no Date.
    pub date: &'a [u8],
    /// Whole lines to add, each with its CR LF. They are written as they are.
    pub extra: &'a [u8],
    /// What else is set or left out.
    pub rules: Option<&'a FieldRules>,
}

/// How the response is delivered to this client.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// The framing of the body towards this client.
    pub framing: Framing,
    /// What to say in Connection, if anything.
    pub connection: Option<&'static str>,
}

/// Appends the head as `delivery` has it.
pub fn rewrite_response(
    head: &ResponseHead,
    input: &[u8],
    how: &ResponseRewrite<'_>,
    delivery: &Delivery,
    out: &mut Vec<u8>,
) {
    out.reserve(head.len() + how.extra.len() + 128);
    let passing = passing_status_line(head, input);
    if passing.is_none() {
        status_line(head.status(), head.reason(input), out);
    }
    let others_pass = !head.connection.names_any() && how.rules.is_none();
    let mut passage = Passage::new(passing, &head.fields, others_pass);
    let mut length = match (delivery.framing, head.status()) {
        (Framing::Length(length), _) => Some(length),
        // On HEAD and 304 it tells the length that the body would have; here there would be none (RFC 9110 §8.6).
        (Framing::Empty, 100..=199 | 204) | (Framing::Chunked | Framing::UntilClose, _) => None,
        (Framing::Empty, _) => head.content_length(),
    };
    let is_final = !matches!(head.status(), 100..=199);
    let mut demands_upgrade = false;
    let mut lacks_date = is_final && !how.date.is_empty();
    for line in passage.lines(&head.fields) {
        match line.known {
            // In its place, but once and in canonical form, however often it was sent.
            Name::ContentLength => {
                let length = length.take();
                let is_as_sent = length.is_some_and(|length| line.value.len() == decimal_len(length));
                if is_as_sent && is_written(line, b"Content-Length", input) {
                    passage.line(line, input, out);
                    continue;
                }
                passage.cut(line, input, out);
                if let Some(length) = length {
                    out.extend_from_slice(b"Content-Length: ");
                    decimal(length, out);
                    out.extend_from_slice(b"\r\n");
                }
            }
            // What it says is what the answer means (RFC 9110 §15.2.2, §15.5.22).
            Name::Upgrade if matches!(head.status(), 101 | 426) => {
                demands_upgrade |= head.status() == 426;
                copy(line, &head.fields, input, &mut passage, out);
            }
            Name::Other if head.connection.names(line.name.in_bytes(input), &head.fields, input) => {
                passage.cut(line, input, out);
            }
            known if known.is_hop_by_hop() => passage.cut(line, input, out),
            _ if how.rules.is_some_and(|rules| rules.concern(line.name.in_bytes(input))) => {
                passage.cut(line, input, out);
            }
            known => {
                lacks_date &= known != Name::Date;
                copy(line, &head.fields, input, &mut passage, out);
            }
        }
    }
    passage.end(&head.fields, input, out);
    if delivery.framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    connection(delivery.connection, demands_upgrade, out);
    if !how.via.is_empty() {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(head.version().digits().as_bytes());
        out.push(b' ');
        value_of_line(how.via.as_bytes(), out);
        out.extend_from_slice(b"\r\n");
    }
    if lacks_date {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(how.date);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(rules) = how.rules {
        out.extend_from_slice(rules.lines());
    }
    out.extend_from_slice(how.extra);
    out.extend_from_slice(b"\r\n");
}

/// Whoever sends Upgrade names it in Connection (RFC 9110 §7.8).
fn connection(option: Option<&str>, demands_upgrade: bool, out: &mut Vec<u8>) {
    let options = option.into_iter().chain(demands_upgrade.then_some("upgrade"));
    for (index, option) in options.enumerate() {
        out.extend_from_slice(if index == 0 { b"Connection: " } else { b", " });
        out.extend_from_slice(option.as_bytes());
    }
    if option.is_some() || demands_upgrade {
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends `HTTP/1.1 status reason`: the version is this proxy's own, whatever the client's (RFC 9110 §6.2).
pub fn status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(status.into(), out);
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// The received status line, where it is already what would be written.
fn passing_status_line(head: &ResponseHead, input: &[u8]) -> Option<Span> {
    const BEFORE_REASON: u32 = "HTTP/1.1 200 ".len() as u32;
    let reason = head.reason.unwrap_or(Span { start: BEFORE_REASON, end: BEFORE_REASON });
    let line = input.get(..reason.end as usize + 2)?;
    let passes = reason.start == BEFORE_REASON
        && line.starts_with(b"HTTP/1.1 ")
        && line[BEFORE_REASON as usize - 1] == b' '
        && line.ends_with(b"\r\n");
    passes.then_some(Span { start: 0, end: line.len() as u32 })
}

/// Has a line pass as received; a folded one becomes a single line (RFC 9112 §5.2).
fn copy(line: &Field, fields: &Fields, input: &[u8], passage: &mut Passage, out: &mut Vec<u8>) {
    if !fields.is_folded(line, input) {
        return passage.line(line, input, out);
    }
    passage.cut(line, input, out);
    let at = out.len();
    out.extend_from_slice(&input[line.name.start as usize..line.line_end as usize]);
    let end = out.len() - 2;
    for byte in &mut out[at..end] {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
}
