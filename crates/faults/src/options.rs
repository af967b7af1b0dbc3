//! The command line.

use std::{path::PathBuf, time::Duration};

use evenkeel_service::Setting as _;

use crate::Result;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Plays the fault matrix against the set in Docker Compose and judges every cell of it.

  scripts/faults                 all scenarios: ten minutes
  scripts/faults --quick         those that matter most, under six minutes
  scripts/faults --only F1,F4    these
  scripts/faults --peers         F1, F2, F4 and F5 against HAProxy and nginx as well: five minutes more
  scripts/faults --runs 3        so many times in a row, with peers within forty-five minutes
  scripts/faults --clients 64    so many clients in a closed loop (32), half of them GET, half POST
  scripts/faults --think 5ms     each pauses so long between two requests (0ms): for a machine that has other work
  scripts/faults --witness 1000  so many requests a second of the client whose ledgers have to add up (200)
  scripts/faults --tls           over TLS from the clients to the balancer, and from there to the servers
  scripts/faults --counts        cells about time and speed are shown and do not decide: for a machine that has other work
  scripts/faults --json FILE     what was measured, as JSON
  scripts/faults --from FILE     nothing is played: what is shown is what --json has written
  scripts/faults --page          the figures in docs/faults.md are written anew, between its markers
  scripts/faults --no-build      with the images there are

What docs/faults.md shows comes from

  scripts/faults --runs 3 --peers --json docs/faults.json --page

The exit status is 1 when a cell is not met.
";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Options {
    /// The numbers of the scenarios, all where none is named.
    pub(crate) only: Vec<String>,
    /// Only the short ones.
    pub(crate) quick: bool,
    /// The peers as well.
    pub(crate) peers: bool,
    /// How often.
    pub(crate) runs: u32,
    /// How many clients.
    pub(crate) clients: usize,
    /// How long each waits between two requests.
    pub(crate) think: Duration,
    /// How many requests a second the witness sends.
    pub(crate) witness: u32,
    /// TLS on both sides of the balancer.
    pub(crate) tls: bool,
    /// Cells about time and speed do not decide.
    pub(crate) counts_only: bool,
    /// Where the JSON goes.
    pub(crate) json: Option<PathBuf>,
    /// The JSON of earlier runs, which are shown in place of new ones.
    pub(crate) from: Option<PathBuf>,
    /// The figures of the page are written anew.
    pub(crate) page: bool,
    /// The Compose project.
    pub(crate) project: String,
    /// A directory for journals and configurations, which exists and is removed by whoever made it.
    pub(crate) scratch: PathBuf,
}

impl Options {
    /// Reads the command line; the error says what to write instead.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            only: Vec::new(),
            quick: false,
            peers: false,
            runs: 1,
            clients: 32,
            think: Duration::ZERO,
            witness: 200,
            tls: false,
            counts_only: false,
            json: None,
            from: None,
            page: false,
            project: String::new(),
            scratch: PathBuf::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--peers" => options.peers = true,
                "--only" => options.only = value()?.split(',').map(|one| one.trim().to_uppercase()).collect(),
                "--runs" => options.runs = number(&argument, &value()?)?,
                "--clients" => options.clients = number(&argument, &value()?)?,
                "--think" => options.think = Duration::parse(&value()?)?,
                "--witness" => options.witness = number(&argument, &value()?)?,
                "--tls" => options.tls = true,
                "--counts" => options.counts_only = true,
                "--json" => options.json = Some(value()?.into()),
                "--from" => options.from = Some(value()?.into()),
                "--page" => options.page = true,
                "--project" => options.project = value()?,
                "--scratch" => options.scratch = value()?.into(),
                _ => return Err(format!("unknown argument {argument}; --help lists those there are").into()),
            }
        }
        if options.tls && (options.peers || options.page) {
            return Err("--tls is for the balancer alone: leave out --peers and --page".into());
        }
        if options.project.is_empty() || options.scratch.as_os_str().is_empty() {
            return Err(
                "--project and --scratch are missing; scripts/faults gives both and removes what they leave"
                    .into(),
            );
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr + PartialEq + From<u8>>(argument: &str, text: &str) -> Result<T> {
    match text.parse::<T>() {
        Ok(number) if number != T::from(0) => Ok(number),
        _ => Err(format!("{argument}: `{text}` is not a whole number from 1").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn scenarios_are_named_in_any_case() {
        let options = read("--only f1,F4 --runs 3 --project p --scratch /s").unwrap();
        assert_eq!((options.only, options.runs), (vec!["F1".to_owned(), "F4".to_owned()], 3));
    }

    #[test]
    fn peers_and_the_page_are_without_tls() {
        assert!(read("--tls --project p --scratch /s").unwrap().tls);
        for other in ["--peers", "--page"] {
            assert!(read(&format!("--tls {other} --project p --scratch /s")).is_err());
        }
    }

    #[test]
    fn a_bad_number_names_its_argument() {
        assert_eq!(read("--runs 0").unwrap_err().to_string(), "--runs: `0` is not a whole number from 1");
        assert_eq!(read("--json").unwrap_err().to_string(), "--json needs a value");
    }
}
