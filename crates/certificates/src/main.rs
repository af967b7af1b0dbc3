//! A certificate authority in a directory, and certificates of it: what a set needs to be tried out over TLS.
//!
//! ```text
//! DIRECTORY/ca.crt              whom to trust
//! DIRECTORY/authority/ca.key    what signs; nothing that serves needs it, so it is not beside the pairs
//! DIRECTORY/NAME.crt NAME.key   a pair for each name, new at each run
//! ```
//! `scripts/certificates` runs this. It is no authority for a public name: an ACME client gets certificates for those.

mod authority;
mod files;
mod options;

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    authority::Authority,
    options::{Options, USAGE},
};

/// What can go wrong, in words that name the file or the argument.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How a program says that it was called wrongly (`EX_USAGE` of `sysexits.h`).
const CALLED_WRONGLY: u8 = 64;

fn main() -> ExitCode {
    if env::args().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        say(USAGE);
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(env::args().skip(1)) {
        Ok(options) => options,
        Err(reason) => return complain(&reason, ExitCode::from(CALLED_WRONGLY)),
    };
    match write(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), ExitCode::FAILURE),
    }
}

fn write(options: &Options) -> Result<()> {
    let authority = Authority::at(&options.directory)?;
    for name in &options.names {
        authority.issue(name, options.days)?;
        say(&format!("{}", options.directory.join(format!("{name}.crt")).display()));
    }
    Ok(())
}

fn say(text: &str) {
    // Whoever reads may have stopped reading.
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}

fn complain(reason: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(io::stderr(), "certificates: {reason}");
    code
}
