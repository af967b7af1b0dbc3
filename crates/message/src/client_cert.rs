//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440): with which certificate a client has shown who it is, for servers
//! behind the proxy that has verified it.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The most bytes that the two fields may have together: a chain of four certificates with keys of 4096 bits has about half.
pub const LARGEST: usize = 16 * 1024;

/// The lines of both fields, each with its CR LF, for a chain of certificates in DER that begins with the client's own.
/// `Client-Cert-Chain` is there only where more follow it. `None` where they would be longer than [`LARGEST`].
///
/// ```
/// use evenkeel_message::client_cert;
///
/// let lines = client_cert::lines([&b"one"[..], b"two", b"three"]).unwrap();
/// assert_eq!(lines, b"Client-Cert: :b25l:\r\nClient-Cert-Chain: :dHdv:, :dGhyZWU=:\r\n");
/// ```
pub fn lines<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    for (index, certificate) in chain.into_iter().enumerate() {
        lines.extend_from_slice(match index {
            0 => b"Client-Cert: :",
            1 => b"\r\nClient-Cert-Chain: :",
            _ => b", :",
        });
        // A byte sequence (RFC 8941 §3.3.5) is base64 between colons.
        lines.extend_from_slice(BASE64_STANDARD.encode(certificate).as_bytes());
        lines.push(b':');
        if lines.len() > LARGEST {
            return None;
        }
    }
    if !lines.is_empty() {
        lines.extend_from_slice(b"\r\n");
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_has_no_chain() {
        assert_eq!(lines([&b"one"[..]]).unwrap(), b"Client-Cert: :b25l:\r\n");
        assert_eq!(lines([]).unwrap(), b"");
    }

    #[test]
    fn what_no_server_would_take_is_none() {
        let large = [0; 9 * 1024];
        assert!(lines([&large[..]]).is_some());
        assert!(lines([&large[..], &large]).is_none());
    }
}
