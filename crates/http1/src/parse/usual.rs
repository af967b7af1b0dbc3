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
    let method = token(line);
    if method == 0 || line.get(method) != Some(&b' ') {
        return None;
    }
    let line = RequestLine {
        method: span(start, start + method),
        target: span(start + method + 1, start + line.len()),
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
fn lines(input: &[u8], mut at: usize, most: usize, mut each: impl FnMut(&Line)) -> Option<usize> {
    for _ in 0..=most {
        let line = &input[at..];
        if line.starts_with(b"\r\n") {
            return Some(at + 2);
        }
        let colon = at + token(line);
        if colon == at || input.get(colon) != Some(&b':') {
            return None;
        }
        let end = line_end(input, colon)?;
        let value = trim(&input[colon + 1..end - 2]);
        each(&Line { name: span(at, colon), value: Span::of(value, input), end: end as u32 });
        at = end;
    }
    None
}

/// Just after the CR LF that follows, where there is nothing before it that no line may have.
fn line_end(input: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += text(&input[at..]);
        match input[at..] {
            [b'\t', ..] => at += 1,
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => return None,
        }
    }
}

/// How long the stretch without a control character is with which this begins. Eight bytes are looked at at once.
fn text(bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some(word) = bytes[len..].first_chunk() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls != 0 {
            return len + controls.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + bytes[len..].iter().take_while(|byte| !byte.is_ascii_control()).count()
}

/// How long the token is with which this begins.
fn token(text: &[u8]) -> usize {
    let mut len = 0;
    // Most are of letters and dashes, of which eight are looked at at once.
    while let Some(word) = text[len..].first_chunk() {
        let others = !letters_and_dashes(u64::from_le_bytes(*word)) & HIGHEST;
        if others != 0 {
            len += others.trailing_zeros() as usize / 8;
            break;
        }
        len += 8;
    }
    while text.get(len).is_some_and(|&byte| TOKEN[usize::from(byte)]) {
        len += 1;
    }
    len
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
                let expected = if is_token_byte(byte) { text.len() } else { at };
                assert_eq!(token(&text), expected, "{byte:#x} at {at}");
            }
        }
        assert_eq!((token(b""), token(b"a"), token(b"X-9_y:")), (0, 1, 5));
    }

    #[test]
    fn no_control_is_overlooked_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                for others in [b' ', b'~', 0x80, 0xff] {
                    let mut bytes = [others; 20];
                    bytes[at] = byte;
                    let expected = if byte.is_ascii_control() { at } else { bytes.len() };
                    assert_eq!(text(&bytes), expected, "{byte:#x} at {at} among {others:#x}");
                }
            }
        }
        assert_eq!((text(b""), text(b"a\r"), text(b"abcdefgh\0\0")), (0, 1, 8));
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
