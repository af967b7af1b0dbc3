//! What it is called with.

use std::path::PathBuf;

/// What `--help` says.
pub(crate) const USAGE: &str = "\
Makes a certificate authority and certificates for trying the set out over TLS.

  scripts/certificates [--days N] DIRECTORY [NAME…]

Writes DIRECTORY/ca.crt, and NAME.crt with NAME.key for each name: balancer, server and client unless others are given.
A certificate holds for its name, localhost, 127.0.0.1 and ::1, as a server's and as a client's. A second run keeps the
authority and renews the certificates; each file is changed by renaming, the key before the certificate.

  --days N   for how long the certificates are valid, 1 to 825; 90 unless given";

/// What is made unless names are given.
const NAMES: [&str; 3] = ["balancer", "server", "client"];

/// For how long certificates are valid unless days are given.
const DAYS: u16 = 90;

/// The longest that common clients accept, days.
const MOST_DAYS: u16 = 825;

/// The longest name of a host (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;

/// What to make, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) names: Vec<String>,
    pub(crate) days: u16,
}

impl Options {
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut days, mut rest) = (DAYS, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--days" => days = of_days(&arguments.next().ok_or("--days: how many?")?)?,
                option if option.starts_with('-') => {
                    return Err(format!("`{option}` is no option; see --help"));
                }
                _ => rest.push(argument),
            }
        }
        let mut rest = rest.into_iter();
        let directory = rest.next().ok_or("which directory? See --help")?.into();
        let mut names = rest.map(name).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            names.extend(NAMES.map(str::to_owned));
        }
        Ok(Self { directory, names, days })
    }
}

fn of_days(text: &str) -> Result<u16, String> {
    let days = text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
    days.ok_or_else(|| format!("--days: `{text}` is no whole number from 1 to {MOST_DAYS}"))
}

/// A name becomes two files, so it must stay inside the directory.
fn name(text: String) -> Result<String, String> {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > LONGEST_NAME || !text.split('.').all(is_label) {
        return Err(format!("`{text}` is no name of a host"));
    }
    if text.eq_ignore_ascii_case("ca") {
        return Err("`ca` is the authority's own name; give another".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Options, String> {
        Options::read(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn a_directory_is_enough() {
        let options = of(&["certs"]).unwrap();
        assert_eq!((options.names.as_slice(), options.days), (&NAMES.map(str::to_owned)[..], DAYS));
    }

    #[test]
    fn names_and_days_may_be_given_in_any_order() {
        let options = of(&["certs", "a.example", "--days", "7"]).unwrap();
        assert_eq!((options.names, options.days), (vec!["a.example".to_owned()], 7));
    }

    #[test]
    fn what_is_no_name_of_a_host_writes_no_file() {
        for name in ["../a", "a/b", ".hidden", "a..b", "", "-a", "a-", "*.example", "ca", "CA"] {
            assert!(of(&["certs", name]).is_err(), "{name}");
        }
        assert!(of(&["certs", &"a".repeat(254)]).is_err());
    }

    #[test]
    fn days_beyond_what_clients_accept_are_refused() {
        for days in ["0", "826", "-1", "a year", ""] {
            assert!(of(&["--days", days, "certs"]).unwrap_err().starts_with("--days:"), "{days}");
        }
        assert!(of(&["certs", "--days"]).is_err() && of(&["--hours", "certs"]).is_err() && of(&[]).is_err());
    }
}
