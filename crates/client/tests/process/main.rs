//! The client as a process, against origins that behave well or badly on purpose.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod metrics;
mod origin;
mod proof;
mod requests;
mod terminal;
mod tls;

use std::process::{Command, Output, Stdio};

use origin::Origin;

/// The client, not yet started, with these variables and no others.
fn client(target: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client"));
    command.env_clear().env("CLIENT_TARGET", target).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the client against `origin`: what it printed, and its exit status.
fn run(origin: &Origin, variables: &[(&str, &str)]) -> (String, i32) {
    finished(&evenkeel_stage::output(&mut client(&format!("http://{}", origin.address), variables)))
}

fn finished(output: &Output) -> (String, i32) {
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code().unwrap())
}
