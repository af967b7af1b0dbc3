//! Request targets (RFC 9112 §3.2) and the authority they or Host name.

use crate::head::fields::Span;
use crate::{Method, Refusal};

/// A request target taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Target {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://authority/path?query`; `path` may be empty or begin with `?`.
    Absolute { authority: Span, path: Span },
    /// `*`, with OPTIONS only.
    Asterisk,
}

impl Target {
    /// Reads the target at `span` of `input`.
    pub(crate) fn parse(method: Method, span: Span, input: &[u8]) -> Result<Self, Refusal> {
        let target = span.in_bytes(input);
        // Without an early return, so that many bytes are looked at at once.
        if target.iter().fold(false, |bad, &byte| bad | !matches!(byte, 0x21..=0x22 | 0x24..=0x7e)) {
            return Err(Refusal::bad("The request target has a fragment or a byte that no target may have."));
        }
        match target {
            [b'/', ..] => Ok(Self::Origin),
            b"*" if method == Method::Options => Ok(Self::Asterisk),
            _ => Self::absolute(span, target),
        }
    }

    fn absolute(span: Span, target: &[u8]) -> Result<Self, Refusal> {
        const NEITHER: Refusal = Refusal::bad("The request target is neither a path nor an http URI.");
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| {
                target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
            })
            .ok_or(NEITHER)?
            .len();
        let rest = &target[scheme..];
        let authority = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if !is_authority(&rest[..authority]) {
            return Err(Refusal::bad("The request target has no valid host and port."));
        }
        let start = span.start + scheme as u32;
        let path = start + authority as u32;
        Ok(Self::Absolute { authority: Span { start, end: path }, path: Span { start: path, end: span.end } })
    }
}

/// Whether this is `uri-host [ ":" port ]` with a host (RFC 3986 §3.2.2), as Host and an absolute target
/// have it: no user information, and no comma, which would read as a list of hosts.
pub fn is_authority(text: &[u8]) -> bool {
    let plain = text.iter().take_while(|&&byte| IN_NAMES[usize::from(byte)]).count();
    match text.split_at(plain) {
        ([_, ..], port @ ([] | [b':', ..])) => is_port(port),
        _ => is_unusual_authority(text),
    }
}

/// The same of one with brackets, with percent-encoding, or that is none.
#[cold]
fn is_unusual_authority(text: &[u8]) -> bool {
    if let [b'[', rest @ ..] = text {
        let end = rest.iter().position(|&byte| byte == b']');
        return end.is_some_and(|end| is_ipv6(&rest[..end]) && is_port(&rest[end + 1..]));
    }
    let (host, port) = text.split_at(text.iter().position(|&byte| byte == b':').unwrap_or(text.len()));
    !host.is_empty() && is_registered_name(host) && is_port(port)
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_registered_name(host: &[u8]) -> bool {
    let mut rest = host;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            _ if IN_NAMES[usize::from(*byte)] => after,
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ => return false,
        };
    }
    true
}

/// The bytes that a registered name may have as they are (RFC 3986 §3.2.2), but for the comma.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut others: &[u8] = b"-._~!$&'()*+;=";
    while let [byte, rest @ ..] = others {
        table[*byte as usize] = true;
        others = rest;
    }
    table
};

/// Nothing, or a colon and a port, which may be empty (RFC 3986 §3.2.3).
fn is_port(text: &[u8]) -> bool {
    match text {
        [] | [b':'] => true,
        // No such number is too large.
        [b':', digits @ ..] if digits.len() <= 4 => digits.iter().all(u8::is_ascii_digit),
        [b':', digits @ ..] => {
            let number = digits.iter().try_fold(0_u16, |number, digit| match digit {
                b'0'..=b'9' => number.checked_mul(10)?.checked_add(u16::from(digit - b'0')),
                _ => None,
            });
            number.is_some()
        }
        _ => false,
    }
}
