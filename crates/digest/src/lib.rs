//! RFC 9530 digests of HTTP bodies: what `Content-Digest` and `Repr-Digest` promise, and whether the bytes keep it.
//!
//! A sender hashes what it sends and writes the field; a receiver reads the field, hashes what arrives, piece by piece,
//! and compares:
//!
//! ```
//! use evenkeel_digest::{Algorithm, Digest, Expected, Verifier};
//!
//! let field = Digest::of(Algorithm::Sha256, b"{\"hello\": \"world\"}\n").field_value();
//! assert_eq!(field, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
//!
//! let expected = Expected::parse([field.as_bytes()])?;
//! let mut verifier = Verifier::new(&expected);
//! verifier.update(b"{\"hello\": ");
//! verifier.update(b"\"w0rld\"}\n");
//! let mismatch = verifier.finish().unwrap_err();
//! assert_eq!(mismatch.algorithm(), Algorithm::Sha256);
//! # Ok::<(), evenkeel_digest::Malformed>(())
//! ```
//!
//! What is verified: every supported algorithm that the field names must match; algorithms that are not supported are
//! passed over, so a field that names only those promises nothing. The old ones (`md5`, `sha`, `unixsum` …) are not
//! supported on purpose (RFC 9530 §5). A digest finds damage, not forgery: whoever can change the body can change the field.
//!
//! Reading a field and hashing allocate nothing; all types have a constant size. SHA instructions of the processor are used where
//! it has them (`sha2` looks at run time).

mod algorithm;
mod expected;
mod field;

pub use algorithm::{Algorithm, Digest, Hasher};
pub use expected::{Expected, Mismatch, Verifier};
pub use field::Malformed;

/// The field whose digest is over the content as it is sent, a part of it included (RFC 9530 §2).
pub const CONTENT_DIGEST: &str = "content-digest";
/// The field whose digest is over the whole selected representation, whatever part is sent (RFC 9530 §3).
pub const REPR_DIGEST: &str = "repr-digest";
