//! Credentials that are for a connection and not for a request: NTLM, and Negotiate, which may turn out to be NTLM
//! (RFC 4559 §6). A server that has taken them serves whatever comes on that connection as the same user.

use crate::text::list;

const SCHEMES: [&[u8]; 2] = [b"NTLM", b"Negotiate"];

/// Whether credentials, or a list of challenges, are of such a scheme. A comma in a quoted realm can make it say yes where the
/// answer is no: that costs a connection, the other mistake an identity.
pub(crate) fn binds_connection(value: &[u8]) -> bool {
    list(value).any(|element| {
        let scheme = element.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        SCHEMES.iter().any(|binding| scheme.eq_ignore_ascii_case(binding))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_any_case_and_anywhere_in_a_list() {
        for value in
            ["NTLM", "ntlm TlRMTVNTUAAB", "Negotiate", "Basic realm=\"a, b\", negotiate YII=", " , NTLM"]
        {
            assert!(binds_connection(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn other_schemes_are_for_one_request() {
        for value in
            ["", "Basic dXNlcjpwYXNz", "Bearer NTLM", "Digest realm=\"NTLM\", qop=\"auth\"", "NTLMv2"]
        {
            assert!(!binds_connection(value.as_bytes()), "{value}");
        }
    }
}
