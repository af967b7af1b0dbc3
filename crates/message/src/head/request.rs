//! Request heads (RFC 9112 §3 and §5), as spans into the caller's buffer.

use std::borrow::Cow;

use crate::framing::{ContentLength, TransferEncoding};
use crate::head::authentication;
use crate::head::connection::Connection;
use crate::head::fields::{Fields, Line, Span};
use crate::head::name::Name;
use crate::head::target::{Target, is_authority};
use crate::text::{list, trim};
use crate::{Framing, Limits, Method, Refusal, Version};

/// Where the parts of a request line lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine {
    /// The method, a token.
    pub method: Span,
    /// The request target, of which nothing is known yet.
    pub target: Span,
    /// The version.
    pub version: Version,
}

/// A request head: where its parts lie in the bytes it was parsed from, and what they mean.
///
/// Make one and use it for many requests; its storage is reused. Every method that takes `input` wants the
/// bytes that hold the head: those it was parsed from.
///
/// Whoever finds the lines in the bytes calls [`clear`](Self::clear), [`start`](Self::start), [`push`](Self::push) for each
/// field line and [`finish`](Self::finish), which between them check whatever a request means in every version of HTTP.
/// Where there are no lines, a [`RequestBuilder`](crate::RequestBuilder) makes them.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    pub(crate) method: Method,
    pub(crate) method_token: Span,
    pub(crate) target_span: Span,
    pub(crate) target: Target,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) connection: Connection,
    pub(crate) fields: Fields,
    host: Option<Span>,
    upgrade: Option<Span>,
    max_forwards: Option<u32>,
    expects_continue: bool,
    accepts_trailers: bool,
    binds_connection: bool,
    len: u32,
}

impl RequestHead {
    /// An empty head, to be filled by a parser.
    pub fn new() -> Self {
        Self::default()
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The body that follows.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The bytes of the head: empty lines before it and the empty line after it included.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The method's token as received.
    pub fn method_bytes<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.method_token.in_bytes(input)
    }

    /// The request target as received (RFC 9112 §3.2).
    pub fn target<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.target_span.in_bytes(input)
    }

    /// The target to send to a server: path and query byte for byte, or `*` (RFC 9112 §3.2.1, §3.2.4).
    ///
    /// Owned only where an absolute target has a query and no path.
    pub fn path_and_query<'a>(&self, input: &'a [u8]) -> Cow<'a, [u8]> {
        let Target::Absolute { path, .. } = self.target else { return Cow::Borrowed(self.target(input)) };
        match (path.in_bytes(input), self.method) {
            (b"", Method::Options) => Cow::Borrowed(b"*"),
            (b"", _) => Cow::Borrowed(b"/"),
            (query @ [b'?', ..], _) => Cow::Owned([b"/", query].concat()),
            (path, _) => Cow::Borrowed(path),
        }
    }

    /// The host the request is for: the authority of an absolute target, else Host (RFC 9112 §3.3). Empty
    /// when there is neither.
    pub fn authority<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        match (self.target, self.host) {
            (Target::Absolute { authority, .. }, _) => authority.in_bytes(input),
            (_, Some(host)) => host.in_bytes(input),
            (_, None) => b"",
        }
    }

    /// Names and values of the fields, in the order received, the white space around values trimmed.
    pub fn fields<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter(input)
    }

    /// The value of the first field named `name`, in any case.
    pub fn field<'a>(&self, input: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.fields.first(name, input)
    }

    /// The value of X-Request-Id, of the first where there are several.
    pub fn request_id<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        self.fields.known(Name::XRequestId, input).next()
    }

    /// The trace that the request is part of: the id in its first traceparent (W3C Trace Context §3.2.2), 32 hexadecimal
    /// digits.
    pub fn trace_id<'a>(&self, input: &'a [u8]) -> Option<&'a [u8; 32]> {
        let parent = self.fields.known(Name::TraceParent, input).next()?;
        let id = parent.get(3..35)?.try_into().ok()?;
        let bounded = parent[2] == b'-' && parent.get(35) == Some(&b'-');
        (bounded && <[u8; 32]>::as_slice(id).iter().all(u8::is_ascii_hexdigit)).then_some(id)
    }

    /// Whether the client wishes to send another request on this connection (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        !self.connection.close && (self.version != Version::Http10 || self.connection.keep_alive)
    }

    /// Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1). Never for HTTP/1.0,
    /// and never without a body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The protocols the client wants to change to (RFC 9110 §7.8), if Connection says so as well.
    pub fn upgrade<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let asked = self.connection.upgrade && self.version == Version::Http11;
        self.upgrade.filter(|_| asked).map(|span| span.in_bytes(input))
    }

    /// How often an OPTIONS request may still be forwarded (RFC 9110 §7.6.2). At 0 it is answered here.
    pub fn max_forwards(&self) -> Option<u32> {
        self.max_forwards
    }

    /// Whether the client takes trailers after a response (`TE: trailers`, RFC 9110 §10.1.4).
    pub fn accepts_trailers(&self) -> bool {
        self.accepts_trailers
    }

    /// Whether its credentials are for the connection and not for the request alone: the server takes whatever follows on
    /// that connection for the same user's.
    pub fn binds_connection(&self) -> bool {
        self.binds_connection
    }

    /// Forgets the last request, so that nothing of it is taken for this one's when this one is refused.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear(false);
        *self = Self { fields, ..Self::default() };
    }

    /// Begins a head with its first line. What is wrong with that is known before the fields are.
    pub fn start(&mut self, input: &[u8], line: &RequestLine, limits: &Limits) -> Result<(), Refusal> {
        self.method_token = line.method;
        self.target_span = line.target;
        self.method = Method::from_bytes(line.method.in_bytes(input));
        self.version = line.version;
        match self.method {
            Method::Connect => {
                return Err(Refusal::new(501, "This server is no tunnel: CONNECT is not served."));
            }
            Method::Trace => return Err(Refusal::new(501, "TRACE is not served.")),
            method => self.target = Target::parse(method, line.target, input)?,
        }
        let len = line.method.len() + " ".len() + line.target.len() + " HTTP/1.1".len();
        if len > limits.request_line { Err(Refusal::LINE_TOO_LONG) } else { Ok(()) }
    }

    /// Adds a field line. One with an underscore in its name is left out, unless `limits` say otherwise; and then as well, where
    /// servers that read `_` and `-` alike would take it for a proxy's word on who the client is.
    #[expect(clippy::inline_always, reason = "one call for each line that is parsed, from another crate")]
    #[inline(always)]
    pub fn push(&mut self, input: &[u8], line: &Line, limits: &Limits) {
        let passes = || limits.forward_underscores && !Name::is_disguised_identity(line.name.in_bytes(input));
        if !line.has_underscore || passes() {
            self.fields.push(input, line);
        }
    }

    /// Ends the head, which takes up the first `len` bytes of `input`: settles everything
    /// the protocol needs to know of them.
    pub fn finish(&mut self, input: &[u8], len: usize) -> Result<(), Refusal> {
        self.settle(input, len, None)
    }

    /// As [`finish`](Self::finish). `ends`: whether the stream that the head came on ends with it, where there are streams.
    pub(crate) fn settle(&mut self, input: &[u8], len: usize, ends: Option<bool>) -> Result<(), Refusal> {
        self.len = len as u32;
        let mut length = ContentLength::default();
        let mut coding = TransferEncoding::default();
        let mut expects = false;
        for field in self.fields.notable() {
            let value = field.value.in_bytes(input);
            match field.known {
                Name::ContentLength => length = length.and(value),
                Name::TransferEncoding => coding = coding.and(value),
                Name::Host if self.host.is_some() => {
                    return Err(Refusal::bad("The request has more than one Host."));
                }
                Name::Host => self.host = Some(field.value),
                Name::Connection => {
                    self.connection = self
                        .connection
                        .and(value)
                        .ok_or(Refusal::bad("The request has too many Connection options."))?;
                }
                Name::Expect if self.version != Version::Http10 => {
                    if !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Refusal::new(
                            417,
                            "The only expectation this server knows is 100-continue.",
                        ));
                    }
                    expects = true;
                }
                Name::Upgrade if self.upgrade.is_none() => self.upgrade = Some(field.value),
                Name::Te => self.accepts_trailers |= accepts_trailers(value),
                Name::Authorization => self.binds_connection |= authentication::binds_connection(value),
                Name::MaxForwards if self.method == Method::Options => self.max_forwards = number(value),
                _ => {}
            }
        }
        self.framing = Framing::of_request(self.version, coding, length)?;
        if let Some(ends) = ends {
            self.framing = self.framing.of_request_in_stream(ends)?;
        }
        self.expects_continue = expects && !matches!(self.framing, Framing::Empty | Framing::Length(0));
        self.check_host(input)
    }

    fn check_host(&self, input: &[u8]) -> Result<(), Refusal> {
        let absolute = matches!(self.target, Target::Absolute { .. });
        match self.host {
            None if self.version != Version::Http10 => Err(Refusal::bad("The request has no Host.")),
            None => Ok(()),
            // HTTP/1.0 knows no Host; one that names nothing is as none.
            Some(host) if host.is_empty() && !absolute && self.version == Version::Http10 => Ok(()),
            Some(host) if is_authority(host.in_bytes(input)) => Ok(()),
            Some(_) => Err(Refusal::bad("The request's Host is not a host and an optional port.")),
        }
    }
}

fn accepts_trailers(te: &[u8]) -> bool {
    list(te).any(|coding| {
        let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
        trim(name).eq_ignore_ascii_case(b"trailers")
    })
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}
