//! Sticky sessions: an endpoint's address as an opaque number that a client can carry.
//!
//! A pin must not tell inside addresses and must not let a client choose an endpoint of its own, so it is
//! the address under a keyed hash (`SipHash-2-4` with 128 bits out, a pseudo-random function). It is of the
//! address, not of an id: after a restart of the balancer the same pin leads to the same server.

use std::fmt;
use std::hash::Hasher;
use std::net::SocketAddr;
use std::str::FromStr;

use siphasher::sip128::{Hasher128, SipHasher24};

/// The secret under which pins are made. All balancers in front of one upstream share it.
#[derive(Clone)]
pub struct PinKey([u8; 16]);

impl PinKey {
    /// A key from 16 bytes that nobody can guess.
    pub fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The pin of `address`.
    pub fn pin(&self, address: SocketAddr) -> Pin {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        // As text: that is the same in every process and every version.
        hasher.write(address.to_string().as_bytes());
        Pin(hasher.finish128().as_u128())
    }
}

impl fmt::Debug for PinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinKey(hidden)")
    }
}

/// What a sticky client carries: which endpoint it had, in a form that only the key can read. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin(u128);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is not a pin: not exactly 32 hexadecimal digits. A client's invention, to be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPin;

impl FromStr for Pin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits {
            return Err(NotAPin);
        }
        u128::from_str_radix(text, 16).map(Pin).map_err(|_| NotAPin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_pin_survives_being_written_and_read() {
        let pin = PinKey::new([7; 16]).pin(address("172.18.0.3:8080"));
        assert_eq!(pin.to_string().parse(), Ok(pin));
    }

    #[test]
    fn another_key_gives_another_pin() {
        let at = address("172.18.0.3:8080");
        assert_ne!(PinKey::new([1; 16]).pin(at), PinKey::new([2; 16]).pin(at));
    }

    #[test]
    fn inventions_are_refused() {
        for text in ["", "172.18.0.3:8080", "+0000000000000000000000000000001", &"f".repeat(33)] {
            assert_eq!(text.parse::<Pin>(), Err(NotAPin), "{text}");
        }
    }

    #[test]
    fn a_key_does_not_print_itself() {
        assert_eq!(format!("{:?}", PinKey::new([42; 16])), "PinKey(hidden)");
    }
}
