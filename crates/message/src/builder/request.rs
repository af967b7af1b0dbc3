//! A request head, field by field.

use super::{Flaw, Form, Storage, checked, once};
use crate::head::fields::{Line, Span};
use crate::head::name::Name;
use crate::text::is_token;
use crate::{Limits, Method, Refusal, RequestHead, RequestLine};

/// Makes a [`RequestHead`] of fields that arrive one by one.
///
/// ```
/// use evenkeel_message::{Form, Limits, RequestBuilder, RequestHead};
///
/// let (mut head, mut storage, limits) = (RequestHead::new(), Vec::new(), Limits::default());
/// let mut builder = RequestBuilder::new(Form::Http2 { ends: true }, &mut head, &mut storage, &limits);
/// for (name, value) in [
///     (":method", "GET"),
///     (":scheme", "https"),
///     (":authority", "example.org"),
///     (":path", "/hello"),
///     ("cookie", "a=1"),
///     ("accept", "*/*"),
///     ("cookie", "b=2"),
/// ] {
///     builder.add(name.as_bytes(), value.as_bytes())?;
/// }
/// builder.finish()?;
/// assert_eq!(head.authority(&storage), b"example.org");
/// assert_eq!(head.field(&storage, "Cookie"), Some(b"a=1; b=2".as_slice()));
/// # Ok::<(), evenkeel_message::Refusal>(())
/// ```
#[derive(Debug)]
pub struct RequestBuilder<'a> {
    head: &'a mut RequestHead,
    storage: Storage<'a>,
    form: Form,
    method: Option<Span>,
    path: Option<Span>,
    /// The Host that `:authority` makes.
    authority: Option<Line>,
    has_scheme: bool,
    /// The request line is settled: no pseudo-field may follow.
    started: bool,
    /// How many fields the client has split its Cookie into.
    crumbs: usize,
    refused: Option<Refusal>,
}

impl<'a> RequestBuilder<'a> {
    /// Begins a head of this form. `storage` is emptied; it holds the head's bytes from then on, and is the `input` that the
    /// methods of `head` want. It grows to twice [`Limits::head`] at most: joined cookies stand in it a second time.
    pub fn new(form: Form, head: &'a mut RequestHead, storage: &'a mut Vec<u8>, limits: &'a Limits) -> Self {
        head.clear();
        head.version = form.version();
        Self {
            head,
            storage: Storage::new(storage, limits),
            form,
            method: None,
            path: None,
            authority: None,
            has_scheme: false,
            started: false,
            crumbs: 0,
            refused: None,
        }
    }

    /// Adds a field or a pseudo-field. After a refusal everything is refused for the same reason, so that a caller who has
    /// to read on, as HPACK's state demands (RFC 7541 §2.2), may ask at the end.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.unless_refused(|builder| match name {
            b":method" => builder.method(value),
            b":path" => builder.path(value),
            b":scheme" if builder.form.is_http2() => builder.scheme(value),
            b":authority" if builder.form.is_http2() => builder.authority(value),
            [b':', ..] => Err(Flaw::PseudoUnknown.into()),
            _ => builder.field(name, value),
        })
    }

    /// Ends the head.
    pub fn finish(mut self) -> Result<(), Refusal> {
        self.unless_refused(|builder| {
            builder.start()?;
            builder.storage.end();
            let len = builder.storage.bytes.len();
            builder.join_cookie();
            builder.head.settle(builder.storage.bytes, len, builder.form.ends())
        })
    }

    fn unless_refused(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Result<(), Refusal> {
        if self.refused.is_none() {
            self.refused = step(self).err();
        }
        self.refused.map_or(Ok(()), Err)
    }

    fn method(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.expect_pseudo()?;
        if !is_token(value) {
            return Err(Refusal::bad("The request's method is no token."));
        }
        // Known from here on, whatever is wrong with the rest: the answer to HEAD has no body.
        self.head.method = Method::from_bytes(value);
        let span = self.line_part(value)?;
        Ok(once(&mut self.method, span)?)
    }

    fn path(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.expect_pseudo()?;
        // Elsewhere a target may be a whole URL; here that has been taken apart (RFC 9113 §8.3.1).
        if self.form.is_http2() && !matches!(value, [b'/', ..] | b"*") {
            return Err(Refusal::bad("The request's :path is neither a path nor `*`."));
        }
        let span = self.line_part(value)?;
        Ok(once(&mut self.path, span)?)
    }

    fn scheme(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.expect_pseudo()?;
        if std::mem::replace(&mut self.has_scheme, true) {
            return Err(Flaw::PseudoTwice.into());
        }
        // As in the whole URL of an HTTP/1.1 request: what a server is told is the scheme of the connection.
        if !["http", "https"].iter().any(|scheme| value.eq_ignore_ascii_case(scheme.as_bytes())) {
            return Err(Refusal::bad("The request's :scheme is neither http nor https."));
        }
        Ok(())
    }

    /// Written as the Host that it is in HTTP/1.1 (RFC 9113 §8.3.1).
    fn authority(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.expect_pseudo()?;
        checked(self.form, b"host", value)?;
        self.storage.count()?;
        let line = self.storage.line(b"host", value)?;
        Ok(once(&mut self.authority, line)?)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.start()?;
        let value = checked(self.form, name, value)?;
        if self.form.is_http2() {
            match Name::of(name) {
                Name::Te if !value.eq_ignore_ascii_case(b"trailers") => {
                    return Err(Refusal::bad("The request's TE says something other than trailers."));
                }
                Name::Host if self.authority.is_some() => return self.second_host(value),
                Name::Other if name == b"cookie" => {
                    self.crumbs += 1;
                    if self.crumbs > 1 {
                        // The field that it is a part of has been counted. How many parts there are is bounded by their bytes.
                        return self.push(name, value);
                    }
                }
                _ => {}
            }
        }
        self.storage.count()?;
        self.push(name, value)
    }

    fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let line = self.storage.line(name, value)?;
        self.head.push(self.storage.bytes, &line, self.storage.limits);
        Ok(())
    }

    /// Host beside `:authority`. One that names somebody else is how one request is read as two (RFC 9113 §8.3.1).
    fn second_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.storage.count()?;
        let authority = self.authority.map_or(b"".as_slice(), |line| line.value.in_bytes(self.storage.bytes));
        if value.eq_ignore_ascii_case(authority) {
            return Ok(());
        }
        Err(Refusal::bad("The request's Host and :authority differ."))
    }

    fn expect_pseudo(&self) -> Result<(), Flaw> {
        if self.started { Err(Flaw::PseudoLate) } else { Ok(()) }
    }

    /// A part of the request line, which is longer than each of its parts.
    fn line_part(&mut self, value: &[u8]) -> Result<Span, Refusal> {
        if value.len() > self.storage.limits.request_line {
            return Err(Refusal::LINE_TOO_LONG);
        }
        Ok(self.storage.part(value, b" ")?)
    }

    /// Settles the request line, when the first field comes or the end.
    fn start(&mut self) -> Result<(), Refusal> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        let method = self.method.ok_or(Flaw::PseudoMissing)?;
        // CONNECT has neither (RFC 9113 §8.5), and is refused for what it is.
        let is_connect = self.head.method == Method::Connect;
        if !is_connect && self.form.is_http2() && !self.has_scheme {
            return Err(Flaw::PseudoMissing.into());
        }
        let target = self.path.or(is_connect.then(Span::default)).ok_or(Flaw::PseudoMissing)?;
        let version = self.form.version();
        self.storage.part(b"HTTP/", version.digits().as_bytes())?;
        self.storage.part(b"\r\n", b"")?;
        let line = RequestLine { method, target, version };
        self.head.start(self.storage.bytes, &line, self.storage.limits)?;
        if let Some(line) = self.authority {
            self.head.push(self.storage.bytes, &line, self.storage.limits);
        }
        Ok(())
    }

    /// Puts together what the client split, where the first part stood: only HTTP/2 has Cookie in several fields
    /// (RFC 9113 §8.2.3).
    fn join_cookie(&mut self) {
        if self.crumbs > 1 {
            self.head.fields.join(b"cookie", b"; ", self.storage.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, Version};

    const PSEUDO: [(&str, &str); 4] =
        [(":method", "POST"), (":scheme", "https"), (":authority", "example.org"), (":path", "/a?b")];

    fn build(form: Form, fields: &[(&str, &str)]) -> Result<(RequestHead, Vec<u8>), Refusal> {
        let (mut head, mut storage) = (RequestHead::new(), b"of another".to_vec());
        let limits = Limits { head: 400, fields: 6, ..Limits::default() };
        let mut builder = RequestBuilder::new(form, &mut head, &mut storage, &limits);
        for (name, value) in fields {
            // Asked at the end only, as by one who has to read on.
            let _ = builder.add(name.as_bytes(), value.as_bytes());
        }
        builder.finish().map(|()| (head, storage))
    }

    /// The refusal of a request that is right but for these further fields.
    fn with(fields: &[(&str, &str)]) -> Result<(RequestHead, Vec<u8>), Refusal> {
        build(Form::Http2 { ends: false }, &[&PSEUDO, fields].concat())
    }

    /// The reason for which a request is refused that is right but for this field.
    fn reason_for(name: &str, value: &str) -> Option<&'static str> {
        let refusal = with(&[(name, value)]).err()?;
        assert_eq!((refusal.status, refusal.error), (400, "http_request_error"));
        Some(refusal.reason)
    }

    #[track_caller]
    fn assert_flaw(fields: &[(&str, &str)], flaw: Flaw) {
        assert_eq!(build(Form::Http2 { ends: true }, fields).err(), Some(flaw.into()), "{fields:?}");
    }

    #[test]
    fn a_request_reads_as_its_pseudo_fields_say() {
        let (head, storage) = with(&[("accept", "*/*"), ("te", "trailers")]).unwrap();
        assert_eq!((head.method(), head.version()), (Method::Post, Version::Http2));
        assert_eq!(head.target(&storage), b"/a?b");
        assert_eq!(head.authority(&storage), b"example.org");
        assert_eq!(head.field(&storage, "Accept"), Some(b"*/*".as_slice()));
        assert!(head.accepts_trailers() && head.keep_alive());
        assert_eq!(head.len(), storage.len());
    }

    /// RFC 9113 §8.2.1.
    #[test]
    fn a_field_name_has_no_capital_letter_and_is_a_token() {
        assert_eq!(reason_for("Accept", "1"), Some(Refusal::from(Flaw::UppercaseName).reason));
        for name in ["", "a b", "a:", "a\r\nb", "a\0", "\u{e9}"] {
            assert_eq!(reason_for(name, "1"), Some(Refusal::FIELD_NAME.reason), "{name:?}");
        }
    }

    /// RFC 9113 §8.2.1.
    #[test]
    fn a_field_value_cannot_end_its_line_nor_begin_or_end_with_white_space() {
        for value in ["a\r\nb", "a\nb", "a\rb", "\0", "a\x7f"] {
            assert_eq!(reason_for("x", value), Some(Refusal::FIELD_VALUE.reason), "{value:?}");
        }
        for value in [" a", "a ", "\ta", "a\t", " "] {
            assert_eq!(reason_for("x", value), Some(Refusal::from(Flaw::PaddedValue).reason), "{value:?}");
        }
        for value in ["", "a b", "a\tb", "\u{e9}"] {
            assert_eq!(reason_for("x", value), None, "{value:?}");
        }
    }

    /// RFC 9113 §8.2.2.
    #[test]
    fn a_field_about_the_connection_is_refused() {
        for (name, value) in [
            ("connection", "close"),
            ("proxy-connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
        ] {
            assert_eq!(reason_for(name, value), Some(Refusal::from(Flaw::AboutConnection).reason), "{name}");
        }
    }

    /// RFC 9113 §8.2.2.
    #[test]
    fn te_says_trailers_and_nothing_else() {
        assert_eq!(reason_for("te", "Trailers"), None);
        for value in ["", "gzip", "trailers, gzip", "trailers;q=1"] {
            assert_eq!(
                reason_for("te", value),
                Some("The request's TE says something other than trailers."),
                "{value}"
            );
        }
    }

    /// RFC 9113 §8.2.3.
    #[test]
    fn the_crumbs_of_a_cookie_become_one_field_where_the_first_stood() {
        let crumbs = [("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("y", "2"), ("cookie", "c=3")];
        let (head, storage) = with(&crumbs).unwrap();
        let fields: Vec<_> = head.fields(&storage).skip(1).collect();
        assert_eq!(fields, [(b"cookie".as_slice(), b"a=1; b=2; c=3".as_slice()), (b"x", b"1"), (b"y", b"2")]);
        let line = head.fields.lines()[1];
        assert_eq!(&storage[line.name.start as usize..line.line_end as usize], b"cookie: a=1; b=2; c=3\r\n");
    }

    #[test]
    fn crumbs_are_one_field_and_bounded_by_their_bytes() {
        assert!(with(&[("cookie", "a=1"); 20]).is_ok());
        assert_eq!(with(&[("cookie", "a=1"); 30]).err(), Some(Refusal::HEAD_TOO_LARGE));
    }

    /// RFC 9113 §8.3.
    #[test]
    fn pseudo_fields_come_once_before_the_fields_and_are_those_of_a_request() {
        let [method, scheme, authority, path] = PSEUDO;
        assert_flaw(&[method, scheme, authority, ("x", "1"), path], Flaw::PseudoMissing);
        assert_flaw(&[method, scheme, path, ("x", "1"), authority], Flaw::PseudoLate);
        for pseudo in PSEUDO {
            assert_flaw(&[method, scheme, authority, path, pseudo], Flaw::PseudoTwice);
        }
        for unknown in [":status", ":protocol", ":", ":Path"] {
            assert_flaw(&[method, scheme, authority, path, (unknown, "200")], Flaw::PseudoUnknown);
        }
    }

    /// RFC 9113 §8.3.1.
    #[test]
    fn method_scheme_and_path_are_required_and_somebody_is_asked() {
        let [method, scheme, authority, path] = PSEUDO;
        assert_flaw(&[scheme, authority, path], Flaw::PseudoMissing);
        assert_flaw(&[method, authority, path], Flaw::PseudoMissing);
        assert_flaw(&[method, scheme, authority], Flaw::PseudoMissing);
        let ends = Form::Http2 { ends: true };
        assert_eq!(build(ends, &[method, scheme, path]).unwrap_err().reason, "The request has no Host.");
        assert!(build(ends, &[method, scheme, path, ("host", "h")]).is_ok());
    }

    /// RFC 9113 §8.3.1.
    #[test]
    fn a_path_is_a_path_or_an_asterisk_for_options() {
        let ask = |method, path| {
            let pseudo = [(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path)];
            build(Form::Http2 { ends: true }, &pseudo).map_err(|refusal| refusal.status).err()
        };
        for path in ["", "a", "http://h/", "?a", "*", "/#a", "/a b", "/\u{e9}"] {
            assert_eq!(ask("GET", path), Some(400), "{path}");
        }
        assert_eq!(ask("OPTIONS", "*"), None);
        let long = format!("/{}", "a".repeat(8192));
        assert_eq!(ask("GET", &long), Some(414));
        assert_eq!(ask("", "/"), Some(400));
        assert_eq!(ask("G T", "/"), Some(400));
    }

    /// RFC 9113 §8.3.1: no user information, and Host, where it is there as well, means the same.
    #[test]
    fn the_authority_is_one_host_with_or_without_a_port() {
        let ask = |authority, fields: &[(&str, &str)]| {
            let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", "/")];
            build(Form::Http2 { ends: true }, &[&pseudo, fields].concat())
        };
        for authority in ["", "user@h", "a,b", "h:x", "h/", "[::1"] {
            assert_eq!(ask(authority, &[]).map_err(|refusal| refusal.status).err(), Some(400), "{authority}");
        }
        let (head, storage) = ask("h:81", &[("host", "H:81")]).unwrap();
        assert_eq!(head.fields(&storage).collect::<Vec<_>>(), [(b"host".as_slice(), b"h:81".as_slice())]);
        let refusal = ask("h:81", &[("host", "other")]).unwrap_err();
        assert_eq!((refusal.status, refusal.reason), (400, "The request's Host and :authority differ."));
        let twice = build(
            Form::Http2 { ends: true },
            &[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "h"), ("host", "h")],
        );
        assert_eq!(twice.unwrap_err().reason, "The request has more than one Host.");
    }

    /// RFC 9113 §8.3.1: what other schemes mean is not known here.
    #[test]
    fn the_scheme_is_http_or_https() {
        for (scheme, is_right) in [("http", true), ("HTTPS", true), ("ftp", false), ("", false)] {
            let pseudo = [(":method", "GET"), (":scheme", scheme), (":authority", "h"), (":path", "/")];
            assert_eq!(build(Form::Http2 { ends: true }, &pseudo).is_ok(), is_right, "{scheme}");
        }
    }

    /// RFC 9113 §8.5, and RFC 8441 §4, where CONNECT has all pseudo-fields.
    #[test]
    fn connect_is_not_served_with_or_without_a_path() {
        let plain = [(":method", "CONNECT"), (":authority", "h:443")];
        let [_, scheme, _, path] = PSEUDO;
        for fields in [plain.to_vec(), [&plain[..], &[scheme, path]].concat()] {
            assert_eq!(build(Form::Http2 { ends: false }, &fields).unwrap_err().status, 501);
        }
    }

    /// RFC 9113 §8.1.1.
    #[test]
    fn how_long_the_body_is_follows_from_the_length_and_from_the_streams_end() {
        let framing = |ends, fields: &[(&str, &str)]| {
            let built = build(Form::Http2 { ends }, &[&PSEUDO, fields].concat());
            built.map(|(head, _)| head.framing()).map_err(|refusal| refusal.status)
        };
        assert_eq!(framing(true, &[]), Ok(Framing::Empty));
        assert_eq!(framing(false, &[]), Ok(Framing::Chunked));
        assert_eq!(framing(false, &[("content-length", "5")]), Ok(Framing::Length(5)));
        assert_eq!(framing(true, &[("content-length", "0")]), Ok(Framing::Length(0)));
        assert_eq!(framing(true, &[("content-length", "5")]), Err(400));
        assert_eq!(framing(false, &[("content-length", "5"), ("content-length", "5")]), Err(400));
    }

    /// RFC 9110 §10.1.1.
    #[test]
    fn a_body_of_unknown_length_can_be_waited_for() {
        let (head, _) = with(&[("expect", "100-continue")]).unwrap();
        assert!(head.expects_continue());
        assert_eq!(with(&[("expect", "more")]).unwrap_err().status, 417);
    }

    #[test]
    fn the_answer_to_a_refused_head_request_can_still_do_without_a_body() {
        let (mut head, mut storage, limits) = (RequestHead::new(), Vec::new(), Limits::default());
        let mut builder = RequestBuilder::new(Form::Http2 { ends: true }, &mut head, &mut storage, &limits);
        assert!(builder.add(b":method", b"HEAD").is_ok());
        assert!(builder.add(b":path", b"x").is_err());
        assert!(builder.finish().is_err());
        assert_eq!((head.method(), head.version()), (Method::Head, Version::Http2));
    }
}
