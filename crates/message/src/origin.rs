//! Where a request comes from: who asked, over which scheme and for which host. Found once, so that everything that
//! is told to a server about it is the same.
//!
//! A proxy that is trusted may tell it in `X-Forwarded-For`, `-Proto` and `-Host`, in `Forwarded` (RFC 7239), in
//! `X-Real-IP`, or in several of these. Where they contradict each other the first of that order holds: proxies that
//! know one way only let the other pass as the client wrote it, and the way that nearly all know is `X-Forwarded-*`.
//!
//! ```text
//! X-Forwarded-For: anything, 9.9.9.9, 10.0.0.2     from 10.0.0.1, where 10.0.0.0/8 is trusted
//!                            └ the client: the first from the right that is no trusted proxy
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::RequestHead;
use crate::forwarded::{self, Hop, Node};
use crate::head::name::Name;
use crate::head::target::is_authority;
use crate::text::{is_token, list};

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    pub(crate) peer: IpAddr,
    pub(crate) client: IpAddr,
    /// The scheme of the connection from `peer`.
    pub(crate) own_scheme: &'a str,
    pub(crate) told: Option<Told<'a>>,
}

/// What a trusted proxy tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    pub(crate) way: Way,
    /// Which of the hops is the client, where one is.
    pub(crate) client_at: Option<usize>,
    pub(crate) scheme: Option<&'a [u8]>,
    pub(crate) host: Option<&'a [u8]>,
    /// `Forwarded` tells the same as the rest and may go on as it is.
    pub(crate) forwarded_agrees: bool,
}

/// Which fields name the hops before the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    XForwardedFor,
    Forwarded,
    XRealIp,
    /// None does.
    Nowhere,
}

impl<'a> Origin<'a> {
    /// A client that speaks for itself, at `peer`; what it says about others is not believed.
    pub const fn of_client(peer: IpAddr, scheme: &'a str) -> Self {
        Self { peer, client: peer, own_scheme: scheme, told: None }
    }

    /// What the trusted proxy at `peer`, which used `scheme`, tells in `head`. It is believed about who asked as far
    /// as proxies that are trusted have passed it on.
    pub fn of_proxy(
        head: &RequestHead,
        input: &'a [u8],
        peer: IpAddr,
        scheme: &'a str,
        trusts: impl Fn(IpAddr) -> bool,
    ) -> Self {
        let way = Way::of(head, input);
        let hops = hops(way, head, input).map(|hop| hop.node);
        let client = client(hops.clone().map(address_of), trusts);
        let client_at = client.map(|(at, _)| at);
        let count = hops.clone().count();
        let forwarded = forwarded_hops(head, input);
        let is_about_them = way == Way::Forwarded || names_only(forwarded.clone(), hops);
        let forwarded = forwarded.filter(move |_| is_about_them);
        let scheme_of = |name, is_right: fn(&[u8]) -> bool, of: fn(Hop<'a>) -> Option<&'a [u8]>| {
            let listed = head.fields.known(name, input).flat_map(list);
            told(listed, count, client_at)
                .or_else(|| {
                    let at_client = client_at.and_then(|at| of(forwarded.clone().nth(at)?));
                    at_client.or_else(|| forwarded.clone().find_map(of))
                })
                .filter(|value| is_right(value))
        };
        let scheme_told = scheme_of(Name::XForwardedProto, is_token, |hop| hop.proto);
        let host_told = scheme_of(Name::XForwardedHost, is_authority, |hop| hop.host);
        let told = Told {
            way,
            client_at,
            scheme: scheme_told,
            host: host_told,
            forwarded_agrees: is_about_them
                && says(forwarded.clone().map(|hop| hop.proto), scheme_told, client_at)
                && says(forwarded.map(|hop| hop.host), host_told, client_at),
        };
        let client = client.map_or(peer, |(_, address)| address);
        Self { peer, client, own_scheme: scheme, told: Some(told) }
    }

    /// Who asked.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The scheme that the client used.
    pub fn scheme(&self) -> &'a [u8] {
        self.told.and_then(|told| told.scheme).unwrap_or(self.own_scheme.as_bytes())
    }

    /// The host that the client asked for, where that is not the one in the head.
    pub(crate) fn host(&self) -> Option<&'a [u8]> {
        self.told.and_then(|told| told.host)
    }
}

impl Way {
    fn of(head: &RequestHead, input: &[u8]) -> Self {
        if head.fields.known(Name::XForwardedFor, input).flat_map(list).next().is_some() {
            Self::XForwardedFor
        } else if forwarded_hops(head, input).next().is_some() {
            Self::Forwarded
        } else if head.fields.known(Name::XRealIp, input).next().is_some_and(is_address) {
            Self::XRealIp
        } else {
            Self::Nowhere
        }
    }
}

/// The hops before the peer, the one nearest to the client first; without a node where nobody says who it was.
pub(crate) fn hops<'a>(
    way: Way,
    head: &RequestHead,
    input: &'a [u8],
) -> impl Iterator<Item = Hop<'a>> + Clone {
    let named = |way_of: Way, name: Name| {
        let values = (way == way_of).then(|| head.fields.known(name, input)).into_iter().flatten();
        values.flat_map(list).map(|text| Hop { node: Some(node(text)), ..Hop::default() })
    };
    let forwarded = (way == Way::Forwarded).then(|| forwarded_hops(head, input)).into_iter().flatten();
    named(Way::XForwardedFor, Name::XForwardedFor)
        .chain(forwarded)
        .chain(named(Way::XRealIp, Name::XRealIp).take(1))
}

/// The hops of all Forwarded fields together; none where one of them is malformed.
fn forwarded_hops<'a>(head: &RequestHead, input: &'a [u8]) -> impl Iterator<Item = Hop<'a>> + Clone {
    let values = head.fields.known(Name::Forwarded, input);
    let all_valid = values.clone().all(forwarded::is_valid);
    all_valid.then_some(values).into_iter().flatten().flat_map(forwarded::of_valid)
}

/// An address as it stands in X-Forwarded-For, which some proxies write with the port or in brackets.
fn node(text: &[u8]) -> Node<'_> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Some(Node::Address(address, None));
        }
        let address = text.parse::<SocketAddr>().ok()?.ip();
        let port = text.rsplit(':').next().map(str::as_bytes);
        Some(Node::Address(address, port))
    });
    parsed.unwrap_or(Node::Unknown)
}

fn is_address(text: &[u8]) -> bool {
    matches!(node(text), Node::Address(..))
}

pub(crate) fn address_of(node: Option<Node<'_>>) -> Option<IpAddr> {
    match node {
        Some(Node::Address(address, _)) => Some(address),
        Some(Node::Unknown | Node::Obfuscated(_)) | None => None,
    }
}

/// Which of the hops is the client: from the right the first that is not trusted, or the last before one that is no
/// address, or else the first of all.
fn client(
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<(usize, IpAddr)> {
    hops.enumerate().fold(None, |client, (at, address)| match (client, address) {
        (_, None) => None,
        (Some(_), Some(address)) if trusts(address) => client,
        (_, Some(address)) => Some((at, address)),
    })
}

/// Whether every hop of `forwarded` names the same client as the one of `hops` in its place, and nobody is left over.
fn names_only<'a>(
    mut forwarded: impl Iterator<Item = Hop<'a>>,
    hops: impl Iterator<Item = Option<Node<'a>>>,
) -> bool {
    let mut named_any = false;
    for node in hops {
        let same = forwarded
            .next()
            .is_some_and(|hop| hop.node.is_some() && address_of(hop.node) == address_of(node));
        if !same {
            return false;
        }
        named_any = true;
    }
    named_any && forwarded.next().is_none()
}

/// Of a list with one value for each hop, the client's; of any other, the first.
fn told<'a>(
    values: impl Iterator<Item = &'a [u8]> + Clone,
    hops: usize,
    client_at: Option<usize>,
) -> Option<&'a [u8]> {
    let is_for_each = values.clone().count() == hops;
    let mut values = values;
    values.nth(client_at.filter(|_| is_for_each).unwrap_or(0))
}

/// Whether one who reads the first hop, and one who reads the client's, find what was `told`.
fn says<'a>(
    mut hops: impl Iterator<Item = Option<&'a [u8]>> + Clone,
    told: Option<&[u8]>,
    client_at: Option<usize>,
) -> bool {
    let Some(told) = told else { return true };
    let is_told = |said: &[u8]| said.eq_ignore_ascii_case(told);
    let at_client = client_at.and_then(|at| hops.clone().nth(at).flatten());
    at_client.is_none_or(is_told) && hops.next().flatten().is_some_and(is_told)
}
