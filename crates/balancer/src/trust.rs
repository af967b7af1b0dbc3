//! Whom to believe about where a request comes from: proxies in the networks of `BALANCER_TRUSTED_PROXIES`. What they
//! say in `X-Forwarded-*` and `Forwarded` is added to; what anybody else says there is replaced.

use std::net::IpAddr;

use evenkeel_service::{Setting, not};
use ipnet::IpNet;

/// The networks of the proxies in front of this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether `address` belongs to one of them. An IPv4 address counts as such also where it is mapped into IPv6.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Networks and single addresses, separated by commas.
impl Setting for TrustedProxies {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(|network| one(network.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn one(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| not(text, "a network or an address", "10.0.0.0/8,fd00::/8 or 192.0.2.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn nobody_is_trusted_unless_named() {
        assert!(!TrustedProxies::default().include(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn what_is_no_network_is_quoted() {
        let error = TrustedProxies::parse("10.0.0.0/8,10.0.0.0/33").unwrap_err();
        assert!(error.starts_with("`10.0.0.0/33` is not a network or an address"), "{error}");
        assert!(TrustedProxies::parse("proxy.example").is_err());
        assert!(TrustedProxies::parse("10.0.0.0/8,").is_err());
    }
}
