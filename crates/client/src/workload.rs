//! What is sent: kinds of requests with weights, drawn from a seed.
//!
//! `GET /;weight=8, POST /echo;body=1KiB;echo;weight=2, GET /status/404;expect=404`: entries are separated by
//! commas, an entry's parameters by semicolons, as in `BALANCER_UPSTREAM`. A path that needs either writes it as
//! `%2C` or `%3B`.

use std::fmt;

use evenkeel_service::{Setting, Size};
use serde::Serialize;

/// Which statuses are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A class: 2 for 200 to 299.
    Class(u16),
    /// Exactly this one.
    Status(u16),
}

impl Expect {
    /// Whether `status` is right.
    pub(crate) fn allows(self, status: u16) -> bool {
        match self {
            Self::Class(class) => status / 100 == class,
            Self::Status(expected) => status == expected,
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
}

impl Setting for Expect {
    fn parse(text: &str) -> Result<Self, String> {
        let class = text
            .strip_suffix("xx")
            .and_then(|class| class.parse().ok())
            .filter(|class| (2..=5).contains(class));
        let status = text.parse().ok().filter(|status| (200..=599).contains(status));
        class
            .map(Self::Class)
            .or(status.map(Self::Status))
            .ok_or_else(|| format!("`{text}` is no status; write 2xx, or one such as 404"))
    }
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The method, as sent.
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) path: String,
    /// How long the body is, in bytes; `None` sends no body at all.
    pub(crate) body: Option<usize>,
    /// The status that is right.
    pub(crate) expect: Expect,
    /// Whether the response must be the request's body again.
    pub(crate) echo: bool,
    /// Whether it carries an `Idempotency-Key`.
    pub(crate) keyed: bool,
    /// How often it is drawn, against the other entries' weights.
    pub(crate) weight: u32,
}

/// The largest request body, in bytes: it is kept in memory while it is sent.
pub(crate) const MAX_BODY: usize = 256 << 20;

/// The most entries of a mix.
const MAX_ENTRIES: usize = 64;

impl Entry {
    /// A request without a body that expects success.
    pub(crate) fn new(method: &str, path: &str) -> Result<Self, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if method.is_empty() || !method.bytes().all(token) {
            return Err(format!("`{method}` is no method; write one such as GET"));
        }
        if method == "CONNECT" {
            return Err("CONNECT opens a tunnel, which this client does not measure".into());
        }
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(format!(
                "`{path}` is no path; write one such as /bytes/1024, with everything unusual as %xx"
            ));
        }
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
            expect: Expect::Class(2),
            echo: false,
            keyed: false,
            weight: 1,
        })
    }

    fn parameter(&mut self, text: &str) -> Result<(), String> {
        let (name, value) =
            text.split_once('=').map_or((text, None), |(name, value)| (name.trim(), Some(value.trim())));
        match (name, value) {
            ("weight", Some(value)) => {
                self.weight = value
                    .parse()
                    .ok()
                    .filter(|weight| (1..=1_000_000).contains(weight))
                    .ok_or_else(|| format!("`{value}` is no weight; write a number from 1 to 1000000"))?;
            }
            ("body", Some(value)) => self.body = Some(body_size(value)?),
            ("expect", Some(value)) => self.expect = Expect::parse(value)?,
            ("echo", None) => self.echo = true,
            ("keyed", None) => self.keyed = true,
            _ => {
                return Err(format!(
                    "`{text}` is no parameter; there are weight=8, body=1KiB, expect=404, echo and keyed"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Setting for Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let line = parts.next().unwrap_or_default();
        let (method, path) = line
            .split_once(' ')
            .ok_or_else(|| format!("`{text}` is no request; write a method and a path, such as GET /"))?;
        let mut entry = Self::new(method, path.trim())?;
        for part in parts {
            entry.parameter(part)?;
        }
        Ok(entry)
    }
}

/// A body's size in bytes, not beyond [`MAX_BODY`].
pub(crate) fn body_size(text: &str) -> Result<usize, String> {
    let size = Size::parse(text)?.bytes();
    if size > MAX_BODY {
        return Err(format!("`{text}` is too much; bodies are kept in memory, up to 256MiB"));
    }
    Ok(size)
}

/// All kinds of requests of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mix {
    entries: Vec<Entry>,
    total: u64,
}

impl Mix {
    /// A mix of `entries`, of which there must be at least one and at most 64.
    pub(crate) fn new(entries: Vec<Entry>) -> Result<Self, String> {
        if entries.is_empty() || entries.len() > MAX_ENTRIES {
            return Err(format!("a mix has 1 to {MAX_ENTRIES} entries, not {}", entries.len()));
        }
        let total = entries.iter().map(|entry| u64::from(entry.weight)).sum();
        Ok(Self { entries, total })
    }

    /// The entries as given.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of the request number `sequence`: the same for the same seed, whatever the order of sending.
    pub(crate) fn draw(&self, seed: u64, sequence: u64) -> usize {
        if self.entries.len() == 1 {
            return 0;
        }
        let mut point = scramble(seed ^ scramble(sequence)) % self.total;
        for (index, entry) in self.entries.iter().enumerate() {
            match point.checked_sub(u64::from(entry.weight)) {
                Some(rest) => point = rest,
                None => return index,
            }
        }
        unreachable!("the point lies below the sum of all weights")
    }
}

impl Setting for Mix {
    fn parse(text: &str) -> Result<Self, String> {
        Self::new(text.split(',').map(|entry| Entry::parse(entry.trim())).collect::<Result<_, _>>()?)
    }
}

/// `SplitMix64`'s finalizer: neighbouring numbers come out unrelated.
pub(crate) fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_with_all_its_parameters() {
        let mix =
            Mix::parse("GET /;weight=8, POST /echo;body=1KiB;echo;keyed;weight=2,GET /status/404;expect=404")
                .unwrap();
        let [get, post, missing] = mix.entries() else { panic!("three entries") };
        assert_eq!((get.method.as_str(), get.path.as_str(), get.weight, get.body), ("GET", "/", 8, None));
        assert_eq!((post.body, post.echo, post.keyed, post.weight), (Some(1024), true, true, 2));
        assert_eq!((missing.expect, missing.weight), (Expect::Status(404), 1));
    }

    #[test]
    fn what_cannot_be_read_says_how_to_write_it() {
        for (text, hint) in [
            ("GET", "a method and a path"),
            ("GET data", "/bytes/1024"),
            ("G T /", "no path"),
            ("CONNECT /", "tunnel"),
            ("GET /;weight=0", "from 1"),
            ("GET /;wait=1", "expect=404"),
            ("GET /;expect=1xx", "2xx"),
            ("GET /;echo=1", "no parameter"),
            ("POST /;body=1GiB", "256MiB"),
            ("", "GET /"),
        ] {
            let error = Mix::parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn entries_are_drawn_by_their_weights() {
        let mix = Mix::parse("GET /a;weight=8,GET /b;weight=2").unwrap();
        let second = (0..10_000).filter(|&sequence| mix.draw(7, sequence) == 1).count();
        assert!((1_800..2_200).contains(&second), "{second} of 10000");
    }

    #[test]
    fn the_same_seed_draws_the_same_requests() {
        let mix = Mix::parse("GET /a,GET /b").unwrap();
        let draws = |seed| (0..64).map(|sequence| mix.draw(seed, sequence)).collect::<Vec<_>>();
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn a_class_allows_its_hundred_and_a_status_itself() {
        let class = Expect::parse("2xx").unwrap();
        assert!(class.allows(200) && class.allows(299) && !class.allows(300) && !class.allows(199));
        let status = Expect::parse("404").unwrap();
        assert!(status.allows(404) && !status.allows(200));
    }
}
