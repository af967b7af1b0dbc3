//! What servers may make of a path: each decodes what is percent-encoded, takes a backslash for a slash, drops the parameters of
//! segments (`;v=1`), cuts at what was an encoded `?`, resolves dot segments and joins slashes, or does not, in whatever order.

/// Readings of one path that are looked at; one with more is doubtful whatever they say.
const MOST_READINGS: usize = 64;

/// Whether servers could read this path in more than one way.
#[inline]
pub(super) fn is_doubtful(path: &[u8]) -> bool {
    // Without an early end, so that many bytes are looked at at once.
    let odd = path.iter().fold(false, |odd, &byte| odd | matches!(byte, b'%' | b';' | b'\\'));
    let pairs = path.iter().zip(path.get(1..).unwrap_or_default());
    pairs.fold(odd, |odd, (&one, &next)| odd | matches!((one, next), (b'/', b'/' | b'.')))
}

/// Every way to read this path, itself among them; `None` where there are too many.
pub(super) fn all(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let steps = [decoded, with_slashes, without_parameters, cut, without_dots, with_single_slashes];
    let mut readings = vec![path.to_vec()];
    let mut at = 0;
    while at < readings.len() {
        for step in steps {
            let read = step(&readings[at]);
            if !readings.contains(&read) {
                if readings.len() == MOST_READINGS {
                    return None;
                }
                readings.push(read);
            }
        }
        at += 1;
    }
    Some(readings)
}

/// Whether this path could be read as one that begins with `//`, which names another host where it is taken for a reference
/// (RFC 3986 §4.2), as in a Location that is made of it.
#[cold]
pub(super) fn may_name_a_host(path: &[u8]) -> bool {
    // Browsers leave these out of references.
    let is_seen = |byte: &&u8| !matches!(**byte, b'\t' | b'\r' | b'\n');
    let begins = |read: &Vec<u8>| read.iter().filter(is_seen).take(2).eq(b"//");
    all(path).is_none_or(|readings| readings.iter().any(begins))
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        if let (b'%', [high, low, beyond @ ..]) = (byte, after)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            read.push((high * 16 + low) as u8);
            rest = beyond;
        } else {
            read.push(*byte);
            rest = after;
        }
    }
    read
}

fn with_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|&byte| byte == b'/');
    let bare: Vec<&[u8]> =
        segments.map(|segment| segment.split(|&byte| byte == b';').next().unwrap_or_default()).collect();
    bare.join(&b'/')
}

fn cut(path: &[u8]) -> Vec<u8> {
    path.split(|byte| matches!(byte, b'?' | b'#' | 0)).next().unwrap_or_default().to_vec()
}

/// As in RFC 3986 §5.2.4.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let Some(path) = path.strip_prefix(b"/") else { return path.to_vec() };
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push(b"");
        }
    }
    [b"/", kept.join(&b'/').as_slice()].concat()
}

fn with_single_slashes(path: &[u8]) -> Vec<u8> {
    let mut read = path.to_vec();
    read.dedup_by(|next, one| *next == b'/' && *one == b'/');
    read
}
