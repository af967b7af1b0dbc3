//! Trailer sections out of bytes (RFC 9112 §7.1.2).

use evenkeel_message::{Limits, MAX_FIELDS, trailers};

use super::error::BodyError;
use crate::parse::{BareLineEnd, each_line};

/// The lines of a trailer section (with its empty line) that may be passed on, each ended by CR LF.
pub(crate) fn forwardable(section: &[u8], limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let room = &mut headers[..limits.field_lines()];
    let (end, headers) = match httparse::parse_headers(section, room) {
        Ok(httparse::Status::Complete(found)) => found,
        Err(httparse::Error::TooManyHeaders) => return Err(BodyError::TrailersTooLarge),
        _ => return Err(BodyError::Chunk("the trailer section is malformed")),
    };
    let mut lines = Vec::new();
    each_line(section, headers, end, false, |line| {
        if trailers::may_pass(line.name.in_bytes(section)) {
            lines.extend_from_slice(&section[line.name.start as usize..line.end as usize]);
        }
    })
    .map_err(|BareLineEnd| BodyError::Chunk("a trailer line is not ended by CR LF"))?;
    Ok(lines)
}
