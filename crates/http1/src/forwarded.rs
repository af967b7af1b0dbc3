//! `Forwarded` (RFC 7239): who asked, as the proxies on the way saw it.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use crate::text::{is_token, is_token_byte};

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

/// Whether a whole field value is a list of hops, each a list of different parameters, with node names where
/// they belong (RFC 7239 §4). Empty hops and parameters, which the grammar has room for, count as malformed.
///
/// ```
/// use evenkeel_http1::forwarded::is_valid;
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

/// The `for` of each hop, first the one nearest to the client. `None` when the value is malformed; a hop without
/// `for` counts as [`Node::Unknown`].
pub fn nodes(value: &[u8]) -> Option<impl Iterator<Item = Node<'_>>> {
    let mut rest = Some(value);
    is_valid(value).then(|| {
        std::iter::from_fn(move || {
            let (found, after) = hop(rest?)?;
            rest = after.strip_prefix(b",");
            Some(found.unwrap_or(Node::Unknown))
        })
    })
}

/// Appends this proxy's own hop. `client` is where in `out` the client's address already stands as text;
/// `host` is a valid authority or empty.
pub(crate) fn element(client: Range<usize>, scheme: &str, host: &[u8], out: &mut Vec<u8>) {
    let is_v6 = out[client.clone()].contains(&b':');
    out.extend_from_slice(if is_v6 { b"for=\"[" } else { b"for=" });
    out.extend_from_within(client);
    out.extend_from_slice(if is_v6 { b"]\"" } else { b"" });
    if !host.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(scheme.as_bytes());
}

/// One hop at the start of `text`: its `for`, and the rest from the comma on.
fn hop(text: &[u8]) -> Option<(Option<Node<'_>>, &[u8])> {
    let mut rest = text;
    let mut seen: [&[u8]; MAX_PARAMETERS] = [b""; MAX_PARAMETERS];
    let mut node_for = None;
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
            node_for = Some(node(value)?);
        } else if name.eq_ignore_ascii_case(b"by") {
            node(value)?;
        }
        match after.trim_ascii_start() {
            [b';', after @ ..] => rest = after,
            end @ ([] | [b',', ..]) => return Some((node_for, end)),
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
        nodes(value.as_bytes()).and_then(|mut nodes| nodes.next())
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
        assert_eq!(first("proto=http"), Some(Node::Unknown));
    }

    #[test]
    fn hops_come_in_order() {
        let value = b"for=_a;proto=http , by=_me;for=_b,for=_c";
        assert!(nodes(value).unwrap().eq([b"_a", b"_b", b"_c"].map(|name| Node::Obfuscated(name))));
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
            crate::text::address(client, &mut out);
            let client_text = 0..out.len();
            let start = out.len();
            element(client_text, "http", host.as_bytes(), &mut out);
            let found: Vec<_> = nodes(&out[start..]).unwrap().collect();
            prop_assert_eq!(found, [Node::Address(client.to_canonical(), None)]);
        }
    }
}
