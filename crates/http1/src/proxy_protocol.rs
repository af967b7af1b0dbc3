//! The PROXY protocol, versions 1 and 2, as a proxy in front of this one sends it: who the client is, before
//! the first request of a connection (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header accepted, in bytes. Version 1 has at most 107; version 2 may carry extensions, which
/// are skipped.
pub const MAX_LEN: usize = 4096;

/// The longest header of version 1, with its line end.
const MAX_V1: usize = 107;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a PROXY header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source and destination of the connection that the proxy took. `None` when the proxy speaks for itself
    /// (a health check) or cannot say: then the connection's own addresses count.
    pub addresses: Option<Addresses>,
    /// The bytes of the header; what follows is the first request.
    pub len: usize,
}

/// Both ends of a proxied connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address the client connected to.
    pub destination: SocketAddr,
}

/// What was sent is no PROXY header. There is nobody to answer: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection does not begin with a PROXY protocol header of version 1 or 2")
    }
}

impl std::error::Error for Malformed {}

/// Reads the header at the start of `input`. `None` when it is not all there.
///
/// ```
/// let header = evenkeel_http1::proxy_protocol::parse(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET ")?;
/// let addresses = header.unwrap().addresses.unwrap();
/// assert_eq!(addresses.source, "192.0.2.7:4711".parse().unwrap());
/// # Ok::<(), evenkeel_http1::proxy_protocol::Malformed>(())
/// ```
pub fn parse(input: &[u8]) -> Result<Option<Header>, Malformed> {
    match input.first() {
        None => Ok(None),
        Some(b'P') => version_1(input),
        Some(_) => version_2(input),
    }
}

fn version_1(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let window = &input[..input.len().min(MAX_V1)];
    let known = window.len().min(b"PROXY ".len());
    if !b"PROXY ".starts_with(&window[..known]) {
        return Err(Malformed);
    }
    let Some(line_end) = memchr::memchr(b'\n', window) else {
        return if window.len() == MAX_V1 { Err(Malformed) } else { Ok(None) };
    };
    let line = window[..line_end].strip_suffix(b"\r").ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ').skip(1);
    let addresses = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(addresses_of::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(addresses_of::<Ipv6Addr>(words)?),
        _ => return Err(Malformed),
    };
    Ok(Some(Header { addresses, len: line_end + 1 }))
}

/// `source destination source-port destination-port`, and nothing after it.
fn addresses_of<'a, Ip>(mut words: impl Iterator<Item = &'a str>) -> Result<Addresses, Malformed>
where
    Ip: std::str::FromStr + Into<IpAddr>,
{
    let mut next = || words.next().ok_or(Malformed);
    let source = ip::<Ip>(next()?)?;
    let destination = ip::<Ip>(next()?)?;
    let source = SocketAddr::new(source, port(next()?)?);
    let destination = SocketAddr::new(destination, port(next()?)?);
    if words.next().is_some() { Err(Malformed) } else { Ok(Addresses { source, destination }) }
}

fn ip<Ip: std::str::FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, Malformed> {
    text.parse::<Ip>().map(Into::into).map_err(|_| Malformed)
}

fn port(text: &str) -> Result<u16, Malformed> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical { text.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

fn version_2(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let known = input.len().min(V2_SIGNATURE.len());
    if !V2_SIGNATURE.starts_with(&input[..known]) {
        return Err(Malformed);
    }
    let Some((&[version_and_command, family, high, low], rest)) =
        input.get(V2_SIGNATURE.len()..).and_then(|after| after.split_first_chunk())
    else {
        return Ok(None);
    };
    let body_len = usize::from(u16::from_be_bytes([high, low]));
    let len = V2_SIGNATURE.len() + 4 + body_len;
    if version_and_command >> 4 != 2 || len > MAX_LEN {
        return Err(Malformed);
    }
    let Some(body) = rest.get(..body_len) else { return Ok(None) };
    let addresses = match (version_and_command & 15, family) {
        (1, 0x11) => Some(pair(body, Ipv4Addr::from_octets)?),
        (1, 0x21) => Some(pair(body, Ipv6Addr::from_octets)?),
        // The proxy speaks for itself, or of a family that is not TCP over IP.
        (0 | 1, _) => None,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { addresses, len }))
}

/// Two addresses of `N` bytes, two ports, and extensions.
fn pair<const N: usize, Ip: Into<IpAddr>>(
    body: &[u8],
    ip: fn([u8; N]) -> Ip,
) -> Result<Addresses, Malformed> {
    let (&source, rest) = body.split_first_chunk().ok_or(Malformed)?;
    let (&destination, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let &[a, b, c, d] = rest.first_chunk().ok_or(Malformed)?;
    Ok(Addresses {
        source: SocketAddr::new(ip(source).into(), u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(ip(destination).into(), u16::from_be_bytes([c, d])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend((body.len() as u16).to_be_bytes());
        header.extend(body);
        header
    }

    #[test]
    fn version_1_names_both_ends() {
        let header = parse(b"PROXY TCP6 ::1 2001:db8::2 1 65535\r\n").unwrap().unwrap();
        let addresses = header.addresses.unwrap();
        assert_eq!(addresses.source, "[::1]:1".parse().unwrap());
        assert_eq!(addresses.destination, "[2001:db8::2]:65535".parse().unwrap());
        assert_eq!(header.len, 36);
    }

    #[test]
    fn version_1_unknown_has_no_addresses_whatever_follows() {
        let header = parse(b"PROXY UNKNOWN ffff::1 x y\r\nGET").unwrap().unwrap();
        assert_eq!(header, Header { addresses: None, len: 27 });
    }

    #[test]
    fn version_2_names_both_ends_and_skips_extensions() {
        let mut body = vec![192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 80];
        body.extend([3, 0, 4, 1, 2, 3, 4]);
        let header = v2(1, 0x11, &body);
        let parsed = parse(&header).unwrap().unwrap();
        assert_eq!(parsed.len, header.len());
        assert_eq!(parsed.addresses.unwrap().source, "192.0.2.7:4711".parse().unwrap());
        assert_eq!(parsed.addresses.unwrap().destination, "192.0.2.1:80".parse().unwrap());
    }

    #[test]
    fn version_2_local_speaks_for_itself() {
        assert_eq!(parse(&v2(0, 0, b"")).unwrap().unwrap(), Header { addresses: None, len: 16 });
        assert_eq!(parse(&v2(1, 0x31, &[0; 216])).unwrap().unwrap().addresses, None);
    }

    #[test]
    fn anything_else_is_malformed_as_soon_as_it_can_be_known() {
        for bad in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXx",
            b"\r\n\r\nX",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat(),
            &v2(1, 0x11, &[0; 11]),
            &v2(2, 0x11, &[0; 12]),
            &v2(1, 0x11, &[0; 4090]),
        ] {
            assert_eq!(parse(bad), Err(Malformed), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn a_header_that_is_not_all_there_is_waited_for(source: SocketAddr, destination: SocketAddr) {
            let family = match (source.ip(), destination.ip()) {
                (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
                (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
                _ => return Ok(()),
            };
            let header = format!(
                "PROXY {family} {} {} {} {}\r\n",
                source.ip(), destination.ip(), source.port(), destination.port()
            );
            for end in 0..header.len() {
                prop_assert_eq!(parse(&header.as_bytes()[..end]), Ok(None));
            }
            let addresses = parse(header.as_bytes()).unwrap().unwrap().addresses.unwrap();
            prop_assert_eq!(addresses.source.port(), source.port());
            prop_assert_eq!(addresses.source.ip(), source.ip());
            prop_assert_eq!(addresses.destination.ip(), destination.ip());
        }
    }
}
