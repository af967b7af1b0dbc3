//! Whom a limit counts as one.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or a network of IPv6 that one customer has whole: a /64, in which anybody can have any number of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party(u64);

/// No address of a client begins with these bits (RFC 4291 §2.4 and §2.5.5 leave `0000::/8` to addresses of no such kind).
const IPV4: u64 = 0x00ff << 48;

impl Party {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IPV4 | u64::from(u32::from(address))),
            IpAddr::V6(address) => Self((Ipv6Addr::to_bits(address) >> 64) as u64),
        }
    }

    /// All of it.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Party {
        Party::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_one_and_so_is_a_64_of_ipv6() {
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("::1"), of("0.0.0.0"));
    }
}
