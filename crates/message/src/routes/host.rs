//! A host in its one normal form: lower case, without port and without the dot that ends a name at the root.

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
        if let Some(room) = normal.bytes.get_mut(..host.len()) {
            room.copy_from_slice(host);
            room.make_ascii_lowercase();
            normal.len = host.len();
        }
        normal
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
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
            ("", ""),
        ] {
            assert_eq!(NormalHost::of(authority.as_bytes()).bytes(), host.as_bytes(), "{authority}");
        }
        assert_eq!(NormalHost::of(&[b'a'; 256]).bytes(), b"", "longer than any name");
    }
}
