//! Heads made of fields that arrive one by one, as HTTP/2 delivers them (RFC 9113 §8).
//!
//! ```text
//!  new ──▶ add … ──▶ finish ──▶ a head over the storage
//!                     └───────▶ Refusal, ResponseError: that of the first field that was wrong
//! ```
//!
//! A builder writes what it is given into storage of the caller's and hands the head the spans, just as a parser does that
//! found them in the bytes of a connection. From there on both go the same way: what a head means is checked in
//! [`RequestHead`](crate::RequestHead) and [`ResponseHead`](crate::ResponseHead). Here is only what a parser of lines cannot let
//! through and what HTTP/2 demands besides.

pub(crate) mod request;
pub(crate) mod response;

use crate::head::fields::{Line, Span};
use crate::head::name::Name;
use crate::text::{is_field_value, is_token, trim};
use crate::{Limits, Refusal, ResponseError, Version};

/// The form a head came in, on which depends what it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// HTTP/1.0. The request line is given as `:method` and `:path`, that being any target (RFC 9112 §3.2); the status as
    /// `:status`.
    Http10,
    /// HTTP/1.1, given as HTTP/1.0 is.
    Http11,
    /// HTTP/2 (RFC 9113 §8.2, §8.3).
    Http2 {
        /// The head is all there is: no body follows (`END_STREAM`).
        ends: bool,
    },
}

impl Form {
    fn version(self) -> Version {
        match self {
            Self::Http10 => Version::Http10,
            Self::Http11 => Version::Http11,
            Self::Http2 { .. } => Version::Http2,
        }
    }

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2 { .. })
    }

    /// Whether the stream ends with the head, where the version has streams.
    fn ends(self) -> Option<bool> {
        match self {
            Self::Http2 { ends } => Some(ends),
            Self::Http10 | Self::Http11 => None,
        }
    }
}

/// What is wrong with a field, before it is known whose head it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    HeadTooLarge,
    TooManyFields,
    Name,
    Value,
    UppercaseName,
    PaddedValue,
    AboutConnection,
    PseudoLate,
    PseudoTwice,
    PseudoUnknown,
    PseudoMissing,
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self::bad(match flaw {
            Flaw::HeadTooLarge => return Self::HEAD_TOO_LARGE,
            Flaw::TooManyFields => return Self::TOO_MANY_FIELDS,
            Flaw::Name => return Self::FIELD_NAME,
            Flaw::Value => return Self::FIELD_VALUE,
            Flaw::UppercaseName => {
                "A field name of the request has a capital letter, which HTTP/2 does not allow."
            }
            Flaw::PaddedValue => {
                "A field value of the request begins or ends with white space, which HTTP/2 does not allow."
            }
            Flaw::AboutConnection => {
                "The request has a field about its connection, which HTTP/2 does not allow."
            }
            Flaw::PseudoLate => "A pseudo-field of the request comes after its fields.",
            Flaw::PseudoTwice => "The request has a pseudo-field twice.",
            Flaw::PseudoUnknown => "The request has a pseudo-field that no request has.",
            Flaw::PseudoMissing => "The request lacks :method, :scheme or :path.",
        })
    }
}

impl From<Flaw> for ResponseError {
    fn from(flaw: Flaw) -> Self {
        Self::Head(match flaw {
            Flaw::HeadTooLarge | Flaw::TooManyFields => return Self::TooLarge,
            Flaw::Name => return Self::FIELD_NAME,
            Flaw::Value => return Self::FIELD_VALUE,
            Flaw::UppercaseName => "a field name has a capital letter, which HTTP/2 does not allow",
            Flaw::PaddedValue => "a field value begins or ends with white space, which HTTP/2 does not allow",
            Flaw::AboutConnection => "the head has a field about its connection, which HTTP/2 does not allow",
            Flaw::PseudoLate => "a pseudo-field comes after the fields",
            Flaw::PseudoTwice => "the head has a pseudo-field twice",
            Flaw::PseudoUnknown => "the head has a pseudo-field that no response has",
            Flaw::PseudoMissing => "the head has no :status",
        })
    }
}

/// Where the bytes of a head go, with what bounds them.
#[derive(Debug)]
struct Storage<'a> {
    bytes: &'a mut Vec<u8>,
    limits: &'a Limits,
    fields: usize,
}

impl<'a> Storage<'a> {
    fn new(bytes: &'a mut Vec<u8>, limits: &'a Limits) -> Self {
        bytes.clear();
        Self { bytes, limits, fields: 0 }
    }

    /// Writes a part of the start line and what goes `after` it. The span is that of the part.
    fn part(&mut self, part: &[u8], after: &[u8]) -> Result<Span, Flaw> {
        self.make_room(part.len() + after.len())?;
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        self.bytes.extend_from_slice(after);
        Ok(Span { start, end: start + part.len() as u32 })
    }

    /// Counts one more field.
    fn count(&mut self) -> Result<(), Flaw> {
        self.fields += 1;
        if self.fields > self.limits.field_lines() { Err(Flaw::TooManyFields) } else { Ok(()) }
    }

    /// Writes a field line as HTTP/1 has it: so a rewriting can copy it.
    fn line(&mut self, name: &[u8], value: &[u8]) -> Result<Line, Flaw> {
        self.make_room(name.len() + ": ".len() + value.len() + "\r\n".len())?;
        let start = self.bytes.len() as u32;
        let name_end = start + name.len() as u32;
        let value_start = name_end + 2;
        let value_end = value_start + value.len() as u32;
        for part in [name, b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
        Ok(Line {
            name: Span { start, end: name_end },
            value: Span { start: value_start, end: value_end },
            end: value_end + 2,
            has_underscore: name.contains(&b'_'),
        })
    }

    /// Writes the empty line.
    fn end(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Fails where `len` more bytes and the empty line would be over the limit.
    fn make_room(&self, len: usize) -> Result<(), Flaw> {
        let is_too_much = self.bytes.len() + len + "\r\n".len() > self.limits.head_bytes();
        if is_too_much { Err(Flaw::HeadTooLarge) } else { Ok(()) }
    }
}

/// The value without the white space around it, where name and value are what `form` allows (RFC 9110 §5.1, §5.5;
/// RFC 9113 §8.2.1, §8.2.2). What `TE` may say in HTTP/2 is the caller's to know: a response has none.
fn checked<'v>(form: Form, name: &[u8], value: &'v [u8]) -> Result<&'v [u8], Flaw> {
    if !is_token(name) {
        return Err(Flaw::Name);
    }
    if !is_field_value(value) {
        return Err(Flaw::Value);
    }
    let trimmed = trim(value);
    if form.is_http2() {
        if name.iter().any(u8::is_ascii_uppercase) {
            return Err(Flaw::UppercaseName);
        }
        if trimmed.len() < value.len() {
            return Err(Flaw::PaddedValue);
        }
        if Name::of(name).is_about_connection() {
            return Err(Flaw::AboutConnection);
        }
    }
    Ok(trimmed)
}

/// Takes note of a pseudo-field that a head has once.
fn once<T>(slot: &mut Option<T>, found: T) -> Result<(), Flaw> {
    if slot.replace(found).is_some() { Err(Flaw::PseudoTwice) } else { Ok(()) }
}
