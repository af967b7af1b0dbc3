//! The command line.

use std::{path::PathBuf, str::FromStr, time::Duration};

use crate::{Result, servers::Kind};

/// What `--help` prints before the rows.
pub(crate) const USAGE: &str = "\
Measures the balancer beside nginx, HAProxy, Envoy and Caddy on the same work, in interleaved rounds.

  scripts/bench                       all rows
  scripts/bench --quick               the four rows that matter most, three short rounds
  scripts/bench --only ROW[,ROW]      these rows
  scripts/bench --rounds 5            so many rounds for each row
  scripts/bench --seconds 2           so long is one load in one round
  scripts/bench --runs 3              all of it so many times, each with processes of its own
  scripts/bench --connections 64      so many keep-alive connections
  scripts/bench --against PATH        a second build of the balancer as one more contender; may be repeated
  scripts/bench --servers nginx       nginx behind all (or `ours`, our own servers), instead of a loop that costs less
  scripts/bench --json FILE           everything that was measured, as JSON
  scripts/bench --no-build            with the binaries there are
  scripts/bench --page                measures nothing: writes docs/speed.json's figures into docs/speed.md and docs/speed.svg
  scripts/bench --page --check        writes nothing: says whether they are there

The exit status is 1 when a goal is not met or a load went wrong.

";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The names of rows, all where none is named.
    pub(crate) only: Vec<String>,
    /// Only what matters most, and shortly.
    pub(crate) quick: bool,
    /// How many rounds a row has.
    pub(crate) rounds: usize,
    /// How long one load is in one round.
    pub(crate) length: Duration,
    /// How often all of it.
    pub(crate) runs: usize,
    /// How many keep-alive connections a load has.
    pub(crate) connections: usize,
    /// Further balancers to compare with.
    pub(crate) against: Vec<PathBuf>,
    /// Whose servers stand behind all.
    pub(crate) servers: Kind,
    /// Where the JSON goes.
    pub(crate) json: Option<PathBuf>,
    /// Nothing is measured: the page is made of figures there are.
    pub(crate) page: Option<Page>,
    /// A directory for configurations, which exists and is removed by whoever made it.
    pub(crate) scratch: PathBuf,
}

/// What becomes of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// It is written.
    Write,
    /// It is compared with the figures.
    Check,
}

impl Options {
    /// Reads the command line; the error says what to write instead.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let (mut rounds, mut length) = (None, None);
        let mut options = Self {
            only: Vec::new(),
            quick: false,
            rounds: 5,
            length: Duration::from_secs(2),
            runs: 1,
            connections: 64,
            against: Vec::new(),
            servers: Kind::Loop,
            json: None,
            page: None,
            scratch: PathBuf::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--only" => options.only = value()?.split(',').map(|one| one.trim().to_lowercase()).collect(),
                "--rounds" => rounds = Some(number(&argument, &value()?)?),
                "--seconds" => length = Some(Duration::from_secs(number(&argument, &value()?)?)),
                "--runs" => options.runs = number(&argument, &value()?)?,
                "--connections" => options.connections = number(&argument, &value()?)?,
                "--against" => options.against.push(value()?.into()),
                "--servers" => options.servers = kind(&value()?)?,
                "--page" => options.page = options.page.or(Some(Page::Write)),
                "--check" => options.page = Some(Page::Check),
                "--json" => options.json = Some(value()?.into()),
                "--scratch" => options.scratch = value()?.into(),
                _ => return Err(format!("unknown argument {argument}; --help lists those there are").into()),
            }
        }
        if options.quick {
            (options.rounds, options.length) = (3, Duration::from_secs(1));
        }
        options.rounds = rounds.unwrap_or(options.rounds);
        options.length = length.unwrap_or(options.length);
        if options.page.is_none() && options.scratch.as_os_str().is_empty() {
            return Err("--scratch is missing; scripts/bench gives it and removes what is left there".into());
        }
        Ok(options)
    }
}

fn number<T: FromStr + PartialEq + From<u8>>(argument: &str, text: &str) -> Result<T> {
    match text.parse::<T>() {
        Ok(number) if number != T::from(0) => Ok(number),
        _ => Err(format!("{argument}: `{text}` is not a whole number from 1").into()),
    }
}

fn kind(text: &str) -> Result<Kind> {
    match text {
        "loop" => Ok(Kind::Loop),
        "nginx" => Ok(Kind::Nginx),
        "ours" => Ok(Kind::Own),
        _ => Err(format!("--servers: `{text}` is none of loop, nginx and ours").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn several_builds_can_be_compared() {
        let options = read("--against a --against b --only small-get,Idle --scratch /s").unwrap();
        assert_eq!(options.against, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(options.only, ["small-get", "idle"]);
    }

    #[test]
    fn quick_is_short_unless_told_otherwise() {
        let options = read("--rounds 7 --quick --scratch /s").unwrap();
        assert_eq!((options.rounds, options.length), (7, Duration::from_secs(1)));
    }

    #[test]
    fn a_page_needs_no_scratch() {
        assert_eq!(read("--page").unwrap().page, Some(Page::Write));
        assert_eq!(read("--page --check").unwrap().page, Some(Page::Check));
        assert!(read("--quick").is_err());
    }

    #[test]
    fn what_stands_behind_all_costs_little_unless_told_otherwise() {
        let servers = |line| read(line).unwrap().servers;
        assert_eq!(servers("--scratch /s"), Kind::Loop);
        assert_eq!(servers("--servers nginx --scratch /s"), Kind::Nginx);
        assert_eq!(servers("--servers ours --scratch /s"), Kind::Own);
    }

    #[test]
    fn a_bad_value_names_its_argument() {
        assert_eq!(read("--rounds 0").unwrap_err().to_string(), "--rounds: `0` is not a whole number from 1");
        assert_eq!(
            read("--servers apache").unwrap_err().to_string(),
            "--servers: `apache` is none of loop, nginx and ours"
        );
        assert_eq!(read("--json").unwrap_err().to_string(), "--json needs a value");
    }
}
