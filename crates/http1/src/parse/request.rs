//! Request heads out of bytes (RFC 9112 §3 and §5).

use std::mem::MaybeUninit;

use evenkeel_message::{Limits, MAX_FIELDS, Refusal, RequestHead, RequestLine, Span, Version};

use super::{BareLineEnd, as_http11, each_line, usual};

/// Parses a head that begins at `start`. `Ok(false)` when it goes on after the end of `input`; what is
/// known by then has been checked.
pub(crate) fn parse(
    head: &mut RequestHead,
    input: &[u8],
    start: usize,
    limits: &Limits,
) -> Result<bool, Refusal> {
    let Some(end) = usual::request(head, input, start, limits) else {
        head.clear();
        return parse_slowly(head, input, start, limits);
    };
    head.finish(input, end)?;
    Ok(true)
}

/// The same, whatever the head is like.
#[inline(never)]
pub(super) fn parse_slowly(
    head: &mut RequestHead,
    input: &[u8],
    start: usize,
    limits: &Limits,
) -> Result<bool, Refusal> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let room = &mut storage[..limits.field_lines()];
    let mut parsed = httparse::Request::new(&mut []);
    let status = match httparse::ParserConfig::default().parse_request_with_uninit_headers(
        &mut parsed,
        &input[start..],
        room,
    ) {
        Ok(status) => status,
        Err(error) => {
            return match parsed.path {
                Some(target) if error == httparse::Error::Version => {
                    let target_end = Span::of(target.as_bytes(), input).end;
                    parse_other_version(head, input, start, target_end as usize + 1, limits)
                }
                _ => Err(refusal(error, parsed.version.is_some())),
            };
        }
    };
    if let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) {
        let line = RequestLine {
            method: Span::of(method.as_bytes(), input),
            target: Span::of(target.as_bytes(), input),
            version: if version == 0 { Version::Http10 } else { Version::Http11 },
        };
        head.start(input, &line, limits)?;
    }
    let httparse::Status::Complete(len) = status else { return Ok(false) };
    let end = start + len;
    each_line(input, parsed.headers, end, false, |line| head.push(input, line, limits))
        .map_err(|BareLineEnd| Refusal::bad("A line of the request's head is not ended by CR LF."))?;
    head.finish(input, end)?;
    Ok(true)
}

/// Parses a head with a version that httparse does not know.
fn parse_other_version(
    head: &mut RequestHead,
    input: &[u8],
    start: usize,
    version_at: usize,
    limits: &Limits,
) -> Result<bool, Refusal> {
    if let Some(copy) = as_http11(input, version_at) {
        return parse(head, &copy, start, limits);
    }
    match input.get(version_at..) {
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', ..]) => {
            Err(Refusal::new(505, "This server speaks HTTP/1.0 and HTTP/1.1 only."))
        }
        _ => Err(NO_REQUEST_LINE),
    }
}

const NO_REQUEST_LINE: Refusal = Refusal::bad("The request line is not `method target version`.");

fn refusal(error: httparse::Error, has_request_line: bool) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::TOO_MANY_FIELDS,
        httparse::Error::HeaderName => Refusal::FIELD_NAME,
        httparse::Error::HeaderValue => Refusal::FIELD_VALUE,
        httparse::Error::NewLine if has_request_line => {
            Refusal::bad("A line of the request's head is not ended by CR LF.")
        }
        _ => NO_REQUEST_LINE,
    }
}
