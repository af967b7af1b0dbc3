//! `server:8080` or `a:8080;weight=2,b:8080;backup`: where endpoints come from, as a person writes it. `anna=10.0.0.1:8080`
//! says as well what people call the server there.
//!
//! Each name stands for all the addresses it resolves to. Everything that is wrong with a text is said at once, each
//! with what to write instead.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::endpoint::Weight;

/// The names of an upstream, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec(Vec<NameSpec>);

/// One name and what holds for all its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSpec {
    /// What people call the server there, where they say so.
    pub called: Option<String>,
    /// A host name or an IP address, an IPv6 one without its brackets.
    pub host: String,
    /// The port of every address.
    pub port: u16,
    /// The weight of every address.
    pub weight: Weight,
    /// Whether its addresses serve only while no other endpoint can.
    pub backup: bool,
}

impl UpstreamSpec {
    /// The names in the order in which they were written; [`Control::resolved`](crate::Control::resolved) takes an
    /// index into them.
    pub fn names(&self) -> &[NameSpec] {
        &self.0
    }

    /// Where the same name stands in these, whatever is said about it.
    pub fn place_of(&self, name: &NameSpec) -> Option<usize> {
        self.0.iter().position(|other| (&other.host, other.port) == (&name.host, name.port))
    }
}

impl fmt::Display for NameSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Everything that is wrong with the text, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(Vec<String>);

impl SpecError {
    /// The problems, in the order of the text.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for SpecError {}

impl FromStr for UpstreamSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (mut names, mut problems): (Vec<NameSpec>, Vec<String>) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim) {
            if let Some(problem) = blanks(entry) {
                problems.push(problem);
                continue;
            }
            match parse_entry(entry, &mut problems) {
                Some(name)
                    if names.iter().any(|other| (&other.host, other.port) == (&name.host, name.port)) =>
                {
                    problems.push(format!("`{name}` is named twice; name it once"));
                }
                Some(name)
                    if name.called.is_some() && names.iter().any(|other| other.called == name.called) =>
                {
                    let called = name.called.unwrap_or_default();
                    problems.push(format!("two servers are called `{called}`; call one of them otherwise"));
                }
                Some(name) => names.push(name),
                None => {}
            }
        }
        if problems.is_empty() && names.iter().all(|name| name.backup) {
            problems.push("every name is a backup; leave `;backup` out for at least one".to_owned());
        }
        if problems.is_empty() { Ok(Self(names)) } else { Err(SpecError(problems)) }
    }
}

/// What is meant by an entry of several words, where that can be told.
fn blanks(entry: &str) -> Option<String> {
    let words: Vec<&str> = entry.split_whitespace().filter(|word| !word.starts_with(';')).collect();
    let (first, others) = words.split_first().filter(|(_, others)| !others.is_empty())?;
    let is_server = |word: &&str| word.contains(':');
    let is_option = |word: &&str| *word == "backup" || word.starts_with("weight=");
    if is_server(first) && others.iter().all(is_server) {
        return Some(format!("`{entry}` are several servers; write {}", words.join(",")));
    }
    if first.ends_with(';') || entry.contains(" ;") {
        return None;
    }
    if is_server(first) && others.iter().all(is_option) {
        return Some(format!("`{entry}` has a blank before an option; write {}", words.join(";")));
    }
    // The line of another proxy: `server web1 10.0.0.1:80 weight 2 check`, or with an option that only that one has.
    let server =
        words.iter().enumerate().find(|(at, word)| is_server(word) && (*at == 0 || !word.contains('=')));
    let (_, server) = server?;
    Some(format!(
        "`{entry}` is not how a server is written here; write {server}, and behind it ;weight=2 or ;backup where it has one"
    ))
}

fn parse_entry(entry: &str, problems: &mut Vec<String>) -> Option<NameSpec> {
    let (authority, options) =
        entry.split_once(';').map_or((entry, None), |(name, options)| (name, Some(options)));
    let known_problems = problems.len();
    let (called, authority) = match authority.split_once('=') {
        Some((called, authority)) => (Some(called.trim()), authority),
        None => (None, authority),
    };
    if let Some(called) = called.filter(|called| !is_server_name(called)) {
        problems.push(format!(
            "`{called}` is no name for a server; write up to {LONGEST_NAME} letters, digits, dots, dashes and underscores, as in \
             anna={}",
            authority.trim()
        ));
    }
    let at = parse_authority(authority.trim()).map_err(|problem| problems.push(problem)).ok();
    let (mut weight, mut backup) = (Weight::ONE, false);
    for option in options.into_iter().flat_map(|options| options.split(';')).map(str::trim) {
        match option.split_once('=') {
            None if option == "backup" => backup = true,
            Some(("weight", number)) => match number.parse().ok().and_then(Weight::new) {
                Some(parsed) => weight = parsed,
                None => problems.push(format!(
                    "`{number}` is no weight; write weight=1 to weight={} in `{entry}`",
                    Weight::MAX
                )),
            },
            _ => problems.push(format!("`{option}` is no option; write weight=2 or backup in `{entry}`")),
        }
    }
    let (host, port) = at?;
    let called = called.map(str::to_owned);
    (problems.len() == known_problems).then_some(NameSpec { called, host, port, weight, backup })
}

/// The longest name of a server, in bytes: that of a label in DNS (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 63;

fn is_server_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn parse_authority(text: &str) -> Result<(String, u16), String> {
    if text.is_empty() {
        return Err("an entry is empty; write server:8080".to_owned());
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("`{text}` begins with {scheme}://; leave that out: {rest}"));
    }
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.is_empty() || path.contains('/')) {
        let shown = if path.is_empty() { text } else { path };
        return Err(format!(
            "`{shown}` is a Unix socket, and servers are spoken to over TCP alone; write host:port, as in server:8080"
        ));
    }
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) =
            bracketed.split_once(']').ok_or(format!("`{text}` has no closing bracket; write [::1]:8080"))?;
        if !matches!(host.parse(), Ok(IpAddr::V6(_))) {
            return Err(format!("`{host}` is no IPv6 address; write it as [::1]:8080"));
        }
        (host, rest.strip_prefix(':'))
    } else {
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(format!(
                    "`{text}` looks like an IPv6 address; write it as [{text}]:8080 or [{host}]:8080"
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port.ok_or(format!("`{text}` has no port; write it as {text}:8080"))?;
    let number = port.parse().ok().filter(|&number| number != 0 && !port.starts_with('+'));
    let number = number.ok_or(format!("`{port}` is no port; write {host}:8080"))?;
    let named =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if !named {
        return Err(format!("`{host}` is no host name; write a name or an address, as in server:8080"));
    }
    Ok((host.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str, port: u16, weight: u16, backup: bool) -> NameSpec {
        let weight = Weight::new(weight).unwrap();
        NameSpec { called: None, host: host.to_owned(), port, weight, backup }
    }

    fn problems(text: &str) -> Vec<String> {
        text.parse::<UpstreamSpec>().unwrap_err().problems().to_vec()
    }

    #[test]
    fn one_name_is_enough() {
        let spec: UpstreamSpec = "server:8080".parse().unwrap();
        assert_eq!(spec.names(), [name("server", 8080, 1, false)]);
    }

    #[test]
    fn a_list_has_weights_and_backups() {
        let spec: UpstreamSpec = "a:8080;weight=2, b:8081;backup,[::1]:80;weight=3;backup".parse().unwrap();
        let expected = [name("a", 8080, 2, false), name("b", 8081, 1, true), name("::1", 80, 3, true)];
        assert_eq!(spec.names(), expected);
    }

    #[test]
    fn a_server_has_the_name_that_it_is_given_once() {
        let spec: UpstreamSpec = "server-1=127.0.0.1:8081, b=[::1]:80;weight=3".parse().unwrap();
        let called = |name: &str| Some(name.to_owned());
        let expected = [
            NameSpec { called: called("server-1"), ..name("127.0.0.1", 8081, 1, false) },
            NameSpec { called: called("b"), ..name("::1", 80, 3, false) },
        ];
        assert_eq!(spec.names(), expected);
        assert_eq!(
            problems("a=b:80,a=c:80,=d:80,a b=e:80"),
            [
                "two servers are called `a`; call one of them otherwise",
                "`` is no name for a server; write up to 63 letters, digits, dots, dashes and underscores, as in anna=d:80",
                "`a b` is no name for a server; write up to 63 letters, digits, dots, dashes and underscores, as in anna=e:80",
            ]
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        assert_eq!(
            problems("server,b:8080;weight=0,c:99999,http://d:80;spare"),
            [
                "`server` has no port; write it as server:8080",
                "`0` is no weight; write weight=1 to weight=256 in `b:8080;weight=0`",
                "`99999` is no port; write c:8080",
                "`http://d:80` begins with http://; leave that out: d:80",
                "`spare` is no option; write weight=2 or backup in `http://d:80;spare`",
            ]
        );
    }

    #[test]
    fn what_is_written_as_elsewhere_is_told_how_to_write_it_here() {
        for (text, problem) in [
            ("a:80 weight=2", "`a:80 weight=2` has a blank before an option; write a:80;weight=2"),
            ("b=a:80 weight=2 backup", "write b=a:80;weight=2;backup"),
            ("a:80 b:80", "`a:80 b:80` are several servers; write a:80,b:80"),
            ("a:80;weight=2  b:81", "are several servers; write a:80;weight=2,b:81"),
            (
                "unix:/run/app.sock",
                "`/run/app.sock` is a Unix socket, and servers are spoken to over TCP alone; write",
            ),
            ("unix:", "`unix:` is a Unix socket"),
            (
                "server web1 10.0.0.1:80 weight 2 check",
                "write 10.0.0.1:80, and behind it ;weight=2 or ;backup",
            ),
            ("a:80 max_fails=3", "`a:80 max_fails=3` is not how a server is written here; write a:80, and"),
        ] {
            assert_eq!(problems(text).len(), 1, "{text}");
            assert!(problems(text)[0].contains(problem), "{text}: {}", problems(text)[0]);
        }
        for text in ["unix:8080", "a:80; weight=2", "a:80 ;weight=2", "a:80;weight=2; backup,b:80"] {
            assert!(text.parse::<UpstreamSpec>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_cannot_serve_is_refused() {
        for text in
            ["", ",", "a:0", "a:+1", "::1:8080", "[::1:8080", "[a]:80", "a b:80", "a:80,a:80", "a:80;backup"]
        {
            assert!(!problems(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_name_is_written_as_it_was_read() {
        for text in ["server:8080", "[::1]:80", "10.0.0.1:1"] {
            assert_eq!(text.parse::<UpstreamSpec>().unwrap().names()[0].to_string(), text);
        }
    }
}
