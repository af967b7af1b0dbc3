//! The two algorithms, and hashing with either of them piece by piece.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256, Sha512};

/// A hash algorithm that RFC 9530 §5 calls active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, `sha-256`.
    Sha256,
    /// SHA-512, `sha-512`.
    Sha512,
}

impl Algorithm {
    /// Every supported algorithm.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Its key in the registry of RFC 9530 §7.2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// The length of its digests, in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The supported algorithm with this key.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The digest of some bytes under one algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zero beyond the algorithm's length.
    bytes: [u8; Digest::LONGEST],
}

impl Digest {
    /// The length of the longest digest, in bytes.
    pub const LONGEST: usize = 64;

    /// Hashes these bytes in one go.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// A digest that someone else computed; `None` where the length is not the algorithm's.
    pub fn from_bytes(algorithm: Algorithm, digest: &[u8]) -> Option<Self> {
        if digest.len() != algorithm.length() {
            return None;
        }
        let mut bytes = [0; Self::LONGEST];
        bytes[..digest.len()].copy_from_slice(digest);
        Some(Self { algorithm, bytes })
    }

    /// The algorithm it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.length()]
    }

    /// The value of a `Content-Digest` or `Repr-Digest` field that promises this digest: `sha-256=:…:`.
    pub fn field_value(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Base64 makes four characters of three bytes: 88 of 64.
        let mut text = [0; 88];
        let length = BASE64_STANDARD.encode_slice(self.as_bytes(), &mut text).map_err(|_| fmt::Error)?;
        let text = std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?;
        write!(f, "{}=:{text}:", self.algorithm)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Hashes a body piece by piece.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Begins with no bytes.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes the next piece. How a body is cut into pieces makes no difference.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(piece),
            State::Sha512(state) => state.update(piece),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; Digest::LONGEST];
        let algorithm = match self.0 {
            State::Sha256(state) => {
                bytes[..Algorithm::Sha256.length()].copy_from_slice(&state.finalize());
                Algorithm::Sha256
            }
            State::Sha512(state) => {
                bytes.copy_from_slice(&state.finalize());
                Algorithm::Sha512
            }
        };
        Digest { algorithm, bytes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(algorithm: Algorithm, bytes: &[u8]) -> String {
        Digest::of(algorithm, bytes).field_value()
    }

    #[test]
    fn the_examples_of_rfc_9530_come_out() {
        let body = b"{\"hello\": \"world\"}\n";
        assert_eq!(value(Algorithm::Sha256, body), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
        assert_eq!(
            value(Algorithm::Sha512, body),
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
        );
        // Appendix B.2: a GET without content.
        assert_eq!(value(Algorithm::Sha256, b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }

    #[test]
    fn the_digest_of_abc_is_that_of_fips_180() {
        let digest = Digest::of(Algorithm::Sha256, b"abc");
        let head =
            [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23];
        let tail =
            [0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad];
        assert_eq!(digest.as_bytes(), [head, tail].concat());
    }

    #[test]
    fn a_digest_of_another_length_is_none() {
        assert_eq!(Digest::from_bytes(Algorithm::Sha256, &[0; 31]), None);
        assert_eq!(Digest::from_bytes(Algorithm::Sha256, &[0; 64]), None);
        assert!(Digest::from_bytes(Algorithm::Sha512, &[0; 64]).is_some());
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_makes_no_difference(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        ) {
            for algorithm in Algorithm::ALL {
                let mut hasher = Hasher::new(algorithm);
                for piece in &pieces {
                    hasher.update(piece);
                }
                prop_assert_eq!(hasher.finish(), Digest::of(algorithm, &pieces.concat()));
            }
        }
    }
}
