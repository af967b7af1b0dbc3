//! A route that leads elsewhere, as a person writes it: `www.example.com -> https://example.com`, `/old -> /new;302`.
//!
//! What a client asks for there is what it has asked for here, with another beginning: nothing of the request is put before
//! the path, so that it cannot choose the host.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use super::readings;
use super::route::{self, HostPattern, Route};
use crate::Refusal;

/// Requests that are told to be asked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    route: Route,
    target: Target,
    status: u16,
}

/// Where clients are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// As `https://example.com:8443`; empty for the host and scheme that were asked for.
    origin: String,
    /// What the path begins with in place of the route's: empty, or with a slash at its beginning and none at its end.
    prefix: String,
    /// A slash follows the prefix where nothing else does.
    slash: bool,
}

/// The status that is sent where none is named (RFC 9110 §15.4.9): what was a POST stays one.
const DEFAULT_STATUS: u16 = 308;

const AUTHORITY_LIKE: Refusal =
    Refusal::bad("What the request's path has after the redirected part can be read as the name of a host.");

impl Redirect {
    /// The requests that it is for.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The status of the answer: 301, 302, 307 or 308.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The Location for a request for `target` (a path with or without a query, or `*`), which the route has to take.
    ///
    /// # Errors
    /// Where it could be read as a reference to another host.
    pub fn location(&self, target: &[u8]) -> Result<Vec<u8>, Refusal> {
        let rest = target.get(self.route.prefix().len()..).unwrap_or_default();
        // All of the server (RFC 9112 §3.2.4) has no path.
        let rest = if rest == b"*" { &b""[..] } else { rest };
        let path = rest.split(|&byte| byte == b'?').next().unwrap_or_default();
        let Target { origin, prefix, slash } = &self.target;
        if origin.is_empty() && prefix.is_empty() && readings::may_name_a_host(path) {
            return Err(AUTHORITY_LIKE);
        }
        let slash = if *slash && path.is_empty() { "/" } else { "" };
        Ok([origin.as_bytes(), prefix.as_bytes(), slash.as_bytes(), rest].concat())
    }

    /// A host and a path that are asked for next where nothing follows what the route takes, to find out what becomes of
    /// those; `None` where that is not asked of the same ports.
    pub fn next(&self) -> Option<(String, String)> {
        let authority = self.target.origin.split_once("://").map(|(_, authority)| authority);
        let host = match (authority, self.route.host()) {
            (Some(authority), _) if port(authority).is_some() => return None,
            (Some(authority), _) => authority.to_owned(),
            (None, HostPattern::Any) => String::new(),
            (None, HostPattern::Exact(host)) => host.clone(),
            // One that has no route of its own.
            (None, HostPattern::Below(domain)) => format!("-.{domain}"),
        };
        Some((host, format!("{}/", self.target.prefix)))
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, target: Target { origin, prefix, slash }, status } = self;
        let slash = if *slash { "/" } else { "" };
        write!(f, "{route} -> {origin}{prefix}{slash}")?;
        if *status == DEFAULT_STATUS { Ok(()) } else { write!(f, ";{status}") }
    }
}

impl FromStr for Redirect {
    /// What is wrong, and what to write.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("->") else {
            return Err(format!(
                "`{}` does not say where to; write www.example.com -> https://example.com or /old -> /new",
                text.trim()
            ));
        };
        let (from, to) = (from.trim(), to.trim());
        if from.contains(';') {
            return Err(format!(
                "`{from}` has an option that is of no use here: the beginning of the path is always replaced; write {}",
                from.split(';').next().unwrap_or_default()
            ));
        }
        let route: Route = from.parse()?;
        let (to, status) = match to.split_once(';') {
            Some((to, status)) => (to.trim(), self::status(status.trim())?),
            None => (to, DEFAULT_STATUS),
        };
        Ok(Self { route, target: target(to)?, status })
    }
}

fn status(text: &str) -> Result<u16, String> {
    match text {
        "301" | "302" | "307" | "308" => {
            Ok(text.bytes().fold(0, |all, byte| all * 10 + u16::from(byte - b'0')))
        }
        _ => Err(format!("`{text}` is no status of a redirect; write 301, 302, 307 or 308")),
    }
}

fn target(text: &str) -> Result<Target, String> {
    let (origin, path) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (origin(scheme, authority).ok_or_else(|| no_target(text))?, path)
        }
        None if text.starts_with('/') => (String::new(), text),
        None => {
            return Err(format!(
                "`{text}` says neither a scheme nor a path; write https://{text} for a host or /{text} for a path"
            ));
        }
    };
    if let Some((before, _)) = path.split_once("/*") {
        return Err(format!(
            "`{text}` has a star, which stands for nothing here: what follows the left side follows the right one; write {}",
            if before.is_empty() { "/" } else { before }
        ));
    }
    let (prefix, slash) = path.strip_suffix('/').map_or((path, false), |prefix| (prefix, true));
    if !prefix.is_empty() && !route::is_plain_path(prefix) {
        return Err(no_target(text));
    }
    Ok(Target { origin, prefix: prefix.to_owned(), slash })
}

fn origin(scheme: &str, authority: &str) -> Option<String> {
    let scheme = ["https", "http"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let port = port(authority);
    let host = port.map_or(authority, |port| &authority[..authority.len() - port.len() - 1]);
    let is_port = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    match route::pattern(host).ok()? {
        HostPattern::Exact(host) if is_port => Some(
            port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")),
        ),
        _ => None,
    }
}

/// The port of an authority, where it names one.
fn port(authority: &str) -> Option<&str> {
    let (_, port) = authority.rsplit_once(':')?;
    (!port.ends_with(']')).then_some(port)
}

fn no_target(text: &str) -> String {
    format!(
        "`{text}` is nowhere to send anybody; write https://example.com, https://example.com/path or /path, of whole segments without \
         dots, `//`, `%`, `\\` or `?`"
    )
}
