//! Whom to believe about where a request comes from: proxies in the networks of `BALANCER_TRUSTED_PROXIES`. What they
//! say in `X-Forwarded-*` and `Forwarded` is added to; what anybody else says there is replaced.

use std::net::{IpAddr, Ipv6Addr};

use evenkeel_message::{Origin, RequestHead};
use evenkeel_service::{Setting, not};
use ipnet::{IpNet, Ipv4Net};

/// Networks and single addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether `address` belongs to one of them. An IPv4 address counts as such also where it is mapped into IPv6.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The networks of the proxies in front of this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Networks);

impl TrustedProxies {
    /// Whether `address` is one of them.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        self.0.include(address)
    }

    /// Where a request from `peer`, by this scheme, comes from: from there, or from whom it names if it is one of these proxies.
    pub(crate) fn origin<'a>(
        &self,
        peer: IpAddr,
        scheme: &'a str,
        head: &RequestHead,
        input: &'a [u8],
    ) -> Origin<'a> {
        if self.include(peer) {
            Origin::of_proxy(head, input, peer, scheme, |address| self.include(address))
        } else {
            Origin::of_client(peer, scheme)
        }
    }
}

/// Separated by commas.
impl Setting for Networks {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(|network| one(network.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl Setting for TrustedProxies {
    fn parse(text: &str) -> Result<Self, String> {
        Networks::parse(text).map(Self)
    }
}

fn one(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map(canonical)
        .map_err(|_| not(text, "a network or an address", "10.0.0.0/8,fd00::/8 or 192.0.2.1"))
}

/// The bits of an IPv6 address before an IPv4 one that is mapped into it (RFC 4291 §2.5.5.2).
const BEFORE_MAPPED: u8 = 96;

/// Addresses are compared as IPv4 where they are mapped, so networks have to be.
fn canonical(network: IpNet) -> IpNet {
    let mapped = |address: Ipv6Addr, length: u8| {
        Ipv4Net::new(address.to_ipv4_mapped()?, length.checked_sub(BEFORE_MAPPED)?).ok()
    };
    match network {
        IpNet::V6(six) => mapped(six.addr(), six.prefix_len()).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_http1::Inbound;
    use evenkeel_message::Limits;

    fn includes(networks: &str, address: &str) -> bool {
        TrustedProxies::parse(networks).unwrap().include(address.parse().unwrap())
    }

    #[test]
    fn a_network_includes_its_addresses_and_no_other() {
        assert!(includes("10.0.0.0/8, fd00::/8", "10.255.0.1"));
        assert!(includes("10.0.0.0/8,fd00::/8", "fd12::1"));
        assert!(!includes("10.0.0.0/8,fd00::/8", "11.0.0.1"));
        assert!(!includes("10.0.0.0/8", "fd12::1"));
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert!(includes("192.0.2.1", "192.0.2.1"));
        assert!(!includes("192.0.2.1", "192.0.2.2"));
        assert!(includes("::1", "::1"));
    }

    #[test]
    fn a_mapped_address_counts_as_ipv4() {
        assert!(includes("192.0.2.0/24", "::ffff:192.0.2.7"));
    }

    #[test]
    fn a_mapped_network_counts_as_ipv4() {
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            for network in ["::ffff:10.0.0.0/104", "::ffff:a00:0/104", "::ffff:10.1.2.3", "::ffff:0:0/96"] {
                assert!(includes(network, address), "{network} {address}");
            }
            assert!(!includes("::ffff:11.0.0.0/104", address));
            assert!(!includes("::ffff:10.1.2.4", address));
            assert!(!includes("::/0", address), "no network of IPv6 alone");
        }
        assert!(!includes("::ffff:0:0/96", "fd12::1"));
    }

    #[test]
    fn nobody_is_trusted_unless_named() {
        assert!(!TrustedProxies::default().include(IpAddr::from([127, 0, 0, 1])));
    }

    /// Who asked, when 10.0.0.1 sends these fields and 10.0.0.0/8 is trusted.
    fn client(fields: &str) -> String {
        client_of("10.0.0.1", fields)
    }

    fn client_of(peer: &str, fields: &str) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut head = RequestHead::new();
        Inbound::new().head(request.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
        let trusted = TrustedProxies::parse("10.0.0.0/8").unwrap();
        trusted.origin(peer.parse().unwrap(), "http", &head, request.as_bytes()).client().to_string()
    }

    #[test]
    fn the_client_is_the_last_that_is_no_trusted_proxy() {
        assert_eq!(client("X-Forwarded-For: 9.9.9.9\r\n"), "9.9.9.9");
        assert_eq!(client("X-Forwarded-For: 8.8.8.8, 9.9.9.9, 10.0.0.2\r\n"), "9.9.9.9");
        assert_eq!(client("X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 9.9.9.9:1, 10.0.0.2\r\n"), "9.9.9.9");
        assert_eq!(client("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n"), "10.0.0.3");
        assert_eq!(client("X-Forwarded-For: [2001:db8::1]:80\r\n"), "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_ends_the_trail() {
        assert_eq!(client("X-Forwarded-For: 9.9.9.9, unknown, 10.0.0.2\r\n"), "10.0.0.2");
        assert_eq!(client("X-Forwarded-For: nonsense\r\n"), "10.0.0.1");
        assert_eq!(client(""), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_where_there_is_no_x_forwarded_for() {
        assert_eq!(client("Forwarded: for=8.8.8.8, for=\"[2001:db8::1]:4711\"\r\n"), "2001:db8::1");
        assert_eq!(client("Forwarded: for=9.9.9.9;proto=https\r\nForwarded: for=10.0.0.2\r\n"), "9.9.9.9");
        assert_eq!(client("Forwarded: for=9.9.9.9, for=_hidden\r\n"), "10.0.0.1");
        assert_eq!(client("Forwarded: garbage\r\n"), "10.0.0.1");
        assert_eq!(client("Forwarded: for=8.8.8.8\r\nX-Forwarded-For: 9.9.9.9\r\n"), "9.9.9.9");
    }

    #[test]
    fn a_client_that_is_not_trusted_speaks_for_itself() {
        assert_eq!(client_of("1.2.3.4", "X-Forwarded-For: 9.9.9.9\r\n"), "1.2.3.4");
    }

    #[test]
    fn what_is_no_network_is_quoted() {
        let error = TrustedProxies::parse("10.0.0.0/8,10.0.0.0/33").unwrap_err();
        assert!(error.starts_with("`10.0.0.0/33` is not a network or an address"), "{error}");
        assert!(TrustedProxies::parse("proxy.example").is_err());
        assert!(TrustedProxies::parse("10.0.0.0/8,").is_err());
    }
}
