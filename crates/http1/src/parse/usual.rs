//! The usual head, in one pass: of HTTP/1.1, whole, each line ended by CR LF, and with nothing in it that is not in every other.
//!
//! Whatever is different goes the [long way](super::request), which knows what it means or what is wrong with it. So nothing is
//! refused here; and what is read here is read as it would be there, to which a test holds it.

use evenkeel_message::text::{is_token_byte, trim};
use evenkeel_message::{Limits, Line, RequestHead, RequestLine, ResponseHead, Span, StatusLine, Version};

/// Reads the head that begins at `start`, up to its [`finish`](RequestHead::finish), for which this is where it ends. `None` where
/// it is not as usual: `head` has to be cleared then.
pub(super) fn request(head: &mut RequestHead, input: &[u8], start: usize, limits: &Limits) -> Option<usize> {
    let end = line_end(input, start)?;
    let line = input[start..end].strip_suffix(b" HTTP/1.1\r\n")?;
    let method = token(input, start);
    if method.end == start || line.get(method.end - start) != Some(&b' ') {
        return None;
    }
    let line = RequestLine {
        method: span(start, method.end),
        target: span(method.end + 1, start + line.len()),
        version: Version::Http11,
    };
    head.start(input, &line, limits).ok()?;
    lines(input, end, limits.field_lines(), |line| head.push(input, line, limits))
}

/// The same of a response at the start of `input`.
pub(super) fn response(head: &mut ResponseHead, input: &[u8], limits: &Limits) -> Option<usize> {
    let end = line_end(input, 0)?;
    let rest = input[..end].strip_prefix(b"HTTP/1.1 ")?;
    let [digits @ .., b' ', _, _] = rest.first_chunk::<6>()? else { return None };
    let mut status = 0;
    for digit in digits {
        status = status * 10 + u16::from(digit.checked_sub(b'0').filter(|&digit| digit < 10)?);
    }
    let reason = span("HTTP/1.1 200 ".len(), end - 2);
    let reason = (!reason.is_empty()).then_some(reason);
    head.start(&StatusLine { status, reason, version: Version::Http11 }, false).ok()?;
    lines(input, end, limits.field_lines(), |line| head.push(input, line))
}

/// Hands on the field lines that begin at `at`, `most` of them at most. Says where the head ends.
#[expect(clippy::inline_always, reason = "what is done with a line is small, and done for each")]
#[inline(always)]
fn lines(input: &[u8], mut at: usize, most: usize, mut each: impl FnMut(&Line)) -> Option<usize> {
    for _ in 0..=most {
        if input.get(at) == Some(&b'\r') {
            return input[at..].starts_with(b"\r\n").then_some(at + 2);
        }
        let name = token(input, at);
        if name.end == at || input.get(name.end) != Some(&b':') {
            return None;
        }
        let end = line_end(input, name.end + 1)?;
        let has_underscore = !name.is_plain && input[at..name.end].contains(&b'_');
        let value = trimmed(input, name.end + 1, end - 2);
        each(&Line { name: span(at, name.end), value, end: end as u32, has_underscore });
        at = end;
    }
    None
}

/// Just after the CR LF that follows, where there is nothing before it that no line may have.
#[expect(clippy::inline_always, reason = "the last step of each line, most of which have no tab")]
#[inline(always)]
fn line_end(input: &[u8], at: usize) -> Option<usize> {
    let end = text_end(input, at);
    if input[end..].starts_with(b"\r\n") { Some(end + 2) } else { line_end_after_tab(input, end) }
}

/// The same where something else comes first at `at`: a tab or what no line has.
#[cold]
fn line_end_after_tab(input: &[u8], mut at: usize) -> Option<usize> {
    while input.get(at) == Some(&b'\t') {
        at = text_end(input, at + 1);
    }
    input[at..].starts_with(b"\r\n").then_some(at + 2)
}

/// Where the text without a control character ends that begins at `at`. A vector of bytes is looked at at once.
#[expect(clippy::inline_always, reason = "the loop that goes over each line")]
#[inline(always)]
fn text_end(input: &[u8], mut at: usize) -> usize {
    loop {
        let block = block(input, at);
        if has_control(&block) {
            return at + first_control(block);
        }
        at += BLOCK;
    }
}

/// How many bytes a vector has on any machine.
const BLOCK: usize = 16;

/// Whether one is a control character. Without an early return, so that there is one answer for all of them.
fn has_control(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(false, |found, byte| found | byte.is_ascii_control())
}

/// Where the first one is in a block that has one.
fn first_control(block: [u8; BLOCK]) -> usize {
    let (words, _) = block.as_chunks();
    let [first, second] = [0, 1].map(|at| controls(u64::from_le_bytes(words[at])));
    if first != 0 { first.trailing_zeros() as usize / 8 } else { 8 + second.trailing_zeros() as usize / 8 }
}

/// The bytes at `at`. Behind the end of `input` there are zeros, which no line has.
fn block(input: &[u8], at: usize) -> [u8; BLOCK] {
    match input[at..].first_chunk() {
        Some(block) => *block,
        None => last_block(input, at),
    }
}

#[inline(never)]
fn last_block(input: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = &input[at..];
    let Some(last) = input.last_chunk() else { return begun_block(rest) };
    // It has bytes before them.
    let block = u128::from_le_bytes(*last).checked_shr(128 - 8 * rest.len() as u32);
    block.unwrap_or_default().to_le_bytes()
}

#[cold]
fn begun_block(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3). A line has one before its value, nearly always.
#[expect(clippy::inline_always, reason = "a step of each line")]
#[inline(always)]
fn trimmed(input: &[u8], start: usize, end: usize) -> Span {
    let value = &input[start..end];
    let start = start + usize::from(value.first() == Some(&b' '));
    match &input[start..end] {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => Span::of(trim(value), input),
        _ => span(start, end),
    }
}

/// What begins like a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    end: usize,
    /// It has letters and dashes only.
    is_plain: bool,
}

/// The token that begins at `at`.
fn token(input: &[u8], at: usize) -> Token {
    let mut end = at;
    // Most are of letters and dashes, of which eight are looked at at once.
    loop {
        let others = !letters_and_dashes(word(input, end)) & HIGHEST;
        if others != 0 {
            end += others.trailing_zeros() as usize / 8;
            break;
        }
        end += 8;
    }
    let is_more = |end: usize| input.get(end).is_some_and(|&byte| TOKEN[usize::from(byte)]);
    if !is_more(end) {
        return Token { end, is_plain: true };
    }
    while is_more(end) {
        end += 1;
    }
    Token { end, is_plain: false }
}

/// The first half of that as a number, the first byte lowest.
#[expect(clippy::inline_always, reason = "what a loop over words is made of")]
#[inline(always)]
fn word(input: &[u8], at: usize) -> u64 {
    match input[at..].first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(input, at),
    }
}

#[inline(never)]
fn last_word(input: &[u8], at: usize) -> u64 {
    u128::from_le_bytes(last_block(input, at)) as u64
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// The highest bit of each of eight bytes.
const HIGHEST: u64 = EACH << 7;
const EACH: u64 = u64::MAX / 255;

/// Has the highest bit of each byte that is one of them. No byte carries into the next: only the seven other bits are added to.
fn letters_and_dashes(word: u64) -> u64 {
    let low = word & !HIGHEST;
    let lower = low | (EACH * 0x20);
    let from_a = lower + EACH * (0x80 - u64::from(b'a'));
    let beyond_z = lower + EACH * (0x7f - u64::from(b'z'));
    let other_than_dash = (low ^ (EACH * u64::from(b'-'))) + EACH * 0x7f;
    (from_a & !beyond_z | !other_than_dash) & !word & HIGHEST
}

/// Has the highest bit of the first byte that is a control character, and perhaps of some behind it.
fn controls(word: u64) -> u64 {
    // What is taken from a byte that is smaller is taken from its highest bit, and from the bytes behind it.
    let below = |word: u64, bound: u64| word.wrapping_sub(EACH * bound) & !word & HIGHEST;
    below(word, 0x20) | below(word ^ (EACH * 0x7f), 1)
}

/// The bytes of a token (RFC 9110 §5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_token_byte(byte as u8);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{request, response};
    use evenkeel_message::Method;
    use proptest::prelude::*;

    /// What of the request is read here, and what the long way makes of it.
    fn both_requests(input: &[u8], limits: &Limits) -> (Option<String>, Option<String>) {
        let mut head = RequestHead::new();
        let here =
            request(&mut head, input, 0, limits).map(|end| format!("{:?} {head:?}", head.finish(input, end)));
        let mut head = RequestHead::new();
        let there = request::parse_slowly(&mut head, input, 0, limits);
        (here, read(there, &head))
    }

    fn both_responses(input: &[u8], limits: &Limits) -> (Option<String>, Option<String>) {
        let mut head = ResponseHead::new();
        let here = response(&mut head, input, limits)
            .map(|end| format!("{:?} {head:?}", head.finish(input, end, Method::Get)));
        let mut head = ResponseHead::new();
        let there = response::parse_lines(&mut head, input, Method::Get, limits, false);
        (here, read(there, &head))
    }

    /// A head that is not all there is none; one that means nothing good is one that was read.
    fn read<E: std::fmt::Debug>(result: Result<bool, E>, head: &impl std::fmt::Debug) -> Option<String> {
        match result {
            Ok(false) => None,
            Ok(true) => Some(format!("Ok(()) {head:?}")),
            Err(error) => Some(format!("Err({error:?}) {head:?}")),
        }
    }

    #[test]
    fn the_usual_heads_are_read_here() {
        let requests: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"POST /a?b=c HTTP/1.1\r\nhost:h\r\ncontent-length: 5\r\nX-Odd:\t\xc3\xa4 \r\nEmpty: \r\n\r\nhello",
            b"PUT http://h/p HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"PURGE /x HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=\"d\"\r\n\r\n",
        ];
        for input in requests {
            let (here, there) = both_requests(input, &Limits::default());
            assert!(here.is_some(), "{}", input.escape_ascii());
            assert_eq!(here, there, "{}", input.escape_ascii());
        }
        let responses: [&[u8]; 3] = [
            b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 599 Not  \xe4t all\r\n\r\n",
        ];
        for input in responses {
            let (here, there) = both_responses(input, &Limits::default());
            assert!(here.is_some(), "{}", input.escape_ascii());
            assert_eq!(here, there, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_usual_is_left_to_others() {
        let requests: [&[u8]; 19] = [
            b"GET HTTP/1.1\r\nHost: h\r\n\r\n",
            b" HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n",
            b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\n",
            b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /\t HTTP/1.1\r\nHost: h\r\n\r\n",
            b" / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\x7fb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
            b"GET / HTTP/1.1\r\n: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        ];
        for input in requests {
            assert_eq!(both_requests(input, &Limits::default()).0, None, "{}", input.escape_ascii());
        }
        let two = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        assert!(both_requests(two, &Limits { fields: 2, ..Limits::default() }).0.is_some());
        assert_eq!(both_requests(two, &Limits { fields: 1, ..Limits::default() }).0, None);
        let responses: [&[u8]; 6] = [
            b"HTTP/1.1 200\r\n\r\n",
            b"HTTP/1.1 20x OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.2 200 OK\r\n\r\n",
            b"HTTP/1.1 200 O\x01K\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        ];
        for input in responses {
            assert_eq!(both_responses(input, &Limits::default()).0, None, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_token_ends_where_its_grammar_says() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = *b"Content-Security-Pol";
                text[at] = byte;
                let end = if is_token_byte(byte) { text.len() } else { at };
                let is_plain = byte.is_ascii_alphabetic() || byte == b'-' || end == at;
                assert_eq!(token(&text, 0), Token { end, is_plain }, "{byte:#x} at {at}");
            }
        }
        let end = |text, at| token(text, at).end;
        assert_eq!(
            (end(b"", 0), end(b"a", 0), end(b"a", 1), end(b"X-9_y:", 0), end(b": a-b", 2)),
            (0, 1, 1, 5, 5)
        );
    }

    #[test]
    fn no_control_is_overlooked_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for len in [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 41, 63, 64, 65] {
                for at in 0..len {
                    for others in [b' ', b'~', 0x80, 0xff] {
                        let mut bytes = vec![others; len];
                        bytes[at] = byte;
                        let expected = if byte.is_ascii_control() { at } else { len };
                        assert_eq!(
                            text_end(&bytes, 0),
                            expected,
                            "{byte:#x} at {at} of {len} among {others:#x}"
                        );
                    }
                }
            }
        }
        assert_eq!((text_end(b"", 0), text_end(b"a\r", 0), text_end(b"\0bcdefgh\0\0", 1)), (0, 1, 8));
    }

    #[test]
    fn any_byte_at_any_place_of_a_head_is_read_the_same_the_long_way() {
        for len in [1, 6, 7, 8, 9, 14, 15, 16, 17, 18, 31, 32, 33, 47, 48, 49, 63, 64, 65] {
            let value = "v".repeat(len);
            let name = "n".repeat(len);
            let request = format!("GET /{value} HTTP/1.1\r\nHost: h\r\n{name}: {value}\r\n\r\n").into_bytes();
            let response = format!("HTTP/1.1 200 {value}\r\n{name}:{value}\r\nB: c\r\n\r\n").into_bytes();
            assert!(both_requests(&request, &Limits::default()).0.is_some());
            assert!(both_responses(&response, &Limits::default()).0.is_some());
            for byte in 0..=u8::MAX {
                // Each place of a block, and all that a line has.
                for at in (0..request.len()).filter(|at| len < 20 || at % 7 == usize::from(byte) % 7) {
                    let mut input = request.clone();
                    input[at] = byte;
                    let (here, there) = both_requests(&input, &Limits::default());
                    assert!(here.is_none() || here == there, "{here:?}\n{there:?}\n{}", input.escape_ascii());
                }
                for at in (0..response.len()).filter(|at| len < 20 || at % 7 == usize::from(byte) % 7) {
                    let mut input = response.clone();
                    input[at] = byte;
                    let (here, there) = both_responses(&input, &Limits::default());
                    assert!(here.is_none() || here == there, "{here:?}\n{there:?}\n{}", input.escape_ascii());
                }
            }
        }
    }

    /// Pieces of which heads are made, and of which they should not be.
    fn pieces(first: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
        let odd = prop_oneof![
            6 => prop::sample::select(vec![
                b"Host: h\r\n".as_slice(), b"A:b\r\n", b"Content-Length: 3\r\n", b"Connection: close\r\n",
                b"X-A_b:  c d\t\r\n", b"E:\r\n", b"Transfer-Encoding: chunked\r\n", b"Date: \xff\r\n", b"\r\n",
            ]).prop_map(<[u8]>::to_vec),
            1 => prop::sample::select(vec![
                b"\n".as_slice(), b"\r", b" ", b"\t", b":", b"\0", b"\x7f", b"A b: c\r\n", b" folded\r\n",
                b"HTTP/1.1", b"\r\n\r\n",
            ]).prop_map(<[u8]>::to_vec),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        let first = prop::sample::select(first).prop_map(<[u8]>::to_vec);
        (first, prop::collection::vec(odd, 0..8), any::<bool>()).prop_map(|(first, rest, ends)| {
            let end: &[u8] = if ends { b"\r\n" } else { b"" };
            [first, rest.concat(), end.to_vec()].concat()
        })
    }

    const REQUESTS: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"POST /p?q HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"G@T / HTTP/1.1\r\n",
        b"get /a b HTTP/1.1\r\n",
        b"GET /\x80 HTTP/1.1\r\n",
        b"GET /a\x7f HTTP/1.1\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET HTTP/1.1\r\n",
        b"GET",
    ];

    const RESPONSES: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 204 \r\n",
        b"HTTP/1.1 304\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 1000 OK\r\n",
        b"HTTP/1.1 200 O\tK\xe4\r\n",
        b"HTTP/1.1 2",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn whatever_request_is_read_here_is_read_the_same_the_long_way(input in pieces(REQUESTS)) {
            let (here, there) = both_requests(&input, &Limits { fields: 5, ..Limits::default() });
            prop_assert!(here.is_none() || here == there, "{here:?}\n{there:?}\n{}", input.escape_ascii());
        }

        #[test]
        fn whatever_response_is_read_here_is_read_the_same_the_long_way(input in pieces(RESPONSES)) {
            let (here, there) = both_responses(&input, &Limits { fields: 5, ..Limits::default() });
            prop_assert!(here.is_none() || here == there, "{here:?}\n{there:?}\n{}", input.escape_ascii());
        }
    }
}
