//! A response head, field by field.

use super::{Flaw, Form, Storage, checked, once};
use crate::head::name::Name;
use crate::head::response::StatusLine;
use crate::{Limits, Method, ResponseError, ResponseHead, status};

/// Makes a [`ResponseHead`] of fields that arrive one by one.
///
/// ```
/// use evenkeel_message::{Form, Framing, Limits, Method, ResponseBuilder, ResponseHead};
///
/// let (mut head, mut storage, limits) = (ResponseHead::new(), Vec::new(), Limits::default());
/// let form = Form::Http2 { ends: false };
/// let mut builder = ResponseBuilder::new(form, Method::Get, &mut head, &mut storage, &limits);
/// builder.add(b":status", b"200")?;
/// builder.add(b"content-type", b"text/plain")?;
/// builder.finish()?;
/// assert_eq!(head.reason(&storage), b"OK");
/// // Nobody says how long the body is: HTTP/1.1 sends such in chunks.
/// assert_eq!(head.framing(), Framing::Chunked);
/// # Ok::<(), evenkeel_message::ResponseError>(())
/// ```
#[derive(Debug)]
pub struct ResponseBuilder<'a> {
    head: &'a mut ResponseHead,
    storage: Storage<'a>,
    form: Form,
    /// That of the request.
    method: Method,
    status: Option<[u8; 3]>,
    started: bool,
    refused: Option<ResponseError>,
}

impl<'a> ResponseBuilder<'a> {
    /// Begins a head of this form, the answer to a request with `method`. `storage` is emptied; it holds the head's bytes from
    /// then on, and is the `input` that the methods of `head` want. It grows to [`Limits::head`] at most.
    pub fn new(
        form: Form,
        method: Method,
        head: &'a mut ResponseHead,
        storage: &'a mut Vec<u8>,
        limits: &'a Limits,
    ) -> Self {
        head.fields.clear(false);
        head.reason = None;
        let storage = Storage::new(storage, limits);
        Self { head, storage, form, method, status: None, started: false, refused: None }
    }

    /// Adds a field or a pseudo-field. After an error everything fails for the same reason, so that a caller who has to
    /// read on, as HPACK's state demands (RFC 7541 §2.2), may ask at the end.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        self.unless_refused(|builder| match name {
            b":status" => builder.status(value),
            [b':', ..] => Err(Flaw::PseudoUnknown.into()),
            _ => builder.field(name, value),
        })
    }

    /// Ends the head.
    pub fn finish(mut self) -> Result<(), ResponseError> {
        self.unless_refused(|builder| {
            builder.start()?;
            builder.storage.end();
            let len = builder.storage.bytes.len();
            builder.head.settle(builder.storage.bytes, len, builder.method, builder.form.ends())
        })
    }

    fn unless_refused(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), ResponseError>,
    ) -> Result<(), ResponseError> {
        if self.refused.is_none() {
            self.refused = step(self).err();
        }
        self.refused.map_or(Ok(()), Err)
    }

    fn status(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        if self.started {
            return Err(Flaw::PseudoLate.into());
        }
        match <[u8; 3]>::try_from(value) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(once(&mut self.status, digits)?),
            _ => Err(ResponseError::Head("the status is not of three digits")),
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        self.start()?;
        let value = checked(self.form, name, value)?;
        // The one field about the connection that HTTP/2 has is a request's (RFC 9113 §8.2.2).
        if self.form.is_http2() && Name::of(name) == Name::Te {
            return Err(Flaw::AboutConnection.into());
        }
        self.storage.count()?;
        let line = self.storage.line(name, value)?;
        self.head.push(self.storage.bytes, &line);
        Ok(())
    }

    /// Settles the status line, when the first field comes or the end.
    fn start(&mut self) -> Result<(), ResponseError> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        let digits = self.status.ok_or(Flaw::PseudoMissing)?;
        let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        let version = self.form.version();
        self.storage.part(b"HTTP/", version.digits().as_bytes())?;
        self.storage.part(b" ", &digits)?;
        self.storage.part(b" ", b"")?;
        // A phrase is HTTP/1's alone (RFC 9113 §8.3.2), and some of its readers go by it.
        let reason = self.storage.part(status::reason(status).as_bytes(), b"\r\n")?;
        let line = StatusLine { status, reason: Some(reason).filter(|reason| !reason.is_empty()), version };
        self.head.start(&line, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delivery, Framing, ResponseRewrite, rewrite_response};

    fn build(
        method: Method,
        ends: bool,
        fields: &[(&str, &str)],
    ) -> Result<(ResponseHead, Vec<u8>), ResponseError> {
        let (mut head, mut storage) = (ResponseHead::new(), Vec::new());
        let limits = Limits { head: 100, fields: 3, ..Limits::default() };
        let form = Form::Http2 { ends };
        let mut builder = ResponseBuilder::new(form, method, &mut head, &mut storage, &limits);
        for (name, value) in fields {
            // Asked at the end only, as by one who has to read on.
            let _ = builder.add(name.as_bytes(), value.as_bytes());
        }
        builder.finish().map(|()| (head, storage))
    }

    #[track_caller]
    fn assert_error(fields: &[(&str, &str)], error: impl Into<ResponseError>) {
        assert_eq!(build(Method::Get, true, fields).err(), Some(error.into()), "{fields:?}");
    }

    #[test]
    fn a_response_is_written_on_in_http1() {
        let fields = [(":status", "200"), ("content-type", "text/plain"), ("server", "x")];
        let (head, storage) = build(Method::Get, false, &fields).unwrap();
        let mut out = Vec::new();
        let delivery = Delivery { framing: head.framing(), connection: None };
        let how = ResponseRewrite { via: "me", ..ResponseRewrite::default() };
        rewrite_response(&head, &storage, &how, &delivery, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nserver: x\r\nTransfer-Encoding: chunked\r\nVia: 2.0 me\r\n\r\n"
        );
    }

    /// RFC 9113 §8.3, §8.3.2.
    #[test]
    fn the_status_comes_once_first_and_alone() {
        assert_error(&[("x", "1"), (":status", "200")], Flaw::PseudoMissing);
        assert_error(&[(":status", "200"), ("x", "1"), (":status", "200")], Flaw::PseudoLate);
        assert_error(&[(":status", "200"), (":status", "200")], Flaw::PseudoTwice);
        assert_error(&[(":status", "200"), (":path", "/")], Flaw::PseudoUnknown);
        for status in ["", "20", "2000", "2x0", "+20"] {
            assert_error(&[(":status", status)], ResponseError::Head("the status is not of three digits"));
        }
    }

    /// RFC 9113 §8.2.1, §8.2.2.
    #[test]
    fn fields_are_those_of_http2() {
        assert_error(&[(":status", "200"), ("Server", "x")], Flaw::UppercaseName);
        assert_error(&[(":status", "200"), ("x", "a ")], Flaw::PaddedValue);
        assert_error(&[(":status", "200"), ("x", "a\r\nb")], ResponseError::FIELD_VALUE);
        assert_error(&[(":status", "200"), ("x y", "a")], ResponseError::FIELD_NAME);
        for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"] {
            assert_error(&[(":status", "200"), (name, "trailers")], Flaw::AboutConnection);
        }
    }

    /// RFC 9113 §8.1, §8.6.
    #[test]
    fn an_interim_response_does_not_end_the_stream_and_none_changes_the_protocol() {
        assert!(
            build(Method::Get, false, &[(":status", "103")]).is_ok_and(|(head, _)| head.is_informational())
        );
        assert_error(&[(":status", "103")], ResponseError::Head("an interim response ends its stream"));
        assert_error(&[(":status", "101")], ResponseError::Upgrade);
    }

    /// RFC 9113 §8.1.1.
    #[test]
    fn how_long_the_body_is_follows_from_the_length_and_from_the_streams_end() {
        let framing = |method, ends, fields: &[(&str, &str)]| {
            build(method, ends, fields).map(|(head, _)| head.framing()).ok()
        };
        let (ok, length) = ((":status", "200"), ("content-length", "5"));
        assert_eq!(framing(Method::Get, false, &[ok]), Some(Framing::Chunked));
        assert_eq!(framing(Method::Get, true, &[ok]), Some(Framing::Chunked));
        assert_eq!(framing(Method::Get, false, &[ok, length]), Some(Framing::Length(5)));
        assert_eq!(framing(Method::Get, true, &[ok, ("content-length", "0")]), Some(Framing::Length(0)));
        assert_eq!(framing(Method::Get, true, &[ok, length]), None);
        assert_eq!(framing(Method::Head, true, &[ok, length]), Some(Framing::Empty));
        assert_eq!(framing(Method::Get, true, &[(":status", "304"), length]), Some(Framing::Empty));
    }

    #[test]
    fn limits_bound_it() {
        let fields = [(":status", "200"), ("a", "1"), ("b", "2"), ("c", "3")];
        assert!(build(Method::Get, true, &fields).is_ok());
        assert_error(&[&fields[..], &[("d", "4")]].concat(), ResponseError::TooLarge);
        assert_error(&[(":status", "200"), ("a", &"x".repeat(90))], ResponseError::TooLarge);
    }
}
