//! A host in its one normal form: lower case, without port and without the dot that ends a name at the root;
//! an IPv6 address as RFC 5952 writes it.

use std::io::Write as _;
use std::net::Ipv6Addr;

/// The longest host that is looked up; a name in DNS has no more (RFC 1035 §2.3.4). A longer one is no host of any route.
const LONGEST_HOST: usize = 255;

/// The host of an authority, in normal form.
pub(super) struct NormalHost {
    bytes: [u8; LONGEST_HOST],
    len: usize,
}

impl NormalHost {
    /// Of `host` or `host:port`, an IPv6 address in brackets.
    #[inline]
    pub(super) fn of(authority: &[u8]) -> Self {
        let host = without_port(authority);
        let host = host.strip_suffix(b".").unwrap_or(host);
        let mut normal = Self { bytes: [0; LONGEST_HOST], len: 0 };
        if let Some(address) = ipv6(host) {
            normal.write(address);
            return normal;
        }
        if let Some(room) = normal.bytes.get_mut(..host.len()) {
            room.copy_from_slice(host);
            room.make_ascii_lowercase();
            normal.len = host.len();
        }
        normal
    }

    /// In the one form of RFC 5952.
    #[cold]
    fn write(&mut self, address: Ipv6Addr) {
        let mut room = &mut self.bytes[..];
        // The longest address has 45 bytes.
        let _ = write!(room, "[{address}]");
        let left = room.len();
        self.len = LONGEST_HOST - left;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The address in brackets.
pub(super) fn ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    let address = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(address).ok()?.parse().ok()
}

fn without_port(authority: &[u8]) -> &[u8] {
    let from = if authority.first() == Some(&b'[') {
        memchr::memchr(b']', authority).unwrap_or(authority.len())
    } else {
        0
    };
    let colon = memchr::memchr(b':', &authority[from..]);
    colon.map_or(authority, |at| &authority[..from + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_port_and_the_last_dot_make_no_difference() {
        for (authority, host) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com:8080", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:443", "example.com"),
            ("example.com:", "example.com"),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
            ("[2001:0db8:0::0:1]", "[2001:db8::1]"),
            ("[::ffff:c000:0201]", "[::ffff:192.0.2.1]"),
            ("[::1", "[::1"),
            ("[v1.x]", "[v1.x]"),
            ("", ""),
        ] {
            assert_eq!(NormalHost::of(authority.as_bytes()).bytes(), host.as_bytes(), "{authority}");
        }
        assert_eq!(NormalHost::of(&[b'a'; 256]).bytes(), b"", "longer than any name");
    }
}
