//! What a digest field promises, and whether a body keeps it.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest as _, Sha256, Sha512};

use crate::{
    Algorithm, Digest, Malformed,
    field::{self, Value},
};

/// The digests that a `Content-Digest` or `Repr-Digest` field promises, as far as they are supported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    sha256: Option<Digest>,
    sha512: Option<Digest>,
}

impl Expected {
    /// Reads the lines of one field, in the order received: together they are one RFC 9651 dictionary. Where a key comes
    /// twice the last one counts; algorithms that are not supported are passed over.
    ///
    /// Malformed is also a supported algorithm with something other than a byte sequence of its length. Who only reads
    /// along ignores a malformed field as a whole (RFC 9651 §4.2): `Expected::parse(lines).unwrap_or_default()`.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Malformed> {
        let (mut sha256, mut sha512) = (None, None);
        field::members(lines, |key, value| match Algorithm::of_name(key) {
            Some(Algorithm::Sha256) => sha256 = Some(value),
            Some(Algorithm::Sha512) => sha512 = Some(value),
            None => {}
        })?;
        Ok(Self {
            sha256: sha256.map(|value| decode(Algorithm::Sha256, &value)).transpose()?,
            sha512: sha512.map(|value| decode(Algorithm::Sha512, &value)).transpose()?,
        })
    }

    /// Promises this digest and no other.
    pub fn only(digest: Digest) -> Self {
        match digest.algorithm() {
            Algorithm::Sha256 => Self { sha256: Some(digest), sha512: None },
            Algorithm::Sha512 => Self { sha256: None, sha512: Some(digest) },
        }
    }

    /// Whether nothing is promised that can be verified.
    pub fn is_none(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }

    /// What is promised under one algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        match algorithm {
            Algorithm::Sha256 => self.sha256,
            Algorithm::Sha512 => self.sha512,
        }
    }

    /// Verifies a body that is at hand as a whole.
    pub fn verify(&self, body: &[u8]) -> Result<(), Mismatch> {
        let mut verifier = Verifier::new(self);
        verifier.update(body);
        verifier.finish()
    }
}

/// Padding may be missing and unused bits set: RFC 9651 §4.2.7 asks parsers not to insist.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The digest that a member's value holds.
fn decode(algorithm: Algorithm, value: &Value<'_>) -> Result<Digest, Malformed> {
    let Value::Bytes(base64) = value else { return Err(Malformed) };
    // Room for the decoder's estimate, which is in whole groups of three bytes.
    let mut bytes = [0; Digest::LONGEST + 2];
    let length = LENIENT.decode_slice(base64, &mut bytes).map_err(|_| Malformed)?;
    Digest::from_bytes(algorithm, &bytes[..length]).ok_or(Malformed)
}

/// Hashes a body piece by piece under every algorithm that was promised, and under no other.
#[derive(Clone, Debug)]
pub struct Verifier {
    expected: Expected,
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
}

impl Verifier {
    /// Begins with no bytes.
    pub fn new(expected: &Expected) -> Self {
        Self {
            expected: *expected,
            sha256: expected.sha256.map(|_| Sha256::new()),
            sha512: expected.sha512.map(|_| Sha512::new()),
        }
    }

    /// Takes the next piece. How a body is cut into pieces makes no difference.
    pub fn update(&mut self, piece: &[u8]) {
        if let Some(state) = &mut self.sha256 {
            state.update(piece);
        }
        if let Some(state) = &mut self.sha512 {
            state.update(piece);
        }
    }

    /// Compares when the body is whole. Every digest promised must match; where none was, any body does.
    pub fn finish(self) -> Result<(), Mismatch> {
        let sha256 = self.sha256.map(|state| Digest::from_bytes(Algorithm::Sha256, &state.finalize()));
        let sha512 = self.sha512.map(|state| Digest::from_bytes(Algorithm::Sha512, &state.finalize()));
        let pairs = [(self.expected.sha256, sha256), (self.expected.sha512, sha512)];
        for (expected, actual) in pairs {
            if let (Some(expected), Some(Some(actual))) = (expected, actual)
                && expected != actual
            {
                return Err(Mismatch(Box::new(Pair { expected, actual })));
            }
        }
        Ok(())
    }
}

/// A body that is not the one its digest was made of.
///
/// It is the only thing here that allocates, so that a result without one stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(Box<Pair>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    expected: Digest,
    actual: Digest,
}

impl Mismatch {
    /// The first algorithm under which it shows.
    pub fn algorithm(&self) -> Algorithm {
        self.0.expected.algorithm()
    }

    /// What the field promised.
    pub fn expected(&self) -> Digest {
        self.0.expected
    }

    /// What the body has. Two endpoints that send the same wrong body have the same here.
    pub fn actual(&self) -> Digest {
        self.0.actual
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the content has {} but {} was promised", self.0.actual, self.0.expected)
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const SHA512: &str =
        "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";
    const WRONG: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    fn parse(lines: &[&str]) -> Result<Expected, Malformed> {
        Expected::parse(lines.iter().map(|line| line.as_bytes()))
    }

    fn verify(lines: &[&str]) -> Result<(), Mismatch> {
        parse(lines).unwrap().verify(BODY)
    }

    #[test]
    fn every_supported_algorithm_must_match() {
        assert_eq!(verify(&[SHA256]), Ok(()));
        assert_eq!(verify(&[SHA512]), Ok(()));
        assert_eq!(verify(&[&format!("{SHA256}, {SHA512}")]), Ok(()));
        let mismatch = verify(&[&format!("{WRONG}, {SHA512}")]).unwrap_err();
        assert_eq!(mismatch.algorithm(), Algorithm::Sha256);
        assert_eq!(mismatch.actual(), Digest::of(Algorithm::Sha256, BODY));
        assert_eq!(mismatch.to_string(), format!("the content has {SHA256} but {WRONG} was promised"));
    }

    #[test]
    fn p61_the_last_of_two_equal_keys_counts() {
        assert_eq!(verify(&[&format!("{WRONG}, {SHA256}")]), Ok(()));
        assert!(verify(&[&format!("{SHA256}, {WRONG}")]).is_err());
        assert_eq!(verify(&[&format!("sha-256=1, {SHA256}")]), Ok(()));
    }

    #[test]
    fn several_lines_are_one_field() {
        assert_eq!(verify(&[WRONG, SHA256]), Ok(()));
        assert!(verify(&[SHA512, WRONG]).is_err());
    }

    #[test]
    fn only_unknown_algorithms_are_as_none() {
        let expected = parse(&["md5=:AAAA:, unixsum=30637;q=1, b, (c)=?"]);
        assert_eq!(expected, Err(Malformed));
        let expected = parse(&["md5=:AAAA:, unixsum=30637;q=1, b, c=(1 2)"]).unwrap();
        assert!(expected.is_none());
        assert_eq!(expected.verify(b"anything"), Ok(()));
        assert!(parse(&[]).unwrap().is_none());
        assert!(parse(&["  "]).unwrap().is_none());
    }

    #[test]
    fn padding_and_unused_bits_do_not_matter() {
        assert_eq!(verify(&[&SHA256.replace('=', "").replace("sha-256", "sha-256=")]), Ok(()));
        assert_eq!(verify(&[&SHA256.replace("Dg=", "Dh=")]), Ok(()));
    }

    #[test]
    fn p61_a_malformed_field_is_malformed_as_a_whole() {
        for bad in [
            &format!("{SHA256}, "),
            &format!("{SHA256} {SHA512}"),
            &format!("{SHA256},, {SHA512}"),
            "sha-256",
            "sha-256=RK",
            "sha-256=:RK",
            "sha-256=:RK/0:",
            "sha-256=:=RK/0:",
            "sha-256=:RK 0:",
            "Sha-256=:RK/0:",
            "sha-256=44",
            "sha-256=\"RK\"",
        ] {
            assert_eq!(parse(&[bad]), Err(Malformed), "{bad}");
        }
        assert_eq!(parse(&[SHA256, ""]), Err(Malformed));
    }

    #[test]
    fn parameters_of_a_digest_are_passed_over() {
        assert_eq!(verify(&[&format!("{SHA256};a;b=1.5; c=\"x\\\"y\"")]), Ok(()));
    }

    fn algorithms() -> impl Strategy<Value = Vec<Algorithm>> {
        prop::sample::subsequence(Algorithm::ALL.to_vec(), 1..=2)
    }

    proptest! {
        #[test]
        fn what_is_written_verifies_and_any_flipped_bit_shows(
            body in prop::collection::vec(any::<u8>(), 1..500),
            algorithms in algorithms(),
            flip: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let fields: Vec<_> = algorithms.iter().map(|a| Digest::of(*a, &body).field_value()).collect();
            let expected = parse(&[&fields.join(",")]).unwrap();
            prop_assert_eq!(expected.verify(&body), Ok(()));
            let mut damaged = body.clone();
            damaged[flip.index(body.len())] ^= 1 << bit;
            prop_assert!(expected.verify(&damaged).is_err());
            prop_assert!(expected.verify(&body[..body.len() - 1]).is_err());
        }

        #[test]
        fn no_field_makes_the_parser_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..3)) {
            let _ = Expected::parse(lines.iter().map(Vec::as_slice));
        }
    }
}
