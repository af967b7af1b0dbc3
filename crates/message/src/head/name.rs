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
    /// Recognises a name. Nearly all that are other show it by their length and first letter.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        let Some(first) = name.first() else { return Self::Other };
        let letters = LETTERS[name.len().min(LETTERS.len() - 1)];
        if letters >> (first & 0x1f) & 1 == 0 { Self::Other } else { Self::of_such(name) }
    }

    /// Recognises one by length and first letter, then all at once without regard to case.
    #[inline(never)]
    fn of_such(name: &[u8]) -> Self {
        match (name.len(), name.first().map_or(0, |first| first | 0x20)) {
            (2, b't') if is(name, b"te") => Self::Te,
            (3, b'v') if is(name, b"via") => Self::Via,
            (4, b'd') if is(name, b"date") => Self::Date,
            (4, b'h') if is(name, b"host") => Self::Host,
            (6, b'e') if is(name, b"expect") => Self::Expect,
            (7, b'u') if is(name, b"upgrade") => Self::Upgrade,
            (9, b'f') if is(name, b"forwarded") => Self::Forwarded,
            (9, b'x') if is(name, b"x-real-ip") => Self::XRealIp,
            (9, b'x') if is(name, b"x-attempt") => Self::XAttempt,
            (10, b'c') if is(name, b"connection") => Self::Connection,
            (10, b'k') if is(name, b"keep-alive") => Self::KeepAlive,
            (11, b'c') if is(name, b"client-cert") => Self::ClientCert,
            (11, b'r') if is(name, b"repr-digest") => Self::ReprDigest,
            (11, b't') if is(name, b"traceparent") => Self::TraceParent,
            (12, b'm') if is(name, b"max-forwards") => Self::MaxForwards,
            (12, b'x') if is(name, b"x-request-id") => Self::XRequestId,
            (13, b'a') if is(name, b"authorization") => Self::Authorization,
            (13, b'c') if is(name, b"cache-control") => Self::CacheControl,
            (14, b'c') if is(name, b"content-length") => Self::ContentLength,
            (14, b'c') if is(name, b"content-digest") => Self::ContentDigest,
            (14, b'x') if is(name, b"x-evenkeel-run") => Self::XEvenkeel,
            (16, b'x') if is(name, b"x-evenkeel-fault") => Self::XEvenkeel,
            (16, b'p') if is(name, b"proxy-connection") => Self::ProxyConnection,
            (16, b'w') if is(name, b"www-authenticate") => Self::WwwAuthenticate,
            (17, b'c') if is(name, b"client-cert-chain") => Self::ClientCert,
            (17, b't') if is(name, b"transfer-encoding") => Self::TransferEncoding,
            (18, b'p') if is(name, b"proxy-authenticate") => Self::ProxyAuthenticate,
            (19, b'p') if is(name, b"proxy-authorization") => Self::ProxyAuthorization,
            (13.., b'x') => Self::of_forwarded(name),
            _ => Self::Other,
        }
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

/// The first letters of known names, by the length of these: a bit for each, by its place in the alphabet. The last are those
/// of all that are as long or longer.
const LETTERS: [u32; 20] = {
    let mut letters = [0; 20];
    let mut names: &[&[u8]] = &[
        b"te",
        b"via",
        b"date",
        b"host",
        b"expect",
        b"upgrade",
        b"forwarded",
        b"x-real-ip",
        b"x-attempt",
        b"connection",
        b"keep-alive",
        b"client-cert",
        b"repr-digest",
        b"traceparent",
        b"max-forwards",
        b"x-request-id",
        b"authorization",
        b"cache-control",
        b"content-length",
        b"content-digest",
        b"x-evenkeel-run",
        b"x-evenkeel-fault",
        b"proxy-connection",
        b"www-authenticate",
        b"client-cert-chain",
        b"transfer-encoding",
        b"proxy-authenticate",
        b"proxy-authorization",
    ];
    while let [name, rest @ ..] = names {
        letters[name.len()] |= 1 << (name[0] & 0x1f);
        names = rest;
    }
    // And what begins with `x-forwarded-`.
    let mut len = "x-forwarded-".len() + 1;
    while len < letters.len() {
        letters[len] |= 1 << (b'x' & 0x1f);
        len += 1;
    }
    letters
};

/// Whether a name is this one but for the case of its letters, eight at a time: every field of every message is asked.
#[expect(clippy::inline_always, reason = "what is known of the lowercase name is worked out beforehand")]
#[inline(always)]
fn is<const N: usize>(name: &[u8], lowercase: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return false };
    // The last word, or half of one, overlaps with the one before it.
    if let (Some(last), Some(known_last)) = (name.last_chunk(), lowercase.last_chunk()) {
        let words = name.as_chunks().0.iter().zip(lowercase.as_chunks().0);
        let first = words.fold(0, |differing, (word, known)| differing | difference(*word, *known));
        return first | difference(*last, *known_last) == 0;
    }
    if let (Some(first), Some(known_first), Some(last), Some(known_last)) =
        (name.first_chunk(), lowercase.first_chunk(), name.last_chunk(), lowercase.last_chunk())
    {
        let word = |first: [u8; 4], last: [u8; 4]| {
            (u64::from(u32::from_le_bytes(first)) | u64::from(u32::from_le_bytes(last)) << 32).to_le_bytes()
        };
        return difference(word(*first, *last), word(*known_first, *known_last)) == 0;
    }
    name.eq_ignore_ascii_case(lowercase)
}

/// What sets eight bytes apart from others but for the case of letters; nothing where it is 0.
fn difference(bytes: [u8; 8], lowercase: [u8; 8]) -> u64 {
    /// A capital differs from its letter in one bit, and of the bytes of names only letters have this one set beside it.
    const LETTER: u64 = 0x4040_4040_4040_4040;
    let known = u64::from_le_bytes(lowercase);
    (u64::from_le_bytes(bytes) ^ known) & !((known & LETTER) >> 1)
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
        assert_eq!(Name::of(b"x-forwarded-of-a-long-name"), Name::XForwardedOther);
        assert_eq!(Name::of(b"via"), Name::Via);
        assert_eq!(Name::of(b"TE"), Name::Te);
        assert_eq!(Name::of(b"expect"), Name::Expect);
        assert_eq!(Name::of(b"Upgrade"), Name::Upgrade);
        assert_eq!(Name::of(b"forwarded"), Name::Forwarded);
        assert_eq!(Name::of(b"connection"), Name::Connection);
        assert_eq!(Name::of(b"Keep-Alive"), Name::KeepAlive);
        assert_eq!(Name::of(b"max-forwards"), Name::MaxForwards);
        assert_eq!(Name::of(b"Authorization"), Name::Authorization);
        assert_eq!(Name::of(b"cache-control"), Name::CacheControl);
        assert_eq!(Name::of(b"proxy-connection"), Name::ProxyConnection);
        assert_eq!(Name::of(b"Proxy-Authenticate"), Name::ProxyAuthenticate);
        assert_eq!(Name::of(b"proxy-AUTHORIZATION"), Name::ProxyAuthorization);
    }

    #[test]
    fn no_other_byte_at_any_place_is_taken_for_the_same() {
        fn look<const N: usize>(known: &[u8; N]) {
            for place in 0..N {
                for byte in 0..=u8::MAX {
                    let mut name = *known;
                    name[place] = byte;
                    let same = name.eq_ignore_ascii_case(known);
                    assert_eq!(is(&name, known), same, "{} with {byte:#x} at {place}", known.escape_ascii());
                }
            }
            assert!(!is(&known[1..], known) && !is(b"", known));
        }
        look(b"te");
        look(b"via");
        look(b"host");
        look(b"expect");
        look(b"upgrade");
        look(b"trailers");
        look(b"keep-alive");
        look(b"x-request-id");
        look(b"proxy-connection");
        look(b"client-cert-chain");
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
