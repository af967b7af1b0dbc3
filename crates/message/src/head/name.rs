//! The field names that the protocol acts on, recognised once, when a head is parsed.

/// A field name that this crate acts on, or [`Name::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Other,
    Authorization,
    CacheControl,
    /// `Client-Cert` or `Client-Cert-Chain` (RFC 9440): who a client is, as only a proxy may say it.
    ClientCert,
    Connection,
    ContentDigest,
    ContentLength,
    Date,
    Expect,
    Forwarded,
    Host,
    KeepAlive,
    MaxForwards,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    ReprDigest,
    Te,
    TraceParent,
    TransferEncoding,
    Upgrade,
    Via,
    WwwAuthenticate,
    XAttempt,
    /// `X-Evenkeel-Run` or `X-Evenkeel-Fault`: what those who measure send along.
    XEvenkeel,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Another name that begins with `X-Forwarded-`.
    XForwardedOther,
    XRealIp,
    XRequestId,
}

impl Name {
    /// Recognises a name: by length and first letter, then letter by letter without regard to case.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let (lowercase, found) = match (name.len(), first) {
            (2, b't') => ("te", Self::Te),
            (3, b'v') => ("via", Self::Via),
            (4, b'd') => ("date", Self::Date),
            (4, b'h') => ("host", Self::Host),
            (6, b'e') => ("expect", Self::Expect),
            (7, b'u') => ("upgrade", Self::Upgrade),
            (9, b'f') => ("forwarded", Self::Forwarded),
            (9, b'x') if name[2].eq_ignore_ascii_case(&b'r') => ("x-real-ip", Self::XRealIp),
            (9, b'x') => ("x-attempt", Self::XAttempt),
            (10, b'c') => ("connection", Self::Connection),
            (10, b'k') => ("keep-alive", Self::KeepAlive),
            (11, b'c') => ("client-cert", Self::ClientCert),
            (11, b'r') => ("repr-digest", Self::ReprDigest),
            (11, b't') => ("traceparent", Self::TraceParent),
            (12, b'm') => ("max-forwards", Self::MaxForwards),
            (12, b'x') => ("x-request-id", Self::XRequestId),
            (13, b'a') => ("authorization", Self::Authorization),
            (13, b'c') => ("cache-control", Self::CacheControl),
            (14, b'c') if name[8].eq_ignore_ascii_case(&b'l') => ("content-length", Self::ContentLength),
            (14, b'c') => ("content-digest", Self::ContentDigest),
            (14, b'x') if name[2].eq_ignore_ascii_case(&b'e') => ("x-evenkeel-run", Self::XEvenkeel),
            (16, b'x') if name[2].eq_ignore_ascii_case(&b'e') => ("x-evenkeel-fault", Self::XEvenkeel),
            (16, b'p') => ("proxy-connection", Self::ProxyConnection),
            (16, b'w') => ("www-authenticate", Self::WwwAuthenticate),
            (17, b'c') => ("client-cert-chain", Self::ClientCert),
            (17, b't') => ("transfer-encoding", Self::TransferEncoding),
            (18, b'p') => ("proxy-authenticate", Self::ProxyAuthenticate),
            (19, b'p') => ("proxy-authorization", Self::ProxyAuthorization),
            (12.., b'x') => return Self::of_forwarded(name),
            _ => return Self::Other,
        };
        if is(name, lowercase.as_bytes()) { found } else { Self::Other }
    }

    /// Whether a name says who a client is, as only a proxy may, once each underscore in it is read as `-`: so do CGI and what came
    /// of it (RFC 3875 §4.1.18).
    #[cold]
    pub(crate) fn is_disguised_identity(name: &[u8]) -> bool {
        let read: Vec<u8> = name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
        read != name
            && matches!(
                Self::of(&read),
                Self::ClientCert
                    | Self::Forwarded
                    | Self::XForwardedFor
                    | Self::XForwardedHost
                    | Self::XForwardedProto
                    | Self::XForwardedOther
                    | Self::XRealIp
            )
    }

    fn of_forwarded(name: &[u8]) -> Self {
        const PREFIX: &[u8] = b"x-forwarded-";
        let (start, what) = name.split_at(PREFIX.len());
        if !start.eq_ignore_ascii_case(PREFIX) {
            return Self::Other;
        }
        if what.eq_ignore_ascii_case(b"for") {
            Self::XForwardedFor
        } else if what.eq_ignore_ascii_case(b"host") {
            Self::XForwardedHost
        } else if what.eq_ignore_ascii_case(b"proto") {
            Self::XForwardedProto
        } else {
            Self::XForwardedOther
        }
    }

    /// Whether the field is about the connection that a message of HTTP/1 comes on, so that one of HTTP/2 cannot have it
    /// (RFC 9113 §8.2.2).
    pub(crate) fn is_about_connection(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }

    /// Whether the field concerns one connection only and never goes further (RFC 9110 §7.6.1).
    ///
    /// `Proxy-Authorization` and `Proxy-Authenticate` are for this hop; a proxy that takes none drops them.
    pub(crate) fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// Whether a name is this one but for the case of its letters, eight at a time: every field of every message is asked.
fn is(name: &[u8], lowercase: &[u8]) -> bool {
    /// A capital differs from its letter in one bit, and of the bytes of names only letters have this one set beside it.
    const LETTER: u64 = 0x4040_4040_4040_4040;
    let differs = |byte: [u8; 8], known: [u8; 8]| {
        let known = u64::from_le_bytes(known);
        (u64::from_le_bytes(byte) ^ known) & !((known & LETTER) >> 1) != 0
    };
    debug_assert_eq!(name.len(), lowercase.len());
    let (words, known_words) = (name.as_chunks().0, lowercase.as_chunks().0);
    match (name.last_chunk(), lowercase.last_chunk()) {
        (Some(end), Some(known_end)) => {
            !words.iter().zip(known_words).any(|(word, known)| differs(*word, *known))
                && !differs(*end, *known_end)
        }
        _ => name.eq_ignore_ascii_case(lowercase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case() {
        assert_eq!(Name::of(b"HOST"), Name::Host);
        assert_eq!(Name::of(b"transfer-ENCODING"), Name::TransferEncoding);
        assert_eq!(Name::of(b"X-Real-Ip"), Name::XRealIp);
        assert_eq!(Name::of(b"WWW-Authenticate"), Name::WwwAuthenticate);
        assert_eq!(Name::of(b"x-attempt"), Name::XAttempt);
        assert_eq!(Name::of(b"x-request-id"), Name::XRequestId);
        assert_eq!(Name::of(b"Client-CERT"), Name::ClientCert);
        assert_eq!(Name::of(b"client-cert-Chain"), Name::ClientCert);
        assert_eq!(Name::of(b"X-Evenkeel-Run"), Name::XEvenkeel);
        assert_eq!(Name::of(b"x-evenkeel-FAULT"), Name::XEvenkeel);
        assert_eq!(Name::of(b"Content-Length"), Name::ContentLength);
        assert_eq!(Name::of(b"content-digest"), Name::ContentDigest);
        assert_eq!(Name::of(b"date"), Name::Date);
        assert_eq!(Name::of(b"Repr-Digest"), Name::ReprDigest);
        assert_eq!(Name::of(b"TraceParent"), Name::TraceParent);
        assert_eq!(Name::of(b"X-Forwarded-For"), Name::XForwardedFor);
        assert_eq!(Name::of(b"X-FORWARDED-PROTO"), Name::XForwardedProto);
        assert_eq!(Name::of(b"x-forwarded-host"), Name::XForwardedHost);
        assert_eq!(Name::of(b"X-Forwarded-Port"), Name::XForwardedOther);
    }

    #[test]
    fn no_other_byte_at_any_place_is_taken_for_the_same() {
        for known in
            ["te", "via", "keep-alive", "trailers", "x-request-id", "proxy-connection", "client-cert-chain"]
        {
            for place in 0..known.len() {
                for byte in 0..=u8::MAX {
                    let mut name = known.as_bytes().to_vec();
                    name[place] = byte;
                    let same = name.eq_ignore_ascii_case(known.as_bytes());
                    assert_eq!(is(&name, known.as_bytes()), same, "{known} with {byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn other_names_are_other() {
        for name in
            ["", "x", "Hosts", "Hose", "X-Forwarded", "x-something-else", "transfer_encoding", "x-request-ix"]
        {
            assert_eq!(Name::of(name.as_bytes()), Name::Other, "{name}");
        }
    }
}
