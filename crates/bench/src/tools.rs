//! The programs it takes, where they are, and which versions.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Result;

/// Where Debian installs what an ordinary user's path does not lead to.
const BESIDE_THE_PATH: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// What there is. Only our own are needed.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    /// Our balancer.
    pub(crate) balancer: PathBuf,
    /// Our server.
    pub(crate) server: PathBuf,
    /// Our client.
    pub(crate) client: PathBuf,
    /// The least that a proxy can be.
    pub(crate) bare: PathBuf,
    /// The least that servers can be.
    pub(crate) answers: PathBuf,
    /// A peer, and servers for whoever asks for them.
    pub(crate) nginx: Option<PathBuf>,
    /// A peer.
    pub(crate) haproxy: Option<PathBuf>,
    /// A peer.
    pub(crate) envoy: Option<PathBuf>,
    /// A peer.
    pub(crate) caddy: Option<PathBuf>,
    /// The load.
    pub(crate) wrk: Option<PathBuf>,
}

impl Tools {
    /// Looks for all of them; ours are beside this program.
    pub(crate) fn find() -> Result<Self> {
        let directory = env::current_exe()?.parent().ok_or("this program is in no directory")?.to_owned();
        let own = |name: &str| {
            let path = directory.join(name);
            let missing = format!("{} is missing; run scripts/bench without --no-build", path.display());
            if path.exists() { Ok(path) } else { Err(missing) }
        };
        Ok(Self {
            target: directory.parent().unwrap_or(&directory).to_owned(),
            balancer: own("balancer")?,
            server: own("server")?,
            client: own("client")?,
            bare: own("bare")?,
            answers: own("answers")?,
            nginx: find("nginx"),
            haproxy: find("haproxy"),
            envoy: find("envoy"),
            caddy: find("caddy"),
            wrk: find("wrk"),
        })
    }

    /// What each says about its version.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let own = version(&self.balancer, "--version");
        let others = [
            ("nginx", &self.nginx, "-v"),
            ("HAProxy", &self.haproxy, "-v"),
            ("Envoy", &self.envoy, "--version"),
            ("Caddy", &self.caddy, "version"),
            ("wrk", &self.wrk, "-v"),
        ];
        let others = others.into_iter().filter_map(|(name, path, argument)| {
            Some((name.to_owned(), version(path.as_deref()?, argument)))
        });
        others.chain([("Evenkeel".to_owned(), own)]).collect()
    }

    /// What is not there, and what that means.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let missing = [
            (self.nginx.is_none(), "nginx is not installed: it is not compared"),
            (self.haproxy.is_none(), "haproxy is not installed: it is not compared"),
            (self.envoy.is_none(), "envoy is not installed: it is not compared"),
            (self.caddy.is_none(), "caddy is not installed: it is not compared"),
            (
                self.wrk.is_none(),
                "wrk is not installed: our own client is the load, which costs more than wrk",
            ),
        ];
        missing.into_iter().filter_map(|(is_missing, words)| is_missing.then_some(words)).collect()
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(BESIDE_THE_PATH.map(PathBuf::from));
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The first line with words of what a program says; some say it as an error.
fn version(program: &Path, argument: &str) -> String {
    let said = Command::new(program).arg(argument).output();
    let said = said.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let line = String::from_utf8_lossy(&said)
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .to_owned();
    number_in(&line).unwrap_or("unknown").to_owned()
}

/// The version in a line such as `nginx version: nginx/1.22.1` or `wrk debian/4.1.0-3 [epoll] …`.
fn number_in(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().flat_map(|word| word.rsplit('/'));
    let is_version =
        |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    words.find(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        assert_eq!(number_in("nginx version: nginx/1.22.1"), Some("1.22.1"));
        assert_eq!(
            number_in("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"),
            Some("2.6.12-1+deb12u4")
        );
        assert_eq!(number_in("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012"), Some("4.1.0-3+b2"));
        assert_eq!(
            number_in("/usr/bin/envoy  version: 9e55809337/1.40.0/Clean/RELEASE/BoringSSL"),
            Some("1.40.0")
        );
        assert_eq!(number_in("2.11.4"), Some("2.11.4"));
        assert_eq!(number_in("no version"), None);
    }
}
