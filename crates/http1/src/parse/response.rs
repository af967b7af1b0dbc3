//! Response heads out of bytes (RFC 9112 §4 and §5).

use std::mem::MaybeUninit;

use evenkeel_message::{Limits, MAX_FIELDS, Method, ResponseError, ResponseHead, Span, StatusLine, Version};

use super::{BareLineEnd, as_http11, each_line, usual};

/// Parses a head at the start of `input`, the answer to a request with `method`. `Ok(false)` when it
/// goes on after the end of `input`.
pub(crate) fn parse(
    head: &mut ResponseHead,
    input: &[u8],
    method: Method,
    limits: &Limits,
) -> Result<bool, ResponseError> {
    let Some(end) = usual::response(head, input, limits) else {
        return parse_lines(head, input, method, limits, false);
    };
    head.finish(input, end, method)?;
    Ok(true)
}

/// The same, whatever the head is like. Most have no folded line (obs-fold, RFC 9112 §5.2); one that has is parsed again.
#[inline(never)]
pub(super) fn parse_lines(
    head: &mut ResponseHead,
    input: &[u8],
    method: Method,
    limits: &Limits,
    folded: bool,
) -> Result<bool, ResponseError> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let room = &mut storage[..limits.field_lines()];
    let mut parsed = httparse::Response::new(&mut []);
    let status = match httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(folded)
        .parse_response_with_uninit_headers(&mut parsed, input, room)
    {
        Ok(status) => status,
        Err(httparse::Error::HeaderName) if !folded => {
            return parse_lines(head, input, method, limits, true);
        }
        Err(error) => match as_http11(input, 0) {
            Some(copy) => return parse(head, &copy, method, limits),
            None => return Err(response_error(error)),
        },
    };
    let httparse::Status::Complete(end) = status else { return Ok(false) };
    let line = StatusLine {
        status: parsed.code.unwrap_or_default(),
        reason: reason(input, parsed.headers, end),
        version: if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 },
    };
    head.start(&line, folded)?;
    each_line(input, parsed.headers, end, folded, |line| head.push(input, line))
        .map_err(|BareLineEnd| ResponseError::Head("a line of the head does not end with CR LF"))?;
    head.finish(input, end, method)?;
    Ok(true)
}

/// Where the reason phrase lies. Asked of the line itself: httparse forgets a phrase that has bytes from 0x80
/// (obs-text, RFC 9112 §4).
fn reason(input: &[u8], headers: &[httparse::Header<'_>], end: usize) -> Option<Span> {
    let start = "HTTP/1.1 200 ".len() as u32;
    let next_line =
        headers.first().map_or(end as u32 - 2, |header| Span::of(header.name.as_bytes(), input).start);
    let line_end = next_line - 2;
    (start < line_end).then_some(Span { start, end: line_end })
}

fn response_error(error: httparse::Error) -> ResponseError {
    match error {
        httparse::Error::TooManyHeaders => ResponseError::TooLarge,
        httparse::Error::HeaderName => ResponseError::FIELD_NAME,
        httparse::Error::HeaderValue => ResponseError::FIELD_VALUE,
        httparse::Error::NewLine => ResponseError::Head("a line of the head does not end with CR LF"),
        _ => ResponseError::Head("the response does not begin with an HTTP/1 status line"),
    }
}
