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
    let steps = [
        decoded,
        unescaped,
        shortened,
        with_slashes,
        without_parameters,
        cut,
        without_dots,
        with_single_slashes,
    ];
    let mut readings = vec![path.to_vec()];
    let mut at = 0;
    while at < readings.len() {
        for step in steps {
            let Some(read) = step(&readings[at]).filter(|read| !readings.contains(read)) else { continue };
            if readings.len() == MOST_READINGS {
                return None;
            }
            readings.push(read);
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

// Each step: `None` where it has nothing to do.

fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', path)?;
    Some(replaced(path, |rest| match rest {
        [b'%', high, low, beyond @ ..] => Some(((digit(*high)? * 16 + digit(*low)?) as u8, beyond)),
        _ => None,
    }))
}

/// A path with a byte in place of each escape, which `escape` finds at the start of what is left and takes off.
fn replaced<'a>(path: &'a [u8], escape: impl Fn(&'a [u8]) -> Option<(u8, &'a [u8])>) -> Vec<u8> {
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        let (byte, beyond) = escape(rest).unwrap_or((*byte, after));
        read.push(byte);
        rest = beyond;
    }
    read
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// `%u002e`, as IIS once took it; of what is no ASCII nothing depends.
fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(path, b"%u00").or_else(|| memchr::memmem::find(path, b"%U00"))?;
    Some(replaced(path, |rest| match rest {
        [b'%', b'u' | b'U', b'0', b'0', high, low, beyond @ ..] => {
            let high = digit(*high).filter(|&high| high < 8)?;
            Some(((high * 16 + digit(*low)?) as u8, beyond))
        }
        _ => None,
    }))
}

/// ASCII in more bytes of UTF-8 than it has (`%c0%ae`), which RFC 3629 §3 forbids and which servers have taken.
fn shortened(path: &[u8]) -> Option<Vec<u8>> {
    path.iter().position(|byte| matches!(byte, 0xc0 | 0xc1 | 0xe0))?;
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    loop {
        rest = match rest {
            [first @ 0xc0..=0xc1, second @ 0x80..=0xbf, beyond @ ..] => {
                read.push((first & 1) << 6 | second & 0x3f);
                beyond
            }
            [0xe0, second @ 0x80..=0x81, third @ 0x80..=0xbf, beyond @ ..] => {
                read.push((second & 1) << 6 | third & 0x3f);
                beyond
            }
            [byte, beyond @ ..] => {
                read.push(*byte);
                beyond
            }
            [] => return Some(read),
        };
    }
}

fn with_slashes(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', path)?;
    Some(path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect())
}

fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b';', path)?;
    let segments = path.split(|&byte| byte == b'/');
    let bare: Vec<&[u8]> =
        segments.map(|segment| segment.split(|&byte| byte == b';').next().unwrap_or_default()).collect();
    Some(bare.join(&b'/'))
}

fn cut(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr3(b'?', b'#', 0, path).map(|at| path[..at].to_vec())
}

/// As in RFC 3986 §5.2.4.
fn without_dots(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(path, b"/.")?;
    let path = path.strip_prefix(b"/")?;
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
    Some([b"/", kept.join(&b'/').as_slice()].concat())
}

fn with_single_slashes(path: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(path, b"//")?;
    let mut read = path.to_vec();
    read.dedup_by(|next, one| *next == b'/' && *one == b'/');
    Some(read)
}
