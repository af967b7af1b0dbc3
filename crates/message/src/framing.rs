//! How long a body is: RFC 9112 §6.3 over parsed values.
//!
//! The fields are gathered first ([`ContentLength::and`], [`TransferEncoding::and`]), then one function a
//! direction decides. Whatever two readers could read differently is refused, above all
//! Content-Length together with Transfer-Encoding: that is how requests are smuggled.

use crate::text::{is_token, trim};
use crate::{Method, Refusal, ResponseError, Version};

/// The body that follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// No body.
    #[default]
    Empty,
    /// So many bytes.
    Length(u64),
    /// As many bytes as come: chunked coding (RFC 9112 §7.1), or a stream of HTTP/2 that does not end with its head.
    Chunked,
    /// Everything until the connection ends. Responses only.
    UntilClose,
}

/// What the Content-Length fields of a message say, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentLength {
    /// There is none.
    #[default]
    Absent,
    /// One field with one number.
    Once(u64),
    /// The same number several times, in a list or in several fields.
    Repeated(u64),
    /// No number, a number over 2^64-1, or different numbers.
    Malformed,
}

impl ContentLength {
    /// This and one more field with `value`.
    #[must_use]
    pub fn and(self, value: &[u8]) -> Self {
        // Nearly always it is one number.
        if let Some(number) = digits(value) {
            return self.and_number(number);
        }
        value.split(|&byte| byte == b',').fold(self, |so_far, element| {
            digits(trim(element)).map_or(Self::Malformed, |number| so_far.and_number(number))
        })
    }

    fn and_number(self, number: u64) -> Self {
        match self {
            Self::Absent => Self::Once(number),
            Self::Once(before) | Self::Repeated(before) if before == number => Self::Repeated(number),
            _ => Self::Malformed,
        }
    }
}

/// What the Transfer-Encoding fields of a message say, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferEncoding {
    /// There is none.
    #[default]
    Absent,
    /// `chunked` and nothing else.
    Chunked,
    /// Well-formed, with codings that are not supported.
    Unsupported,
    /// No list of codings, `chunked` twice or before another, or several fields.
    Malformed,
}

impl TransferEncoding {
    /// This and one more field with `value`.
    #[must_use]
    pub fn and(self, value: &[u8]) -> Self {
        if self != Self::Absent {
            return Self::Malformed;
        }
        let mut codings = value.split(|&byte| byte == b',').map(trim);
        let last = codings.next_back().unwrap_or_default();
        let mut before = codings.peekable();
        if before.peek().is_none() && last.eq_ignore_ascii_case(b"chunked") {
            return Self::Chunked;
        }
        if before.any(|coding| !is_coding(coding) || coding.eq_ignore_ascii_case(b"chunked"))
            || !is_coding(last)
        {
            return Self::Malformed;
        }
        Self::Unsupported
    }
}

impl Framing {
    /// The body of a request (RFC 9112 §6.3, without the cases that only responses have).
    ///
    /// A request without either field has no body: its end is never the connection's end.
    pub fn of_request(
        version: Version,
        coding: TransferEncoding,
        length: ContentLength,
    ) -> Result<Self, Refusal> {
        match (coding, length) {
            (TransferEncoding::Absent, ContentLength::Absent) => Ok(Self::Empty),
            (TransferEncoding::Absent, ContentLength::Once(length)) => Ok(Self::Length(length)),
            (TransferEncoding::Absent, ContentLength::Repeated(_)) => {
                Err(Refusal::bad("The request has more than one Content-Length."))
            }
            (TransferEncoding::Absent, ContentLength::Malformed) => {
                Err(Refusal::bad("The request's Content-Length is not one decimal number."))
            }
            (_, length) if length != ContentLength::Absent => {
                Err(Refusal::bad("The request has both Content-Length and Transfer-Encoding."))
            }
            (_, _) if version == Version::Http10 => {
                Err(Refusal::bad("An HTTP/1.0 request cannot have a Transfer-Encoding."))
            }
            (TransferEncoding::Chunked, _) => Ok(Self::Chunked),
            (TransferEncoding::Unsupported, _) => {
                Err(Refusal::new(501, "The only transfer coding this server knows is chunked."))
            }
            (TransferEncoding::Malformed, _) => {
                Err(Refusal::bad("The request's Transfer-Encoding is malformed."))
            }
        }
    }

    /// The body of a response with `status` to a request with `method` (RFC 9112 §6.3).
    pub fn of_response(
        method: Method,
        status: u16,
        version: Version,
        coding: TransferEncoding,
        length: ContentLength,
    ) -> Result<Self, ResponseError> {
        let framing = match (coding, length) {
            (TransferEncoding::Absent, ContentLength::Absent) => Self::UntilClose,
            (TransferEncoding::Absent, ContentLength::Once(length) | ContentLength::Repeated(length)) => {
                Self::Length(length)
            }
            (TransferEncoding::Absent, ContentLength::Malformed) => {
                return Err(ResponseError::Framing(
                    "the response's Content-Length is not one decimal number",
                ));
            }
            (_, length) if length != ContentLength::Absent => {
                return Err(ResponseError::Framing(
                    "the response has both Content-Length and Transfer-Encoding",
                ));
            }
            (TransferEncoding::Chunked, _) if version == Version::Http11 => Self::Chunked,
            _ => return Err(ResponseError::Framing("the response's Transfer-Encoding cannot be decoded")),
        };
        let bodiless = method == Method::Head || matches!(status, 100..=199 | 204 | 304);
        Ok(if bodiless { Self::Empty } else { framing })
    }
}

impl Framing {
    /// Of a request whose fields say `self`, in a stream that `ends` with its head or does not (RFC 9113 §8.1.1).
    pub(crate) fn of_request_in_stream(self, ends: bool) -> Result<Self, Refusal> {
        match (self, ends) {
            (Self::Length(1..), true) => {
                Err(Refusal::bad("The request ends before the body that it announces."))
            }
            (Self::Empty, false) => Ok(Self::Chunked),
            (said, _) => Ok(said),
        }
    }

    /// Of a response whose fields say `self`, in a stream that `ends` with its head or does not (RFC 9113 §8.1.1).
    pub(crate) fn of_response_in_stream(self, ends: bool) -> Result<Self, ResponseError> {
        match (self, ends) {
            (Self::Length(1..), true) => {
                Err(ResponseError::Framing("the response ends before the body that it announces"))
            }
            // Where it ends with its head, it is an empty body of which no field says so: not the same as none.
            (Self::UntilClose, _) => Ok(Self::Chunked),
            (said, _) => Ok(said),
        }
    }
}

/// A number of digits and nothing else that fits 64 bits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// `token *( OWS ";" OWS parameter )`, the parameters not looked at closely (RFC 9112 §7).
fn is_coding(coding: &[u8]) -> bool {
    let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
    is_token(trim(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [ContentLength; 4] =
        [ContentLength::Absent, ContentLength::Once(3), ContentLength::Repeated(3), ContentLength::Malformed];
    const CODINGS: [TransferEncoding; 4] = [
        TransferEncoding::Absent,
        TransferEncoding::Chunked,
        TransferEncoding::Unsupported,
        TransferEncoding::Malformed,
    ];

    #[test]
    fn a_request_has_a_body_only_where_its_end_is_beyond_doubt() {
        for version in [Version::Http10, Version::Http11] {
            for coding in CODINGS {
                for length in LENGTHS {
                    let expected = match (coding, length, version) {
                        (TransferEncoding::Absent, ContentLength::Absent, _) => Some(Framing::Empty),
                        (TransferEncoding::Absent, ContentLength::Once(3), _) => Some(Framing::Length(3)),
                        (TransferEncoding::Chunked, ContentLength::Absent, Version::Http11) => {
                            Some(Framing::Chunked)
                        }
                        _ => None,
                    };
                    assert_eq!(Framing::of_request(version, coding, length).ok(), expected);
                }
            }
        }
    }

    #[test]
    fn a_response_may_repeat_its_length_and_end_with_the_connection() {
        for version in [Version::Http10, Version::Http11] {
            for coding in CODINGS {
                for length in LENGTHS {
                    let expected = match (coding, length, version) {
                        (TransferEncoding::Absent, ContentLength::Absent, _) => Some(Framing::UntilClose),
                        (
                            TransferEncoding::Absent,
                            ContentLength::Once(3) | ContentLength::Repeated(3),
                            _,
                        ) => Some(Framing::Length(3)),
                        (TransferEncoding::Chunked, ContentLength::Absent, Version::Http11) => {
                            Some(Framing::Chunked)
                        }
                        _ => None,
                    };
                    let of =
                        |method, status| Framing::of_response(method, status, version, coding, length).ok();
                    assert_eq!(of(Method::Get, 200), expected);
                    let bodiless = expected.map(|_| Framing::Empty);
                    assert_eq!(of(Method::Head, 200), bodiless);
                    assert_eq!(of(Method::Get, 103), bodiless);
                    assert_eq!(of(Method::Get, 204), bodiless);
                    assert_eq!(of(Method::Get, 304), bodiless);
                }
            }
        }
    }
}
