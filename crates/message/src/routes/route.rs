//! One route, as a person writes it: `example.com/api;strip`, `*.example.com`, `/static`.

use std::fmt;
use std::str::FromStr;

use super::host;
use crate::is_authority;

/// Which requests go somewhere: those for a host and a beginning of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    host: HostPattern,
    /// Empty for every path; else it begins with a slash and does not end with one.
    prefix: String,
    strip: bool,
}

/// Which hosts a route is for, in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Whatever host the request names.
    Any,
    /// This host.
    Exact(String),
    /// Every host below this domain, at whatever depth, but not itself.
    Below(String),
}

impl Route {
    /// The hosts.
    pub fn host(&self) -> &HostPattern {
        &self.host
    }

    /// How paths begin, by whole segments; empty for every path.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the prefix is taken off the path on its way to a server.
    pub fn strips(&self) -> bool {
        self.strip
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any if self.prefix.is_empty() => f.write_str("/")?,
            HostPattern::Any => {}
            HostPattern::Exact(host) => f.write_str(host)?,
            HostPattern::Below(host) => write!(f, "*.{host}")?,
        }
        f.write_str(&self.prefix)?;
        f.write_str(if self.strip { ";strip" } else { "" })
    }
}

impl FromStr for Route {
    /// What is wrong, and what to write.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, options) =
            text.split_once(';').map_or((text, None), |(place, options)| (place, Some(options)));
        let mut strip = false;
        for option in options.into_iter().flat_map(|options| options.split(';')) {
            match option.trim() {
                "strip" => strip = true,
                option => return Err(format!("`{option}` is no option of a route; write strip in `{text}`")),
            }
        }
        let place = place.trim();
        if let Some((scheme, rest)) = place.split_once("://") {
            return Err(format!("`{place}` begins with {scheme}://; leave that out: {rest}"));
        }
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if host.is_empty() && path.is_empty() {
            return Err("a route is empty; write example.com, example.com/api or /api".to_owned());
        }
        let (host, prefix) = (pattern(host)?, prefix(path)?);
        if strip && prefix.is_empty() {
            return Err(format!(
                "`{text}` has no path that could be stripped; write it as example.com/api;strip"
            ));
        }
        Ok(Self { host, prefix, strip })
    }
}

pub(super) fn pattern(text: &str) -> Result<HostPattern, String> {
    if matches!(text, "" | "*") {
        return Ok(HostPattern::Any);
    }
    let (is_below, host) = text.strip_prefix("*.").map_or((false, text), |domain| (true, domain));
    let is_name = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && host.split('.').all(|label| !label.is_empty())
    };
    let normal = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if normal.starts_with('[') {
        let is_address = !is_below && normal.ends_with(']') && is_authority(normal.as_bytes());
        let normal = host::ipv6(normal.as_bytes()).map_or(normal, |address| format!("[{address}]"));
        return if is_address { Ok(HostPattern::Exact(normal)) } else { Err(no_host(text)) };
    }
    if let Some((host, _)) = normal.split_once(':').filter(|(host, _)| is_name(host)) {
        let star = if is_below { "*." } else { "" };
        return Err(format!("`{text}` has a port, which makes no difference; write {star}{host}"));
    }
    match is_name(&normal) {
        // The name in nginx of whoever asks for a host that nobody has: as a host it would take nothing.
        true if normal == "_" => Err(no_host(text)),
        true if is_below => Ok(HostPattern::Below(normal)),
        true => Ok(HostPattern::Exact(normal)),
        false => Err(no_host(text)),
    }
}

fn no_host(text: &str) -> String {
    format!("`{text}` is no host; write example.com, *.example.com or /path for every host")
}

fn prefix(text: &str) -> Result<String, String> {
    if let Some((before, _)) = text.split_once('*') {
        let whole = &before[..before.rfind('/').unwrap_or_default()];
        let whole = if whole.is_empty() { "/" } else { whole };
        return Err(format!(
            "`{text}` has a star, which stands for nothing in a path: a route takes all that is below it; write {whole}"
        ));
    }
    let prefix = text.strip_suffix('/').unwrap_or(text);
    if prefix.is_empty() || is_plain_path(prefix) {
        Ok(prefix.to_owned())
    } else {
        Err(format!(
            "`{text}` is no path for a route; write whole segments without dots, `//`, `%`, `\\` or `?`, as in /api/v2"
        ))
    }
}

/// Whether it is made of whole segments that can be read in one way only.
pub(super) fn is_plain_path(path: &str) -> bool {
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_of_path);
    path.split('/').skip(1).all(is_plain)
}

/// The bytes of a segment (RFC 3986 §3.3) that mean themselves.
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()+=:@".contains(&byte)
}
