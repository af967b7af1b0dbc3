//! `Forwarded` (RFC 7239): who asked, as the proxies on the way saw it.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use crate::text::{address, is_token, is_token_byte};

/// Parameters that one hop may have; RFC 7239 defines four. A hop with more counts as malformed.
const MAX_PARAMETERS: usize = 8;

/// The `for` of one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'a> {
    /// An address, with its port if one was given.
    Address(IpAddr, Option<&'a [u8]>),
    /// `unknown`: the proxy does not know.
    Unknown,
    /// A name of the proxy's own making, with the underscore it begins with (RFC 7239 §6.3).
    Obfuscated(&'a [u8]),
}

/// What one proxy says of the connection that it took: who asked, over which scheme, for which host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hop<'a> {
    /// Its `for`.
    pub node: Option<Node<'a>>,
    /// Its `proto`.
    pub proto: Option<&'a [u8]>,
    /// Its `host`.
    pub host: Option<&'a [u8]>,
}

/// Whether a whole field value is a list of hops, each a list of different parameters, with node names where
/// they belong (RFC 7239 §4). Empty hops and parameters, which the grammar has room for, count as malformed.
///
/// ```
/// use evenkeel_message::forwarded::is_valid;
///
/// assert!(is_valid(br#"for="[2001:db8::1]:4711";proto=http, for=_hidden"#));
/// assert!(!is_valid(b"for=[2001:db8::1]"));
/// ```
pub fn is_valid(value: &[u8]) -> bool {
    let mut rest = value;
    loop {
        match hop(rest) {
            Some((_, [])) => return true,
            Some((_, [b',', after @ ..])) => rest = after,
            _ => return false,
        }
    }
}

/// The hops, first the one nearest to the client. `None` when the value is malformed.
pub fn hops(value: &[u8]) -> Option<impl Iterator<Item = Hop<'_>> + Clone> {
    is_valid(value).then(|| of_valid(value))
}

/// The hops of a value that [`is_valid`].
pub(crate) fn of_valid(value: &[u8]) -> impl Iterator<Item = Hop<'_>> + Clone {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let (found, after) = hop(rest?)?;
        rest = after.strip_prefix(b",");
        Some(found)
    })
}

/// Appends this proxy's own hop. `text` is where in `out` the client's address already stands;
/// `host` is a valid authority or empty.
#[inline]
pub(crate) fn element(client: IpAddr, text: Range<usize>, scheme: &[u8], host: &[u8], out: &mut Vec<u8>) {
    let is_v6 = client.to_canonical().is_ipv6();
    if is_v6 {
        out.extend_from_slice(b"for=\"[");
        out.extend_from_within(text);
        out.extend_from_slice(b"]\"");
    } else {
        out.extend_from_slice(b"for=");
        out.extend_from_within(text);
    }
    about(host, scheme, out);
}

/// Appends a hop that this proxy knows from others. `host` is a valid authority, `scheme` a token; either may be
/// empty.
pub(crate) fn element_of(node: Node<'_>, scheme: &[u8], host: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"for=");
    match node {
        Node::Unknown => out.extend_from_slice(b"unknown"),
        Node::Obfuscated(name) => out.extend_from_slice(name),
        Node::Address(of, port) => {
            let is_v6 = of.to_canonical().is_ipv6();
            let is_quoted = is_v6 || port.is_some();
            out.extend_from_slice(if is_quoted { b"\"" } else { b"" });
            out.extend_from_slice(if is_v6 { b"[" } else { b"" });
            address(of, out);
            out.extend_from_slice(if is_v6 { b"]" } else { b"" });
            if let Some(port) = port {
                out.push(b':');
                out.extend_from_slice(port);
            }
            out.extend_from_slice(if is_quoted { b"\"" } else { b"" });
        }
    }
    about(host, scheme, out);
}

#[inline]
fn about(host: &[u8], scheme: &[u8], out: &mut Vec<u8>) {
    if !host.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
    if !scheme.is_empty() {
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(scheme);
    }
}

/// One hop at the start of `text`, and the rest from the comma on.
fn hop(text: &[u8]) -> Option<(Hop<'_>, &[u8])> {
    let mut rest = text;
    let mut seen: [&[u8]; MAX_PARAMETERS] = [b""; MAX_PARAMETERS];
    let mut hop = Hop::default();
    for slot in 0..MAX_PARAMETERS {
        rest = rest.trim_ascii_start();
        let equals =
            rest.iter().position(|&byte| !is_token_byte(byte)).filter(|&at| rest[at] == b'=' && at > 0)?;
        let name = &rest[..equals];
        let (value, after) = parameter_value(&rest[equals + 1..])?;
        if seen[..slot].iter().any(|before| before.eq_ignore_ascii_case(name)) {
            return None;
        }
        seen[slot] = name;
        if name.eq_ignore_ascii_case(b"for") {
            hop.node = Some(node(value)?);
        } else if name.eq_ignore_ascii_case(b"proto") {
            hop.proto = Some(value);
        } else if name.eq_ignore_ascii_case(b"host") {
            hop.host = Some(value);
        } else if name.eq_ignore_ascii_case(b"by") {
            node(value)?;
        }
        match after.trim_ascii_start() {
            [b';', after @ ..] => rest = after,
            end @ ([] | [b',', ..]) => return Some((hop, end)),
            _ => return None,
        }
    }
    None
}

/// A token, or a quoted string without escapes: no node, host or scheme needs one.
fn parameter_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'"', quoted @ ..] = text {
        let end = quoted.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        return (quoted[end] == b'"').then(|| (&quoted[..end], &quoted[end + 1..]));
    }
    let end = text.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// `nodename [ ":" node-port ]` (RFC 7239 §6).
fn node(text: &[u8]) -> Option<Node<'_>> {
    if let [b'[', rest @ ..] = text {
        let end = rest.iter().position(|&byte| byte == b']')?;
        let address: Ipv6Addr = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        return Some(Node::Address(address.into(), port(&rest[end + 1..])?));
    }
    let colon = text.iter().position(|&byte| byte == b':').unwrap_or(text.len());
    let (name, rest) = text.split_at(colon);
    let port = port(rest)?;
    match name {
        [b'_', obfuscated @ ..] if is_obfuscated(obfuscated) => Some(Node::Obfuscated(name)),
        _ if name.eq_ignore_ascii_case(b"unknown") => Some(Node::Unknown),
        _ => {
            let address: std::net::Ipv4Addr = std::str::from_utf8(name).ok()?.parse().ok()?;
            Some(Node::Address(address.into(), port))
        }
    }
}

/// The port after a node name, if any; `None` when what is there is no port.
#[expect(clippy::option_option, reason = "absent is not the same as malformed")]
fn port(text: &[u8]) -> Option<Option<&[u8]>> {
    match text {
        [] => Some(None),
        [b':', digits @ ..] if (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            Some(Some(digits))
        }
        [b':', name @ ..] if name.first() == Some(&b'_') && is_obfuscated(&name[1..]) => Some(Some(name)),
        _ => None,
    }
}

fn is_obfuscated(text: &[u8]) -> bool {
    is_token(text) && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(value: &str) -> Option<Node<'_>> {
        hops(value.as_bytes()).and_then(|mut hops| hops.next()?.node)
    }

    #[test]
    fn p51_every_kind_of_node_is_read() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(first("for=192.0.2.1"), Some(Node::Address(address("192.0.2.1"), None)));
        assert_eq!(first("For=\"192.0.2.1:80\""), Some(Node::Address(address("192.0.2.1"), Some(b"80"))));
        assert_eq!(first("for=\"[::1]:1\""), Some(Node::Address(address("::1"), Some(b"1"))));
        assert_eq!(first("for=\"[::1]:_p\""), Some(Node::Address(address("::1"), Some(b"_p"))));
        assert_eq!(first("for=_x"), Some(Node::Obfuscated(b"_x")));
        assert_eq!(first("for=UNKNOWN"), Some(Node::Unknown));
        assert_eq!(first("proto=http"), None);
    }

    #[test]
    fn hops_come_in_order() {
        let value = b"for=_a;proto=http , by=_me;for=_b;host=\"h:1\",for=_c";
        let hop = |name| Hop { node: Some(Node::Obfuscated(name)), ..Hop::default() };
        assert!(hops(value).unwrap().eq([
            Hop { proto: Some(b"http"), ..hop(b"_a") },
            Hop { host: Some(b"h:1"), ..hop(b"_b") },
            hop(b"_c"),
        ]));
    }

    #[test]
    fn p51_malformed_values_are_no_forwarded() {
        for value in [
            "",
            ",",
            "for",
            "for=",
            "for=a",
            "for=[::1]",
            "for=\"[::1]",
            "for=\"::1\"",
            "for=1.2.3",
            "for=1.2.3.4:80",
            "for=\"1.2.3.4:\"",
            "for=\"1.2.3.4:123456\"",
            "for=_a;for=_b",
            "for=_a;FOR=_b",
            "for=_a;;proto=http",
            "for=_a,",
            "for=_a for=_b",
            "for =_a",
            "for= _a",
            "for=_a;",
            "for=\"_a\\b\"",
            "by=x",
            "for=_",
            "a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;i=1",
        ] {
            assert!(!is_valid(value.as_bytes()), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_valid_and_names_the_client(client: IpAddr, host in "[a-z.]{0,9}(:[0-9]{1,4})?") {
            let mut out = Vec::new();
            address(client, &mut out);
            let client_text = 0..out.len();
            let start = out.len();
            element(client, client_text, b"http", host.as_bytes(), &mut out);
            let found: Vec<_> = hops(&out[start..]).unwrap().collect();
            let host = Some(host.as_bytes()).filter(|host| !host.is_empty());
            let node = Some(Node::Address(client.to_canonical(), None));
            prop_assert_eq!(found, [Hop { node, proto: Some(b"http"), host }]);
        }

        #[test]
        fn what_is_written_of_others_reads_back_the_same(
            client: IpAddr,
            port in prop::option::of(1_u16..),
            host in "([a-z.]{1,9}(:[0-9]{1,4})?)?",
            scheme in "(https?)?",
        ) {
            let port = port.map(|port| port.to_string().into_bytes());
            let node = Node::Address(client.to_canonical(), port.as_deref());
            for node in [node, Node::Unknown, Node::Obfuscated(b"_x")] {
                let mut out = Vec::new();
                element_of(node, scheme.as_bytes(), host.as_bytes(), &mut out);
                let told = |text: &'static str| Some(text.as_bytes()).filter(|text| !text.is_empty());
                let (scheme, host) = (told(scheme.clone().leak()), told(host.clone().leak()));
                let found: Vec<_> = hops(&out).unwrap().collect();
                prop_assert_eq!(found, [Hop { node: Some(node), proto: scheme, host }]);
            }
        }
    }
}
