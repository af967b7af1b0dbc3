//! What servers are told about where a request comes from: `X-Forwarded-*`, `X-Real-IP` and `Forwarded`, all of one
//! [`Origin`]. From a trusted proxy the lists go on; from any other client they begin here.

use crate::forwarded::{self, Node};
use crate::head::name::Name;
use crate::origin::{Origin, Told, Way, address_of, hops};
use crate::rewrite::request::RequestRewrite;
use crate::text::address;
use crate::{RequestHead, text};

/// The most hops that are told anew in Forwarded, where the one received cannot go on. Beyond: only the client's.
const MAX_HOPS: usize = 32;

/// Appends the lines.
pub(super) fn write(head: &RequestHead, input: &[u8], origin: &Origin<'_>, out: &mut Vec<u8>) {
    let host = origin.host().unwrap_or(head.authority(input));
    out.extend_from_slice(b"X-Forwarded-For: ");
    if let Some(told) = &origin.told {
        hops_before(told, head, input, out);
    }
    let peer = out.len();
    address(origin.peer, out);
    let peer = peer..out.len();
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    out.extend_from_slice(origin.scheme());
    if !host.is_empty() {
        out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
        out.extend_from_slice(host);
    }
    out.extend_from_slice(b"\r\nX-Real-IP: ");
    if origin.client == origin.peer {
        out.extend_from_within(peer.clone());
    } else {
        address(origin.client, out);
    }
    out.extend_from_slice(b"\r\nForwarded: ");
    match &origin.told {
        // Nobody stands before the peer: what is told is told of its connection.
        None | Some(Told { way: Way::Nowhere, .. }) => {
            forwarded::element(origin.peer, peer, origin.scheme(), host, out);
        }
        Some(told) => {
            forwarded_before(told, head, input, out);
            forwarded::element(origin.peer, peer, origin.own_scheme.as_bytes(), head.authority(input), out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The field that tells what was taken off the beginning of the path.
const PREFIX: &str = "X-Forwarded-Prefix";

/// Whether a field tells that.
pub(super) fn is_prefix(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(PREFIX.as_bytes())
}

/// Appends the line that tells of all prefixes, those that trusted proxies have taken off before this one. It is one path, and
/// what is no path does not go into it: `//host` would make another host of it.
pub(super) fn prefix(head: &RequestHead, input: &[u8], how: &RequestRewrite<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(PREFIX.as_bytes());
    out.extend_from_slice(b": ");
    let told = head.fields.lines().iter().filter(|line| is_prefix(line.name.in_bytes(input)));
    for line in told.filter(|_| how.origin.told.is_some()) {
        for path in text::list(line.value.in_bytes(input)) {
            let path = path.strip_suffix(b"/").unwrap_or(path);
            if path.starts_with(b"/") && !path.starts_with(b"//") {
                text::value_of_line(path, out);
            }
        }
    }
    out.extend_from_slice(how.prefix.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The list so far, as X-Forwarded-For has it.
fn hops_before(told: &Told<'_>, head: &RequestHead, input: &[u8], out: &mut Vec<u8>) {
    if told.way == Way::XForwardedFor {
        return received(Name::XForwardedFor, head, input, out);
    }
    for hop in hops(told.way, head, input) {
        match address_of(hop.node) {
            Some(of) => address(of, out),
            None => out.extend_from_slice(b"unknown"),
        }
        out.extend_from_slice(b", ");
    }
}

/// The list so far, as Forwarded has it.
fn forwarded_before(told: &Told<'_>, head: &RequestHead, input: &[u8], out: &mut Vec<u8>) {
    if told.forwarded_agrees {
        return received(Name::Forwarded, head, input, out);
    }
    for (at, hop) in hops(told.way, head, input).enumerate() {
        let is_clients = told.client_at == Some(at);
        if at >= MAX_HOPS && !is_clients {
            continue;
        }
        // Some read the first hop, others the last before those that they trust.
        let of_client = |value: Option<_>| value.filter(|_| is_clients || at == 0).unwrap_or_default();
        let node = hop.node.unwrap_or(Node::Unknown);
        forwarded::element_of(node, of_client(told.scheme), of_client(told.host), out);
        out.extend_from_slice(b", ");
    }
}

/// A list as received, whatever lines it came in.
fn received(name: Name, head: &RequestHead, input: &[u8], out: &mut Vec<u8>) {
    for value in head.fields.known(name, input).filter(|value| text::list(value).next().is_some()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}
