//! A request head on its way to a server.
//!
//! One pass over the fields as received: what stays is copied, what concerns the client's connection only is
//! left out (RFC 9110 §7.6.1), and what this proxy has to say is added at the end.

use std::net::SocketAddr;
use std::ops::Range;

use crate::head::fields::{Field, Span};
use crate::head::name::Name;
use crate::head::target::Target;
use crate::origin::Origin;
use crate::rewrite::forwarding;
use crate::rewrite::passage::{Passage, is_written};
use crate::rules::FieldRules;
use crate::text::{address, decimal, value_of_line};
use crate::{Framing, Refusal, RequestHead, Version};

/// What a request gains on its way through.
#[derive(Debug, Clone, Copy)]
pub struct RequestRewrite<'a> {
    /// Where the request comes from.
    pub origin: Origin<'a>,
    /// The address the client connected to. It is the Host of an HTTP/1.0 request that names none.
    pub local: SocketAddr,
    /// This proxy's pseudonym for `Via` (RFC 9110 §7.6.3).
    pub via: &'a str,
    /// The `X-Request-Id` to send, made by the caller or received. Any received one is replaced by it.
    pub request_id: &'a [u8],
    /// The beginning of the path that is left out, and told in `X-Forwarded-Prefix` instead, after what a trusted proxy has
    /// left out before; empty for nothing.
    pub prefix: &'a str,
    /// The one protocol whose `Upgrade` is passed on (RFC 9110 §7.8), if any.
    pub upgrade: Option<&'a str>,
    /// Whether `X-Evenkeel-Run` and `X-Evenkeel-Fault` are passed on. They make servers write things down and fail, so not
    /// every client may send them.
    pub runs: bool,
    /// Who the client is by its certificate, as [`client_cert::lines`](crate::client_cert::lines) writes it; empty where it has
    /// shown none.
    pub client_cert: &'a [u8],
    /// What else is set or left out.
    pub rules: Option<&'a FieldRules>,
}

/// What there is to know about a request head that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Where in `out` the value of X-Request-Id stands.
    pub request_id: Range<usize>,
    /// Where in `out` the one digit of `X-Attempt: 1` stands, for the caller to change for a later attempt.
    pub attempt_at: usize,
    /// The framing of the body towards the server.
    pub framing: Framing,
}

/// Appends to `out` the head to send to a server for the one parsed from `input`. Nothing is appended when the
/// request has come through this proxy before (502, `proxy_loop_detected`).
pub fn rewrite(
    head: &RequestHead,
    input: &[u8],
    how: &RequestRewrite<'_>,
    out: &mut Vec<u8>,
) -> Result<Rewritten, Refusal> {
    if is_loop(head, input, how.via) {
        return Err(Refusal {
            status: 502,
            reason: "The request came back to a proxy that it had already passed.",
            error: "proxy_loop_detected",
        });
    }
    out.reserve(head.len() + 512);
    let is_plain = matches!(head.target, Target::Origin) && how.prefix.is_empty();
    let passing = if is_plain { passing_request_line(head, input) } else { None };
    if passing.is_none() {
        request_line(head, input, how.prefix, out);
    }
    let others_pass = !head.connection.names_any() && how.rules.is_none();
    let mut passage = Passage::new(passing, &head.fields, others_pass);
    let mut host_written = false;
    for line in passage.lines(&head.fields) {
        match line.known {
            Name::Host => {
                host_written = true;
                if is_plain && !line.value.is_empty() && is_written(line, b"Host", input) {
                    passage.line(line, input, out);
                } else {
                    passage.cut(line, input, out);
                    host(head, input, how, out);
                }
            }
            Name::ContentLength => {
                passage.cut(line, input, out);
                content_length(head.framing, out);
            }
            Name::MaxForwards if head.max_forwards().is_some() => {
                passage.cut(line, input, out);
                max_forwards(head, out);
            }
            _ if is_kept(line, head, input, how) && !is_ruled_out(line, input, how) => {
                passage.line(line, input, out);
            }
            _ => passage.cut(line, input, out),
        }
    }
    passage.end(&head.fields, input, out);
    if !host_written {
        host(head, input, how, out);
    }
    if head.framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    connection(head, how, out);
    via(head, how, out);
    forwarding::write(head, input, &how.origin, out);
    if !how.prefix.is_empty() {
        forwarding::prefix(head, input, how, out);
    }
    if !how.client_cert.is_empty() {
        out.extend_from_slice(how.client_cert);
    }
    if let Some(rules) = how.rules {
        out.extend_from_slice(rules.lines());
    }
    out.extend_from_slice(b"X-Request-Id: ");
    let request_id = out.len()..out.len() + how.request_id.len();
    value_of_line(how.request_id, out);
    out.extend_from_slice(b"\r\nX-Attempt: 1\r\n\r\n");
    let attempt_at = out.len() - "1\r\n\r\n".len();
    Ok(Rewritten { request_id, attempt_at, framing: head.framing })
}

fn is_loop(head: &RequestHead, input: &[u8], pseudonym: &str) -> bool {
    head.fields.known(Name::Via, input).any(|value| {
        value.split(|&byte| byte == b',').any(|hop| {
            let mut words = hop.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(pseudonym.as_bytes()))
        })
    })
}

/// Whether the field goes to the server as it is.
fn is_kept(line: &Field, head: &RequestHead, input: &[u8], how: &RequestRewrite<'_>) -> bool {
    match line.known {
        Name::Other | Name::TraceParent => {
            !head.connection.names(line.name.in_bytes(input), &head.fields, input)
        }
        // Written again at the end, with what this proxy adds.
        Name::Forwarded
        | Name::XAttempt
        | Name::XForwardedFor
        | Name::XForwardedHost
        | Name::XForwardedProto
        | Name::XRealIp
        | Name::XRequestId
        // Servers believe it, so nobody else may say it (RFC 9440 §2.4).
        | Name::ClientCert => false,
        Name::XForwardedOther => {
            how.origin.told.is_some()
                && (how.prefix.is_empty() || !forwarding::is_prefix(line.name.in_bytes(input)))
        }
        Name::XEvenkeel => how.runs,
        Name::Expect => head.expects_continue(),
        known => !known.is_hop_by_hop(),
    }
}

fn is_ruled_out(line: &Field, input: &[u8], how: &RequestRewrite<'_>) -> bool {
    how.rules.is_some_and(|rules| rules.concern(line.name.in_bytes(input)))
}

/// The received request line of a request for a path, where it is already what would be written.
fn passing_request_line(head: &RequestHead, input: &[u8]) -> Option<Span> {
    const AFTER_TARGET: &[u8] = b" HTTP/1.1\r\n";
    let (method, target) = (head.method_token, head.target_span);
    let passes = target.start == method.end + 1
        && input[method.end as usize] == b' '
        && input[target.end as usize..].starts_with(AFTER_TARGET);
    passes.then_some(Span { start: method.start, end: target.end + AFTER_TARGET.len() as u32 })
}

fn request_line(head: &RequestHead, input: &[u8], prefix: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_bytes(input));
    out.push(b' ');
    let target = head.path_and_query(input);
    match target.strip_prefix(prefix.as_bytes()) {
        Some(rest) => {
            if !prefix.is_empty() && rest.first() != Some(&b'/') {
                out.push(b'/');
            }
            out.extend_from_slice(rest);
        }
        None => out.extend_from_slice(&target),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Host from the absolute target, or as received; made up from the address connected to where an HTTP/1.0
/// request has none, as HTTP/1.1 requires one (RFC 9112 §3.2).
fn host(head: &RequestHead, input: &[u8], how: &RequestRewrite<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Host: ");
    let named = head.authority(input);
    if named.is_empty() && head.version() == Version::Http10 {
        authority_of(how.local, out);
    } else {
        out.extend_from_slice(named);
    }
    out.extend_from_slice(b"\r\n");
}

fn authority_of(local: SocketAddr, out: &mut Vec<u8>) {
    let is_v6 = local.ip().to_canonical().is_ipv6();
    if is_v6 {
        out.push(b'[');
    }
    address(local.ip(), out);
    if is_v6 {
        out.push(b']');
    }
    if local.port() != 80 {
        out.push(b':');
        decimal(local.port().into(), out);
    }
}

/// The number alone: `005` is sent as 5.
fn content_length(framing: Framing, out: &mut Vec<u8>) {
    if let Framing::Length(length) = framing {
        out.extend_from_slice(b"Content-Length: ");
        decimal(length, out);
        out.extend_from_slice(b"\r\n");
    }
}

fn max_forwards(head: &RequestHead, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Max-Forwards: ");
    decimal(head.max_forwards().unwrap_or_default().saturating_sub(1).into(), out);
    out.extend_from_slice(b"\r\n");
}

/// `Upgrade` and `TE: trailers` concern this connection only, so Connection names them (RFC 9110 §7.8, §10.1.4).
fn connection(head: &RequestHead, how: &RequestRewrite<'_>, out: &mut Vec<u8>) {
    if let Some(protocol) = how.upgrade {
        out.extend_from_slice(b"Upgrade: ");
        value_of_line(protocol.as_bytes(), out);
        out.extend_from_slice(b"\r\n");
    }
    if head.accepts_trailers() {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    out.extend_from_slice(match (how.upgrade.is_some(), head.accepts_trailers()) {
        (true, true) => b"Connection: upgrade, TE\r\n",
        (true, false) => b"Connection: upgrade\r\n",
        (false, true) => b"Connection: TE\r\n",
        (false, false) => return,
    });
}

fn via(head: &RequestHead, how: &RequestRewrite<'_>, out: &mut Vec<u8>) {
    if head.version() == Version::Http11 {
        out.extend_from_slice(b"Via: 1.1 ");
    } else {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(head.version().digits().as_bytes());
        out.push(b' ');
    }
    value_of_line(how.via.as_bytes(), out);
    out.extend_from_slice(b"\r\n");
}
